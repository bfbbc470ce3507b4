"""Votes of people on pairs of answers: kept one by one, taken back, and read in the order in which they were cast."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Sequence
from typing import Any, get_args

from toolkit._votes import Verdict, Vote
from toolkit.store._rows import readable_text, storable_text
from toolkit.store._tables import VOTE, DamagedRowError

_VERDICTS = frozenset(get_args(Verdict))


def keep_votes(connection: sqlite3.Connection, run_id: str, votes: Sequence[Vote]) -> None:
    """Writes votes, each in place of an earlier one by the same voter on the same pair."""
    connection.executemany(VOTE.replace, [VOTE.sealed(_vote_row(run_id, vote)) for vote in votes])


def drop_votes(connection: sqlite3.Connection, run_id: str, votes: Sequence[Vote]) -> None:
    """Takes votes out; one that is not there is none to take."""
    connection.executemany(
        "DELETE FROM vote WHERE run_id = ? AND voter = ? AND case_index = ? AND repeat = ? AND pair = ? "
        "AND is_repeat = ?",
        [(run_id, *_key_of(vote)) for vote in votes],
    )


def read_votes(connection: sqlite3.Connection, run_id: str) -> tuple[Vote, ...]:
    """Returns the votes on a run, oldest first.

    Raises:
        DamagedRowError: If one is not what was written.
    """
    cursor = connection.cursor()
    cursor.row_factory = None
    rows = cursor.execute(f"{VOTE.select} WHERE run_id = ? ORDER BY voted_at", (run_id,))
    return tuple(_read_vote(VOTE.opened(row)) for row in rows)


def _key_of(vote: Vote) -> tuple[Any, ...]:
    return (storable_text(vote.voter), vote.case, vote.repeat, "\n".join(vote.pair), int(vote.is_repeat))


def _vote_row(run_id: str, vote: Vote) -> tuple[Any, ...]:
    said = (vote.left, vote.right, vote.verdict, float(vote.seconds), vote.at.isoformat(), storable_text(vote.note))
    return (run_id, *_key_of(vote), *said)


def _read_vote(row: Sequence[Any]) -> Vote:
    if row[8] not in _VERDICTS:
        raise DamagedRowError(f"malformed row in table 'vote': there is no verdict {row[8]!r}")
    return Vote(
        voter=readable_text(row[1]) or "",
        case=row[2],
        repeat=row[3],
        is_repeat=bool(row[5]),
        left=row[6],
        right=row[7],
        verdict=row[8],
        seconds=row[9],
        at=dt.datetime.fromisoformat(row[10]),
        note=readable_text(row[11]),
    )
