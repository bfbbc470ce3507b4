"""Turns records into rows of the store and back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import zlib
from collections.abc import Mapping
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

OUTCOME_COLUMNS = (
    "trial_id",
    "run_id",
    "request_key",
    "status",
    "queue_s",
    "retry_s",
    "started_at",
    "model_sent",
    "model_served",
    "finish_reason",
    "request_id",
    "latency_s",
    "first_token_s",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
    "cost_source",
    "failure",
)

_USAGE_COLUMNS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")

_SHORT_BYTES = 4096

# Whole numbers beyond 64 bits do not fit a column; a token count that large is a provider's mistake.
_LARGEST_INTEGER = 2**63 - 1


# Made once: `json.dumps` makes a new one for every call with options.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def json_text(value: Any) -> str:
    """Returns JSON that keeps every number as it is (`1.0` stays `1.0`) and every lone surrogate as an escape."""
    return _ENCODER.encode(value)


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


def read_prompt(snapshot: str) -> Prompt:
    """Returns the prompt of a snapshot."""
    return Prompt(**from_json(snapshot))


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


def read_arm(row: Mapping[str, Any], prompt: Prompt) -> Arm:
    """Returns the arm of a row."""
    return Arm(
        index=row["arm"],
        prompt=prompt,
        model=row["model"],
        model_source=row["model_source"],
        provider=row["provider"],
        model_sent=row["model_sent"],
        params=from_json(row["params"]),
    )


def read_case(row: Mapping[str, Any]) -> Case:
    """Returns the case of a row."""
    return Case(index=row["case_index"], variables=from_json(row["variables"]), expected=from_json(row["expected"]))


def outcome_row(outcome: Outcome, run_id: str) -> tuple[Any, ...]:
    """Returns the row of an outcome's measures, in the order of `OUTCOME_COLUMNS`."""
    response = outcome.response
    values = {
        "trial_id": outcome.trial_id,
        "run_id": run_id,
        "request_key": outcome.request_key,
        "status": outcome.status,
        "queue_s": outcome.queue_s,
        "retry_s": outcome.retry_s,
        "started_at": time_text(outcome.started_at),
        "model_sent": outcome.model_sent,
        "cost_usd": outcome.cost_usd,
        "cost_source": outcome.cost_source,
        "failure": None if outcome.failure is None else json_text(dataclasses.asdict(outcome.failure)),
    }
    if response is not None:
        values |= {
            "model_served": response.model,
            "finish_reason": response.finish_reason,
            "request_id": response.request_id,
            "latency_s": response.latency_s,
            "first_token_s": response.first_token_s,
        }
        values |= {name: _fitting(getattr(response.usage, name)) for name in _USAGE_COLUMNS}
    return tuple(values.get(name) for name in OUTCOME_COLUMNS)


def answer_row(outcome: Outcome) -> tuple[Any, ...] | None:
    """Returns the row of an outcome's texts, or `None` when it has no answer."""
    response = outcome.response
    if response is None:
        return None
    return (
        outcome.trial_id,
        storable_text(response.text),
        storable_text(response.refusal),
        json_text(response.tool_calls),
        _packed(response.raw),
    )


def _packed(raw: FrozenDict) -> bytes:
    """JSON; a long one compressed. Most answers are short, and compressing one would cost more than all else here."""
    text = json_text(raw).encode("ascii")
    return text if len(text) <= _SHORT_BYTES else zlib.compress(text, 1)


def _unpacked(stored: bytes) -> FrozenDict:
    # Compressed bytes never begin with a brace.
    return FrozenDict(json.loads(stored if stored.startswith(b"{") else zlib.decompress(stored)))


def read_outcome(row: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of a row of `outcome` joined with `answer` and its attempts' counts."""
    response = None
    if row["text"] is not None:
        response = Response(
            text=readable_text(row["text"]) or "",
            finish_reason=row["finish_reason"],
            model=row["model_served"],
            usage=Usage(**{name: row[name] for name in _USAGE_COLUMNS}),
            request_id=row["request_id"],
            latency_s=row["latency_s"],
            first_token_s=row["first_token_s"],
            refusal=readable_text(row["refusal"]),
            tool_calls=from_json(row["tool_calls"]),
            cost_usd=row["cost_usd"],
            raw=_unpacked(row["raw"]),
        )
    return Outcome(
        trial_id=row["trial_id"],
        request_key=row["request_key"],
        status=row["status"],
        response=response,
        failure=None if row["failure"] is None else Failure(**json.loads(row["failure"])),
        attempts=row["attempts"],
        possibly_billed=row["possibly_billed"],
        queue_s=row["queue_s"],
        retry_s=row["retry_s"],
        cost_usd=row["cost_usd"],
        cost_source=row["cost_source"],
        model_sent=row["model_sent"],
        started_at=read_time(row["started_at"]),
        run_id=row["run_id"],
    )


def score_row(run_id: str, trial_id: str, score: Score) -> tuple[Any, ...]:
    """Returns the row of a score; NaN becomes NULL."""
    value = None if math.isnan(score.value) else score.value
    explanation = storable_text(score.explanation)
    return (run_id, trial_id, score.name, value, explanation, score.scorer, score.scorer_version)


def read_score(row: Mapping[str, Any]) -> Score:
    """Returns the score of a row."""
    return Score(
        name=row["name"],
        value=math.nan if row["value"] is None else row["value"],
        explanation=readable_text(row["explanation"]),
        scorer=row["scorer"],
        scorer_version=row["scorer_version"],
    )


def _fitting(count: int | None) -> int | None:
    return count if count is not None and 0 <= count <= _LARGEST_INTEGER else None
