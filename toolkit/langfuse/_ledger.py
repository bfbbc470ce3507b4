"""Where it is noted what was pushed: the run store's book, or memory for runs that are in no store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

from toolkit.store import Delivery

RecordKey = tuple[str, str]
"""Kind and record of a delivery."""


class Ledger(Protocol):
    """What `RunStore` offers of this; see there."""

    def deliveries(self, run_id: str, target: str | None = None) -> list[Delivery]:
        """Returns what of a run was handed on, or left and was not heard of, oldest note first."""
        ...

    async def claim_deliveries(
        self,
        run_id: str,
        target: str,
        deliveries: Sequence[Delivery],
        *,
        instead_of: Mapping[RecordKey, dt.datetime] | None = None,
    ) -> set[RecordKey]:
        """Notes what is about to leave, and returns each that nobody had noted before."""
        ...

    async def note_deliveries(self, run_id: str, target: str, deliveries: Sequence[Delivery]) -> None:
        """Notes what is known of records, in place of what was noted of them."""
        ...

    async def forget_deliveries(self, run_id: str, target: str, records: Sequence[RecordKey]) -> None:
        """Takes back the notes of records that are known not to have left."""
        ...


class MemoryLedger:
    """Notes that last as long as the process."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], dict[RecordKey, Delivery]] = {}

    def deliveries(self, run_id: str, target: str | None = None) -> list[Delivery]:
        """Returns what of a run was handed on, or left and was not heard of, oldest note first."""
        found = [
            delivery
            for (of_run, to), notes in self._notes.items()
            if of_run == run_id and target in (None, to)
            for delivery in notes.values()
        ]
        return sorted(found, key=lambda delivery: delivery.at)

    async def claim_deliveries(
        self,
        run_id: str,
        target: str,
        deliveries: Sequence[Delivery],
        *,
        instead_of: Mapping[RecordKey, dt.datetime] | None = None,
    ) -> set[RecordKey]:
        """Notes what is about to leave, and returns each that nobody had noted before."""
        notes = self._notes.setdefault((run_id, target), {})
        for key, at in (instead_of or {}).items():
            if (held := notes.get(key)) is not None and (held.state, held.at) == ("leaving", at):
                del notes[key]
        claimed = {(each.kind, each.record): each for each in deliveries if (each.kind, each.record) not in notes}
        notes.update(claimed)
        return set(claimed)

    async def note_deliveries(self, run_id: str, target: str, deliveries: Sequence[Delivery]) -> None:
        """Notes what is known of records, in place of what was noted of them."""
        notes = self._notes.setdefault((run_id, target), {})
        notes.update({(each.kind, each.record): each for each in deliveries})

    async def forget_deliveries(self, run_id: str, target: str, records: Sequence[RecordKey]) -> None:
        """Takes back the notes of records that are known not to have left."""
        notes = self._notes.get((run_id, target), {})
        for key in records:
            notes.pop(key, None)
