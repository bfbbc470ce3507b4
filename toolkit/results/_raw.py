"""Everything known of one trial, nested: what was sent, what came back as it came, what it was scored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from toolkit._records import messages_to_wire
from toolkit.prompts import render
from toolkit.results._columns import Row


def raw_trial(row: Row, label: str) -> dict[str, Any]:
    """Returns everything known of one trial.

    Args:
        row: The trial with its outcome.
        label: Short name of its arm.
    """
    trial, outcome, response = row.trial, row.outcome, row.response
    return {
        "trial_id": trial.trial_id,
        "arm": label,
        "prompt": trial.arm.prompt.reference,
        "model": trial.arm.model,
        "params": dict(trial.arm.params),
        "messages": messages_to_wire(render(trial.arm.prompt, trial.case.variables, missing="keep")),
        "case": trial.case.index,
        "repeat": trial.repeat,
        "variables": dict(trial.case.variables),
        "expected": trial.case.expected,
        "status": row.status,
        "attempts": outcome.attempts if outcome is not None else None,
        "failure": _fields(outcome.failure) if outcome is not None and outcome.failure is not None else None,
        "text": response.text if response is not None else None,
        "refusal": response.refusal if response is not None else None,
        "tool_calls": [dict(call) for call in response.tool_calls] if response is not None else [],
        "usage": _fields(response.usage) if response is not None else None,
        "request_id": response.request_id if response is not None else None,
        "response": dict(response.raw) if response is not None else None,
        "scores": {name: _fields(score) for name, score in row.scores.items()},
    }


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}
