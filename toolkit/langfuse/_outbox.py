"""Calls on their way to one Langfuse project: they wait in memory, leave in groups, and hold nobody up."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from toolkit._redact import known_masker, redact
from toolkit._traced import TracedCall
from toolkit.errors import LangfuseError, LangfuseWarning
from toolkit.langfuse._call_spans import call_span
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._otlp import MOST_BYTES, MOST_SPANS, send_spans

INTERVAL_S = 1.0
"""Seconds from a call's end to the group that it leaves with."""
MOST_CALLS = 10_000
"""Calls that wait at most; one more, and the oldest is dropped."""
MOST_CHARACTERS = 50_000_000
"""Characters of messages and answers that wait at most."""

# After a failure: how long until Langfuse is tried again, and the most that this grows to.
_PAUSE_S = 5.0
_MOST_PAUSE_S = 300.0

# Spans are made of so many calls at a stretch; then others have their turn on the loop.
_AT_A_STRETCH = 10

_BY_CONTENT = frozenset({400, 413, 422})

_PROJECTS = "/api/public/projects"

Kind = Literal["trouble", "dropped"]

# What was told in this process, of which host.
_told: set[tuple[int, str, Kind]] = set()


class Outbox:
    """The calls of one project; used on one loop.

    A call is sent at most once: one that may have arrived is not sent again, since Langfuse would have it twice. What
    goes wrong is told in one warning a host and process, and what was dropped for it in another one.

    Args:
        client: Asks the project.
        most: Calls that wait at most.
        interval_s: Seconds from a call's end to the group that it leaves with.
        sleep: Waits.
    """

    def __init__(
        self,
        client: LangfuseClient,
        *,
        most: int = MOST_CALLS,
        interval_s: float = INTERVAL_S,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._most = most
        self._interval_s = interval_s
        self._sleep = sleep
        self._waiting: collections.deque[tuple[TracedCall, int]] = collections.deque()
        self._characters = 0
        self._dropped = self._leaving = 0
        self._pause_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self.project_id: str | None = None

    def put(self, call: TracedCall) -> None:
        """Has a call sent soon; returns at once."""
        size = _size(call)
        self._waiting.append((call, size))
        self._characters += size
        while len(self._waiting) > self._most or (self._characters > MOST_CHARACTERS and len(self._waiting) > 1):
            self._take_one()
            self._dropped += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def aclose(self, *, at_most_s: float) -> None:
        """Sends what waits, unless it was in vain before, and says what is left.

        Args:
            at_most_s: Most seconds that this takes.
        """
        try:
            async with asyncio.timeout(at_most_s):
                async with self._one_at_a_time:
                    if not self._pause_s:
                        await self._send_all()
        except (LangfuseError, TimeoutError) as error:
            left = len(self._waiting) + self._leaving
            why = str(error) or f"{at_most_s:g} s were not enough."
            self._warn("trouble", f"{left:,} were not sent at the end. {why}")
        finally:
            if self._task is not None:
                self._task.cancel()
        self._waiting.clear()
        self._tell_dropped()

    async def _work(self) -> None:
        """Sends until nothing waits; the next call starts it again."""
        while self._waiting:
            await self._sleep(self._pause_s or self._interval_s)
            try:
                async with self._one_at_a_time:
                    await self._send_all()
            except LangfuseError as error:
                self._pause_s = min(max(2 * self._pause_s, _PAUSE_S), _MOST_PAUSE_S)
                self._warn("trouble", str(error))
            else:
                self._pause_s = 0.0
                self._tell_dropped()

    async def _send_all(self) -> None:
        while self._waiting:
            if self.project_id is None:
                self.project_id = (await self._client.project())[0]
            elif self._pause_s:
                # Whether it is back is found out by a question, not by a group that may be lost.
                await self._client.get(_PROJECTS)
                self._pause_s = 0.0
            spans, calls = await self._group()
            self._leaving = len(calls)
            await self._send(spans, calls)
            self._leaving = 0

    async def _send(self, spans: Sequence[dict[str, Any]], calls: Sequence[TracedCall]) -> None:
        try:
            rejected = await send_spans(self._client, spans) if spans else ""
        except LangfuseError as error:
            if error.status in _BY_CONTENT:
                await self._send_singly(spans, calls)
                return
            if error.possibly_taken:
                self._dropped += len(calls)
            else:
                self._put_back(calls)
            self._leaving = 0
            raise
        if rejected:
            self._warn("trouble", f"it rejected {rejected}.")

    async def _group(self) -> tuple[list[dict[str, Any]], list[TracedCall]]:
        """The oldest calls as spans, neither too many nor too long for one request; at least one."""
        mask = known_masker()
        spans: list[dict[str, Any]] = []
        calls: list[TracedCall] = []
        length = 0
        while self._waiting and len(spans) < MOST_SPANS:
            call = self._take_one()
            try:
                span = call_span(call, mask=mask)
                size = len(json.dumps(span))
            except Exception as error:  # noqa: BLE001  whatever a caller put into it; the others go on, and it is told
                self._dropped += 1
                self._warn("trouble", f"{type(error).__name__}: {redact(str(error))}.")
                continue
            if spans and length + size > MOST_BYTES:
                self._put_back([call])
                break
            spans.append(span)
            calls.append(call)
            length += size
            if len(spans) % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        return spans, calls

    async def _send_singly(self, spans: Sequence[dict[str, Any]], calls: Sequence[TracedCall]) -> None:
        """Sends each by itself, so that one that is refused takes no other with it."""
        for number, span in enumerate(spans):
            try:
                await send_spans(self._client, [span])
            except LangfuseError as error:
                is_refused = error.status in _BY_CONTENT
                self._dropped += is_refused or error.possibly_taken
                if not is_refused:
                    self._put_back(calls[number + error.possibly_taken :])
                    self._leaving = 0
                    raise
                self._warn("trouble", str(error))

    def _take_one(self) -> TracedCall:
        call, size = self._waiting.popleft()
        self._characters -= size
        return call

    def _put_back(self, calls: Sequence[TracedCall]) -> None:
        for call in reversed(calls):
            size = _size(call)
            self._waiting.appendleft((call, size))
            self._characters += size

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._warn("dropped", f"{self._dropped:,} were dropped.")

    def _warn(self, kind: Kind, words: str) -> None:
        key = (os.getpid(), self._client.host, kind)
        if key in _told:
            return
        _told.add(key)
        # Where warnings are errors, this one is none: the calls go on.
        with contextlib.suppress(LangfuseWarning):
            warnings.warn(
                f"Traces of calls do not all get to Langfuse: {words} The calls themselves are not touched by it, and "
                "this is told once.",
                LangfuseWarning,
                stacklevel=2,
            )


def _size(call: TracedCall) -> int:
    """About how many characters a call holds."""
    return len(call.outcome.text) + sum(_length(message.content) for message in call.messages)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(_length(part) for part in parts)
