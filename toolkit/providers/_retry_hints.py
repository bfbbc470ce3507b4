"""Reads how long a provider asks us to wait, from the headers and bodies that the big ones send."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit._http_text import retry_after_s, server_time

_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")

_DURATION_HEADERS = (
    ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-tokens", None),
)
_DATE_HEADERS = (
    ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"),
    ("anthropic-ratelimit-tokens-reset", None),
    ("anthropic-ratelimit-input-tokens-reset", None),
    ("anthropic-ratelimit-output-tokens-reset", None),
)


def retry_hint_s(headers: Mapping[str, str], details: Sequence[Any] = ()) -> float | None:
    """Returns the longest wait in seconds that applies, or `None` when nothing usable is said.

    Read are `retry-after` and `retry-after-ms`; `x-ratelimit-reset-*` (durations such as `6m0s`);
    `anthropic-ratelimit-*-reset` (RFC 3339, measured against the answer's own `date`); and `retryDelay` in the body of
    Google's errors. The reset of a request limit does not apply while requests remain; a token limit always does,
    because what remains may be less than what the request needs.

    Args:
        headers: Names in lower case.
        details: The `details` list of the error body.

    Example:
        >>> retry_hint_s({"retry-after": "2", "x-ratelimit-reset-tokens": "6m0s"})
        360.0
    """
    hints = [retry_after_s(headers)]
    for name, remaining in _DURATION_HEADERS:
        if not _has_some_left(headers, remaining):
            hints.append(duration_s(headers.get(name, "")))
    for name, remaining in _DATE_HEADERS:
        if not _has_some_left(headers, remaining):
            hints.append(_until_s(headers.get(name, ""), headers))
    for detail in details:
        if isinstance(detail, dict) and isinstance(detail.get("retryDelay"), str):
            hints.append(duration_s(detail["retryDelay"]))
    usable = [hint for hint in hints if hint is not None]
    return max(usable) if usable else None


def duration_s(text: str) -> float | None:
    """Returns a duration such as `6m0s`, `20ms` or `1.5` (seconds) in seconds; `None` when it is none.

    Example:
        >>> duration_s("6m0s"), duration_s("20ms"), duration_s("soon")
        (360.0, 0.02, None)
    """
    text = text.strip().lower()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    else:
        try:
            seconds = float(text)
        except ValueError:
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until_s(text: str, headers: Mapping[str, str]) -> float | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        until = dt.datetime.fromisoformat(text)
        if until.tzinfo is None:
            until = until.replace(tzinfo=dt.UTC)
        return max(0.0, until.timestamp() - server_time(headers))
    return None


def _has_some_left(headers: Mapping[str, str], name: str | None) -> bool:
    remaining = duration_s(headers.get(name, "")) if name is not None else None
    return remaining is not None and remaining >= 1
