"""Reads a moment as people write it: a date, a time, or how long ago."""

from __future__ import annotations

import datetime as dt
import re

from toolkit.errors import UsageError

Moment = dt.datetime | dt.date | dt.timedelta | str
"""A moment; a length of time is meant backwards from now: `7d`, `12h`, `timedelta(days=7)`."""

_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(given: Moment, *, now: dt.datetime, argument: str) -> dt.datetime:
    """Returns the moment in UTC; a date is its first moment, and what has no time zone is in UTC.

    Args:
        given: A datetime, a date, ISO 8601 text, a length of time (`30m`, `12h`, `7d`, `2w`).
        now: What a length of time is counted back from.
        argument: What the caller's argument is called, for the message.

    Raises:
        UsageError: If it is none of these.

    Example:
        >>> noon = dt.datetime(2026, 1, 10, 12, tzinfo=dt.UTC)
        >>> moment_of("7d", now=noon, argument="since").isoformat()
        '2026-01-03T12:00:00+00:00'
        >>> moment_of("2026-01-02T08:00+02:00", now=noon, argument="since").isoformat()
        '2026-01-02T06:00:00+00:00'
    """
    try:
        if isinstance(given, str):
            length = _LENGTH.fullmatch(given.strip())
            if length is None:
                given = dt.datetime.fromisoformat(given.strip())
            else:
                given = dt.timedelta(**{_UNITS[length[2]]: float(length[1])})
        if isinstance(given, dt.timedelta):
            return now - given
        if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
            given = dt.datetime(given.year, given.month, given.day, tzinfo=dt.UTC)
        if isinstance(given, dt.datetime):
            return given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"`{argument}` is a moment such as '7d', '12h', '2026-01-31', '2026-01-31T12:00:00Z' or a datetime; "
        f"got {given!r}."
    )
