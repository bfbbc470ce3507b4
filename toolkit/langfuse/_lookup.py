"""Asks a Langfuse project which generations it has."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._spans import ENVIRONMENT, SpanKey

_OBSERVATIONS = "/api/public/v2/observations"

# Up to so many are asked for one by one; more are found in the list of what began in the same span of time.
_ONE_BY_ONE = 4

_PAGE_SIZE = 500

# Langfuse keeps milliseconds, and where a limit stands is its own business.
_MARGIN = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A generation that may be there."""

    key: SpanKey
    name: str
    started_at: dt.datetime
    """UTC."""


async def found_there(client: LangfuseClient, sought: Sequence[Sought]) -> set[SpanKey]:
    """Returns those of the generations that the project has.

    Raises:
        LangfuseError: If it cannot be asked.
    """
    found: set[SpanKey] = set()
    if len(sought) <= _ONE_BY_ONE:
        for each in sought:
            params = {"traceId": each.key.trace_id, "fields": "core", **_time(each.started_at, each.started_at)}
            found |= await _keys(client, params)
    else:
        for name in sorted({each.name for each in sought}):
            times = [each.started_at for each in sought if each.name == name]
            params = {"name": name, "environment": ENVIRONMENT, "fields": "core", **_time(min(times), max(times))}
            found |= await _keys(client, params)
    return found & {each.key for each in sought}


async def _keys(client: LangfuseClient, params: dict[str, str]) -> set[SpanKey]:
    rows = client.cursor_pages(_OBSERVATIONS, {**params, "limit": _PAGE_SIZE})
    return {SpanKey(trace_id=str(row.get("traceId")), span_id=str(row.get("id"))) async for row in rows}


def _time(begin: dt.datetime, end: dt.datetime) -> dict[str, str]:
    return {"fromStartTime": _text(begin - _MARGIN), "toStartTime": _text(end + _MARGIN)}


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
