"""The table as data: each column has a name, a dtype, a unit, what it means and where it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from toolkit._records import Outcome, Response, Score, Status, Trial
from toolkit._redact import redact
from toolkit.results._screen import for_utf8
from toolkit.scorers import is_refused
from toolkit.store import StoredOutcomes, Texts

TEXT = "text"
"""A dtype of ours: text that may be `<NA>`, kept by Python, because Arrow's strings refuse lone surrogates."""

# Words by which providers say that the answer stopped at the token limit.
_CUT = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_length"})


class Row(NamedTuple):
    """One trial with all that a column may read.

    A tuple, since one is made a trial whenever a run is looked at, and a dataclass takes four times as long.
    """

    run_id: str
    trial: Trial
    measures: Outcome | None
    """The outcome, its texts perhaps left out; `None` when the trial was not sent, or sent and nothing came back."""
    answer: Response | None
    """The answer where there is one, its text, tool calls and body perhaps left out."""
    status: Status
    is_cached: bool
    """The outcome was there already: from an earlier run, a trial of equal content further up, or an equal request."""
    scores: Mapping[str, Score]
    outcomes: Mapping[str, Outcome]
    """Whole outcomes of the run, by trial id."""

    @property
    def outcome(self) -> Outcome | None:
        """The whole outcome, read now where it was left in the store."""
        return self.outcomes[self.trial.trial_id] if self.measures is not None else None

    @property
    def response(self) -> Response | None:
        """The whole answer, read now where it was left in the store."""
        outcome = self.outcome
        return outcome.response if outcome is not None else None

    @property
    def texts(self) -> Texts | None:
        """What is long in the answer, without its body; `None` without an answer."""
        if self.answer is None:
            return None
        if isinstance(self.outcomes, StoredOutcomes):
            return self.outcomes.texts(self.trial.trial_id)
        return Texts(text=self.answer.text, tool_calls=self.answer.tool_calls)


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
    of: Literal["trial", "arm", "text"] = "trial"
    """What it hangs on: `arm` is read once an arm, `text` from what the store leaves on the disk, some rows at a time.
    """


class Field:
    """Reads one attribute of an outcome or of its answer: of one row, or of many in a fraction of the time.

    Args:
        part: Of the row; where it is `None`, so is the cell.
        name: The attribute; dots lead further in.
    """

    __slots__ = ("_part", "_value")

    def __init__(self, part: Literal["measures", "answer"], name: str) -> None:
        self._part = attrgetter(part)
        self._value = attrgetter(name)

    def __call__(self, row: Row) -> Any:
        """Returns the cell of one row."""
        part = self._part(row)
        return None if part is None else self._value(part)

    def of_all(self, rows: Sequence[Row]) -> list[Any]:
        """Returns the cells of many rows."""
        value = self._value
        return [None if part is None else value(part) for part in map(self._part, rows)]


class TextField:
    """Reads what is long in an answer: of one row, or of texts that several columns are made of.

    Args:
        of: Reads it; `None` = `<NA>`.
    """

    __slots__ = ("of",)

    def __init__(self, of: Callable[[Texts], str | None]) -> None:
        self.of = of

    def __call__(self, row: Row) -> str | None:
        """Returns the cell of one row."""
        texts = row.texts
        return None if texts is None else self.of(texts)


def _cost_usd(row: Row) -> float | None:
    if row.measures is None:
        return None
    return 0.0 if row.is_cached and row.answer is not None else row.measures.cost_usd


def _timed(name: str) -> Callable[[Row], Any]:
    """A time of the call itself, which a row served from the store did not make."""
    return lambda row: getattr(row.answer, name) if row.answer is not None and not row.is_cached else None


def _failure(row: Row) -> str | None:
    failure = row.measures.failure if row.measures is not None else None
    return failure.kind if failure is not None else None


def _message(row: Row) -> str | None:
    if row.measures is None:
        return "not sent yet" if row.status == "skipped" else "sent, and no outcome was recorded; resume the run"
    if row.measures.failure is None:
        return None
    lines = row.measures.failure.message.splitlines()
    return redact(lines[0]) if lines else ""


def _model_sent(row: Row) -> str:
    sent = row.measures.model_sent if row.measures is not None else None
    return sent if sent is not None else row.trial.arm.model_sent


def _prompt_source(row: Row) -> str:
    prompt = row.trial.arm.prompt
    return prompt.source if prompt.snapshot_at is None else f"snapshot@{prompt.snapshot_at}"


def _prompt_hash(row: Row) -> str:
    return row.trial.arm.prompt.fingerprint


def is_truncated(row: Row) -> bool | None:
    """Tells whether the answer stopped at the token limit; `None` without an answer."""
    return row.answer.finish_reason in _CUT if row.answer is not None else None


def _is_refused(row: Row) -> bool | None:
    return is_refused(row.measures) if row.measures is not None and row.answer is not None else None


def _tool_calls(texts: Texts) -> str | None:
    return as_json(texts.tool_calls) if texts.tool_calls else None


def _attempts(row: Row) -> int | None:
    if row.measures is not None:
        return row.measures.attempts
    return None if row.status == "unknown" else 0


def possibly_billed(row: Row) -> int:
    """Returns how many attempts were sent and have no recorded answer."""
    if row.measures is not None:
        return row.measures.possibly_billed
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
        meaning="ok, failed, skipped, cancelled, over_budget, stopped_early (not needed any more), "
        "unknown (sent, no outcome recorded)",
        read=lambda row: row.status,
    ),
    Column(name="failure", dtype=TEXT, meaning="kind of failure", read=_failure),
    Column(name="message", dtype=TEXT, meaning="what went wrong, in one line, credentials masked", read=_message),
    Column(
        name="prompt",
        dtype=TEXT,
        of="arm",
        meaning="name of the prompt",
        read=lambda row: row.trial.arm.prompt.prompt_id,
    ),
    Column(
        name="prompt_source",
        dtype=TEXT,
        of="arm",
        meaning="where it is kept; snapshot@TIME = from the run store, because that place could not be reached",
        read=_prompt_source,
    ),
    Column(
        name="prompt_version",
        dtype=TEXT,
        of="arm",
        meaning="its version",
        read=lambda row: row.trial.arm.prompt.version,
    ),
    Column(
        name="prompt_label",
        dtype=TEXT,
        of="arm",
        meaning="label that the caller asked for",
        read=lambda row: row.trial.arm.prompt.label,
    ),
    Column(
        name="prompt_hash",
        dtype=TEXT,
        of="arm",
        meaning="content hash of template and config",
        read=_prompt_hash,
    ),
    Column(name="model", dtype=TEXT, of="arm", meaning="model as asked", read=lambda row: row.trial.arm.model),
    Column(name="model_sent", dtype=TEXT, meaning="model on the wire", read=_model_sent),
    Column(
        name="model_served", dtype=TEXT, meaning="model that the provider says served", read=Field("answer", "model")
    ),
    Column(
        name="model_source",
        dtype=TEXT,
        of="arm",
        meaning="who chose the model: caller, prompt, alias",
        read=lambda row: row.trial.arm.model_source,
    ),
)
"""Columns before `param.*` and `var.*`."""

ANSWER = (
    Column(name="expected", dtype=TEXT, meaning="the case's expected answer", read=_expected),
    Column(name="text", dtype=TEXT, meaning="the answer", of="text", read=TextField(attrgetter("text"))),
    Column(
        name="finish_reason",
        dtype=TEXT,
        meaning="why it ended, in the provider's word",
        read=Field("answer", "finish_reason"),
    ),
    Column(name="truncated", dtype="boolean", meaning="cut off at the token limit", read=is_truncated),
    Column(name="refused", dtype="boolean", meaning="the answer is a refusal", read=_is_refused),
    Column(name="tool_calls", dtype=TEXT, meaning="tool calls as JSON", of="text", read=TextField(_tool_calls)),
    Column(
        name="input_tokens", dtype="Int64", unit="tokens", meaning="read", read=Field("answer", "usage.input_tokens")
    ),
    Column(
        name="cached_tokens",
        dtype="Int64",
        unit="tokens",
        meaning="part of input_tokens that the provider had in its cache",
        read=Field("answer", "usage.cached_tokens"),
    ),
    Column(
        name="output_tokens",
        dtype="Int64",
        unit="tokens",
        meaning="written",
        read=Field("answer", "usage.output_tokens"),
    ),
    Column(
        name="reasoning_tokens",
        dtype="Int64",
        unit="tokens",
        meaning="part of output_tokens that is not in the text",
        read=Field("answer", "usage.reasoning_tokens"),
    ),
    Column(
        name="cost_usd",
        dtype="Float64",
        unit="USD",
        meaning="price of the answer, 0 where it is cached; <NA> = unknown",
        read=_cost_usd,
    ),
    Column(name="cost_source", dtype=TEXT, meaning="dated price table", read=Field("measures", "cost_source")),
    Column(
        name="latency_s",
        dtype="Float64",
        unit="s",
        meaning="the successful attempt alone; <NA> where it is cached",
        read=_timed("latency_s"),
    ),
    Column(
        name="ttft_s",
        dtype="Float64",
        unit="s",
        meaning="to the first text, streamed; <NA> where it is cached",
        read=_timed("first_token_s"),
    ),
    Column(name="queue_s", dtype="Float64", unit="s", meaning="waiting for a place", read=Field("measures", "queue_s")),
    Column(
        name="retry_s", dtype="Float64", unit="s", meaning="waiting between attempts", read=Field("measures", "retry_s")
    ),
    Column(name="attempts", dtype="Int64", meaning="attempts made; <NA> where unknown", read=_attempts),
    Column(name="possibly_billed", dtype="Int64", meaning="attempts without a recorded answer", read=possibly_billed),
    Column(name="cached", dtype="boolean", meaning="served from the store", read=lambda row: row.is_cached),
    Column(
        name="started_at",
        dtype="time",
        unit="UTC",
        meaning="when the first attempt was sent",
        read=Field("measures", "started_at"),
    ),
)
"""Columns between `var.*` and `score.*`."""
