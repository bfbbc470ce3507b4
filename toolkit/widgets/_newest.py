"""Slow work off the kernel's thread: of several wishes one after the other, only the newest is done and shown."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from toolkit import _sync

T = TypeVar("T")


class Newest:
    """Does one kind of work at a time, each in a thread of its own; a newer wish takes the place of those before it.

    Callbacks of widgets only ask here and return at once, whichever thread they are called on. What a superseded wish
    gave, be it an error, is never shown.

    Args:
        wait_s: Seconds without a newer wish before the work begins; 0 = at once.
    """

    def __init__(self, *, wait_s: float = 0.0) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._busy: asyncio.Lock | None = None
        self._wish = 0
        self._works: list[_sync.Work[None]] = []

    def ask(self, work: Callable[[], T], show: Callable[[T], None], fail: Callable[[Exception], None]) -> None:
        """Has some work done and shown; returns at once.

        Args:
            work: May take long, and may use every call of the package.
            show: Takes what the work gave; called on a thread of its own, and raises nothing.
            fail: Takes what the work raised; likewise.
        """
        with self._lock:
            self._wish += 1
            self._works = [each for each in self._works if not each.is_done]
            self._works.append(_sync.start(self._do(self._wish, work, show, fail)))

    def drop(self) -> None:
        """Has nothing shown of what was asked for until now."""
        with self._lock:
            self._wish += 1

    @property
    def is_busy(self) -> bool:
        """True while something is under way or waits."""
        with self._lock:
            return any(not work.is_done for work in self._works)

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Waits until everything that was asked for is shown or dropped, and tells whether it is.

        Args:
            timeout_s: Most seconds to wait.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with self._lock:
                left = [work for work in self._works if not work.is_done]
            if not left:
                return True
            left[0].join(max(0.0, deadline - time.monotonic()))
        return False

    async def _do(
        self, wish: int, work: Callable[[], T], show: Callable[[T], None], fail: Callable[[Exception], None]
    ) -> None:
        await asyncio.sleep(self._wait_s)
        if self._busy is None:
            self._busy = asyncio.Lock()
        async with self._busy:
            if not self._is_newest(wish):
                return
            try:
                given = await asyncio.to_thread(work)
            except Exception as error:  # noqa: BLE001  handed to who shows it
                if self._is_newest(wish):
                    await asyncio.to_thread(fail, error)
            else:
                if self._is_newest(wish):
                    await asyncio.to_thread(show, given)

    def _is_newest(self, wish: int) -> bool:
        with self._lock:
            return wish == self._wish
