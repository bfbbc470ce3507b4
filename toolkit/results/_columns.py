"""The table as data: each column has a name, a dtype, a unit, what it means and where it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._records import Outcome, Response, Score, Status, Trial
from toolkit._redact import redact
from toolkit.results._screen import for_utf8
from toolkit.scorers import is_refused

TEXT = "text"
"""A dtype of ours: text that may be `<NA>`, kept by Python, because Arrow's strings refuse lone surrogates."""

# Words by which providers say that the answer stopped at the token limit.
_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trial with all that a column may read."""

    run_id: str
    trial: Trial
    outcome: Outcome | None
    """`None` when the trial was not sent, or was sent and nothing came back."""
    status: Status
    is_cached: bool
    """The outcome was there already: from an earlier run, or from a trial of equal content further up."""
    scores: Mapping[str, Score]

    @property
    def response(self) -> Response | None:
        """The answer, where there is one."""
        return self.outcome.response if self.outcome is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the frame."""

    name: str
    dtype: str
    """`text`, `Int64`, `Float64`, `boolean` or `time` (UTC); each can be `<NA>`."""
    unit: str = ""
    meaning: str
    read: Callable[[Row], Any]
    """Returns the cell; `None` = `<NA>`."""


def _of_outcome(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.outcome, name) if row.outcome is not None else None


def _of_response(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.response, name) if row.response is not None else None


def _of_usage(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.response.usage, name) if row.response is not None else None


def _failure(row: Row) -> str | None:
    failure = row.outcome.failure if row.outcome is not None else None
    return failure.kind if failure is not None else None


def _message(row: Row) -> str | None:
    if row.outcome is None:
        return "not sent yet" if row.status == "skipped" else "sent, and no outcome was recorded; resume the run"
    if row.outcome.failure is None:
        return None
    lines = row.outcome.failure.message.splitlines()
    return redact(lines[0]) if lines else ""


def _model_sent(row: Row) -> str:
    sent = row.outcome.model_sent if row.outcome is not None else None
    return sent if sent is not None else row.trial.arm.model_sent


def is_truncated(row: Row) -> bool | None:
    """Tells whether the answer stopped at the token limit; `None` without an answer."""
    return row.response.finish_reason in _CUT if row.response is not None else None


def _is_refused(row: Row) -> bool | None:
    return is_refused(row.outcome) if row.outcome is not None and row.response is not None else None


def _tool_calls(row: Row) -> str | None:
    calls = row.response.tool_calls if row.response is not None else ()
    return as_json(calls) if calls else None


def _attempts(row: Row) -> int | None:
    if row.outcome is not None:
        return row.outcome.attempts
    return None if row.status == "unknown" else 0


def possibly_billed(row: Row) -> int:
    """Returns how many attempts were sent and have no recorded answer."""
    if row.outcome is not None:
        return row.outcome.possibly_billed
    return 1 if row.status == "unknown" else 0


def _expected(row: Row) -> str | None:
    return cell_text(row.trial.case.expected)


def cell_text(value: Any) -> str | None:
    """Returns text as it is, `None` and NaN as `None`, a whole number without `.0`, and everything else as JSON.

    Example:
        >>> cell_text(4.0), cell_text("a"), cell_text({"k": [1]})
        ('4', 'a', '{"k": [1]}')
    """
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return as_json(value)


def title(kind: str, name: str, end: str = "") -> str:
    """Returns the name of a column made for `name`; pandas' own index of names refuses lone surrogates.

    Example:
        >>> title("score", "contains", ".low")
        'score.contains.low'
    """
    return for_utf8(f"{kind}.{name}{end}")


def as_json(value: Any) -> str:
    """Returns `value` as JSON text, non-ASCII characters as they are, and what JSON does not know by its `str()`."""
    return json.dumps(value, ensure_ascii=False, default=str)


IDENTITY = (
    Column(name="trial_id", dtype=TEXT, meaning="content hash of the trial", read=lambda row: row.trial.trial_id),
    Column(name="run_id", dtype=TEXT, meaning="run that these results are of", read=lambda row: row.run_id),
    Column(name="case", dtype="Int64", meaning="row of the variables, from 0", read=lambda row: row.trial.case.index),
    Column(name="repeat", dtype="Int64", meaning="repeat, from 0", read=lambda row: row.trial.repeat),
    Column(
        name="status",
        dtype=TEXT,
        meaning="ok, failed, skipped, cancelled, over_budget, unknown (sent, no outcome recorded)",
        read=lambda row: row.status,
    ),
    Column(name="failure", dtype=TEXT, meaning="kind of failure", read=_failure),
    Column(name="message", dtype=TEXT, meaning="what went wrong, in one line, credentials masked", read=_message),
    Column(name="prompt", dtype=TEXT, meaning="name of the prompt", read=lambda row: row.trial.arm.prompt.prompt_id),
    Column(name="prompt_source", dtype=TEXT, meaning="where it is kept", read=lambda row: row.trial.arm.prompt.source),
    Column(name="prompt_version", dtype=TEXT, meaning="its version", read=lambda row: row.trial.arm.prompt.version),
    Column(
        name="prompt_label",
        dtype=TEXT,
        meaning="label that the caller asked for",
        read=lambda row: row.trial.arm.prompt.label,
    ),
    Column(
        name="prompt_hash",
        dtype=TEXT,
        meaning="content hash of template and config",
        read=lambda row: row.trial.arm.prompt.fingerprint,
    ),
    Column(name="model", dtype=TEXT, meaning="model as asked", read=lambda row: row.trial.arm.model),
    Column(name="model_sent", dtype=TEXT, meaning="model on the wire", read=_model_sent),
    Column(name="model_served", dtype=TEXT, meaning="model that the provider says served", read=_of_response("model")),
    Column(
        name="model_source",
        dtype=TEXT,
        meaning="who chose the model: caller, prompt, alias",
        read=lambda row: row.trial.arm.model_source,
    ),
)
"""Columns before `param.*` and `var.*`."""

ANSWER = (
    Column(name="expected", dtype=TEXT, meaning="the case's expected answer", read=_expected),
    Column(name="text", dtype=TEXT, meaning="the answer", read=_of_response("text")),
    Column(
        name="finish_reason",
        dtype=TEXT,
        meaning="why it ended, in the provider's word",
        read=_of_response("finish_reason"),
    ),
    Column(name="truncated", dtype="boolean", meaning="cut off at the token limit", read=is_truncated),
    Column(name="refused", dtype="boolean", meaning="the answer is a refusal", read=_is_refused),
    Column(name="tool_calls", dtype=TEXT, meaning="tool calls as JSON", read=_tool_calls),
    Column(name="input_tokens", dtype="Int64", unit="tokens", meaning="read", read=_of_usage("input_tokens")),
    Column(
        name="cached_tokens",
        dtype="Int64",
        unit="tokens",
        meaning="part of input_tokens that the provider had in its cache",
        read=_of_usage("cached_tokens"),
    ),
    Column(name="output_tokens", dtype="Int64", unit="tokens", meaning="written", read=_of_usage("output_tokens")),
    Column(
        name="reasoning_tokens",
        dtype="Int64",
        unit="tokens",
        meaning="part of output_tokens that is not in the text",
        read=_of_usage("reasoning_tokens"),
    ),
    Column(
        name="cost_usd",
        dtype="Float64",
        unit="USD",
        meaning="price of the answer; <NA> = unknown",
        read=_of_outcome("cost_usd"),
    ),
    Column(name="cost_source", dtype=TEXT, meaning="dated price table", read=_of_outcome("cost_source")),
    Column(
        name="latency_s",
        dtype="Float64",
        unit="s",
        meaning="the successful attempt alone",
        read=_of_response("latency_s"),
    ),
    Column(
        name="ttft_s",
        dtype="Float64",
        unit="s",
        meaning="to the first text, streamed",
        read=_of_response("first_token_s"),
    ),
    Column(name="queue_s", dtype="Float64", unit="s", meaning="waiting for a place", read=_of_outcome("queue_s")),
    Column(name="retry_s", dtype="Float64", unit="s", meaning="waiting between attempts", read=_of_outcome("retry_s")),
    Column(name="attempts", dtype="Int64", meaning="attempts made; <NA> where unknown", read=_attempts),
    Column(name="possibly_billed", dtype="Int64", meaning="attempts without a recorded answer", read=possibly_billed),
    Column(name="cached", dtype="boolean", meaning="served from the store", read=lambda row: row.is_cached),
    Column(
        name="started_at",
        dtype="time",
        unit="UTC",
        meaning="when the first attempt was sent",
        read=_of_outcome("started_at"),
    ),
)
"""Columns between `var.*` and `score.*`."""
