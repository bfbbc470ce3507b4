"""What of a run was handed to another service: noted before it leaves, and again once it is known to have arrived."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, get_args

from toolkit.store._tables import DELIVERY, DamagedRowError
from toolkit.store._writer import Writer

DeliveryState = Literal["leaving", "arrived"]
"""`leaving` = about to be sent, or sent and not heard of since; `arrived` = the service has it."""

_STATES = frozenset(get_args(DeliveryState))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One record that another service was given, or is about to be."""

    kind: str
    """What it is there: `span`, `score`, `name`."""
    record: str
    """Its identity there."""
    trial_id: str = ""
    """The trial that it is about; empty when it is about the run."""
    content: str = ""
    """What tells another content of the same record."""
    state: DeliveryState = "leaving"
    at: dt.datetime
    """When its state was noted (UTC)."""


class DeliveryBook(ABC):
    """The part of the run store that knows what was handed on; `target` says to whom, such as a project's address."""

    _writer: Writer

    @abstractmethod
    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one moment of the store."""

    def deliveries(self, run_id: str, target: str | None = None) -> list[Delivery]:
        """Returns what of a run was handed on, or left and was not heard of, oldest note first.

        Args:
            run_id: The run.
            target: To whom; `None` = to anybody.
        """
        with self.reading() as connection:
            return [delivery for _, delivery in _read(connection, run_id, target)]

    def delivered_to(self, run_id: str) -> dict[str, list[Delivery]]:
        """Returns what arrived of a run, by target, oldest note first."""
        found: dict[str, list[Delivery]] = {}
        with self.reading() as connection:
            for target, delivery in _read(connection, run_id, None):
                if delivery.state == "arrived":
                    found.setdefault(target, []).append(delivery)
        return found

    async def claim_deliveries(
        self,
        run_id: str,
        target: str,
        deliveries: Sequence[Delivery],
        *,
        instead_of: Mapping[tuple[str, str], dt.datetime] | None = None,
    ) -> set[tuple[str, str]]:
        """Notes what is about to leave, and returns kind and record of each that nobody had noted before.

        Only what is returned may be sent: two who claim one record at once do not both get it.

        Args:
            run_id: The run.
            target: To whom.
            deliveries: What is about to leave.
            instead_of: By kind and record: a note that is taken over, if it still says `leaving` since that moment.
        """
        rows = [DELIVERY.sealed(_row(run_id, target, each)) for each in deliveries]
        expired = [(run_id, target, *key, at.isoformat()) for key, at in (instead_of or {}).items()]

        def work(connection: sqlite3.Connection) -> set[tuple[str, str]]:
            connection.executemany(f"DELETE FROM delivery WHERE {_KEY} AND state = 'leaving' AND noted_at = ?", expired)  # noqa: S608  our own names
            return {(row[2], row[3]) for row in rows if connection.execute(DELIVERY.add, row).rowcount}

        claimed: set[tuple[str, str]] = await self._writer.write(work)
        return claimed

    async def note_deliveries(self, run_id: str, target: str, deliveries: Sequence[Delivery]) -> None:
        """Notes what is known of records, in place of what was noted of them."""
        rows = [DELIVERY.sealed(_row(run_id, target, each)) for each in deliveries]
        await self._writer.write(lambda connection: connection.executemany(DELIVERY.replace, rows))

    async def forget_deliveries(self, run_id: str, target: str, records: Sequence[tuple[str, str]]) -> None:
        """Takes back the notes of records, given by kind and record, that are known not to have left."""
        keys = [(run_id, target, *record) for record in records]
        await self._writer.write(
            lambda connection: connection.executemany(f"DELETE FROM delivery WHERE {_KEY}", keys)  # noqa: S608  our own names
        )


_KEY = "run_id = ? AND target = ? AND kind = ? AND record = ?"


def create_deliveries(connection: sqlite3.Connection) -> None:
    """What of a run was handed to another service."""
    connection.execute(
        """CREATE TABLE delivery (
            run_id TEXT NOT NULL REFERENCES run,
            target TEXT NOT NULL,            -- to whom: the address of a project
            kind TEXT NOT NULL,
            record TEXT NOT NULL,            -- its identity there
            trial_id TEXT NOT NULL,          -- empty = about the run
            content TEXT NOT NULL,
            state TEXT NOT NULL,             -- leaving, arrived
            noted_at TEXT NOT NULL,          -- UTC, ISO 8601
            seal INTEGER,
            PRIMARY KEY (run_id, target, kind, record)
        ) WITHOUT ROWID"""
    )


def _read(connection: sqlite3.Connection, run_id: str, target: str | None) -> list[tuple[str, Delivery]]:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.row_factory = None
        of_target = "" if target is None else " AND target = ?"
        query = f"{DELIVERY.select} WHERE run_id = ?{of_target} ORDER BY noted_at, kind, record"
        values = (run_id,) if target is None else (run_id, target)
        return [(row[1], _delivery(DELIVERY.opened(row))) for row in cursor.execute(query, values)]


def _row(run_id: str, target: str, delivery: Delivery) -> tuple[Any, ...]:
    said = (delivery.trial_id, delivery.content, delivery.state, delivery.at.isoformat())
    return (run_id, target, delivery.kind, delivery.record, *said)


def _delivery(row: Sequence[Any]) -> Delivery:
    if row[6] not in _STATES:
        raise DamagedRowError(f"malformed row in table 'delivery': there is no state {row[6]!r}")
    return Delivery(
        kind=row[2],
        record=row[3],
        trial_id=row[4],
        content=row[5],
        state=row[6],
        at=dt.datetime.fromisoformat(row[7]),
    )
