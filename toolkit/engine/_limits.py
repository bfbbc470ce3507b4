"""How many calls are in flight, in all and for each model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from toolkit.engine._clock import Clock

DEFAULT_CONCURRENCY = 8
"""Most calls in flight when the caller does not say."""


class Slots:
    """Places among the calls in flight. Made and used on the engine's loop.

    Args:
        concurrency: Most calls in flight in all; `None` = 8.
        clock: Measures the time spent waiting for a place.
    """

    def __init__(self, concurrency: int | None, *, clock: Clock) -> None:
        self._clock = clock
        self._all = asyncio.Semaphore(concurrency or DEFAULT_CONCURRENCY)
        self._of_model: dict[tuple[str, str], asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def place(self, key: tuple[str, str], *, at_most: int | None) -> AsyncIterator[float]:
        """Waits for a place, holds it for the block, and yields the seconds it waited.

        Args:
            key: Provider identity and model; each has its own places beside the common ones.
            at_most: Most calls of this key in flight; `None` = only the common limit.
        """
        asked_at = self._clock.monotonic()
        # The model's own place comes first: who waits for a busy model must not hold a place that others could use.
        async with self._own(key, at_most), self._all:
            yield self._clock.monotonic() - asked_at

    def _own(self, key: tuple[str, str], at_most: int | None) -> contextlib.AbstractAsyncContextManager[object]:
        if at_most is None:
            return contextlib.nullcontext()
        if key not in self._of_model:
            self._of_model[key] = asyncio.Semaphore(at_most)
        return self._of_model[key]
