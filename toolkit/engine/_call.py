"""Sends one request until it has an outcome: a place, an attempt on record, the call, a retry or the end.

This is the one way a request leaves, for sweeps and for single completions alike. Every step that costs money is on
record before it happens, every answer before anyone sees it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from toolkit._records import Failure, Outcome, Request, Response
from toolkit._redact import redact
from toolkit.engine._clock import Clock
from toolkit.engine._limits import Slots
from toolkit.engine._retry import RetryPolicy, Tries, after_failure
from toolkit.errors import ProviderError
from toolkit.providers import LIST_PRICES, Prices, Provider

DEFAULT_TIMEOUT_S = 120.0
"""Seconds for one attempt, from connecting to the last byte."""


class Ledger(Protocol):
    """Where attempts and outcomes are put on record; the run store is one."""

    async def begin_attempt(self, *, run_id: str, trial_id: str, request_key: str, sent_at: dt.datetime) -> int:
        """Records an attempt before its request leaves; returns its number."""
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


async def call(request: Request, provider: Provider, *, trial_id: str, caller: Caller) -> Outcome:
    """Sends `request` until it is answered or given up, and returns the outcome, which is then on record.

    A failure is an outcome, not an exception.

    Args:
        request: What to send.
        provider: Who answers.
        trial_id: The trial it is for.
        caller: Store, places, clock and patience of the run.

    Raises:
        StoreError: If an attempt or the outcome cannot be recorded; nothing more is sent then.
    """
    outcome, _ = await exchange(request, provider, trial_id=trial_id, caller=caller)
    return outcome


async def exchange(
    request: Request, provider: Provider, *, trial_id: str, caller: Caller
) -> tuple[Outcome, ProviderError | None]:
    """As `call`, and returns beside the outcome the error that ended it, for callers that raise it."""
    clock, ledger, run_id = caller.clock, caller.ledger, caller.run_id
    key, started_at = request.key, clock.now()
    attempts = possibly_billed = 0
    queue_s = retry_s = 0.0
    tries = Tries()
    while True:
        place = caller.slots.place((provider.identity, request.model), at_most=provider.capabilities.max_concurrency)
        async with place as waited_s:
            attempt_id = await ledger.begin_attempt(
                run_id=run_id, trial_id=trial_id, request_key=key, sent_at=clock.now()
            )
            attempts, queue_s = attempts + 1, queue_s + waited_s
            result = await _attempt(request, provider, timeout_s=caller.timeout_s)
        if isinstance(result, Response):
            break
        possibly_billed += result.possibly_billed
        wait_s, tries = after_failure(result, tries, policy=caller.policy, rng=caller.rng)
        if wait_s is None:
            break
        await ledger.fail_attempt(attempt_id, kind=result.kind, possibly_billed=result.possibly_billed)
        await clock.sleep(wait_s)
        retry_s += wait_s
    cost = caller.prices.cost(provider.name, request, result, at=started_at) if isinstance(result, Response) else None
    outcome = Outcome(
        trial_id=trial_id,
        request_key=key,
        status="ok" if isinstance(result, Response) else "failed",
        response=result if isinstance(result, Response) else None,
        failure=failure_of(result) if isinstance(result, ProviderError) else None,
        attempts=attempts,
        possibly_billed=possibly_billed,
        queue_s=queue_s,
        retry_s=retry_s,
        cost_usd=cost[0] if cost is not None else None,
        cost_source=cost[1] if cost is not None else None,
        model_sent=request.model,
        started_at=started_at,
        run_id=run_id,
    )
    await ledger.finish(outcome, run_id=run_id, attempt_id=attempt_id)
    return outcome, result if isinstance(result, ProviderError) else None


async def _attempt(request: Request, provider: Provider, *, timeout_s: float) -> Response | ProviderError:
    """Sends once; what goes wrong comes back as a value."""
    try:
        if not request.params.get("stream"):
            return await provider.complete(request, timeout_s=timeout_s)
        async for chunk in provider.stream(request, timeout_s=timeout_s):
            if chunk.response is not None:
                return chunk.response
        return _misbehaved(request, provider, "ended its stream without a response", possibly_billed=True)
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001  an adapter's own mistake is this row's failure, not the sweep's end
        return _misbehaved(request, provider, f"raised {type(error).__name__}: {error}", possibly_billed=True)


def _misbehaved(request: Request, provider: Provider, what: str, *, possibly_billed: bool) -> ProviderError:
    return ProviderError(
        redact(f"The provider {provider.name!r} {what}; this is a defect of its adapter, please report it."),
        provider=provider.name,
        model=request.model,
        kind="adapter",
        possibly_billed=possibly_billed,
    )


def answered(
    outcome: Outcome, response: Response, request: Request, provider: Provider, *, prices: Prices = LIST_PRICES
) -> Outcome:
    """Returns the outcome with its answer, and with what the answer cost where that is known."""
    cost_usd, cost_source = prices.cost(provider.name, request, response, at=outcome.started_at) or (None, None)
    return replace(outcome, status="ok", response=response, cost_usd=cost_usd, cost_source=cost_source)


def failure_of(error: ProviderError) -> Failure:
    """Returns the row's account of an error: one line, credentials masked."""
    return Failure(
        kind=error.kind,
        error_type=type(error).__name__,
        message=redact(" ".join(str(error).split())),
        retryable=error.retryable,
        status=error.status,
        possibly_billed=error.possibly_billed,
        partial=error.partial,
    )
