"""Who is at work on a run: one process at a time, told apart from one that died, on one connection's transaction."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from dataclasses import dataclass

from toolkit.store._process import Process, is_gone

LEASE_S = 60.0
"""Seconds without a heartbeat after which a process that cannot be looked up counts as gone; renew far more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to send a run's trials, until it is released or the process ends."""

    run_id: str
    token: str
    """Unlike that of any other tenure."""
    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lease that was asked for."""

    run_id: str
    process: Process
    since: dt.datetime
    """UTC."""
    heartbeat: dt.datetime
    """UTC."""

    def __str__(self) -> str:
        return f"process {self.process.pid} on {self.process.host} since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def acquire(connection: sqlite3.Connection, run_id: str, process: Process, now: dt.datetime) -> Lease | Holder:
    """Returns the lease of a run, or who has it; a lease whose holder is gone is taken over."""
    holder = held_by(connection, run_id)
    if holder is not None and not _is_stale(holder, process, now):
        return holder
    lease = Lease(run_id=run_id, token=uuid.uuid4().hex, process=process)
    moment = now.isoformat()
    connection.execute(
        "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?)",
        (run_id, lease.token, process.key, process.host, moment, moment),
    )
    return lease


def renew(connection: sqlite3.Connection, lease: Lease, now: dt.datetime) -> bool:
    """Tells that the holder is still there; False = another process has taken the run over."""
    changed = connection.execute(
        "UPDATE lease SET heartbeat = ? WHERE run_id = ? AND token = ?", (now.isoformat(), lease.run_id, lease.token)
    )
    return changed.rowcount == 1


def release(connection: sqlite3.Connection, lease: Lease) -> None:
    """Gives the lease back; one that was taken over stays with its new holder."""
    connection.execute("DELETE FROM lease WHERE run_id = ? AND token = ?", (lease.run_id, lease.token))


def held_by(connection: sqlite3.Connection, run_id: str) -> Holder | None:
    """Returns who has the lease of a run, be it stale; `None` = nobody."""
    row = connection.execute("SELECT * FROM lease WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        return None
    return Holder(
        run_id=run_id,
        process=Process.from_key(row["process"], host=row["host"]),
        since=dt.datetime.fromisoformat(row["since"]),
        heartbeat=dt.datetime.fromisoformat(row["heartbeat"]),
    )


def _is_stale(holder: Holder, process: Process, now: dt.datetime) -> bool:
    gone = is_gone(holder.process)
    if gone is None or holder.process == process:
        # Nobody to look up, or this very process, which may have lost a lease: then the heartbeat decides. It is a
        # wall clock's, which may have jumped either way.
        return abs((now - holder.heartbeat).total_seconds()) > LEASE_S
    # A process that lives may send at any moment, however late its heartbeat is; a dead one never will again.
    return gone
