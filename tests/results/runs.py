"""Makes small runs as plain values: two prompts, a few cases, answers that are given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit._records import (
    Arm,
    Case,
    Failure,
    FrozenDict,
    Outcome,
    Prompt,
    Response,
    RunView,
    Score,
    Trial,
    Usage,
)

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def prompt(prompt_id: str = "reply", version: str = "1", **fields: Any) -> Prompt:
    """Returns a text prompt that asks for one word."""
    return Prompt(prompt_id=prompt_id, version=version, kind="text", template="Say {{q}}", source="folder", **fields)


def arm(index: int = 0, *, version: str = "1", model: str = "fake/small", **fields: Any) -> Arm:
    """Returns an arm of the prompt `reply`."""
    params = FrozenDict(fields.pop("params", {}))
    found = fields.pop("prompt", None) or prompt(version=version)
    return Arm(index=index, prompt=found, model=model, provider="fake", model_sent="small", params=params, **fields)


def response(text: str = "hello", **fields: Any) -> Response:
    """Returns an answer of 10 tokens in and 2 out that took half a second."""
    defaults = {"finish_reason": "stop", "latency_s": 0.5, "usage": Usage(input_tokens=10, output_tokens=2)}
    return Response(text=text, **{**defaults, **fields})


def outcome(trial_id: str, answer: str | Response | Failure = "hello", **fields: Any) -> Outcome:
    """Returns what a trial ended with: an answer for text, else a failure."""
    defaults: dict[str, Any] = {"attempts": 1, "cost_usd": 0.01, "started_at": START, "run_id": "run-1"}
    if isinstance(answer, Failure):
        ending: dict[str, Any] = {"status": "failed", "failure": answer, "cost_usd": None}
    else:
        ending = {"status": "ok", "response": response(answer) if isinstance(answer, str) else answer}
    return Outcome(trial_id=trial_id, request_key=f"r-{trial_id}", **{**defaults, **ending, **fields})


def failure(kind: str = "rate_limit", message: str = "slow down") -> Failure:
    """Returns a failure of a kind."""
    return Failure(kind=kind, error_type="RateLimitError", message=message)


def run(
    answers: Sequence[Sequence[Any]],
    *,
    arms: Sequence[Arm] | None = None,
    variables: Sequence[Mapping[str, Any]] | None = None,
    expected: Sequence[Any] | None = None,
    scores: Mapping[str, Sequence[Sequence[float | None]]] | None = None,
    **fields: Any,
) -> RunView:
    """Returns a run from a grid of answers, one line an arm and one cell a case.

    A cell is text, a Response, a Failure, an Outcome, or `None` for "not sent". `scores` has grids of the same form.
    """
    arms = arms or [arm(place, version=str(place + 1)) for place in range(len(answers))]
    width = max(len(line) for line in answers)
    cases = [
        Case(
            index=place,
            variables=FrozenDict(variables[place] if variables else {"q": f"word {place}"}),
            expected=expected[place] if expected else None,
        )
        for place in range(width)
    ]
    trials, outcomes, held = [], {}, {}
    for each, line in zip(arms, answers, strict=True):
        for case, cell in zip(cases, line, strict=True):
            trial_id = f"t-{each.index}-{case.index}"
            trials.append(Trial(trial_id=trial_id, arm=each, case=case))
            if cell is not None:
                outcomes[trial_id] = cell if isinstance(cell, Outcome) else outcome(trial_id, cell)
            given = {name: grid[each.index][case.index] for name, grid in (scores or {}).items()}
            held[trial_id] = tuple(Score(name=name, value=value) for name, value in given.items() if value is not None)
    defaults: dict[str, Any] = {"run_id": "run-1", "created_at": START, "scores": held}
    return RunView(arms=tuple(arms), trials=tuple(trials), outcomes=outcomes, **{**defaults, **fields})


__all__ = ["START", "arm", "failure", "outcome", "prompt", "response", "run"]
