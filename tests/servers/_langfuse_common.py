"""What the tables of the fake Langfuse share: identifiers, times, pages and cursors, in a recorded server's words."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

from tests.servers._fake import Refused

PROJECT_ID = "proj-test"
PROJECT = {
    "id": PROJECT_ID,
    "name": "TestProject",
    "organization": {"id": "org-test", "name": "TestOrg"},
    "metadata": {},
}

Row = dict[str, Any]
Query = dict[str, str]


def new_id() -> str:
    """Returns an identifier of the length and alphabet that the server gives its datasets."""
    return "cm" + uuid.uuid4().hex[:23]


def missing(message: str) -> Refused:
    """Returns the answer to a request for something that is not there."""
    return Refused(404, {"message": message, "error": "LangfuseNotFoundError"})


def bad(message: str) -> Refused:
    """Returns the answer to a request that asks for what cannot be."""
    return Refused(400, {"message": message, "error": "InvalidRequestError"})


def incomplete(body: Any, *names: str) -> Refused | None:
    """Returns the answer to a body that lacks one of the names; `None` when it has them."""
    problems = [
        {
            "expected": "string",
            "code": "invalid_type",
            "path": [name],
            "message": "Invalid input: expected string, received undefined",
        }
        for name in names
        if not isinstance(body, dict) or body.get(name) is None
    ]
    return Refused(400, {"message": "Invalid request data", "error": problems}) if problems else None


def now() -> dt.datetime:
    """The time in UTC, to the millisecond that the server shows."""
    at = dt.datetime.now(dt.UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def stamp(moment: dt.datetime) -> str:
    """Writes a time as the server does: milliseconds and Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> dt.datetime:
    """Reads a time that a client sent; without an offset it is UTC."""
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        raise bad(f"Invalid datetime: {text}") from None
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


def nanos(moment_ns: int | str) -> dt.datetime:
    """Reads OpenTelemetry's nanoseconds since 1970."""
    return dt.datetime.fromtimestamp(int(moment_ns) / 1e9, dt.UTC)


def limit_of(query: Query, *, usual: int, most: int) -> int:
    """Reads `limit`; above the most that the server gives at once is refused."""
    limit = int(query.get("limit", usual))
    if limit > most:
        problem = {
            "origin": "number",
            "code": "too_big",
            "maximum": most,
            "inclusive": True,
            "path": ["limit"],
            "message": f"Too big: expected number to be <={most}",
        }
        raise Refused(400, {"message": "Invalid request data", "error": [problem]})
    return limit


def page(rows: list[Row], query: Query) -> Row:
    """Returns a numbered page: `page` from 1, `limit` up to 100, 50 where nothing is said."""
    limit, number = limit_of(query, usual=50, most=100), int(query.get("page", "1"))
    total = len(rows)
    meta = {"page": number, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}
    return {"data": rows[(number - 1) * limit : number * limit], "meta": meta}


def after_cursor(
    rows: list[Row], query: Query, *, limit: int, key: Callable[[Row], tuple[Any, ...]], names: tuple[str, ...]
) -> tuple[list[Row], Row]:
    """Returns the rows behind the query's cursor, and the meta with the next cursor where more are left.

    Rows come newest first by `key`; the cursor is the last row's key under `names`, so that rows that arrive between
    two requests move nothing.
    """
    ordered = sorted(rows, key=key, reverse=True)
    if "cursor" in query:
        try:
            last = json.loads(base64.urlsafe_b64decode(query["cursor"] + "=="))
            behind = tuple(last[name] for name in names)
        except (ValueError, KeyError, TypeError):
            raise bad("Invalid cursor format") from None
        ordered = [row for row in ordered if key(row) < behind]
    taken = ordered[:limit]
    if len(ordered) <= limit:
        return taken, {}
    last = {"v": 1, **dict(zip(names, key(taken[-1]), strict=True))}
    return taken, {"cursor": base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")}


def one_of(query: Query, name: str, value: Any) -> bool:
    """Says whether a row's value is in the query's comma-separated list; a query without it takes all."""
    return name not in query or str(value) in query[name].split(",")
