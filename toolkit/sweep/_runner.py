"""Runs a plan: skips what the store holds, calls, commits, reports, stops cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from toolkit._records import Failure, Outcome, Request, Trial
from toolkit.engine import (
    DEFAULT_CONCURRENCY,
    DEFAULT_TIMEOUT_S,
    Caller,
    Clock,
    Engine,
    RetryPolicy,
    Route,
    Slots,
    SystemClock,
    build_request,
    call,
    failure_of,
)
from toolkit.errors import ProviderError, ToolkitError, UsageError
from toolkit.providers import LIST_PRICES, Prices
from toolkit.sweep._events import Listener, ModelSuspended, Preparing, SweepEnded, SweepStarted, TrialFinished
from toolkit.sweep._plan import Plan

# Kinds of failure after which no later call of the same model can succeed until a person acts.
_FATAL_KINDS = frozenset({"auth", "quota", "not_found"})


@dataclass(slots=True, kw_only=True)
class _Group:
    """The pending trials of one model at one provider."""

    route: Route
    asked_as: str
    trials: list[Trial] = field(default_factory=list)
    suspended: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a plan is run; the arguments are described at `sweep`, unchecked here."""

    concurrency: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    prices: Mapping[str, Mapping[str, float]] | None = None


async def run_plan(
    plan: Plan,
    engine: Engine,
    limits: Limits,
    *,
    listener: Listener,
    clock: Clock | None = None,
    rng: Random | None = None,
    policy: RetryPolicy | None = None,
) -> int:
    """Sends what has no answer yet and returns the number of trials sent.

    Each model has workers of its own, so that a slow or suspended one never holds up the others.

    Args:
        plan: What to run.
        engine: Sources, providers and the run store.
        limits: Concurrency, time and prices.
        listener: Hears what happens.
        clock: Measures and waits; `None` = the machine's.
        rng: Jitter of the backoff; `None` = seeded by the system.
        policy: Patience of the retries; `None` = the default.

    Raises:
        UsageError: If a limit is not positive or a price is no price.
        StoreError: If something cannot be recorded; nothing more is sent then.
    """
    concurrency = limits.concurrency
    _check_limits(concurrency, limits.timeout_s)
    prices = LIST_PRICES if limits.prices is None else Prices(limits.prices)
    clock = clock or SystemClock()
    await engine.store.save_run(
        run_id=plan.run_id, created_at=clock.now(), arms=plan.arms, trials=plan.grid, baseline=plan.baseline
    )
    pending = _pending(plan, engine)
    distinct = len({trial.trial_id for trial in plan.grid})
    listener(SweepStarted(run_id=plan.run_id, trials=distinct, stored=distinct - len(pending)))
    caller = Caller(
        run_id=plan.run_id,
        ledger=engine.store,
        slots=Slots(concurrency, clock=clock),
        clock=clock,
        rng=rng or Random(),  # noqa: S311  jitter, not a secret
        policy=policy or RetryPolicy(),
        timeout_s=limits.timeout_s,
        prices=prices,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            for group in _groups(pending, plan):
                tasks.create_task(_run_group(group, caller, concurrency or DEFAULT_CONCURRENCY, listener))
    except* ToolkitError as errors:
        # One cause is enough to act on; a store that fails does so for every worker at once.
        raise _first(errors) from None
    listener(SweepEnded(sent=len(pending)))
    return len(pending)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _check_limits(concurrency: int | None, timeout_s: float) -> None:
    if concurrency is not None and (
        not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1
    ):
        raise UsageError(f"`concurrency` is a whole number of at least 1, or None; got {concurrency!r}.")
    if not timeout_s > 0:
        raise UsageError(f"`timeout_s` is a positive number of seconds; got {timeout_s!r}.")


def _pending(plan: Plan, engine: Engine) -> list[Trial]:
    """Trials without an answer, each content once, in the plan's order."""
    seen = engine.store.answered({trial.trial_id for trial in plan.grid})
    pending = []
    for trial in plan.grid:
        if trial.trial_id not in seen:
            seen.add(trial.trial_id)
            pending.append(trial)
    return pending


def _groups(pending: Sequence[Trial], plan: Plan) -> list[_Group]:
    groups: dict[tuple[str, str], _Group] = {}
    for trial in pending:
        route = plan.route(trial)
        key = (route.provider.identity, route.model)
        if key not in groups:
            groups[key] = _Group(route=route, asked_as=trial.arm.model)
        groups[key].trials.append(trial)
    return list(groups.values())


async def _run_group(group: _Group, caller: Caller, concurrency: int, listener: Listener) -> None:
    listener(Preparing(model=group.asked_as))
    try:
        await group.route.provider.prepare(group.route.model)
    except ProviderError as error:
        # Not made ready means that nothing was sent: each of its trials says why.
        group.suspended = failure_of(error)
        listener(ModelSuspended(model=group.asked_as, reason=str(error)))
    caps = (group.route.provider.capabilities.max_concurrency, group.route.max_parallel_requests)
    workers = min(concurrency, len(group.trials), *(cap for cap in caps if cap))
    queue = iter(group.trials)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(_work(queue, group, caller, listener))


async def _work(queue: Iterator[Trial], group: _Group, caller: Caller, listener: Listener) -> None:
    # The iterator is shared by the group's workers; they run on one loop, so `next` is never entered twice.
    for trial in queue:
        if group.suspended is not None:
            outcome = _not_sent(trial, group, group.suspended, caller.run_id)
            await caller.ledger.finish(outcome, run_id=caller.run_id, attempt_id=None)
        else:
            outcome = await call(
                _request(trial, group.route), group.route.provider, trial_id=trial.trial_id, caller=caller
            )
            failure = outcome.failure
            if failure is not None and failure.kind in _FATAL_KINDS and group.suspended is None:
                group.suspended = failure
                listener(ModelSuspended(model=group.asked_as, reason=failure.message))
        # After the commit: a listener that reads the store must find the row.
        listener(TrialFinished(outcome=outcome))


def _request(trial: Trial, route: Route) -> Request:
    arm = trial.arm
    return build_request(
        arm.prompt, trial.case.variables, provider=route.provider.identity, model=route.model, params=arm.params
    )


def _not_sent(trial: Trial, group: _Group, reason: Failure, run_id: str) -> Outcome:
    """The row of a trial whose model was suspended before its turn: nothing was sent, and it says why."""
    return Outcome(
        trial_id=trial.trial_id,
        request_key=_request(trial, group.route).key,
        status="skipped",
        failure=replace(reason, message=f"Not sent: {reason.message}", possibly_billed=False, partial=None),
        model_sent=group.route.model,
        run_id=run_id,
    )
