"""Runs a plan: skips what the store holds, calls, commits, reports, stops cleanly."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from toolkit._records import Failure, Outcome, Trial
from toolkit.engine import (
    DEFAULT_TIMEOUT_S,
    FATAL_KINDS,
    Budget,
    Caller,
    Clock,
    Engine,
    InFlight,
    LimitChange,
    Place,
    RetryPolicy,
    Slots,
    SystemClock,
    call,
    copy_for,
    failure_of,
    worst_case,
)
from toolkit.errors import ProviderError, StoreFullError, UsageError
from toolkit.providers import LIST_PRICES, Prices
from toolkit.results import STOPPED
from toolkit.store import LimitChange as KeptChange
from toolkit.sweep._early import Early
from toolkit.sweep._events import (
    LimitChanged,
    Listener,
    ModelSuspended,
    Preparing,
    SweepEnded,
    SweepStarted,
    TrialFinished,
    TrialStarted,
)
from toolkit.sweep._patience import Patience
from toolkit.sweep._plan import Plan
from toolkit.sweep._queue import Group, Job, Queue, request_of, turns
from toolkit.sweep._stop import Stop

# The store is asked for so many trials at once, and so many rows of unsent ones are written together.
_LOOKUP = 10_000
_TOGETHER = 200


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
    budget: Budget | None = None,
    stop: Stop | None = None,
    resend_unknown: bool = True,
) -> int:
    """Sends what has no answer yet and returns the number of trials sent.

    Trials leave in the order of `turns`. A model that is full, paced, paused or suspended holds up no other.

    Args:
        plan: What to run.
        engine: Sources, providers and the run store.
        limits: Concurrency, time and prices.
        listener: Hears what happens.
        clock: Measures and waits; `None` = the machine's.
        rng: Jitter of the backoff; `None` = seeded by the system.
        policy: Patience of the retries; `None` = the default.
        budget: What all attempts may come to; `None` = what the plan says.
        stop: Tells when to send nothing more, and when to cut what is in flight; `None` = never.
        resend_unknown: Sends again what an earlier process sent and recorded no outcome of; False = leaves it so.

    Raises:
        UsageError: If a limit is not positive or a price is no price.
        StoreError: If something cannot be recorded; nothing more is sent then.
    """
    _check_limits(limits.concurrency, limits.timeout_s)
    prices = LIST_PRICES if limits.prices is None else Prices(limits.prices)
    clock, policy = clock or SystemClock(), policy or RetryPolicy()
    await engine.store.save_run(
        run_id=plan.run_id, created_at=clock.now(), arms=plan.arms, trials=plan.grid, baseline=plan.baseline
    )
    left_alone = set() if resend_unknown else {each.trial_id for each in engine.store.unknown(plan.run_id)}
    early = await Early.begun(plan, engine.store, left_alone=left_alone)
    groups = _groups(plan, engine, left_alone, early)
    pending = sum(len(group) for group in groups)
    listener(SweepStarted(run_id=plan.run_id, trials=plan.distinct, stored=plan.distinct - pending - len(left_alone)))
    history: list[KeptChange] = []

    def changed(change: LimitChange) -> None:
        # The history is for people, by the time of day; the limits themselves go by the monotonic clock.
        endpoint = f"{change.origin} {change.model}"
        history.append(KeptChange(at=clock.now(), endpoint=endpoint, in_flight=change.limit, reason=change.why))
        listener(LimitChanged(model=change.model, limit=change.limit, per_s=change.per_s, reason=change.why))

    slots = Slots(limits.concurrency, clock=clock, max_wait_s=policy.max_wait_s, on_change=changed)
    caller = Caller(
        run_id=plan.run_id,
        ledger=engine.store,
        slots=slots,
        clock=clock,
        rng=rng or Random(),  # noqa: S311  jitter, not a secret
        policy=policy,
        timeout_s=limits.timeout_s,
        prices=prices,
        budget=budget,
        worst=lambda request: worst_case(request, prices=prices),
        drop_params=engine.config is not None and engine.config.drop_params,
    )
    running = _Running(plan, groups, caller, listener, engine.in_flight)
    running.early = early
    try:
        await running.work(stop or Stop())
    except BaseExceptionGroup as errors:
        # One cause is enough to act on; a store that fails does so for every worker at once.
        raise _first(errors) from None
    finally:
        slots.close()
    if history:
        await engine.store.note_limits(plan.run_id, history)
    listener(SweepEnded(sent=running.sent))
    return running.sent


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
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise UsageError(f"`timeout_s` is a positive number of seconds; got {timeout_s!r}.")


def _groups(plan: Plan, engine: Engine, left_alone: set[str], early: Early | None) -> list[Group]:
    """The trials without an answer, each content once, by who answers them, in the order of sending."""
    groups: dict[tuple[int, str], Group] = {}
    has_copies = plan.distinct < len(plan.grid)
    seen: set[str] = set()
    for turn, (place, trial) in enumerate(_unanswered(plan, engine, early)):
        if trial.trial_id in left_alone or trial.trial_id in seen:
            continue
        if has_copies:
            seen.add(trial.trial_id)
        route = plan.route(trial)
        # One provider object is one address with one key.
        key = (id(route.provider), route.model)
        if key not in groups:
            groups[key] = Group(route, asked_as=trial.arm.model, grid=plan.grid)
        groups[key].add(turn, place)
    return list(groups.values())


def _unanswered(plan: Plan, engine: Engine, early: Early | None) -> Iterable[tuple[int, Trial]]:
    """Places and trials without an answer, in the order of sending."""
    order = turns(len(plan.grid), len(plan.arms)) if early is None else early.turns()
    while some := [(place, plan.grid[place]) for place in itertools.islice(order, _LOOKUP)]:
        answered = engine.store.answered([trial.trial_id for _, trial in some])
        yield from ((place, trial) for place, trial in some if trial.trial_id not in answered)


class _Running:
    """One execution: the queue, its workers, and what they came to know of each model."""

    def __init__(
        self, plan: Plan, groups: Sequence[Group], caller: Caller, listener: Listener, in_flight: InFlight
    ) -> None:
        self._plan = plan
        self._groups = groups
        self._caller = caller
        self._listener = listener
        self._in_flight = in_flight
        self.early: Early | None = None
        """What says that an arm needs nothing more; `None` = nothing stops early."""
        self._patience = {id(group): Patience() for group in groups}
        self._workers: set[asyncio.Task[None]] = set()
        self._queue = Queue(groups, caller.slots, start=self._start)
        self._full: StoreFullError | None = None
        self.sent = 0
        """Trials of which a request left."""

    async def work(self, stop: Stop) -> None:
        """Sends everything, or until it is stopped."""
        for group in self._groups:
            route = group.route
            self._caller.slots.limit(
                route.provider, route.model, at_most=route.max_parallel_requests, rpm=route.rpm, tpm=route.tpm
            )
        watching = asyncio.create_task(self._watch(stop))
        try:
            if self.early is not None and self.early.dropped:
                await self._leave_out(self.early)
            async with asyncio.TaskGroup() as self._tasks:
                for group in self._groups:
                    self._tasks.create_task(self._prepare(group))
        finally:
            self._queue.close()
            watching.cancel()
            if self.early is not None:
                await self.early.keep()
        if self._full is not None:
            raise self._full

    async def _watch(self, stop: Stop) -> None:
        await stop.wait_draining()
        self._send_nothing_more()
        await stop.wait_cancelled()
        for worker in self._workers:
            worker.cancel()

    async def _prepare(self, group: Group) -> None:
        self._listener(Preparing(model=group.asked_as))
        try:
            await group.route.provider.prepare(group.route.model)
        except ProviderError as error:
            # Not made ready means that nothing was sent: each of its trials says why.
            try:
                await self._suspend(group, failure_of(error))
            except StoreFullError as full:
                self._run_full(full)
        else:
            group.is_ready = True
            self._queue.pump()

    def _start(self, job: Job) -> None:
        worker = self._tasks.create_task(self._work(job))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, job: Job | None) -> None:
        try:
            while job is not None:
                await self._send(job)
                job = await self._queue.next()
        except StoreFullError as error:
            self._run_full(error)
        except BaseException:
            self._queue.close()
            raise

    def _run_full(self, error: StoreFullError) -> None:
        """Sends nothing more; what is in flight has been paid for, comes in, and is held by the store."""
        # That which counts most of what is held by now; one that found nothing to send counts nothing.
        if self._full is None or error.held >= self._full.held:
            self._full = error
        self._send_nothing_more()

    def _send_nothing_more(self) -> None:
        self._queue.close()
        self._caller.slots.drain()
        if self._caller.budget is not None:
            self._caller.budget.abandon()

    async def _send(self, job: Job) -> None:
        group, trial = job.group, job.trial
        try:
            refusal = self._plan.refusal(trial)
            if refusal is not None:
                job.place.release()
                await self._skip(group, [trial], refusal)
                return
            self._listener(TrialStarted(trial_id=trial.trial_id))
            outcome = await self._answer(job)
        finally:
            job.place.release()
        if outcome is None:
            return
        self.sent += outcome.attempts > 0
        # After the commit: a listener that reads the store must find the row.
        self._listener(TrialFinished(outcome=outcome))
        if self.early is not None and await self.early.take(outcome):
            await self._leave_out(self.early)
        reason = self._reason_to_stop(group, outcome)
        if reason is not None and group.suspended is None:
            await self._suspend(group, reason)
        if outcome.failure is not None and outcome.failure.kind in FATAL_KINDS:
            self._caller.slots.decided(group.route.provider, group.route.model)

    async def _answer(self, job: Job) -> Outcome | None:
        """The trial's outcome: its own call's, or that of an identical request under way; `None` = it is not sent."""
        group, trial, caller = job.group, job.trial, self._caller
        place: Place | None = job.place

        def give_back() -> None:
            nonlocal place
            job.place.release()
            place = None

        async def send() -> Outcome | None:
            # While it waited for another call that came to nothing, things may have changed.
            if place is None and group.suspended is not None:
                reason = group.suspended
                await self._skip(group, [trial], replace(reason, message=f"Not sent: {reason.message}"))
                return None
            if place is None and self._queue.is_closed:
                return None
            return await call(job.request, group.route.provider, trial_id=trial.trial_id, caller=caller, place=place)

        found, is_shared = await self._in_flight.send(
            self._plan.sharing_key(trial, job.request), send, on_wait=give_back
        )
        if found is None or not is_shared:
            return found
        outcome = copy_for(found, trial_id=trial.trial_id, run_id=caller.run_id)
        if found.trial_id != trial.trial_id:
            await caller.ledger.finish(outcome, run_id=caller.run_id, attempt_id=None)
        return outcome

    def _reason_to_stop(self, group: Group, outcome: Outcome) -> Failure | None:
        failure = outcome.failure
        is_over = self._patience[id(group)].is_over(failure)
        if failure is None or is_over:
            return failure
        resumes_in_s = self._caller.slots.resumes_in_s(group.route.provider, group.route.model)
        if resumes_in_s is None:
            return None
        when = f"resumes in {duration_words(resumes_in_s)}; run the same call again then"
        return replace(failure, message=f"{failure.message} {group.asked_as!r} {when}.")

    async def _suspend(self, group: Group, reason: Failure) -> None:
        group.suspended = reason
        self._listener(ModelSuspended(model=group.asked_as, reason=reason.message))
        rest = group.take_rest()
        while some := list(itertools.islice(rest, _TOGETHER)):
            await self._skip(group, some, replace(reason, message=f"Not sent: {reason.message}"))
        self._queue.pump()

    async def _leave_out(self, early: Early) -> None:
        """Puts on record what is not needed any more, and sends none of it."""
        for group in self._groups:
            for reason, trials in early.by_reason(group.take_where(early.is_needless), at_once=_TOGETHER):
                await self._skip(group, trials, reason)
        self._queue.pump()

    async def _skip(self, group: Group, trials: Sequence[Trial], reason: Failure) -> None:
        """Puts trials on record that are not sent, with the reason why."""
        route, caller = group.route, self._caller
        reason = replace(reason, possibly_billed=False, partial=None)
        outcomes = [
            Outcome(
                trial_id=trial.trial_id,
                request_key=request_of(trial, route).key,
                status=STOPPED if reason.kind == STOPPED else "skipped",
                failure=reason,
                model_sent=route.model,
                run_id=caller.run_id,
            )
            for trial in trials
        ]
        await asyncio.gather(
            *(caller.ledger.finish(outcome, run_id=caller.run_id, attempt_id=None) for outcome in outcomes)
        )
        for outcome in outcomes:
            self._listener(TrialFinished(outcome=outcome))
            if self.early is not None:
                self.early.settle(outcome.trial_id)


def duration_words(seconds: float) -> str:
    """Returns a wait for a person.

    Example:
        >>> duration_words(45), duration_words(3599), duration_words(9000)
        ('45 s', '60 min', '2.5 h')
    """
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
