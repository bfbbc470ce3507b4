"""Scores answers without ever raising: several at once, in threads that can be left behind, each with its time."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._records import Case, Outcome, Score
from toolkit._redact import redact
from toolkit.scorers._scorer import FunctionScorer, Scorer, why_not

_WORDS = {"true": 1.0, "yes": 1.0, "pass": 1.0, "false": 0.0, "no": 0.0, "fail": 0.0}

# Answers that one scorer is asked about at a time: enough for one that waits for a service.
_AT_ONCE = 8

# Seconds after which another thread joins in: a scorer that only computes is through with a batch before, and threads
# that compute at the same time only wait for each other.
_JOIN_S = 0.02

# What scorers return most is taken without a closer look, up to what every whole number has a float for.
_NUMBERS = (bool, float, int)
_LARGEST = 2.0**1023


async def score_outcome(scorer: Scorer, outcome: Outcome, case: Case, *, timeout_s: float = 60.0) -> list[Score]:
    """As `score_outcomes`, of one outcome."""
    (scores,) = await score_outcomes(scorer, [(outcome, case)], timeout_s=timeout_s)
    return scores


async def score_outcomes(
    scorer: Scorer, answers: Sequence[tuple[Outcome, Case]], *, timeout_s: float = 60.0
) -> list[list[Score]]:
    """Returns what `scorer` says of each outcome; whatever goes wrong is a score of NaN that says why.

    A trial without an answer, and a refused one, is NaN and the scorer is not called, unless it `scores_failures`. A
    plain scorer runs in threads of its own; a thread that does not come back in time is left behind, because it cannot
    be ended, and another takes its place.

    Args:
        scorer: Made by `as_scorer`.
        answers: What each trial ended with, and the case it belongs to, with its expected answer.
        timeout_s: Seconds the scorer may take for one of them.
    """
    takes_all = getattr(scorer, "scores_failures", False)
    reasons = [None if takes_all else why_not(outcome) for outcome, _ in answers]
    asked = [pair for pair, reason in zip(answers, reasons, strict=True) if reason is None]
    function = scorer.function if isinstance(scorer, FunctionScorer) else scorer
    if inspect.iscoroutinefunction(function):
        found = await _awaited([functools.partial(scorer, *pair) for pair in asked], timeout_s)
    else:
        found = await _Threads(scorer, asked, timeout_s).run()
        found = await _awaited_where_needed(found, timeout_s)
    told = iter(found)
    # Read once: they may be put together each time.
    by = _Named(name=scorer.name, spec=scorer.spec, version=scorer.version)
    return [
        [_unscored(by, reason)] if reason is not None else _read_safely(next(told), by, timeout_s) for reason in reasons
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What a score says of its scorer."""

    name: str
    spec: str
    version: str


class _Raised:
    """What a scorer raised instead of returning."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _TooLong:
    """Stands for what a scorer would have returned, had it come back in time."""


_TOO_LONG = _TooLong()


class _Threads:
    """Calls a plain scorer for every answer, some at a time, in daemon threads.

    A hanging scorer holds up neither the event loop nor the end of the process.
    """

    def __init__(self, scorer: Scorer, answers: Sequence[tuple[Outcome, Case]], timeout_s: float) -> None:
        self._scorer = scorer
        self._answers = answers
        self._timeout_s = timeout_s
        self._found: list[Any] = [_TOO_LONG] * len(answers)
        self._next = 0
        self._lock = threading.Lock()
        self._since: dict[object, tuple[int, float]] = {}
        """For each thread at work: its answer's place, and when it began."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def run(self) -> list[Any]:
        """Returns what the scorer returned for each, `_Raised`, or `_TOO_LONG`."""
        self._start()
        while at_work := list(self._since.values()):
            oldest = min(began for _, began in at_work)
            wait_s = max(oldest + self._timeout_s - time.monotonic(), 0.0) + 0.001
            has_room = len(at_work) < _AT_ONCE and self._next < len(self._answers)
            try:
                await asyncio.wait_for(self._changed.wait(), min(wait_s, _JOIN_S) if has_room else wait_s)
            except TimeoutError:
                self._leave_behind()
                if has_room:
                    self._start()
            self._changed.clear()
        return self._found

    def _start(self) -> None:
        """Starts a thread, if there is an answer left for it."""
        thread = object()
        with self._lock:
            if not self._take(thread):
                return
        threading.Thread(target=self._work, args=(thread,), name="toolkit-scorer", daemon=True).start()

    def _take(self, thread: object) -> bool:
        if self._next >= len(self._answers):
            return False
        self._since[thread] = (self._next, time.monotonic())
        self._next += 1
        return True

    def _leave_behind(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [thread for thread, (_, began) in self._since.items() if now - began >= self._timeout_s]
            for thread in late:
                del self._since[thread]
        for _ in late:
            self._start()

    def _work(self, thread: object) -> None:
        place: int | None = self._place_of(thread)
        while place is not None:
            outcome, case = self._answers[place]
            try:
                found: Any = self._scorer(outcome, case)
            except BaseException as error:  # noqa: BLE001  # also sys.exit(): it is told as the scorer's error
                found = _Raised(error)
            with self._lock:
                # One that was left behind comes back to nothing.
                if self._since.pop(thread, None) is not None:
                    self._found[place] = found
                    self._take(thread)
            place = self._place_of(thread)
        if not self._since and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    def _place_of(self, thread: object) -> int | None:
        found = self._since.get(thread)
        return None if found is None else found[0]


async def _awaited(calls: Sequence[Callable[[], Awaitable[Any]]], timeout_s: float) -> list[Any]:
    """Returns what each gives, `_Raised`, or `_TOO_LONG`; some at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Callable[[], Awaitable[Any]]) -> Any:
        async with places:
            limit = asyncio.timeout(timeout_s)
            try:
                async with limit:
                    return await call()
            except Exception as error:  # noqa: BLE001  # a scorer is foreign code: the reason is stored
                return _TOO_LONG if limit.expired() else _Raised(error)

    return list(await asyncio.gather(*map(one, calls)))


async def _awaited_where_needed(found: list[Any], timeout_s: float) -> list[Any]:
    later = [place for place, each in enumerate(found) if type(each) not in _NUMBERS and inspect.isawaitable(each)]
    if later:
        calls = [functools.partial(_itself, found[place]) for place in later]
        for place, each in zip(later, await _awaited(calls, timeout_s), strict=True):
            found[place] = each
    return found


def _itself(awaitable: Awaitable[Any]) -> Awaitable[Any]:
    return awaitable


def _read_safely(found: Any, scorer: _Named, timeout_s: float) -> list[Score]:
    if type(found) in _NUMBERS and -_LARGEST <= found <= _LARGEST:
        value = float(found)
        return [Score(name=scorer.name, value=value, scorer=scorer.spec, scorer_version=scorer.version)]
    if type(found) is Score and _is_own(found, scorer):
        return [found]
    if found is _TOO_LONG:
        return [_unscored(scorer, f"the scorer took longer than {timeout_s:g} s")]
    error = found.error if isinstance(found, _Raised) else None
    if error is None:
        try:
            return _read(found, scorer)
        except Exception as raised:  # noqa: BLE001  # what it returned is foreign code too: its float() may raise
            error = raised
    return [_unscored(scorer, f"the scorer raised {type(error).__name__}: {redact(_one_line(error))}")]


def _is_own(score: Score, scorer: _Named) -> bool:
    """Whether a scorer's score needs nothing done to it."""
    return (
        score.name == scorer.name
        and score.scorer == scorer.spec
        and score.scorer_version == scorer.version
        and type(score.value) is float
        and math.isfinite(score.value)
        and (score.explanation is None or type(score.explanation) is str)
    )


def _unscored(scorer: _Named, reason: str) -> Score:
    return Score(name=scorer.name, explanation=reason, scorer=scorer.spec, scorer_version=scorer.version)


def _read(found: Any, scorer: _Named) -> list[Score]:
    """Turns whatever a scorer returned into scores."""
    if not isinstance(found, Mapping):
        return [_one(found, scorer.name, scorer)]
    if not found:
        return [_one(None, scorer.name, scorer)]
    return [_one(value, f"{scorer.name}.{key}", scorer) for key, value in found.items()]


def _one(found: Any, name: str, scorer: _Named) -> Score:
    if isinstance(found, Score):
        value, reason = _number(found.value)
        explanation = reason if found.explanation is None else str(found.explanation)
        name = found.name if name == scorer.name and found.name else name
    else:
        value, explanation = _number(found)
    if math.isinf(value):
        value, explanation = math.nan, f"{value} is not a score"
    return Score(name=name, value=value, explanation=explanation, scorer=scorer.spec, scorer_version=scorer.version)


def _number(found: Any) -> tuple[float, str | None]:
    """Returns the number that `found` stands for; NaN and a reason when it stands for none."""
    if found is None:
        return math.nan, "the scorer returned None"
    if isinstance(found, str):
        word = found.strip().casefold()
        if word in _WORDS:
            return _WORDS[word], None
    elif not isinstance(found, int | float) and not hasattr(found, "__float__"):
        return math.nan, f"the scorer returned {type(found).__name__}, which is not a number"
    try:
        value = float(found)
    except (TypeError, ValueError, OverflowError):
        return math.nan, f"the scorer returned {_short(found)}, which is not a number"
    return value, "the scorer returned NaN" if math.isnan(value) else None


def _short(value: Any) -> str:
    shown = repr(value)
    return redact(shown if len(shown) <= 80 else shown[:79] + "…")


def _one_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else "no message"
