"""The Scorer protocol, how a plain function becomes one, and how one answer is scored without ever raising."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from toolkit._records import Case, Outcome, Score
from toolkit._redact import redact
from toolkit.errors import UsageError

# Response.finish_reason words by which providers say that their filter kept the answer back.
_REFUSING = frozenset({"content_filter", "refusal", "safety", "SAFETY"})

_WORDS = {"true": 1.0, "yes": 1.0, "pass": 1.0, "false": 0.0, "no": 0.0, "fail": 0.0}

# Arguments that a scoring function may ask for by name.
_BY_NAME: dict[str, Callable[[Outcome, Case], Any]] = {
    "outcome": lambda outcome, case: outcome,
    "case": lambda outcome, case: case,
    "text": lambda outcome, case: outcome.text,
    "expected": lambda outcome, case: case.expected,
    "variables": lambda outcome, case: case.variables,
}


class Scorer(Protocol):
    """A function that gives a number about one outcome, with what is needed to name and rebuild it.

    It may be plain or async. It may return a number, a truth value, text that says either ("0.8", "yes", "fail"), a
    `Score`, `None` for "not scored", or a mapping of names to any of these for several scores at once. An attribute
    `scores_failures = True` asks to be called for trials without an answer and for refusals too.
    """

    @property
    def name(self) -> str:
        """Name of the score: the frame's column is `score.NAME`."""
        ...

    @property
    def version(self) -> str:
        """Changes when equal answers would be scored differently."""
        ...

    @property
    def spec(self) -> str:
        """What rebuilds the scorer: `contains(ignore_case=True)`."""
        ...

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Returns what the scorer says of `outcome`, or an awaitable of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionScorer:
    """A plain function as a scorer."""

    name: str
    version: str
    spec: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    """Names from `outcome`, `case`, `text`, `expected`, `variables`, in the order of the function's parameters."""

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Calls the function with the arguments it asks for."""
        return self.function(*(_BY_NAME[name](outcome, case) for name in self.arguments))


def as_scorer(scorer: Scorer | Callable[..., Any], *, name: str | None = None, version: str = "1") -> Scorer:
    """Returns a scorer as it is, and a function as a scorer.

    A function gets what its parameters are called: any of `outcome`, `case`, `text`, `expected`, `variables`. When they
    are called otherwise, the first gets the outcome and the second, if there is one, the case.

    Args:
        scorer: A scorer or a function, plain or async.
        name: Name of the score; `None` = the function's own.
        version: For a function: change it when the function changes, so that old and new scores are told apart.

    Raises:
        UsageError: If it cannot be called with one or two arguments, or has no usable name.

    Example:
        >>> def short(text): return len(text) < 100
        >>> as_scorer(short).name
        'short'
    """
    if not callable(scorer):
        raise UsageError(f"A scorer is a function or a scorer object, not {scorer!r}.")
    if all(isinstance(getattr(scorer, field, None), str) for field in ("name", "version", "spec")):
        ready = cast("Scorer", scorer)
        if name is not None:
            raise UsageError(f"The scorer {ready.name!r} has its name already; give `name` where it is made.")
        return ready
    function = cast("Callable[..., Any]", scorer)
    inner = function.func if isinstance(function, functools.partial) else function
    own_name = getattr(inner, "__name__", type(inner).__name__)
    own_name = "lambda" if own_name == "<lambda>" else own_name
    return FunctionScorer(
        name=name or own_name,
        version=version,
        spec=f"{getattr(inner, '__module__', '?')}:{getattr(inner, '__qualname__', own_name)}",
        function=function,
        arguments=_arguments(function, own_name),
    )


async def score_outcome(scorer: Scorer, outcome: Outcome, case: Case, *, timeout_s: float = 60.0) -> list[Score]:
    """Returns what `scorer` says of one outcome; whatever goes wrong is a score of NaN that says why.

    A trial without an answer, and a refused one, is NaN and the scorer is not called, unless it `scores_failures`. A
    plain scorer runs in a thread of its own; one that does not come back in time is left behind there, because a thread
    cannot be ended.

    Args:
        scorer: Made by `as_scorer`.
        outcome: What the trial ended with.
        case: The case it belongs to, with its expected answer.
        timeout_s: Seconds the scorer may take.
    """

    def unscored(reason: str) -> list[Score]:
        return [Score(name=scorer.name, explanation=reason, scorer=scorer.spec, scorer_version=scorer.version)]

    if not getattr(scorer, "scores_failures", False) and (reason := _why_not(outcome)) is not None:
        return unscored(reason)
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            found = await _call(scorer, outcome, case)
        return _read(found, scorer)
    except Exception as error:  # noqa: BLE001  # a scorer is foreign code: the answer is kept, the reason is stored
        if limit.expired():
            return unscored(f"the scorer took longer than {timeout_s:g} s")
        return unscored(f"the scorer raised {type(error).__name__}: {redact(_one_line(error))}")


def is_refused(outcome: Outcome) -> bool:
    """True when there is an answer and it is a refusal, by the provider's word."""
    response = outcome.response
    return response is not None and (response.refusal is not None or response.finish_reason in _REFUSING)


def _why_not(outcome: Outcome) -> str | None:
    if outcome.response is None:
        return f"no answer: {outcome.failure.kind if outcome.failure is not None else outcome.status}"
    return "refused" if is_refused(outcome) else None


def _arguments(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a few built-in functions tell no signature
        return ("outcome", "case")
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    wanted = [p for p in places if p.default is p.empty or p.name in _BY_NAME]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and len(wanted) < 2:
        return ("outcome", "case")
    if wanted and all(p.name in _BY_NAME for p in wanted) and wanted == places[: len(wanted)]:
        arguments = tuple(p.name for p in wanted)
    else:
        arguments = ("outcome", "case")[: len(wanted)]
    needs_more = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    if not arguments or len(arguments) < len(wanted) or needs_more:
        raise UsageError(
            f"The scorer {name!r} takes {inspect.signature(function)}; write it as (outcome, case), or with parameters "
            f"called {', '.join(_BY_NAME)}."
        )
    return arguments


async def _call(scorer: Scorer, outcome: Outcome, case: Case) -> Any:
    function = scorer.function if isinstance(scorer, FunctionScorer) else scorer
    if inspect.iscoroutinefunction(function):
        return await scorer(outcome, case)
    found = await _in_thread(lambda: scorer(outcome, case))
    return await found if inspect.isawaitable(found) else found


async def _in_thread(call: Callable[[], Any]) -> Any:
    """Runs `call` in a daemon thread: a hanging scorer holds up neither the event loop nor the end of the process."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()
    found: list[Any] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001  # also sys.exit(): it is raised again where it is waited for
            raised.append(error)
        # A scorer that was left behind may come back after the loop has closed.
        if not loop.is_closed():
            loop.call_soon_threadsafe(finished.set)

    threading.Thread(target=work, name="toolkit-scorer", daemon=True).start()
    await finished.wait()
    if not raised:
        return found[0]
    if isinstance(raised[0], Exception):
        raise raised[0]
    # SystemExit and its like would end the event loop, which is not what the scorer's author meant.
    raise RuntimeError(f"{type(raised[0]).__name__}: {_one_line(raised[0])}") from raised[0]


def _read(found: Any, scorer: Scorer) -> list[Score]:
    """Turns whatever a scorer returned into scores."""
    if not isinstance(found, Mapping):
        return [_one(found, scorer.name, scorer)]
    if not found:
        return [_one(None, scorer.name, scorer)]
    return [_one(value, f"{scorer.name}.{key}", scorer) for key, value in found.items()]


def _one(found: Any, name: str, scorer: Scorer) -> Score:
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
