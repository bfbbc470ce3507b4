"""The rules by which a wait is read from headers."""

from __future__ import annotations

import pytest

from toolkit.providers._retry_hints import duration_s, retry_hint_s

DATE = {"date": "Fri, 02 Jan 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("8.64s", 8.64),
        ("1d", 86400.0),
        ("12", 12.0),
        (" 7S ", 7.0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("1s ago", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("9" * 400 + "s", None),
    ],
)
def test_durations_are_read(text: str, seconds: float | None) -> None:
    """A duration with units, or bare seconds, is read; nonsense, negatives and infinities are `None`."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"retry-after": "2", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"retry-after": "500", "x-ratelimit-reset-tokens": "6m0s"}, 500.0),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-remaining-requests": "99"}, None),
        ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-remaining-requests": "0"}, 8.0),
        ({"x-ratelimit-reset-tokens": "8s", "x-ratelimit-remaining-tokens": "99"}, 8.0),
        ({**DATE, "anthropic-ratelimit-requests-reset": "2026-01-02T12:00:30Z"}, 30.0),
        ({**DATE, "anthropic-ratelimit-tokens-reset": "2026-01-02T12:01:00+00:00"}, 60.0),
        ({**DATE, "anthropic-ratelimit-input-tokens-reset": "2026-01-02T13:00:05+01:00"}, 5.0),
        ({**DATE, "anthropic-ratelimit-output-tokens-reset": "2026-01-02T11:00:00Z"}, 0.0),
        ({**DATE, "retry-after": "3", "anthropic-ratelimit-tokens-reset": "2026-01-02T12:00:20Z"}, 20.0),
        ({**DATE, "anthropic-ratelimit-tokens-reset": "tomorrow"}, None),
        ({"retry-after": "-3", "x-ratelimit-reset-tokens": "inf"}, None),
    ],
)
def test_longest_wait_that_applies_wins(headers: dict[str, str], seconds: float | None) -> None:
    """Of all waits that apply the longest counts; a request limit with requests left does not apply."""
    assert retry_hint_s(headers) == seconds
