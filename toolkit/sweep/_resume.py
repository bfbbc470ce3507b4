"""Goes on with a stored run, from what the store has of it alone."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolkit import _sync
from toolkit._records import Arm, RunView
from toolkit.engine import Engine, default_engine
from toolkit.errors import DriftWarning, UsageError
from toolkit.results import Drift, Results
from toolkit.sweep._drift import find_drift
from toolkit.sweep._early import StopEarly
from toolkit.sweep._embedding import refuse_resuming
from toolkit.sweep._live import How, Run, Unknown, prepare_run
from toolkit.sweep._plan import Grid, Plan, Routes, find_routes, plan_of
from toolkit.sweep._preflight import Caps
from toolkit.sweep._progress import ProgressChoice, painter_for
from toolkit.sweep._pushing import check_langfuse
from toolkit.sweep._runner import Limits

# Most seconds that the look at the prompt sources may take; the run does not depend on it.
_DRIFT_S = 10.0

_LIMITS = ("concurrency", "timeout_s", "prices")
_CAPS = ("budget_usd", "max_calls", "max_tokens")


def resume(
    run_id: str,
    *,
    concurrency: int | None = None,
    timeout_s: float | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    budget_usd: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    stop_early: StopEarly | None = None,
    unknown: Unknown = "resend",
    take_over: bool = False,
    langfuse: bool | str = False,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> Results:
    """Goes on with a run where it was left, and returns its results: sends what has no answer, and nothing else.

    Prompts, models, params, variables and limits are those of the run, as the store has them; keys and addresses are
    those of the environment and of config.yaml. Where a prompt source has changed since, a DriftWarning says so, and
    the run goes on with its own copy.

    Args:
        run_id: As `runs()` gives it.
        concurrency: As for `sweep`; `None` = as the run had it.
        timeout_s: As for `sweep`; `None` = as the run had it.
        prices: As for `sweep`; `None` = as the run had them.
        budget_usd: As for `sweep`; `None` = as the run had it. What the run has spent counts against it.
        max_calls: As for `sweep`; `None` = as the run had it.
        max_tokens: As for `sweep`; `None` = as the run had it.
        stop_early: As for `sweep`; `None` = all cases are sent, also of a run that was to stop early.
        unknown: As for `sweep`.
        take_over: As for `sweep`.
        langfuse: As for `sweep`.
        progress: As for `sweep`.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        RunNotFoundError: If the store has no such run; the message lists the newest.
        UsageError: If a model of the run now leads elsewhere; nothing was sent.
        StoreError: If something cannot be recorded; what had finished is kept.

    Example:
        >>> resume(runs()[-1]).summary()    # doctest: +SKIP
    """
    options = {
        "concurrency": concurrency,
        "timeout_s": timeout_s,
        "prices": prices,
        "budget_usd": budget_usd,
        "max_calls": max_calls,
        "max_tokens": max_tokens,
    }
    given = {name: value for name, value in options.items() if value is not None}
    how = How(unknown=unknown, take_over=take_over, langfuse=langfuse)
    run, drift = _sync.run(_prepare(engine or default_engine(), run_id, given, how, progress, stop_early))
    if drift:
        warnings.warn(f"{drift!r}\nThe run goes on with its own copies.", DriftWarning, stacklevel=2)
    return run.attend()


async def _prepare(
    engine: Engine,
    run_id: str,
    given: Mapping[str, object],
    how: How,
    progress: ProgressChoice,
    stop_early: StopEarly | None,
) -> tuple[Run, Drift | None]:
    """Reads the run, makes its plan, looks at the prompt sources; the run is not begun yet."""
    how.check()
    check_langfuse(how.langfuse, engine)
    painter = painter_for(progress)
    view = await asyncio.to_thread(engine.store.load_run, run_id)
    refuse_resuming(run_id)
    if not view.is_grid:
        raise UsageError(f"{run_id!r} holds live calls, which were asked for one by one; there is nothing to resume.")
    spec: Mapping[str, Any] = {**(engine.store.run_spec(run_id) or {}), **given}
    known = {name: value for name, value in spec.items() if value is not None}
    limits = Limits(**{name: known[name] for name in _LIMITS if name in known})
    caps = Caps(**{name: known[name] for name in _CAPS if name in known})
    grid = Grid(prompts=(), prices=limits.prices, concurrency=limits.concurrency, caps=caps, on_oversize="send")
    plan = plan_of_run(view, engine, replace(grid, stop_early=stop_early))
    drift = await _drift(engine, view)
    return await prepare_run(plan, engine, limits, how, painter), drift


def plan_of_run(view: RunView, engine: Engine, grid: Grid) -> Plan:
    """Returns the plan of a stored run: the prompts as they were, and trials with the ids that they have there.

    Raises:
        UsageError: If a model of the run is not configured any more, or what would be sent is not what was planned.
    """
    cases = {trial.case.index: trial.case for trial in view.trials}
    repeats = 1 + max((trial.repeat for trial in view.trials), default=0)
    plan = plan_of(
        engine,
        view.arms,
        tuple(routes_of(arm, engine) for arm in view.arms),
        tuple(cases[index] for index in sorted(cases)),
        replace(grid, repeats=repeats),
        baseline=view.baseline,
    )
    if {trial.trial_id for trial in plan.grid} != {trial.trial_id for trial in view.trials}:
        raise UsageError(
            f"What the run {view.run_id!r} would send now is not what it was planned to send, because config.yaml or "
            "this package has changed; sweep again with the same arguments: answers that fit are taken from the store."
        )
    return replace(plan, run_id=view.run_id)


def routes_of(arm: Arm, engine: Engine) -> Routes:
    """Returns who may answer for an arm of a stored run.

    Raises:
        UsageError: If its model is not configured any more, or leads elsewhere.
    """
    routes = find_routes(engine, arm.model)
    first = routes.ways[0]
    if (first.provider.identity, first.model) != (arm.provider, arm.model_sent):
        raise UsageError(
            f"The run was planned with {arm.model!r} as {arm.model_sent!r} of {arm.provider!r}, which is now "
            f"{first.model!r} of {first.provider.identity!r}: its answers would not be those of this run. Set config "
            "and environment as they were, or sweep again."
        )
    return routes


async def _drift(engine: Engine, view: RunView) -> Drift | None:
    """Looks at the sources of the run's prompts; a source that cannot be asked is no reason not to go on."""
    try:
        async with asyncio.timeout(_DRIFT_S):
            drift = await find_drift(engine, [arm.prompt for arm in view.arms])
    except TimeoutError:
        return None
    return Drift(changes=tuple(change for change in drift.changes if change.kind != "unreachable"))
