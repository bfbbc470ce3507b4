"""Says why a trial was sent or was not: which field sets it apart from the stored trial that comes nearest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._records import Outcome, RunView, Trial
from toolkit.results._screen import for_screen, shorten

_SHOWN_CHARACTERS = 60
_MISSING = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field in which two trials differ."""

    field: str
    """`prompt_version`, `prompt_content`, `model_sent`, `param.temperature`, `var.question`, `repeat`, ..."""
    here: Any
    there: Any


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation:
    """Why one trial was sent, or was not."""

    trial_id: str
    reason: str
    """In a sentence or two."""
    nearest: str | None = None
    """Trial with an answer that comes nearest to one that was sent anew; `None` when there is none."""
    nearest_run: str | None = None
    differences: tuple[Difference, ...] = ()
    """Fields in which `nearest` differs."""

    def __repr__(self) -> str:
        lines = [for_screen(f"{self.trial_id}: {self.reason}", keep_lines=False)]
        for each in self.differences:
            lines.append(for_screen(f"  {each.field}: {_words(each.there)} there, {_words(each.here)} here"))
        return "\n".join(lines)


def explain(
    view: RunView, trial: Trial, *, since: dt.datetime | None, others: Callable[[], Iterable[RunView]]
) -> Explanation:
    """Returns why a trial was sent or was not.

    Args:
        view: The run.
        trial: One of its trials.
        since: When the execution began whose sending is asked about; `None` = nothing was sent just now.
        others: Reads other runs, newest first; called only when the trial was sent.
    """
    outcome = view.outcomes.get(trial.trial_id)
    if outcome is None:
        sent = trial.trial_id in view.attempted
        return Explanation(
            trial_id=trial.trial_id,
            reason="It was sent and no outcome was recorded; it may have been billed. Resuming the run sends it again, "
            "unless unknown='skip' is given."
            if sent
            else "It has not been sent yet; resuming the run sends it.",
        )
    if outcome.run_id not in (None, view.run_id):
        return _reused(trial, outcome, f"run {outcome.run_id!r}")
    if outcome.status == "ok" and since is not None and outcome.started_at is not None and outcome.started_at < since:
        return _reused(trial, outcome, "this run")
    if outcome.status != "ok":
        failure = outcome.failure
        why = f"{failure.kind}: {failure.message.rstrip('. ')}" if failure is not None else outcome.status
        was = "was not sent" if outcome.attempts == 0 else f"was sent {_times(outcome.attempts)} and has no answer"
        return Explanation(
            trial_id=trial.trial_id,
            reason=f"It {was} ({why}). The same call, or resuming the run, sends it again: failures are not reused.",
        )
    return _sent(view, trial, outcome, others)


def _reused(trial: Trial, outcome: Outcome, where: str) -> Explanation:
    return Explanation(
        trial_id=trial.trial_id,
        reason=f"It was not sent: {where} has its answer{_day(outcome, 'of')}, and prompt version, content, model, "
        "params, variables and repeat are the same.",
    )


def _sent(view: RunView, trial: Trial, outcome: Outcome, others: Callable[[], Iterable[RunView]]) -> Explanation:
    best: tuple[list[Difference], Trial, str] | None = None
    for other in others():
        for candidate in other.trials:
            held = other.outcomes.get(candidate.trial_id)
            if held is None or held.status != "ok" or candidate.trial_id == trial.trial_id:
                continue
            found = differences(trial, candidate)
            if best is None or len(found) < len(best[0]):
                best = found, candidate, other.run_id
    again = f" {_times(outcome.attempts)}" if outcome.attempts > 1 else ""
    sent = f"It was sent{again}{_day(outcome, 'on')}"
    if best is None:
        return Explanation(trial_id=trial.trial_id, reason=f"{sent}: no other run had an answer to reuse.")
    fields = ", ".join(each.field for each in best[0])
    return Explanation(
        trial_id=trial.trial_id,
        reason=f"{sent}: no stored answer had the same content. The nearest is "
        f"{best[1].trial_id} of run {best[2]!r}, which differs in {fields}.",
        nearest=best[1].trial_id,
        nearest_run=best[2],
        differences=tuple(best[0]),
    )


def differences(here: Trial, there: Trial) -> list[Difference]:
    """Returns the fields in which two trials differ, of those that decide whether an answer is reused."""
    fields_here, fields_there = _fields(here), _fields(there)
    return [
        Difference(field=name, here=fields_here.get(name, _MISSING), there=fields_there.get(name, _MISSING))
        for name in dict.fromkeys([*fields_here, *fields_there])
        if fields_here.get(name, _MISSING) != fields_there.get(name, _MISSING)
    ]


def _fields(trial: Trial) -> Mapping[str, Any]:
    arm, prompt = trial.arm, trial.arm.prompt
    return {
        "prompt_source": prompt.source,
        "prompt": prompt.prompt_id,
        "prompt_version": prompt.version,
        "prompt_content": prompt.fingerprint,
        "provider": arm.provider,
        "model_sent": arm.model_sent,
        **{f"param.{name}": value for name, value in arm.params.items()},
        **{f"var.{name}": value for name, value in trial.case.variables.items()},
        "repeat": trial.repeat,
    }


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _day(outcome: Outcome, word: str) -> str:
    return f" {word} {outcome.started_at:%Y-%m-%d %H:%M} UTC" if outcome.started_at is not None else ""


def _words(value: Any) -> str:
    return value if value == _MISSING else shorten(repr(value), _SHOWN_CHARACTERS)
