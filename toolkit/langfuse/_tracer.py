"""Keeps traces of completion calls in Langfuse, each in the project that its prompt is from."""

from __future__ import annotations

import asyncio
import atexit
import functools
import importlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._traced import Spot, TracedCall
from toolkit.config import LangfuseSettings
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._outbox import INTERVAL_S, Outbox
from toolkit.langfuse._spot import spot_for

CLOSING_S = 2.0
"""Most seconds that the end of a process or of an engine waits for what is not sent yet."""

_TIMEOUT_S = 10.0


class CallTracer:
    """The traces of one engine's calls.

    Args:
        http: Sends; stays the caller's to close.
        interval_s: Seconds from a call's end to the group that it leaves with.
        new_id: Makes an id of so many bytes, as hex digits.
    """

    def __init__(
        self,
        *,
        http: HttpClient,
        interval_s: float = INTERVAL_S,
        new_id: Callable[[int], str] = lambda size: os.urandom(size).hex(),
    ) -> None:
        self._http = http
        self._interval_s = interval_s
        self._new_id = new_id
        self._outboxes: dict[LangfuseSettings, Outbox] = {}
        self._process_id = os.getpid()
        _open.add(self)
        _close_at_exit()

    def spot(self, metadata: Mapping[str, Any], *, traceparent: str | None) -> Spot:
        """Returns where a call stands that begins now, in the context of whoever makes it."""
        return spot_for(metadata, traceparent=traceparent, new_id=self._new_id)

    def take(self, call: TracedCall, project: LangfuseSettings) -> None:
        """Takes a call that is over; returns at once. Called on the engine's loop."""
        if self._process_id != os.getpid():
            # What waits in a forked child is the parent's to send.
            self._outboxes, self._process_id = {}, os.getpid()
        outbox = self._outboxes.get(project)
        if outbox is None:
            client = LangfuseClient(project, self._http, timeout_s=_TIMEOUT_S, max_waits=0)
            outbox = self._outboxes[project] = Outbox(client, interval_s=self._interval_s)
        if call.spot.public_key not in (None, project.public_key):
            # The caller's span goes to another project, where this one would be a child without a parent.
            call = replace(call, spot=Spot(trace_id=call.spot.trace_id, span_id=call.spot.span_id))
        outbox.put(call)

    def address(self, spot: Spot, project: LangfuseSettings) -> str:
        """Returns the address of the page that shows a call's trace.

        Until something was sent, the project's id is not known; Langfuse leads the short form to the project.
        """
        outbox = self._outboxes.get(project)
        if outbox is None or outbox.project_id is None:
            return f"{project.host}/trace/{spot.trace_id}"
        return f"{project.host}/project/{outbox.project_id}/traces/{spot.trace_id}"

    async def aclose(self) -> None:
        """Sends what waits, for two seconds at most."""
        if self._process_id != os.getpid():
            return
        outboxes, self._outboxes = list(self._outboxes.values()), {}
        await asyncio.gather(*(outbox.aclose(at_most_s=CLOSING_S) for outbox in outboxes))

    @property
    def has_waiting(self) -> bool:
        """True when something was taken in this process and may not be sent yet."""
        return bool(self._outboxes) and self._process_id == os.getpid()


_open: weakref.WeakSet[CallTracer] = weakref.WeakSet()


@functools.cache
def _close_at_exit() -> None:
    """Has every tracer closed when the process ends, once."""
    # Before threads end, where that can be had: afterwards no host's name is looked up any more. What is registered
    # last is called first, and the threads that look names up must still be there.
    importlib.import_module("concurrent.futures.thread")
    getattr(threading, "_register_atexit", atexit.register)(_close_all)


def _close_all() -> None:
    closing = [_sync.start(tracer.aclose()) for tracer in list(_open) if tracer.has_waiting]
    until = time.monotonic() + CLOSING_S + 0.5
    for work in closing:
        work.join(max(0.0, until - time.monotonic()))
