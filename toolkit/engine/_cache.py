"""Answers that serve several trials: of identical requests in flight one is sent, and the others take its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from toolkit._records import Outcome
from toolkit.store import CACHE_SOURCE, is_reusable


class InFlight:
    """The calls under way by what they ask, so that nobody asks the same at the same time. Used on one event loop."""

    def __init__(self) -> None:
        self._leaders: dict[str, asyncio.Future[Outcome | None]] = {}

    async def send(
        self, key: str, send: Callable[[], Awaitable[Outcome | None]], *, on_wait: Callable[[], None] | None = None
    ) -> tuple[Outcome | None, bool]:
        """Returns an outcome, and whether it is another call's: that of one under way, else that of `send`.

        Only answers that may be used again are shared: who waits for a call that fails, or whose answer is cut off or
        filtered, sends its own.

        Args:
            key: Equal for calls that ask the same.
            send: Makes the call; `None` = there was none to make.
            on_wait: Called before waiting for another call, to give back what the wait does not need.

        Raises:
            StoreError: As `send` does.
        """
        while (leader := self._leaders.get(key)) is not None:
            if on_wait is not None:
                on_wait()
            # Shielded: one of those that wait may be cancelled, and the others still wait for the same.
            found = await asyncio.shield(leader)
            if found is not None and is_reusable(found):
                return found, True
        mine: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._leaders[key] = mine
        outcome: Outcome | None = None
        try:
            outcome = await send()
            return outcome, False
        finally:
            del self._leaders[key]
            mine.set_result(outcome)


def copy_for(found: Outcome, *, trial_id: str, run_id: str) -> Outcome:
    """Returns another trial's answer as the outcome of this one: nothing was sent for it, and it costs nothing.

    Args:
        found: An outcome that may be used again.
        trial_id: The trial that takes it.
        run_id: The run that the trial is of.
    """
    response = found.response
    return replace(
        found,
        trial_id=trial_id,
        run_id=run_id,
        response=None if response is None else replace(response, latency_s=None, first_token_s=None),
        attempts=0,
        possibly_billed=0,
        queue_s=0.0,
        retry_s=0.0,
        cost_usd=0.0,
        cost_source=CACHE_SOURCE,
    )
