"""Ends attempts and writes what trials ended with: rows made by who asks, written by the writer's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from toolkit._records import Outcome
from toolkit.store import _rows
from toolkit.store._tables import ANSWER, OUTCOME, checksum

# An answer is never replaced; a failure is, by whatever comes later.
_OUTCOME_SQL = (
    f"{OUTCOME.insert} ON CONFLICT (trial_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in (*OUTCOME.columns[1:], "seal"))
    + " WHERE outcome.status != 'ok'"
)

_END_SQL = "UPDATE attempt SET state = ?, kind = ?, possibly_billed = ?, end_seal = ? WHERE attempt_id = ?"


def end_of(attempt_id: int, *, kind: str | None, possibly_billed: bool) -> tuple[Any, ...]:
    """Returns the values that end an attempt; `None` as its kind = it was answered."""
    # As SQLite gives them back: a kind may be a member of an enumeration.
    end = ("ok" if kind is None else "failed", None if kind is None else str(kind), int(possibly_billed))
    return (*end, checksum((attempt_id, *end)), attempt_id)


def end_attempt(connection: sqlite3.Connection, end: tuple[Any, ...]) -> None:
    """Writes the end of an attempt, as `end_of` gives it."""
    connection.execute(_END_SQL, end)


def finishing(ended: Sequence[tuple[Outcome, int | None]], run_id: str) -> Callable[[sqlite3.Connection], None]:
    """Returns the write that records outcomes and the ends of their attempts, in order; doing it twice changes nothing.

    Args:
        ended: Each outcome with the attempt that ended it; `None` = nothing was sent.
        run_id: Run that sent them.
    """
    ends = [_end_of(outcome, attempt_id) for outcome, attempt_id in ended if attempt_id is not None]
    outcomes = [OUTCOME.sealed(_rows.outcome_row(outcome, run_id)) for outcome, _ in ended]
    texts = [_rows.answer_row(outcome) for outcome, _ in ended]
    answers = [None if row is None else ANSWER.sealed(row) for row in texts]
    ids = [row[0] for row in outcomes]
    is_distinct = len(set(ids)) == len(ids)

    def work(connection: sqlite3.Connection) -> None:
        connection.executemany(_END_SQL, ends)
        if is_distinct and not _is_any_answered(connection, ids):
            connection.executemany(_OUTCOME_SQL, outcomes)
            connection.executemany(ANSWER.replace, [answer for answer in answers if answer is not None])
            return
        for outcome_row, answer_row in zip(outcomes, answers, strict=True):
            _write_one(connection, outcome_row, answer_row)

    return work


def finishing_one(outcome: Outcome, attempt_id: int | None, run_id: str) -> Callable[[sqlite3.Connection], None]:
    """As `finishing`, for the one outcome that most callers have, without what a group needs."""
    end = None if attempt_id is None else _end_of(outcome, attempt_id)
    outcome_row = OUTCOME.sealed(_rows.outcome_row(outcome, run_id))
    texts = _rows.answer_row(outcome)
    answer_row = None if texts is None else ANSWER.sealed(texts)

    def work(connection: sqlite3.Connection) -> None:
        if end is not None:
            connection.execute(_END_SQL, end)
        _write_one(connection, outcome_row, answer_row)

    return work


def _write_one(connection: sqlite3.Connection, outcome_row: Sequence[Any], answer_row: Sequence[Any] | None) -> None:
    # Where an answer stays, its text stays, too.
    is_kept = connection.execute(_OUTCOME_SQL, outcome_row).rowcount == 1
    if is_kept and answer_row is not None:
        connection.execute(ANSWER.replace, answer_row)


def _end_of(outcome: Outcome, attempt_id: int) -> tuple[Any, ...]:
    failure = outcome.failure
    if failure is None:
        return end_of(attempt_id, kind=None, possibly_billed=False)
    return end_of(attempt_id, kind=failure.kind, possibly_billed=failure.possibly_billed)


def _is_any_answered(connection: sqlite3.Connection, trial_ids: Sequence[str]) -> bool:
    query = "SELECT 1 FROM outcome WHERE status = 'ok' AND trial_id IN (SELECT value FROM json_each(?)) LIMIT 1"
    return connection.execute(query, (_rows.json_text(trial_ids),)).fetchone() is not None
