"""Turns records into rows of the store and back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._canonical import content_hash
from toolkit._records import (
    Arm,
    Case,
    Failure,
    FrozenDict,
    Outcome,
    Prompt,
    Response,
    Score,
    Usage,
    freeze,
)
from toolkit.store._bodies import json_text, packed, unpacked
from toolkit.store._tables import DamagedRowError

_USAGE_COLUMNS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")

# Whole numbers beyond 64 bits do not fit a column; a token count that large is a provider's mistake.
_LARGEST_INTEGER = 2**63 - 1


def from_json(text: str) -> Any:
    """Returns the frozen value of a JSON column."""
    return freeze(json.loads(text))


def storable_text(text: str | None) -> str | bytes | None:
    """Returns `text`, or its bytes where it holds a lone surrogate, which SQLite's TEXT cannot."""
    if text is None:
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def readable_text(stored: str | bytes | None) -> str | None:
    """Returns what `storable_text` was given."""
    return stored.decode("utf-8", "surrogatepass") if isinstance(stored, bytes) else stored


def time_text(moment: dt.datetime | None) -> str | None:
    """Returns a moment as ISO 8601 text."""
    return None if moment is None else moment.isoformat()


def read_time(text: str | None) -> dt.datetime | None:
    """Returns the moment that `time_text` wrote."""
    return None if text is None else dt.datetime.fromisoformat(text)


def prompt_row(prompt: Prompt) -> tuple[str, str]:
    """Returns the key and the JSON of a prompt's snapshot."""
    snapshot = {field.name: getattr(prompt, field.name) for field in dataclasses.fields(prompt)}
    return content_hash("s1", snapshot), json_text(snapshot)


def read_prompt(key: str, snapshot: str) -> Prompt:
    """Returns the prompt of a snapshot.

    Raises:
        DamagedRowError: If the snapshot is not the one that has this key.
    """
    fields = from_json(snapshot)
    if content_hash("s1", fields) != key:
        raise DamagedRowError(f"malformed row in table 'prompt': the content does not fit the key {key!r}")
    return Prompt(**{name: value for name, value in fields.items() if name in _PROMPT_FIELDS})


def arm_row(run_id: str, arm: Arm, prompt_key: str) -> tuple[Any, ...]:
    """Returns the row of an arm."""
    return (
        run_id,
        arm.index,
        prompt_key,
        arm.model,
        arm.model_source,
        arm.provider,
        arm.model_sent,
        json_text(arm.params),
    )


def read_arm(row: Sequence[Any], prompt: Prompt) -> Arm:
    """Returns the arm of a row in the order of `ARM.columns`."""
    return Arm(
        index=row[1],
        prompt=prompt,
        model=row[3],
        model_source=row[4],
        provider=row[5],
        model_sent=row[6],
        params=from_json(row[7]),
    )


def case_row(run_id: str, case: Case) -> tuple[Any, ...]:
    """Returns the row of a case."""
    return (run_id, case.index, json_text(case.variables), json_text(case.expected))


def read_case(row: Sequence[Any]) -> Case:
    """Returns the case of a row in the order of `CASE.columns`."""
    return Case(index=row[1], variables=from_json(row[2]), expected=from_json(row[3]))


def outcome_row(outcome: Outcome, run_id: str) -> tuple[Any, ...]:
    """Returns the row of an outcome's measures, in the order of `OUTCOME.columns`."""
    response, failure = outcome.response, outcome.failure
    usage = None if response is None else response.usage
    return (
        outcome.trial_id,
        run_id,
        outcome.request_key,
        outcome.status,
        float(outcome.queue_s),
        float(outcome.retry_s),
        time_text(outcome.started_at),
        storable_text(outcome.model_sent),
        *(
            (None,) * 5
            if response is None
            else (
                storable_text(response.model),
                storable_text(response.finish_reason),
                storable_text(response.request_id),
                _measure(response.latency_s),
                _measure(response.first_token_s),
            )
        ),
        *((None,) * 4 if usage is None else [_fitting(getattr(usage, name)) for name in _USAGE_COLUMNS]),
        _measure(outcome.cost_usd),
        storable_text(outcome.cost_source),
        None if failure is None else json_text(dataclasses.asdict(failure)),
        None if response is None else storable_text(response.refusal),
        _further(outcome),
    )


def answer_row(outcome: Outcome) -> tuple[Any, ...] | None:
    """Returns the row of an outcome's texts, in the order of `ANSWER.columns`; `None` when it has no answer."""
    response = outcome.response
    if response is None:
        return None
    calls = json_text(response.tool_calls) if response.tool_calls else "[]"
    return (outcome.trial_id, storable_text(response.text), calls, packed(response.raw, response.text))


def _measure(number: float | None) -> float | None:
    """A number as its column gives it back: SQLite makes NaN NULL and, in these columns, every number a float."""
    return None if number is None or number != number else float(number)


def _further(outcome: Outcome) -> str | None:
    """JSON of the fields without a column of their own that differ from their defaults; `None` when there are none."""
    kept = {}
    response = outcome.response
    for part, record in (
        ("outcome", outcome),
        ("response", response),
        ("usage", None if response is None else response.usage),
    ):
        changed = {} if record is None else {n: v for n, d in _FURTHER[part] if (v := getattr(record, n)) != d}
        if changed:
            kept[part] = changed
    if (response is not None) != (outcome.status == "ok"):
        kept["has_answer"] = response is not None  # type: ignore[assignment]  # the one entry that is no mapping
    return json_text(kept) if kept else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What is long in an answer."""

    text: str
    tool_calls: tuple[FrozenDict, ...]


def read_measures(row: Sequence[Any], *, attempts: int, possibly_billed: int) -> Outcome:
    """Returns an outcome without text, tool calls and body, from a row in the order of `OUTCOME.columns`."""
    status: Any = sys.intern(row[3])
    failure, further = row[19], row[21]
    more = _NOTHING if further is None else _known(from_json(further))
    response = None
    if more.get("has_answer", status == "ok"):
        usage = Usage(
            input_tokens=row[13],
            output_tokens=row[14],
            cached_tokens=row[15],
            reasoning_tokens=row[16],
        )
        response = Response(
            text="",
            finish_reason=_shared(row[9]),
            model=_shared(row[8]),
            usage=usage,
            request_id=readable_text(row[10]),
            latency_s=row[11],
            first_token_s=row[12],
            refusal=readable_text(row[20]),
            cost_usd=row[17],
        )
        if more:
            usage = dataclasses.replace(usage, **more.get("usage", _NOTHING))
            response = dataclasses.replace(response, usage=usage, **more.get("response", _NOTHING))
    outcome = Outcome(
        trial_id=sys.intern(row[0]),
        request_key=row[2],
        status=status,
        response=response,
        failure=None if failure is None else read_failure(failure),
        attempts=attempts,
        possibly_billed=possibly_billed,
        queue_s=row[4],
        retry_s=row[5],
        cost_usd=row[17],
        cost_source=_shared(row[18]),
        model_sent=_shared(row[7]),
        started_at=read_time(row[6]),
        run_id=sys.intern(row[1]),
    )
    return dataclasses.replace(outcome, **more["outcome"]) if "outcome" in more else outcome


def _shared(stored: str | bytes | None) -> str | None:
    """Text that stands in most rows of a run: one object for all of them."""
    return sys.intern(stored) if type(stored) is str else readable_text(stored)


def read_failure(text: str) -> Failure:
    """Returns the failure of a JSON column; a field that this version does not know is left out."""
    fields = json.loads(text)
    return Failure(**{name: freeze(value) for name, value in fields.items() if name in _FAILURE_FIELDS})


def read_texts(row: Sequence[Any]) -> Texts:
    """Returns the texts of a row in the order of `ANSWER.columns`."""
    calls = () if row[2] == "[]" else from_json(row[2])
    return Texts(text=readable_text(row[1]) or "", tool_calls=calls)


def with_texts(measures: Outcome, row: Sequence[Any]) -> Outcome:
    """Returns the whole outcome from its measures and a row in the order of `ANSWER.columns`."""
    texts = read_texts(row)
    assert measures.response is not None  # noqa: S101  asked for only where there is an answer
    # As `dataclasses.replace` does, in a third of the time: a large run is read answer by answer.
    fields = dict(zip(_RESPONSE_FIELDS, _response_values(measures.response), strict=True))
    fields.update(text=texts.text, tool_calls=texts.tool_calls, raw=unpacked(row[3], texts.text))
    whole = dict(zip(_OUTCOME_FIELDS, _outcome_values(measures), strict=True))
    whole["response"] = Response(**fields)
    return Outcome(**whole)


def _known(further: Mapping[str, Any]) -> dict[str, Any]:
    """What a `further` column says of fields that this version has."""
    known: dict[str, Any] = {
        part: {name: further[part][name] for name, _ in _FURTHER[part] if name in further[part]}
        for part in _FURTHER
        if part in further
    }
    if "has_answer" in further:
        known["has_answer"] = further["has_answer"]
    return known


def _fields_beside(record: type[Any], columns: str) -> tuple[tuple[str, Any], ...]:
    """Names and defaults of a record's fields, without those that have a column."""
    known = columns.split()
    return tuple((field.name, field.default) for field in dataclasses.fields(record) if field.name not in known)


_NOTHING: dict[str, Any] = {}

# Fields that records gain need no new column: they are kept as JSON, where they differ from their defaults.
_FURTHER = {
    "outcome": _fields_beside(
        Outcome,
        "trial_id request_key status response failure attempts possibly_billed queue_s retry_s cost_usd cost_source "
        "model_sent started_at run_id",
    ),
    "response": _fields_beside(
        Response,
        "text finish_reason model usage request_id latency_s first_token_s refusal tool_calls cost_usd raw",
    ),
    "usage": _fields_beside(Usage, " ".join(_USAGE_COLUMNS)),
}

_PROMPT_FIELDS = frozenset(field.name for field in dataclasses.fields(Prompt))
_RESPONSE_FIELDS = tuple(field.name for field in dataclasses.fields(Response))
_response_values = operator.attrgetter(*_RESPONSE_FIELDS)
_OUTCOME_FIELDS = tuple(field.name for field in dataclasses.fields(Outcome))
_outcome_values = operator.attrgetter(*_OUTCOME_FIELDS)
_FAILURE_FIELDS = frozenset(field.name for field in dataclasses.fields(Failure))


def score_row(run_id: str, trial_id: str, score: Score) -> tuple[Any, ...]:
    """Returns the row of a score; NaN becomes NULL."""
    name, explanation, scorer = (storable_text(text) for text in (score.name, score.explanation, score.scorer))
    return (run_id, trial_id, name, _measure(score.value), explanation, scorer, score.scorer_version)


def read_score(row: Sequence[Any]) -> Score:
    """Returns the score of a row in the order of `SCORE.columns`."""
    return Score(
        name=readable_text(row[2]) or "",
        value=math.nan if row[3] is None else row[3],
        explanation=readable_text(row[4]),
        scorer=readable_text(row[5]) or "",
        scorer_version=row[6],
    )


def _fitting(count: int | None) -> int | None:
    return count if count is not None and 0 <= count <= _LARGEST_INTEGER else None
