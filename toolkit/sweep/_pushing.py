"""Pushes a run to Langfuse while it goes, where that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from toolkit._records import Outcome, RunView
from toolkit.engine import Engine
from toolkit.errors import StoreError, UsageError
from toolkit.langfuse import LAST_S, LivePush
from toolkit.results import arm_labels
from toolkit.sweep._events import Event, Listener, TrialFinished
from toolkit.sweep._execution import outlet_of
from toolkit.sweep._plan import Plan
from toolkit.sweep._stop import Stop

Langfuse = bool | str
"""Whether a run is pushed while it goes; a text is the name that it is pushed under."""


def check_langfuse(langfuse: object, engine: Engine | None = None) -> None:
    """Refuses what is no choice, and pushing without keys.

    Args:
        langfuse: As it was given.
        engine: Whose keys are needed; `None` = they are not looked at.

    Raises:
        UsageError: Naming what was given.
        MissingKeyError: If Langfuse's keys are not set.
    """
    if not isinstance(langfuse, bool | str) or (isinstance(langfuse, str) and not langfuse.strip()):
        raise UsageError(f"`langfuse` is True, False, or a name for the experiments; got {langfuse!r}.")
    if langfuse and engine is not None:
        outlet_of(engine)


def live_push(plan: Plan, engine: Engine, langfuse: Langfuse) -> LivePush | None:
    """Returns what pushes a plan's run while it goes; `None` when that was not asked for."""
    if not langfuse:
        return None
    view = RunView(
        run_id=plan.run_id,
        created_at=engine.clock.now(),
        arms=plan.arms,
        trials=tuple(plan.grid),
        outcomes={},
        baseline=plan.baseline,
    )
    name = langfuse if isinstance(langfuse, str) else None
    return LivePush(view, arm_labels(plan.arms), outlet_of(engine), name=name)


@asynccontextmanager
async def pushing(push: LivePush | None, engine: Engine, run_id: str, stop: Stop) -> AsyncIterator[None]:
    """Pushes for the length of the block, and what is left for a few seconds after it, unless the run was stopped."""
    if push is None:
        yield
        return
    push.begin()
    outcomes: Mapping[str, Outcome] | None = None
    try:
        yield
        if not stop.draining:
            outcomes = await _outcomes(engine, run_id)
    finally:
        await push.end(outcomes, at_most_s=LAST_S)


def heard_by(listener: Listener, push: LivePush | None) -> Callable[[Event], None]:
    """Returns a listener that has outcomes pushed beside telling `listener`."""
    if push is None:
        return listener

    def hear(event: Event) -> None:
        listener(event)
        if isinstance(event, TrialFinished):
            push.take(event.outcome)

    return hear


async def _outcomes(engine: Engine, run_id: str) -> Mapping[str, Outcome] | None:
    try:
        view = await asyncio.to_thread(engine.store.load_run, run_id)
    except StoreError:
        # Who reads the results is told of it; pushing is not what fails a run.
        return None
    return view.outcomes
