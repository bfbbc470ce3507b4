"""Sends one request until it has an outcome: a place, an attempt on record, the call, a retry or the end.

This is the one way a request leaves, for sweeps and for single completions alike. Every step that costs money is on
record before it happens, every answer before anyone sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from toolkit._records import Failure, FrozenDict, Outcome, Request, Response
from toolkit._redact import redact
from toolkit.engine._budget import NOTHING, Budget, Reservation, Spend, spent_on
from toolkit.engine._clock import Clock
from toolkit.engine._limits import Place, Slots
from toolkit.engine._retry import RetryPolicy, Tries, after_failure
from toolkit.errors import BadRequestError, FailureKind, ProviderError, ProviderTimeoutError
from toolkit.providers import LIST_PRICES, Prices, Provider

DEFAULT_TIMEOUT_S = 120.0
"""Seconds for one attempt, from connecting to the last byte."""

# Adapters keep the deadline themselves and say more about it; this much later it is kept for those that do not.
_GRACE_S = 0.4

# Kinds of failure with which no request leaves.
_NOT_SENT = frozenset({FailureKind.DNS, FailureKind.CONNECT, FailureKind.TLS})

_MOST_NOTED = 1000

_log = logging.getLogger("toolkit")


class Ledger(Protocol):
    """Where attempts and outcomes are put on record; the run store is one."""

    async def begin_attempt(
        self, *, run_id: str, trial_id: str, request_key: str, sent_at: dt.datetime, reserved_usd: float | None = None
    ) -> int:
        """Records an attempt before its request leaves, with the most that it can cost; returns its number."""
        ...

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Records that an attempt failed and another will follow."""
        ...

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Records what a trial ended with, before it is shown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What stays the same from call to call within one run."""

    run_id: str
    ledger: Ledger
    slots: Slots
    clock: Clock
    rng: Random
    policy: RetryPolicy
    timeout_s: float = DEFAULT_TIMEOUT_S
    prices: Prices = LIST_PRICES
    budget: Budget | None = None
    """What all attempts of the run may come to; `None` = no limit."""
    worst: Callable[[Request], Spend] | None = None
    """Most that one attempt can come to; needed with a budget."""
    drop_params: bool = False
    """Whether a parameter that the provider refuses is left out, once, and the rest asked again."""


async def call(
    request: Request, provider: Provider, *, trial_id: str, caller: Caller, place: Place | None = None
) -> Outcome:
    """Sends `request` until it is answered or given up, and returns the outcome, which is then on record.

    A failure is an outcome, not an exception.

    Args:
        request: What to send.
        provider: Who answers.
        trial_id: The trial it is for.
        caller: Store, places, clock and patience of the run.
        place: One that is held already for the first try; `None` = it waits for one.

    Raises:
        StoreError: If an attempt or the outcome cannot be recorded; nothing more is sent then.
    """
    outcome, _ = await exchange(request, provider, trial_id=trial_id, caller=caller, place=place)
    return outcome


async def exchange(
    request: Request, provider: Provider, *, trial_id: str, caller: Caller, place: Place | None = None
) -> tuple[Outcome, ProviderError | None]:
    """As `call`, and returns beside the outcome the error that ended it, for callers that raise it."""
    clock, ledger = caller.clock, caller.ledger
    key, started_at = request.key, clock.now()
    attempts = possibly_billed = 0
    queue_s = retry_s = 0.0
    tries = Tries()
    sent, sent_key, dropped = request, key, None
    while True:
        async with place or caller.slots.place(provider, request.model, request=sent, is_retry=attempts > 0) as held:
            if held.is_denied:
                break  # met by later tries only: what came of the last one stands
            result, attempt_id = await _try_once(sent, provider, trial_id=trial_id, key=sent_key, caller=caller)
            held.report(result, was_sent=attempt_id is not None)
        queue_s, place = queue_s + held.waited_s, None
        attempts += attempt_id is not None
        if isinstance(result, Response) or attempt_id is None:
            break
        possibly_billed += result.possibly_billed
        wait_s: float | None = 0.0
        if dropped is None and caller.drop_params and (dropped := refused_param(result, sent)) is not None:
            sent = without_param(sent, dropped)
            sent_key = sent.key
        else:
            wait_s, tries = after_failure(result, tries, policy=caller.policy, rng=caller.rng)
        if wait_s is None:
            break
        await ledger.fail_attempt(attempt_id, kind=str(result.kind), possibly_billed=result.possibly_billed)
        if wait_s:
            await caller.slots.rest(wait_s)
            retry_s += wait_s
    response = flagged(result, dropped) if isinstance(result, Response) else None
    cost = caller.prices.cost(provider.name, sent, response, at=started_at) if response is not None else None
    outcome = Outcome(
        trial_id=trial_id,
        request_key=key,
        # What the budget kept from leaving is not a failure of the provider's.
        status="ok" if response is not None else "failed" if attempt_id is not None else "over_budget",
        response=response,
        failure=failure_of(result) if isinstance(result, ProviderError) else None,
        attempts=attempts,
        possibly_billed=possibly_billed,
        queue_s=queue_s,
        retry_s=retry_s,
        cost_usd=cost[0] if cost is not None else None,
        cost_source=cost[1] if cost is not None else None,
        model_sent=request.model,
        started_at=started_at,
        run_id=caller.run_id,
    )
    if response is not None:
        _note_served(provider, request.model, response.model)
    await ledger.finish(outcome, run_id=caller.run_id, attempt_id=attempt_id)
    return outcome, result if isinstance(result, ProviderError) else None


async def _try_once(
    request: Request, provider: Provider, *, trial_id: str, key: str, caller: Caller
) -> tuple[Response | ProviderError, int | None]:
    """One attempt within the budget, on record before it leaves; without a number when the budget refused it."""
    budget, started_at = caller.budget, caller.clock.now()
    worst: Spend | None = None
    reservation: Reservation | None = None
    if budget is not None and caller.worst is not None:
        worst = caller.worst(request)
        reservation = await budget.reserve(worst)
        if reservation is None:
            refusal = budget.refusal(worst)
            kind = FailureKind.OVER_BUDGET
            return ProviderError(refusal.message, provider=provider.name, model=request.model, kind=kind), None
    # A crash or a cancellation from here on leaves the worst case counted, unless nothing had been recorded yet.
    actual: Spend | None = NOTHING
    try:
        attempt_id = await caller.ledger.begin_attempt(
            run_id=caller.run_id,
            trial_id=trial_id,
            request_key=key,
            sent_at=started_at,
            reserved_usd=worst.usd if worst is not None else None,
        )
        actual = None
        result = await _attempt(request, provider, timeout_s=caller.timeout_s)
        if reservation is not None:
            actual = _came_to(result, request, provider, caller.prices, started_at)
        return result, attempt_id
    finally:
        if budget is not None and reservation is not None:
            budget.settle(reservation, actual)


def _came_to(
    result: Response | ProviderError, request: Request, provider: Provider, prices: Prices, at: dt.datetime
) -> Spend | None:
    """What an attempt is charged with; `None` = not known, so that its worst case stays counted."""
    if isinstance(result, Response):
        cost = prices.cost(provider.name, request, result, at=at)
        return spent_on(result, cost[0] if cost is not None else None)
    if result.possibly_billed:
        return None
    return NOTHING if result.kind in _NOT_SENT else Spend(usd=0.0, calls=1, tokens=0)


async def _attempt(request: Request, provider: Provider, *, timeout_s: float) -> Response | ProviderError:
    """Sends once; what goes wrong comes back as a value."""
    scope = asyncio.timeout(timeout_s + _GRACE_S)
    try:
        async with scope:
            if not request.params.get("stream"):
                return await provider.complete(request, timeout_s=timeout_s)
            async with contextlib.AsyncExitStack() as stack:
                chunks = provider.stream(request, timeout_s=timeout_s)
                if isinstance(chunks, AsyncGenerator):
                    await stack.enter_async_context(contextlib.aclosing(chunks))
                async for chunk in chunks:
                    if chunk.response is not None:
                        return chunk.response
            return _misbehaved(request, provider, "ended its stream without a response", possibly_billed=True)
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001  an adapter's own mistake is this row's failure, not the sweep's end
        if isinstance(error, TimeoutError) and scope.expired():
            return ProviderTimeoutError(
                f"{provider.name!r} gave no whole answer in time (model {request.model!r}): {timeout_s:g} s were "
                "allowed. Allow more time, or ask for fewer tokens.",
                provider=provider.name,
                model=request.model,
                possibly_billed=True,
            )
        return _misbehaved(request, provider, f"raised {type(error).__name__}: {error}", possibly_billed=True)


def _misbehaved(request: Request, provider: Provider, what: str, *, possibly_billed: bool) -> ProviderError:
    return ProviderError(
        redact(f"The provider {provider.name!r} {what}; this is a defect of its adapter, please report it."),
        provider=provider.name,
        model=request.model,
        kind=FailureKind.ADAPTER,
        possibly_billed=possibly_billed,
    )


def refused_param(error: ProviderError, request: Request) -> str | None:
    """Returns the parameter that a refusal is about, where the request has it; `None` for any other error."""
    if not isinstance(error, BadRequestError) or error.kind != FailureKind.BAD_REQUEST:
        return None
    return error.param if error.param in request.params else None


def flagged(response: Response, dropped: str | None) -> Response:
    """Returns the response with a flag for the parameter that was left out to get it."""
    return response if dropped is None else replace(response, flags=(*response.flags, f"dropped:{dropped}"))


def without_param(request: Request, param: str) -> Request:
    """Returns the request without one of its parameters."""
    kept = {name: value for name, value in request.params.items() if name != param}
    return replace(request, params=FrozenDict(kept))


_served_otherwise: set[tuple[str, str, str]] = set()


def _note_served(provider: Provider, asked: str, served: str | None) -> None:
    """Says once that another model answers than was asked for; a dated snapshot of the same is none."""
    if served is None or asked in served or (provider.identity, asked, served) in _served_otherwise:
        return
    if len(_served_otherwise) < _MOST_NOTED:
        _served_otherwise.add((provider.identity, asked, served))
        _log.warning(
            "%r answers for the model %r with %r; the column model_served says so row by row.",
            provider.name, asked, served,
        )  # fmt: skip


def answered(
    outcome: Outcome, response: Response, request: Request, provider: Provider, *, prices: Prices = LIST_PRICES
) -> Outcome:
    """Returns the outcome with its answer, and with what the answer cost where that is known."""
    cost_usd, cost_source = prices.cost(provider.name, request, response, at=outcome.started_at) or (None, None)
    return replace(outcome, status="ok", response=response, cost_usd=cost_usd, cost_source=cost_source)


def failure_of(error: ProviderError) -> Failure:
    """Returns the row's account of an error: one line, credentials masked."""
    return Failure(
        kind=str(error.kind),
        error_type=type(error).__name__,
        message=redact(" ".join(str(error).split())),
        retryable=error.retryable,
        status=error.status,
        possibly_billed=error.possibly_billed,
        partial=error.partial,
    )
