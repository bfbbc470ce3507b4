"""A run's scores as Langfuse takes them: on the generation, under an id that makes the same score one score."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from typing import Any

from toolkit._records import Score
from toolkit._redact import redact
from toolkit.langfuse._spans import ENVIRONMENT, SpanKey

# Scorers that say yes or no, by the first word of what rebuilds them.
_YES_OR_NO = frozenset({"contains", "exact", "json_path", "json_schema", "json_valid", "numeric", "one_of", "regex"})

_MOST_COMMENT_CHARACTERS = 2_000


def score_id(key: SpanKey, name: str) -> str:
    """Returns the id of a generation's score of this name; a later value under it takes the earlier one's place."""
    return hashlib.sha256(json.dumps([key.record, name]).encode("ascii")).hexdigest()[:32]


def score_body(key: SpanKey, score: Score, *, run_id: str, trial_id: str, at: dt.datetime) -> dict[str, Any]:
    """Returns a score as it is posted.

    Args:
        key: The generation that it is about.
        score: A score with a value.
        run_id: Run that it belongs to.
        trial_id: Trial that it is about.
        at: Its time (UTC), the same each time that it is sent: Langfuse replaces a score by id and time together.
    """
    is_truth = data_type(score) == "BOOLEAN"
    body: dict[str, Any] = {
        "id": score_id(key, score.name),
        "traceId": key.trace_id,
        "observationId": key.span_id,
        "name": score.name,
        "value": int(score.value) if is_truth else score.value,
        "dataType": data_type(score),
        "environment": ENVIRONMENT,
        "timestamp": at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "metadata": {"run_id": run_id, "trial_id": trial_id, "scorer": score.scorer, "version": score.scorer_version},
    }
    if score.explanation:
        body["comment"] = redact(score.explanation)[:_MOST_COMMENT_CHARACTERS]
    return body


def data_type(score: Score) -> str:
    """Returns `BOOLEAN` for a scorer that says yes or no, else `NUMERIC`.

    By the scorer and not by the value: a mean that happens to be 1 today keeps its type tomorrow.

    Example:
        >>> data_type(Score(name="contains", value=1.0, scorer="contains(ignore_case=True)"))
        'BOOLEAN'
        >>> data_type(Score(name="rouge_l", value=1.0, scorer="rouge_l()"))
        'NUMERIC'
    """
    first = re.match(r"\w*", score.scorer)
    says_yes_or_no = first is not None and first.group() in _YES_OR_NO and score.value in (0, 1)
    return "BOOLEAN" if says_yes_or_no else "NUMERIC"


def content_of(body: dict[str, Any]) -> str:
    """Returns what tells another value of the same score: a short hash."""
    told = json.dumps([body["value"], body.get("comment"), body["dataType"]])
    return hashlib.sha256(told.encode("ascii")).hexdigest()[:16]
