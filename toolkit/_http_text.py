"""Reads what HTTP carries as text: server-sent events however the bytes were cut, and how long to wait."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event of a server-sent event stream."""

    data: str
    event: str = "message"


class EventParser:
    r"""Takes a server-sent event stream apart, however the bytes were cut.

    Source: "Server-sent events", HTML Living Standard, section 9.2 (event stream interpretation).

    Example:
        >>> parser = EventParser()
        >>> list(parser.feed(b"data: a")), [event.data for event in parser.feed(b"b\r\n\r\n")]
        ([], ['ab'])
    """

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._data: list[str] = []
        self._event = ""
        self._at_start = True
        self._is_held = False
        self.is_repaired = False
        """True once a byte that is no UTF-8 was replaced."""

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Returns the events that `chunk` completes."""
        self._pending.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk and not self._is_held and not self._at_start:
            # A long line in many small pieces is looked through once, not once a piece.
            return []
        pending = b"".join(self._pending)
        if self._at_start:
            if len(pending) < len(_BOM) and _BOM.startswith(pending):
                return []
            pending = pending.removeprefix(_BOM)
            self._at_start = False
        # A CR at the very end may be half of a CRLF: it waits for what follows.
        self._is_held = pending.endswith(b"\r")
        *lines, rest = _LINE_END.split(pending.removesuffix(b"\r") if self._is_held else pending)
        self._pending = [rest + b"\r" if self._is_held else rest]
        events = []
        for line in lines:
            if line:
                self._take_field(self._decoded(line))
                continue
            if self._data:
                events.append(ServerEvent(data="\n".join(self._data), event=self._event or "message"))
            self._data, self._event = [], ""
        return events

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.is_repaired = True
            return line.decode("utf-8", "replace")

    def _take_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that the headers ask a client to wait, or `None` when they say nothing usable.

    `retry-after-ms` goes before `retry-after`; a date is measured against the answer's own `date`, so that a wrong
    local clock does not matter. Negative, infinite and unreadable values say nothing.

    Source: RFC 9110, section 10.2.3.

    Example:
        >>> retry_after_s({"retry-after": "7"}), retry_after_s({"retry-after": "soon"})
        (7.0, None)
    """
    if (milliseconds := _finite(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _finite(value)) is not None:
        return seconds
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, _http_date(value).timestamp() - server_time(headers))
    return None


def server_time(headers: Mapping[str, str]) -> float:
    """Returns the Unix time by the answer's own `date`, or by the local clock when it has none."""
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return _http_date(headers["date"]).timestamp()
    return time.time()


def _http_date(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _finite(text: str | None) -> float | None:
    with contextlib.suppress(ValueError, TypeError):
        number = float(text)  # type: ignore[arg-type]  # None is a TypeError, which says nothing, as wanted
        if math.isfinite(number) and number >= 0:
            return number
    return None
