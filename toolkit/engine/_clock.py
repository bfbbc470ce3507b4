"""Time as an argument: what waits or measures takes a clock, so that it can be tried without waiting."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Where the engine reads the time and where it waits."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; every duration and deadline is measured by these."""
        ...

    def now(self) -> dt.datetime:
        """The time of day in UTC; for display only, since it can jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def now(self) -> dt.datetime:
        """The time of day in UTC."""
        return dt.datetime.now(dt.UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits on the running loop."""
        await asyncio.sleep(seconds)
