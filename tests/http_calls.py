"""Requests of the HTTP client's tests, and what they fail with."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit import _sync
from toolkit._http import HttpClient, HttpFailure, HttpResponse


def ask(*urls: str, method: str = "POST", pause: Any = None, **options: Any) -> list[HttpResponse]:
    """The answers to requests that one client sends one after the other."""

    async def send() -> list[HttpResponse]:
        client = HttpClient()
        answers = []
        for url in urls:
            answers.append(await client.request(method, url, timeout_s=5, json_body={"a": 1}, **options))
            if pause is not None:
                pause()
        await client.aclose()
        return answers

    return _sync.run(send())


def failure_of(*urls: str, method: str = "POST", **options: Any) -> HttpFailure:
    """What the last of some requests fails with."""
    with pytest.raises(HttpFailure) as raised:
        ask(*urls, method=method, **options)
    return raised.value
