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
from toolkit.providers import Provider

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
    clock = caller.clock
    outcome = Outcome(
        trial_id=trial_id,
        request_key=request.key,
        status="failed",
        model_sent=request.model,
        started_at=clock.now(),
        run_id=caller.run_id,
    )
    tries = Tries()
    while True:
        place = caller.slots.place((provider.identity, request.model), at_most=provider.capabilities.max_concurrency)
        async with place as queue_s:
            attempt_id = await caller.ledger.begin_attempt(
                run_id=caller.run_id, trial_id=trial_id, request_key=outcome.request_key, sent_at=clock.now()
            )
            outcome = replace(outcome, attempts=outcome.attempts + 1, queue_s=outcome.queue_s + queue_s)
            result = await _attempt(request, provider, timeout_s=caller.timeout_s)
        if isinstance(result, Response):
            outcome = _answered(outcome, result, provider)
            break
        if result.possibly_billed:
            outcome = replace(outcome, possibly_billed=outcome.possibly_billed + 1)
        wait_s, tries = after_failure(result, tries, policy=caller.policy, rng=caller.rng)
        if wait_s is None:
            outcome = replace(outcome, failure=failure_of(result))
            break
        await caller.ledger.fail_attempt(attempt_id, kind=result.kind, possibly_billed=result.possibly_billed)
        await clock.sleep(wait_s)
        outcome = replace(outcome, retry_s=outcome.retry_s + wait_s)
    await caller.ledger.finish(outcome, run_id=caller.run_id, attempt_id=attempt_id)
    return outcome


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


def _answered(outcome: Outcome, response: Response, provider: Provider) -> Outcome:
    known_cost = response.cost_usd is not None
    return replace(
        outcome,
        status="ok",
        response=response,
        cost_usd=response.cost_usd,
        cost_source=provider.name if known_cost else None,
    )


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
