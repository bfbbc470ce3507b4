"""Asks a prompt server: a few tries, few at a time; and keeps what came for a while, shared by all who ask."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from typing import Any, Literal, TypedDict, Unpack

from toolkit._http import HttpClient, HttpFailure, HttpResponse
from toolkit._records import Prompt
from toolkit.prompts._remote import Question, failure_error

MAX_IN_FLIGHT = 8
MAX_RETRIES = 2
MAX_WAIT_S = 30.0
"""Most seconds to wait before one retry, whatever the server asks for."""

_FIRST_WAIT_S = 0.25

Sleep = Callable[[float], Awaitable[Any]]


class Sender:
    """Sends the requests of one source, at most eight at a time.

    A 429, a 5xx and a broken connection are tried again, twice at most; what creates something is tried again only
    where the first try cannot have created it.

    Args:
        http: Sends; stays the caller's to close.
        timeout_s: Seconds for one try of one request.
        headers: Makes the headers of a request, credentials included, at the last moment.
        rng: Source of the retry waits' jitter; `None` = a new one.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        timeout_s: float,
        headers: Callable[[], Mapping[str, str]],
        rng: random.Random | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._http = http
        self._timeout_s = timeout_s
        self._headers = headers
        self._rng = rng if rng is not None else random.Random()  # noqa: S311  jitter, no secret
        self._sleep = sleep
        self._places: asyncio.Semaphore | None = None

    async def send(
        self,
        path: str,
        question: Question,
        *,
        method: Literal["GET", "POST", "PATCH"] = "GET",
        params: Mapping[str, str | int] | None = None,
        json_body: Any = None,
    ) -> HttpResponse:
        """Returns the answer to one request, whatever its status, after at most `MAX_RETRIES` further tries.

        Args:
            path: Behind the question's host, percent-encoded, with its slash.
            question: What is asked, for errors.
            method: `POST` creates, so it is not tried again once it may have been taken.
            params: Query parameters; `None` = none.
            json_body: Sent as JSON; `None` = no body.

        Raises:
            PromptSourceError: If no whole answer came.
        """
        creates = method == "POST"
        for retry in range(MAX_RETRIES + 1):
            asked_s: float | None = None
            try:
                response = await self._send_once(method, question.host + path, params, json_body)
            except HttpFailure as failure:
                # No second try after a timeout: the caller has waited long enough to be told.
                hopeless = failure.kind not in ("connect", "connection") or (creates and failure.request_sent)
                if retry == MAX_RETRIES or hopeless:
                    raise failure_error(failure, question) from failure
            else:
                may_pass = response.status == 429 or (response.status >= 500 and not creates)
                if retry == MAX_RETRIES or not may_pass:
                    return response
                asked_s = response.retry_after_s()
            jittered_s = self._rng.uniform(0.5, 1.0) * _FIRST_WAIT_S * 2**retry
            await self._sleep(jittered_s if asked_s is None else min(asked_s, MAX_WAIT_S))
        raise AssertionError  # the last turn of the loop returns or raises

    async def _send_once(
        self, method: str, url: str, params: Mapping[str, str | int] | None, json_body: Any
    ) -> HttpResponse:
        if self._places is None:
            self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        async with self._places:
            return await self._http.request(
                method,
                url,
                timeout_s=self._timeout_s,
                headers=self._headers(),
                params=params or None,
                json_body=json_body,
            )


class Kept:
    """Prompts by what was asked: one request within `ttl_s`, however many ask for it.

    Args:
        ttl_s: Seconds for which a fetched prompt is given out again; 0 = not at all.
        clock: Tells seconds.
    """

    def __init__(self, ttl_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Prompt]] = {}
        self._on_the_way: dict[Hashable, asyncio.Task[Prompt]] = {}

    async def get(self, key: Hashable, fetch: Callable[[], Coroutine[Any, Any, Prompt]]) -> Prompt:
        """Returns what is kept under `key`, what is on its way, or what `fetch` brings."""
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        task = self._on_the_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(fetch())
            self._on_the_way[key] = task
            task.add_done_callback(lambda done: self._arrived(key, done))
        # Shielded: one caller's Ctrl-C does not take the answer from the others.
        return await asyncio.shield(task)

    def refresh(self) -> None:
        """Drops everything; requests on their way are not shared any more."""
        self._kept.clear()
        self._on_the_way.clear()

    def close(self) -> None:
        """Cancels what is on its way and drops everything."""
        for task in self._on_the_way.values():
            task.cancel()
        self.refresh()

    def _arrived(self, key: Hashable, task: asyncio.Task[Prompt]) -> None:
        was_shared = self._on_the_way.get(key) is task
        if was_shared:
            del self._on_the_way[key]
        if task.cancelled() or task.exception() is not None or not was_shared or self._ttl_s <= 0:
            return
        self._kept[key] = (self._clock() + self._ttl_s, task.result())


class Asking(TypedDict, total=False):
    """How a prompt server is asked; every key has a default."""

    cache_ttl_s: float
    """Seconds for which a fetched prompt is given out again; 60 by default, 0 = not at all."""
    timeout_s: float
    """Seconds for one try of one request; 20 by default."""
    rng: random.Random | None
    """Source of the retry waits' jitter; `None` = a new one."""
    sleep: Sleep
    """Waits between tries."""
    clock: Callable[[], float]
    """Tells seconds, for the cache."""


class RemoteSource(ABC):
    """What the sources that ask a server have in common: tries, and a cache that callers share.

    Args:
        http: Sends the requests; stays the caller's to close.
        **asking: As in `Asking`.
    """

    def __init__(self, http: HttpClient, **asking: Unpack[Asking]) -> None:
        self._sender = Sender(
            http,
            timeout_s=asking.get("timeout_s", 20.0),
            headers=self._headers,
            rng=asking.get("rng"),
            sleep=asking.get("sleep", asyncio.sleep),
        )
        self._kept = Kept(asking.get("cache_ttl_s", 60.0), clock=asking.get("clock", time.monotonic))

    def refresh(self) -> None:
        """Drops every cached prompt; the next call asks the server. Requests on their way are not shared any more."""
        self._kept.refresh()

    async def aclose(self) -> None:
        """Cancels what is on its way and drops the cache."""
        self._kept.close()

    @abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """Returns the headers of a request, credentials included."""
