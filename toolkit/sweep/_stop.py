"""How a run under way is told to end: let what is in flight come in, or cut that too."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Stop:
    """Two flags that only ever go up, raised from any thread and awaited on any event loop.

    `draining` = nothing new is sent, what is in flight comes in and is recorded. `cancelled` = that is cut as well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._draining = _Flag()
        self._cancelled = _Flag()

    @property
    def draining(self) -> bool:
        """True once nothing new may be sent."""
        return self._draining.is_up

    @property
    def cancelled(self) -> bool:
        """True once calls in flight are to be cut, too; then `draining` is True as well."""
        return self._cancelled.is_up

    def drain(self) -> None:
        """Lets nothing new be sent."""
        with self._lock:
            self._draining.up()

    def cancel(self) -> None:
        """Lets nothing new be sent and cuts what is in flight."""
        with self._lock:
            self._draining.up()
            self._cancelled.up()

    async def wait_draining(self) -> None:
        """Returns once nothing new may be sent."""
        await self._wait(self._draining)

    async def wait_cancelled(self) -> None:
        """Returns once calls in flight are to be cut."""
        await self._wait(self._cancelled)

    async def _wait(self, flag: _Flag) -> None:
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._lock:
            if flag.is_up:
                return
            flag.waiters[woken] = loop
        try:
            await woken.wait()
        finally:
            with self._lock:
                flag.waiters.pop(woken, None)


class _Flag:
    """One flag and who waits for it; guarded by its owner's lock."""

    __slots__ = ("is_up", "waiters")

    def __init__(self) -> None:
        self.is_up = False
        self.waiters: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def up(self) -> None:
        self.is_up = True
        for event, loop in self.waiters.items():
            # A closed loop means that nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)
