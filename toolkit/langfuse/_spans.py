"""What one trial is in Langfuse: a generation that is the whole trace, and an item of its arm's experiment."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._canonical import canonical_json
from toolkit._records import Case, Outcome, RunView, Trial, messages_to_wire
from toolkit.errors import PromptError
from toolkit.langfuse._generation import METADATA, Mask, as_json, as_text, attribute, generation_of, iso, otlp_span
from toolkit.prompts import render

ENVIRONMENT = "sdk-experiment"
"""Where Langfuse keeps experiments apart from production; its own clients say the same."""

# Langfuse drops longer names without a word.
_MOST_NAME_CHARACTERS = 190

_SENT = frozenset({"ok", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What an arm of a run is in Langfuse."""

    arm: int
    """Index of the arm."""
    label: str
    experiment_id: str
    name: str
    dataset_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanKey:
    """Where a trial is found in Langfuse."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""

    @property
    def record(self) -> str:
        """Both, as one text for a ledger."""
        return self.trace_id + self.span_id

    @classmethod
    def of_record(cls, record: str) -> SpanKey:
        """Returns the key that a ledger's text stands for."""
        return cls(trace_id=record[:32], span_id=record[32:])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What all spans of a run have in common."""

    run_id: str
    created_at: dt.datetime
    """UTC; stands in for the time of a trial that has none."""
    target: str
    """Address of the project."""
    mask: Mask
    """Takes credentials out of what models and people wrote."""


def experiments_of(
    view: RunView, labels: Sequence[str], *, target: str, name: str, project_id: str, dataset_id: str | None
) -> dict[int, Experiment]:
    """Returns the experiment of each arm, by the arm's index.

    Args:
        view: The run.
        labels: Names of its arms, in their order.
        target: Address of the project.
        name: Begins the name of each.
        project_id: Of the project.
        dataset_id: Of the dataset that the cases are items of; `None` = of none.
    """
    made = {}
    for arm, label in zip(view.arms, labels, strict=True):
        full = experiment_name(name, label)
        made[arm.index] = Experiment(
            arm=arm.index,
            label=label,
            experiment_id=(
                dataset_experiment_id(project_id, dataset_id, full)
                if dataset_id is not None
                else _hex("experiment", target, view.run_id, arm.index, full)[:16]
            ),
            name=full,
            dataset_id=dataset_id,
        )
    return made


def experiment_name(name: str, label: str) -> str:
    """Returns the name of an arm's experiment; one that is too long ends in what keeps it apart from others.

    Example:
        >>> experiment_name("nightly", "reply@8 · gpt-4o-mini")
        'nightly · reply@8 · gpt-4o-mini'
    """
    full = f"{name} · {label}"
    if len(full) <= _MOST_NAME_CHARACTERS:
        return full
    return f"{full[: _MOST_NAME_CHARACTERS - 10]}… {_hex(full)[:8]}"


def dataset_experiment_id(project_id: str, dataset_id: str, name: str) -> str:
    """Returns the id that Langfuse itself gives to the experiment of this name on a dataset.

    Example:
        >>> dataset_experiment_id("proj-test", "ds-1", "nightly")
        '1963fc5bb812c0c8'
    """
    told = json.dumps(
        ["langfuse-experiment-v1", project_id, dataset_id, name], separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_sent(outcome: Outcome | None) -> bool:
    """Tells whether a trial was asked and came to an end: what was never sent is no generation."""
    return outcome is not None and outcome.status in _SENT


def span_key(trial: Trial, outcome: Outcome, facts: RunFacts, experiment: Experiment) -> SpanKey:
    """Returns where a trial is found; the same on any day and in any process.

    Trials of equal content in one plan have keys of their own. A failure has the key of its own try: what is asked
    again after it is another generation.
    """
    failed_at = "" if outcome.status == "ok" or outcome.started_at is None else iso(outcome.started_at)
    made = _hex(
        "trial",
        facts.target,
        facts.run_id,
        experiment.experiment_id,
        trial.trial_id,
        trial.arm.index,
        trial.case.index,
        trial.repeat,
        failed_at,
    )
    return SpanKey(trace_id=made[:32], span_id=made[32:48])


def item_id(case: Case) -> str:
    """Returns what a case that is no item of a dataset is called in an experiment; the same in every arm and run."""
    return _hex("item", case.index, canonical_json([case.variables, case.expected]))[:16]


def started_at(outcome: Outcome, facts: RunFacts) -> dt.datetime:
    """Returns when a trial began (UTC), or when its run did where that is not known."""
    return outcome.started_at or facts.created_at


def span_of(
    trial: Trial, outcome: Outcome, facts: RunFacts, experiment: Experiment, *, item: str | None = None
) -> dict[str, Any]:
    """Returns a trial as a span of OTLP's JSON.

    Args:
        trial: The trial.
        outcome: An answer or a failure.
        facts: What the run says.
        experiment: Of the trial's arm.
        item: Id of the dataset's item that its case is; `None` = of none.
    """
    key, mask = span_key(trial, outcome, facts, experiment), facts.mask
    begin = started_at(outcome, facts)
    response = outcome.response
    latency_s = response.latency_s if response is not None and response.latency_s is not None else 0.0
    name = trial.arm.prompt.prompt_id or "completion"
    told: dict[str, Any] = {
        "langfuse.trace.name": name,
        "langfuse.environment": ENVIRONMENT,
        "langfuse.observation.input": mask(as_json(_messages(trial))),
        "langfuse.observation.model.name": outcome.model_sent or trial.arm.model_sent,
        **generation_of(outcome, trial.arm.prompt, params=trial.arm.params, began=begin, mask=mask),
        **_of_experiment(trial, experiment, key, mask, item=item),
        **{f"{METADATA}{name}": value for name, value in _metadata(trial, outcome, facts).items()},
    }
    ended = begin + dt.timedelta(seconds=latency_s)
    return otlp_span(key.trace_id, key.span_id, name, told, began=begin, ended=ended, is_error=outcome.status != "ok")


def spans_body(spans: Sequence[Mapping[str, Any]], *, version: str) -> dict[str, Any]:
    """Returns the body of an OTLP request with these spans, sent by this version of the package."""
    resource = [attribute("service.name", "promptsweep"), attribute("service.version", version)]
    scope = {"scope": {"name": "promptsweep", "version": version}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [scope]}]}


def _messages(trial: Trial) -> list[dict[str, Any]]:
    try:
        return messages_to_wire(render(trial.arm.prompt, trial.case.variables, missing="keep"))
    except PromptError as error:
        # A plan from elsewhere may hold what cannot be rendered here; its answer is told all the same.
        return [{"role": "user", "content": f"(cannot be rendered: {error})"}]


def _of_experiment(
    trial: Trial, experiment: Experiment, key: SpanKey, mask: Mask, *, item: str | None
) -> dict[str, Any]:
    arm, expected = trial.arm, trial.case.expected
    about = {"arm": experiment.label, "prompt": arm.prompt.reference, "model": arm.model, "params": arm.params}
    return {
        "langfuse.experiment.id": experiment.experiment_id,
        "langfuse.experiment.name": experiment.name,
        "langfuse.experiment.metadata": as_json(about),
        "langfuse.experiment.dataset.id": experiment.dataset_id,
        "langfuse.experiment.item.id": item if item is not None else item_id(trial.case),
        "langfuse.experiment.item.root_observation_id": key.span_id,
        "langfuse.experiment.item.expected_output": None if expected is None else mask(as_text(expected)),
        "langfuse.experiment.item.metadata": as_json({"case": trial.case.index, "repeat": trial.repeat}),
    }


def _metadata(trial: Trial, outcome: Outcome, facts: RunFacts) -> dict[str, str]:
    """What finds the run again and has no field of its own, as texts."""
    prompt, response = trial.arm.prompt, outcome.response
    told: dict[str, Any] = {
        "run_id": facts.run_id,
        "trial_id": trial.trial_id,
        "case": trial.case.index,
        "repeat": trial.repeat,
        "prompt": prompt.reference,
        "prompt_fingerprint": prompt.fingerprint,
        "prompt_label": prompt.label,
        "prompt_variables": as_json(trial.case.variables),
        "model_asked": trial.arm.model,
        "model_served": response.model if response is not None else None,
        "provider": trial.arm.provider,
        "finish_reason": response.finish_reason if response is not None else None,
        "request_id": response.request_id if response is not None else None,
        "attempts": outcome.attempts,
        "cost_source": outcome.cost_source,
        "paid_by_run": outcome.run_id if outcome.run_id not in (None, facts.run_id) else None,
    }
    return {name: facts.mask(as_text(value)) for name, value in told.items() if value is not None}


def _hex(*parts: object) -> str:
    told = json.dumps([str(part) for part in parts], ensure_ascii=True)
    return hashlib.sha256(told.encode("ascii")).hexdigest()
