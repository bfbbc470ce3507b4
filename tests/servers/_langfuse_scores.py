"""The scores and comments of the fake Langfuse: posted singly, in batches, or as the events of older SDKs."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.servers._fake import Refused
from tests.servers._langfuse_common import (
    PROJECT_ID,
    Query,
    Row,
    after_cursor,
    bad,
    incomplete,
    limit_of,
    missing,
    moment,
    now,
    one_of,
    page,
    stamp,
)

Exists = Callable[[str, str], bool]
"""Says whether there is a prompt, trace or observation of an identifier: kind, identifier."""

_CORE = "id projectId name source timestamp environment createdAt updatedAt dataType value".split()
_GROUPS = {
    "details": ["comment", "configId", "metadata"],
    "subject": ["subject"],
    "annotation": ["authorUserId", "queueId"],
}
_SUBJECTS = ("traceId", "sessionId", "datasetRunId")
_COMMENTED = ("PROMPT", "TRACE", "OBSERVATION", "SESSION")
_LONGEST_COMMENT = 5000


class ScoreTable:
    """All scores; one that comes again with the same identifier and timestamp takes the place of the first."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.lag_s = 0.0
        self._ticks = itertools.count()

    def take(self, body: Any) -> tuple[int, Any]:
        """Stores one score, or a list of them as SDKs of major 5 send it."""
        if isinstance(body, list):
            return self._take_batch(body)
        return 200, {"id": self._store(body, is_update=True)}

    def _take_batch(self, bodies: list[Any]) -> tuple[int, Any]:
        errors = []
        for body in bodies:
            try:
                self._store(body, is_update=False)
            except Refused as refused:
                errors.append({"message": refused.body["message"]})
        if errors:
            return 207, {"accepted": len(bodies) - len(errors), "rejected": len(errors), "errors": errors}
        return 202, {"message": "Accepted"}

    def take_events(self, body: Row) -> tuple[int, Any]:
        """Stores the scores among the events that SDKs of major 4 send."""
        successes, errors = [], []
        for event in body["batch"]:
            key = event.get("id")
            if event.get("type") != "score-create":
                errors.append({"id": key, "status": 400, "message": "This fake takes score-create alone"})
                continue
            try:
                self._store(event["body"], is_update=True)
                successes.append({"id": key, "status": 201})
            except Refused as refused:
                errors.append({"id": key, "status": refused.status, "message": refused.body["message"]})
        return 207, {"successes": successes, "errors": errors}

    def of(self, kind: str, key: str) -> list[Row]:
        """Returns the scores on one thing, as a list of scores shows them."""
        return [
            {name: row[name] for name in _CORE}
            for row in self.readable()
            if (row["subject"]["kind"], row["subject"]["id"]) == (kind, key)
        ]

    def readable(self) -> list[Row]:
        """Returns the scores that have been here for longer than the lag."""
        until = time.monotonic() - self.lag_s
        return [row for row in self.rows if row["_came"] <= until]

    def held(self) -> list[Row]:
        """Returns every score with all its fields, oldest first."""
        return [{name: value for name, value in row.items() if name[0] != "_"} for row in self.rows]

    def list(self, query: Query) -> Row:
        """Returns what the list of scores answers."""
        groups = [group for group in query.get("fields", "").split(",") if group]
        if unknown := sorted(set(groups) - set(_GROUPS)):
            raise bad(f"Invalid fields: {', '.join(unknown)}")
        if "observationId" in query and "traceId" not in query:
            raise bad("observationId requires traceId")
        limit = limit_of(query, usual=50, most=100)
        taken, meta = after_cursor(
            [row for row in self.readable() if _is_meant(row, query)],
            query,
            limit=limit,
            key=lambda row: (row["timestamp"], row["id"], row["_tick"]),
            names=("lastTimestamp", "lastId", "tick"),
        )
        names = [*_CORE, *(name for group in groups for name in _GROUPS[group])]
        return {"data": [{name: row[name] for name in names} for row in taken], "meta": {"limit": limit, **meta}}

    def delete(self, key: str) -> Row:
        """Forgets a score."""
        self.rows = [row for row in self.rows if row["id"] != key]
        return {"message": "Score deletion request processed successfully"}

    def answer(self, method: str, path: str, query: Query, body: Any) -> tuple[int, Any] | None:
        """Answers what is asked of scores; `None` = something else is meant."""
        match method, path.removeprefix("/api/public/").split("/"):
            case "POST", ["scores"]:
                return self.take(body)
            case "POST", ["ingestion"]:
                return self.take_events(body)
            case "GET", ["v3", "scores"]:
                return 200, self.list(query)
            case "DELETE", ["scores", key]:
                return 202, self.delete(key)
        return None

    def _store(self, body: Row, *, is_update: bool) -> str:
        """Keeps a score; `is_update`: without a timestamp of its own it keeps the one of the score that it replaces."""
        if refused := incomplete(body, "name"):
            raise refused
        if "value" not in body:
            raise Refused(400, {"message": "Invalid request data", "error": [{"path": ["value"]}]})
        if not any(body.get(name) for name in _SUBJECTS):
            raise bad("Provide exactly one of traceId, sessionId or datasetRunId")
        key, at = body.get("id") or str(uuid.uuid4()), stamp(now())
        older = [row for row in self.rows if row["id"] == key]
        if body.get("timestamp") is not None:
            at = stamp(moment(body["timestamp"]))
        elif is_update and older:
            at = older[-1]["timestamp"]
        older = [row for row in older if row["timestamp"] == at]
        kind, value = _kind_and_value(body)
        row = {
            "id": key,
            "projectId": PROJECT_ID,
            "name": body["name"],
            "source": body.get("source") or "API",
            "timestamp": at,
            "environment": body.get("environment") or "default",
            "createdAt": older[0]["createdAt"] if older else stamp(now()),
            "updatedAt": stamp(now()),
            "dataType": kind,
            "value": value,
            "comment": body.get("comment"),
            "configId": body.get("configId"),
            "metadata": body.get("metadata") or {},
            "authorUserId": None,
            "queueId": body.get("queueId"),
            "subject": _subject(body),
            "_tick": next(self._ticks),
            "_came": older[0]["_came"] if older else time.monotonic(),
        }
        self.rows = [other for other in self.rows if other not in older]
        self.rows.append(row)
        return str(key)


def _kind_and_value(body: Row) -> tuple[str, Any]:
    value = body["value"]
    is_text = isinstance(value, str)
    kind = body.get("dataType") or ("CATEGORICAL" if is_text else "NUMERIC")
    if is_text != (kind in ("CATEGORICAL", "TEXT", "CORRECTION")):
        raise bad(f"A {kind} score cannot have the value {value!r}")
    if kind == "BOOLEAN":
        if value not in (0, 1):
            raise bad("Boolean score values must equal either 1 or 0")
        return kind, bool(value)
    return kind, value


def _subject(body: Row) -> Row:
    if body.get("observationId"):
        return {"kind": "observation", "id": body["observationId"], "traceId": body.get("traceId")}
    for name, kind in zip(_SUBJECTS, ("trace", "session", "experiment"), strict=True):
        if body.get(name):
            return {"kind": kind, "id": body[name]}
    raise bad("A score needs a subject")


def _is_meant(row: Row, query: Query) -> bool:
    subject = row["subject"]
    trace = subject["id"] if subject["kind"] == "trace" else subject.get("traceId")
    ids = {subject["kind"]: subject["id"]}
    at = moment(row["timestamp"])
    return (
        all(one_of(query, name, row[name]) for name in ("id", "name", "environment", "configId"))
        and all(one_of(query | {n: query[n].upper() for n in [name] if n in query}, name, row[name]) for name in _UPPER)
        and one_of(query, "traceId", trace)
        and one_of(query, "observationId", ids.get("observation"))
        and one_of(query, "sessionId", ids.get("session"))
        and one_of(query, "experimentId", ids.get("experiment"))
        and not ("fromTimestamp" in query and at < moment(query["fromTimestamp"]))
        and not ("toTimestamp" in query and at >= moment(query["toTimestamp"]))
    )


_UPPER = ("source", "dataType")


class CommentTable:
    """All comments; each is on something that there is."""

    def __init__(self, exists: Exists) -> None:
        self.rows: list[Row] = []
        self._exists = exists

    def create(self, body: Row) -> Row:
        """Adds a comment."""
        if refused := incomplete(body, "projectId", "objectType", "objectId", "content"):
            raise refused
        kind = body["objectType"].upper()
        if kind not in _COMMENTED:
            raise bad(f"Invalid objectType {body['objectType']!r}")
        if len(body["content"]) > _LONGEST_COMMENT:
            problem = {"code": "too_big", "maximum": _LONGEST_COMMENT, "path": ["content"]}
            raise Refused(400, {"message": "Invalid request data", "error": [problem]})
        if not self._exists(kind, body["objectId"]):
            raise missing(f"Reference object, {kind}: {body['objectId']} not found. Skipping creating comment.")
        at = stamp(now())
        row = {
            "id": str(uuid.uuid4()),
            "projectId": PROJECT_ID,
            "createdAt": at,
            "updatedAt": at,
            "objectType": kind,
            "objectId": body["objectId"],
            "content": body["content"],
            "authorUserId": body.get("authorUserId"),
        }
        self.rows.append(row)
        return {"id": row["id"]}

    def list(self, query: Query) -> Row:
        """Returns one page of the comments on something."""
        if "objectId" in query and "objectType" not in query:
            raise bad("objectType is required when objectId is provided")
        kind = query.get("objectType", "").upper()
        rows = [
            row
            for row in self.rows
            if kind in ("", row["objectType"]) and query.get("objectId", row["objectId"]) == row["objectId"]
        ]
        return page(rows, query)

    def answer(self, method: str, path: str, query: Query, body: Any) -> tuple[int, Any] | None:
        """Answers what is asked of comments; `None` = something else is meant."""
        match method, path:
            case "POST", "/api/public/comments":
                return 200, self.create(body)
            case "GET", "/api/public/comments":
                return 200, self.list(query)
        return None
