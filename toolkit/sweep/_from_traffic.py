"""The public call for cases out of one's own live calls: the variables that the proxy filled a prompt with."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from toolkit import _sync
from toolkit._records import RunView, Trial
from toolkit.engine import Engine, default_engine
from toolkit.errors import RunNotFoundError, UsageError
from toolkit.langfuse import FoundCase, moment_text
from toolkit.prompts import PromptReference, parse_reference
from toolkit.results import Frame, case_table, counted
from toolkit.store import TRAFFIC, StoredOutcomes, measures_of
from toolkit.sweep._case_picking import Redact, Sample, check_redact, check_sample, pick
from toolkit.sweep._moments import Moment, moment_of

_OWN_MESSAGES = "(their own messages)"


def from_traffic(
    prompt: str | PromptReference | None = None,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    sample: Sample = 100,
    seed: int = 0,
    dedupe: bool = True,
    redact: Redact | None = None,
    expected: Literal["output"] | None = None,
    engine: Engine | None = None,
) -> Frame:
    """Returns the variables that live calls filled a prompt with, one row a case, for a sweep's `variables`.

    Live calls are those that the proxy answered and kept in the run store (see `traffic`); no server is asked. The
    columns are `id` (the call's, `use_id` where a variable is called so), the variables, and `expected` if asked for.
    `frame.attrs["traffic"]` says where the cases are from.

    Args:
        prompt: Such as `support-reply` or `support-reply@*` (any version), `support-reply@8`, `support-reply@3..7`,
            `support-reply@production` (the version that holds the label now); `None` = the only one that was called.
        since: A moment, or how long ago (`7d`); `None` = all that is kept.
        until: A moment, or how long ago; `None` = now.
        sample: Most cases, drawn by `seed`; `all` = every one.
        seed: The same seed draws the same cases.
        dedupe: Each set of variables once; `attrs` has how often it was used.
        redact: Called with the name of a variable and each text in it, returns the text to keep; `None` = texts stay.
        expected: `output` = what was answered then is the expected answer; `None` = there is none.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If `prompt` is left out and several were called, an argument cannot be read, or `redact` gives
            something else than text.
        PromptError: If a label cannot be resolved.
        RunNotFoundError: If there are no such calls; the message says of which prompts there are.

    Example:
        >>> cases = from_traffic("support-reply", since="7d")    # doctest: +SKIP
        >>> sweep(["support-reply@production", "support-reply@9"], variables=cases)    # doctest: +SKIP
    """
    check_sample(sample)
    check_redact(redact)
    if expected not in (None, "output"):
        raise UsageError(f"`expected` is 'output' (what was answered then) or None; got {expected!r}.")
    engine, now = engine or default_engine(), dt.datetime.now(dt.UTC)
    first = None if since is None else moment_of(since, now=now, argument="since")
    last = now if until is None else moment_of(until, now=now, argument="until")
    wanted = None if prompt is None else _wanted(engine, prompt)
    calls = list(_calls(engine, first, last))
    named = Counter(call.name for call in calls)
    if wanted is None and len(named) > 1:
        raise UsageError(f"Live calls are of several prompts ({_listed(named)}); say which, such as {_first(named)!r}.")
    chosen = [call for call in calls if wanted is None or wanted.takes(call)]
    if not chosen:
        raise _nothing(engine, prompt, named, first, last)
    found = _uses(chosen, with_answers=expected is not None)
    picked = pick(found, sample=sample, seed=seed, dedupe=dedupe, redact=redact, expected=expected)
    origin: dict[str, Any] = {
        "prompt": chosen[0].name,
        "versions": dict(sorted(Counter(use.version for use in found).items())),
        "since": None if first is None else moment_text(first),
        "until": moment_text(last),
        "read": len(chosen),
        "different": picked.different,
        "sample": sample,
        "seed": seed,
        "cases": len(picked.rows),
        "times": picked.times,
    }
    return case_table(picked.rows, attrs={"traffic": origin})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One live call, its answer left in the store."""

    view: RunView
    trial: Trial
    started_at: dt.datetime

    @property
    def name(self) -> str:
        return self.trial.arm.prompt.prompt_id or _OWN_MESSAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which calls a reference means."""

    name: str
    source: str | None
    version: str | None
    first: int | None
    last: int | None

    def takes(self, call: _Call) -> bool:
        prompt = call.trial.arm.prompt
        if prompt.prompt_id != self.name or self.source not in (None, prompt.source):
            return False
        if self.version is not None:
            return prompt.version == self.version
        if self.first is None and self.last is None:
            return True
        return prompt.version.isdigit() and (self.first or 0) <= int(prompt.version) <= (self.last or 0)


def _wanted(engine: Engine, prompt: str | PromptReference) -> _Wanted:
    reference = prompt
    if not isinstance(reference, PromptReference):
        reference = parse_reference(reference, known_sources=engine.sources.names)
    chosen, source = reference.selector, reference.source
    version = chosen.value if chosen.kind == "version" else None
    if chosen.kind == "label":
        holder = _sync.run(engine.resolve(prompt))[0]
        version, source = holder.version, holder.source
    return _Wanted(name=reference.name, source=source, version=version, first=chosen.first, last=chosen.last)


def _calls(engine: Engine, first: dt.datetime | None, last: dt.datetime) -> Iterator[_Call]:
    """The calls between two moments, oldest first; what a fallback sent again is one call."""
    for run_id, _ in engine.store.runs():
        day = run_id.removeprefix(TRAFFIC)
        if day == run_id or day > last.date().isoformat() or (first is not None and day < first.date().isoformat()):
            continue
        view = engine.store.load_run(run_id)
        measures = measures_of(view.outcomes)
        ids = {trial.trial_id for trial in view.trials}
        for trial in view.trials:
            call_id, _, way = trial.trial_id.rpartition("-")
            outcome = measures.get(trial.trial_id)
            started_at = (outcome.started_at if outcome is not None else None) or view.created_at
            is_again = way.isdigit() and call_id in ids
            if not is_again and started_at < last and (first is None or started_at >= first):
                yield _Call(view=view, trial=trial, started_at=started_at)


def _uses(calls: list[_Call], *, with_answers: bool) -> list[FoundCase]:
    uses = [
        FoundCase(
            case_id=call.trial.trial_id,
            version=call.trial.arm.prompt.version,
            started_at=call.started_at,
            variables=call.trial.case.variables,
        )
        for call in calls
    ]
    if not with_answers:
        return uses
    return [replace(use, answer=_answer(call)) for use, call in zip(uses, calls, strict=True)]


def _answer(call: _Call) -> str | None:
    outcomes, trial_id = call.view.outcomes, call.trial.trial_id
    measured = measures_of(outcomes).get(trial_id)
    if measured is None or measured.response is None:
        return None
    # The text alone: bodies are long.
    texts = outcomes.texts(trial_id) if isinstance(outcomes, StoredOutcomes) else measured.response
    return None if texts is None else texts.text


def _nothing(
    engine: Engine,
    prompt: str | PromptReference | None,
    named: Counter[str],
    first: dt.datetime | None,
    last: dt.datetime,
) -> RunNotFoundError:
    of = f" of {str(prompt)!r}" if prompt is not None else ""
    between = f" between {moment_text(first)} and {moment_text(last)}" if first is not None else ""
    there = f"There are calls of: {_listed(named)}." if named else (
        "Start `toolkit proxy --config config.yaml` with the same TOOLKIT_HOME and send it some."
    )  # fmt: skip
    return RunNotFoundError(f"The run store {str(engine.store.path)!r} has no live calls{of}{between}. {there}")


def _listed(named: Counter[str]) -> str:
    shown = [f"{name} ({counted(count, 'call')})" for name, count in named.most_common(10)]
    return ", ".join(shown) + (f" and {len(named) - 10} more" if len(named) > 10 else "")


def _first(named: Counter[str]) -> str:
    return next((name for name, _ in named.most_common() if name != _OWN_MESSAGES), "name")
