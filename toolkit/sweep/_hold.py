"""Sees to it that one execution at a time works on a run; a second one watches until the first is through."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from toolkit.engine import Engine
from toolkit.errors import StoreBusyError, StoreError
from toolkit.store import LEASE_S, Holder, Lease, RunStore, this_process
from toolkit.sweep._stop import Stop
from toolkit.sweep._tally import Tally

HEARTBEAT_S = LEASE_S / 6
"""Seconds between two signs of life of who works on a run."""

# How often one who watches looks how far the other one is.
_LOOK_S = 0.25


@contextlib.asynccontextmanager
async def hold(
    run_id: str, trial_ids: Collection[str], engine: Engine, tally: Tally, stop: Stop, *, take_over: bool
) -> AsyncIterator[bool]:
    """Holds a run for the block, and yields whether there is anything to do: False = another has seen to it.

    Args:
        run_id: The run.
        trial_ids: Its trials, to tell how far the other one is.
        engine: Whose store keeps the lease.
        tally: Told what is waited for.
        stop: Ends the watching, and is told when the run is taken over by another process.
        take_over: Whether to refuse instead of watching.

    Raises:
        StoreBusyError: If another execution is at work and `take_over` is given.
    """
    store = engine.store
    lease = await _acquire(run_id, trial_ids, store, tally, stop, take_over=take_over)
    if lease is None:
        yield False
        return
    heart = asyncio.create_task(_beat(store, lease, stop, tally))
    try:
        yield True
    finally:
        heart.cancel()
        # A full disk must not hide what ended the run; what is left of the lease is known by its dead process.
        with contextlib.suppress(StoreError):
            await store.release_lease(lease)


async def _acquire(
    run_id: str, trial_ids: Collection[str], store: RunStore, tally: Tally, stop: Stop, *, take_over: bool
) -> Lease | None:
    """Waits for the lease of a run; `None` = another execution went to its end meanwhile, or this one was stopped."""
    found = await store.acquire_lease(run_id)
    while isinstance(found, Holder):
        if take_over:
            raise StoreBusyError(
                f"The run {run_id!r} is being worked on by {_who(found)}, which is alive; stop that one first, or "
                "leave `take_over` out to watch it."
            )
        answered = await asyncio.to_thread(store.answered, trial_ids)
        tally.watch(
            run_id=run_id, trials=len(trial_ids), stored=len(answered), note=f"{_who(found)} is at work on this run"
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait_draining(), _LOOK_S)
        if stop.draining or await asyncio.to_thread(store.holder, run_id) is None:
            # Given back: whatever it left undone, a failure or a stop, was its own decision, and is in the results.
            answered = await asyncio.to_thread(store.answered, trial_ids)
            tally.watch(run_id=run_id, trials=len(trial_ids), stored=len(answered), note="")
            return None
        # Still held, or its process is gone: then the rest is ours to do.
        found = await store.acquire_lease(run_id)
    return found


async def _beat(store: RunStore, lease: Lease, stop: Stop, tally: Tally) -> None:
    """Says again and again that this process is there; once another one has the run, nothing more is sent."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        with contextlib.suppress(StoreError):
            if not await store.renew_lease(lease):
                tally.note = "another process has taken this run over"
                stop.drain()
                return


def _who(holder: Holder) -> str:
    if holder.process == this_process():
        return f"another sweep of this process since {holder.since:%H:%M:%S} UTC"
    return str(holder)
