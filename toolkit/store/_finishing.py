"""Begins and ends attempts and writes what trials ended with: rows made by who asks, written by the writer's thread."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from toolkit._records import Outcome
from toolkit.store import _rows
from toolkit.store._bodies import json_text
from toolkit.store._places import places_in_plan
from toolkit.store._process import this_process
from toolkit.store._tables import ANSWER, ATTEMPT, BEGIN_ATTEMPT, OUTCOME, DamagedRowError, checksum
from toolkit.store._writer import Joint

_END_SQL = "UPDATE attempt SET state = ?, kind = ?, possibly_billed = ?, end_seal = ? WHERE attempt_id = ?"

_HAS_SQL = "SELECT place, trial_id, status FROM outcome WHERE place IN (SELECT value FROM json_each(?))"


class _Ended(NamedTuple):
    """One outcome as rows."""

    end: tuple[Any, ...] | None
    """What ends its attempt; `None` = nothing was sent."""
    outcome: tuple[Any, ...]
    answer: tuple[Any, ...] | None


def beginning(
    run_id: str, trial_id: str, request_key: str, sent_at: dt.datetime, reserved_usd: float | None
) -> Joint[tuple[Any, ...], int]:
    """Returns the write that records an attempt which is about to be sent, and gives its number."""
    reserved_usd = None if reserved_usd is None else float(reserved_usd)
    row = (run_id, trial_id, request_key, sent_at.isoformat(), this_process().key, reserved_usd)
    return Joint(_begin, ATTEMPT.sealed(row))


def finishing(ended: Sequence[tuple[Outcome, int | None]], run_id: str) -> Joint[list[_Ended], None]:
    """Returns the write that records outcomes and the ends of their attempts, in order; doing it twice changes nothing.

    Args:
        ended: Each outcome with the attempt that ended it; `None` = nothing was sent.
        run_id: Run that sent them.
    """
    return Joint(_finish, [_ended(outcome, attempt_id, run_id) for outcome, attempt_id in ended])


def end_of(attempt_id: int, *, kind: str | None, possibly_billed: bool) -> tuple[Any, ...]:
    """Returns the values that end an attempt; `None` as its kind = it was answered."""
    # As SQLite gives them back: a kind may be a member of an enumeration.
    end = ("ok" if kind is None else "failed", None if kind is None else str(kind), int(possibly_billed))
    return (*end, checksum((attempt_id, *end)), attempt_id)


def end_attempt(connection: sqlite3.Connection, end: tuple[Any, ...]) -> None:
    """Writes the end of an attempt, as `end_of` gives it."""
    connection.execute(_END_SQL, end)


def _begin(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    places = places_in_plan(connection, [row[1] for row in rows])
    first = connection.execute("SELECT coalesce(max(attempt_id), 0) + 1 FROM attempt").fetchone()[0]
    numbers = list(range(first, first + len(rows)))
    connection.executemany(
        BEGIN_ATTEMPT, [(number, places[row[1]], *row) for number, row in zip(numbers, rows, strict=True)]
    )
    return numbers


def _finish(connection: sqlite3.Connection, groups: Sequence[list[_Ended]]) -> list[None]:
    ended = [each for group in groups for each in group]
    places = places_in_plan(connection, [each.outcome[0] for each in ended])
    answered = _answered(connection, places)
    kept = []
    for each in ended:
        # An answer is never replaced, and where it stays its text stays, too; a failure is, by whatever comes later.
        if each.outcome[0] not in answered:
            kept.append(each)
            if each.outcome[3] == "ok":
                answered.add(each.outcome[0])
    connection.executemany(_END_SQL, [each.end for each in ended if each.end is not None])
    connection.executemany(OUTCOME.replace, [(places[each.outcome[0]], *each.outcome) for each in kept])
    connection.executemany(
        ANSWER.replace, [(places[each.answer[0]], *each.answer) for each in kept if each.answer is not None]
    )
    return [None] * len(groups)


def _answered(connection: sqlite3.Connection, places: dict[str, int]) -> set[str]:
    """Those of the trials that have an answer."""
    found = set()
    for place, trial_id, status in connection.execute(_HAS_SQL, (json_text(list(places.values())),)):
        if places.get(trial_id) != place:
            raise DamagedRowError(f"malformed table 'outcome': trial {trial_id!r} lies in another's place")
        if status == "ok":
            found.add(trial_id)
    return found


def _ended(outcome: Outcome, attempt_id: int | None, run_id: str) -> _Ended:
    failure = outcome.failure
    end = None
    if attempt_id is not None:
        end = (
            end_of(attempt_id, kind=None, possibly_billed=False)
            if failure is None
            else end_of(attempt_id, kind=failure.kind, possibly_billed=failure.possibly_billed)
        )
    texts = _rows.answer_row(outcome)
    return _Ended(
        end, OUTCOME.sealed(_rows.outcome_row(outcome, run_id)), None if texts is None else ANSWER.sealed(texts)
    )
