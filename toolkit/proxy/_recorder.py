"""Keeps every call of the proxy in the run store, in the run of its UTC day; `tk.traffic()` reads it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Literal, cast

from toolkit._records import Arm, Case, Failure, FrozenDict, Outcome, Prompt, messages_to_wire
from toolkit.engine import Entry, Prepared, Way
from toolkit.store import TRAFFIC, RunStore

# Said of a person or of the transport, not of what is compared: each user would be an arm of its own.
_NOT_OF_THE_ARM = frozenset({"user", "safety_identifier", "prompt_cache_key", "metadata", "stream", "stream_options"})

MESSAGES = Prompt(
    prompt_id="",
    version="",
    kind="chat",
    template=(FrozenDict({"type": "placeholder", "name": "messages"}),),
    source="messages",
)
"""Stands for the prompt of calls that bring their own messages, which are the case's variable `messages`."""


class TrafficRecorder:
    """Makes the records of calls.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def record(self, *, call_id: str, model: str) -> CallRecord:
        """Returns the record of one call, of which nothing is written before its request is about to leave.

        Args:
            call_id: Its identity: the frame's `trial_id`.
            model: As the client asked for it.
        """
        return CallRecord(self._store, call_id=call_id, model=model)


class CallRecord:
    """One call on its way into the store: the recorder and the ledger that the engine asks for.

    Args:
        store: Where it is kept.
        call_id: Its identity; a fallback's is this one with a number.
        model: As the client asked for it.
    """

    def __init__(self, store: RunStore, *, call_id: str, model: str) -> None:
        self._store = store
        self._call_id = call_id
        self._model = model
        self._ways = 0
        self._arm: Arm | None = None
        self._case = _NO_CASE
        self._sent: Outcome | None = None
        self._attempt_id: int | None = None

    async def open(self, prepared: Prepared, way: Way) -> Entry:
        """Notes what will be sent; the first attempt's write takes it along."""
        sent, self._ways = way.sent, self._ways + 1
        request = sent.request
        params = {key: value for key, value in sorted(request.params.items()) if key not in _NOT_OF_THE_ARM}
        self._arm = Arm(
            index=0,
            prompt=sent.prompt or MESSAGES,
            model=self._model,
            model_source=cast('Literal["caller", "prompt", "alias"]', sent.model_source),
            provider=request.provider,
            model_sent=request.model,
            params=FrozenDict(params),
        )
        variables = prepared.variables
        if sent.prompt is None:
            variables = FrozenDict({"messages": messages_to_wire(request.messages)})
        self._case = Case(index=0, variables=variables)
        self._sent = None
        trial_id = self._call_id if self._ways == 1 else f"{self._call_id}-{self._ways}"
        return Entry(ledger=self, run_id=traffic_run(dt.datetime.now(dt.UTC).date()), trial_id=trial_id)

    async def begin_attempt(
        self,
        *,
        run_id: str,
        trial_id: str,
        request_key: str,
        sent_at: dt.datetime,
        reserved_usd: float | None = None,
    ) -> int:
        """Records an attempt before its request leaves; the first one puts the call itself on record."""
        if self._sent is not None or self._arm is None:
            self._attempt_id = await self._store.begin_attempt(
                run_id=run_id,
                trial_id=trial_id,
                request_key=request_key,
                sent_at=sent_at,
                reserved_usd=reserved_usd,
            )
            return self._attempt_id
        self._sent = Outcome(
            trial_id=trial_id, request_key=request_key, status="cancelled", started_at=sent_at, run_id=run_id,
            model_sent=self._arm.model_sent,
        )  # fmt: skip
        self._attempt_id = await self._store.append_call(
            run_id=run_id,
            arm=self._arm,
            case=self._case,
            trial_id=trial_id,
            request_key=request_key,
            sent_at=sent_at,
            reserved_usd=reserved_usd,
        )
        return self._attempt_id

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Records that an attempt failed and another will follow."""
        self._attempt_id = None
        await self._store.fail_attempt(attempt_id, kind=kind, possibly_billed=possibly_billed)

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Records what the call ended with, before the client sees it."""
        # From here on it has an end, also when the client leaves while this is written.
        self._sent = None
        await self._store.finish(outcome, run_id=run_id, attempt_id=attempt_id)

    async def abandon(self, reason: str, *, partial: str | None = None) -> None:
        """Records that nobody waits for the answer any more; does nothing when the call has an end, or never left.

        Args:
            reason: One line.
            partial: Text that had arrived; `None` = none.
        """
        if self._sent is None:
            return
        failure = Failure(
            kind="cancelled",
            error_type="CancelledError",
            message=reason,
            possibly_billed=self._attempt_id is not None,
            partial=partial,
        )
        outcome, self._sent = replace(self._sent, failure=failure), None
        await self._store.finish(outcome, run_id=str(outcome.run_id), attempt_id=self._attempt_id)


def traffic_run(day: dt.date) -> str:
    """Returns the id of the run of a day's calls.

    Example:
        >>> traffic_run(dt.date(2026, 11, 22))
        'traffic-2026-11-22'
    """
    return f"{TRAFFIC}{day.isoformat()}"


_NO_CASE = Case(index=0, variables=FrozenDict())
