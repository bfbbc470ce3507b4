"""Reads runs on one connection: what was planned, what came of it, what is unknown, what it cost."""

from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from toolkit._collecting import without_collecting
from toolkit._records import Arm, Outcome, RunView, Score, Trial
from toolkit.store import _rows
from toolkit.store._bodies import json_text
from toolkit.store._leases import held_by
from toolkit.store._outcomes import StoredOutcomes
from toolkit.store._places import in_groups
from toolkit.store._process import Process, is_gone
from toolkit.store._reuse import CACHE_SOURCE
from toolkit.store._tables import ANSWER, ARM, CASE, OUTCOME, RUN, SCORE, SPEC, TRIAL, DamagedRowError, Table, checksum
from toolkit.store._traffic import TRAFFIC
from toolkit.store._votes import read_votes

_OF_RUN = "place IN (SELECT place FROM trial WHERE run_id = ?)"

_STATES = frozenset({"sent", "ok", "failed"})

# Of one trial: attempts, those possibly billed, answers.
_NEVER, _NOT_BILLED, _BILLED, _ANSWERED = (0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1)


class UnknownAttempt(NamedTuple):
    """A request that was sent by a process that is gone, and nothing more is known."""

    trial_id: str
    attempt_id: int
    sent_at: dt.datetime
    """UTC."""
    reserved_usd: float | None
    """What it may have cost at most; `None` = not known."""


class Spent(NamedTuple):
    """What a run has cost so far."""

    usd: float
    """Of answers whose price is known."""
    possibly_billed_usd: float
    """At most, of attempts that may have been billed and of answers whose price is not known."""
    calls: int
    """Attempts, answered or not."""
    tokens: int
    """Read and written, of answers that told."""


class LimitChange(NamedTuple):
    """The number of calls in flight that an endpoint was allowed from a moment on."""

    at: dt.datetime
    """UTC."""
    endpoint: str
    in_flight: int
    reason: str


def load_view(
    connection: sqlite3.Connection, run_id: str, read: Callable[[Mapping[str, int]], dict[str, Sequence[Any]]]
) -> RunView | None:
    """Returns a run, its texts to be read by `read` later; `None` when there is no such run.

    Raises:
        sqlite3.DatabaseError: If something of it is damaged or missing.
    """
    run = next(_rows_of(connection, RUN, "run_id = ?", (run_id,)), None)
    if run is None:
        return None
    with without_collecting():
        arms = _load_arms(connection, run_id)
        trials, places = _load_trials(connection, run_id, arms)
        if run[4] not in (None, len(trials)):
            raise DamagedRowError(
                f"malformed run {run_id!r}: it was planned with {run[4]} trials and has {len(trials)}"
            )
        attempted = _load_attempts(connection, run_id, has_copies=len(places) < len(trials))
        measures = _load_measures(connection, run_id, attempted)
    for trial_id in (*attempted, *measures):
        if trial_id not in places:
            raise DamagedRowError(f"malformed store: trial {trial_id!r} lies in the place of one of run {run_id!r}")
    scores: dict[str, list[Score]] = {}
    for row in _rows_of(connection, SCORE, "run_id = ?", (run_id,)):
        scores.setdefault(row[1], []).append(_rows.read_score(row))
    return RunView(
        run_id=run_id,
        created_at=dt.datetime.fromisoformat(run[1]),
        arms=tuple(arms[index] for index in sorted(arms)),
        trials=tuple(trials),
        outcomes=StoredOutcomes(measures, lambda trial_ids: read({each: places[each] for each in trial_ids})),
        attempted=frozenset(attempted),
        scores={trial_id: tuple(found) for trial_id, found in scores.items()},
        baseline=run[2],
        is_grid=not run_id.startswith(TRAFFIC),
        votes=read_votes(connection, run_id),
    )


def read_answers(connection: sqlite3.Connection, places: Mapping[str, int]) -> dict[str, Sequence[Any]]:
    """Returns the rows of answers by trial id.

    Args:
        connection: To the store.
        places: Of the trials that have one.

    Raises:
        DamagedRowError: If one is damaged or missing.
    """
    query = f"{ANSWER.select} WHERE place IN (SELECT value FROM json_each(?))"  # noqa: S608  our own names
    found = {row[0]: row for row in map(ANSWER.opened, _plain(connection, query, (json_text([*places.values()]),)))}
    missing = [trial_id for trial_id in places if trial_id not in found]
    if missing:
        raise DamagedRowError(f"malformed store: the answer of trial {missing[0]!r} is missing")
    return found


def read_spec(connection: sqlite3.Connection, run_id: str) -> Any:
    """Returns the JSON that a run was asked for with, frozen; `None` when it was not kept."""
    row = next(_rows_of(connection, SPEC, "run_id = ?", (run_id,)), None)
    return None if row is None else _rows.from_json(row[1])


def answered(connection: sqlite3.Connection, trial_ids: Iterable[str]) -> set[str]:
    """Returns those of `trial_ids` that have an answer.

    Raises:
        DamagedRowError: If one was answered by the account of its attempts, and the answer is missing.
    """
    wanted = list(trial_ids)
    of_wanted = "place.trial_id IN (SELECT value FROM json_each(?))"
    query = f"SELECT outcome.trial_id FROM place CROSS JOIN outcome USING (place) WHERE status = 'ok' AND {of_wanted}"  # noqa: S608  our own names
    found = {row[0] for group in in_groups(wanted) for row in connection.execute(query, (group,))}
    # What was paid for and cannot be found is to be mended, not paid for again.
    others = [trial_id for trial_id in wanted if trial_id not in found]
    query = f"SELECT attempt.trial_id FROM place CROSS JOIN attempt USING (place) WHERE state = 'ok' AND {of_wanted}"  # noqa: S608  our own names
    for group in in_groups(others):
        lost = connection.execute(f"{query} LIMIT 1", (group,)).fetchone()
        if lost is not None:
            raise DamagedRowError(f"malformed store: the outcome of trial {lost[0]!r} is missing")
    return found


def unknown_attempts(connection: sqlite3.Connection, run_id: str) -> list[UnknownAttempt]:
    """Returns the attempts at a run's trials whose outcome nobody will tell any more, oldest first.

    An attempt of a living process is under way and not among them; neither is one after which the trial was answered,
    or tried again to an end.
    """
    rows = connection.execute(
        f"""SELECT trial_id, attempt_id, sent_at, reserved_usd, process, run_id FROM attempt AS sent
        WHERE state = 'sent' AND {_OF_RUN} AND NOT EXISTS (
            SELECT 1 FROM outcome WHERE outcome.place = sent.place AND (status = 'ok' OR EXISTS (
                SELECT 1 FROM attempt AS later WHERE later.place = sent.place
                    AND later.attempt_id > sent.attempt_id AND later.state != 'sent')))
        ORDER BY attempt_id""",  # noqa: S608  our own names
        (run_id,),
    ).fetchall()
    gone: dict[tuple[str | None, str], bool] = {}
    found = []
    for row in rows:
        who = (row["process"], row["run_id"])
        if who not in gone:
            gone[who] = _sender_is_gone(connection, *who)
        if gone[who]:
            sent_at = dt.datetime.fromisoformat(row["sent_at"])
            found.append(UnknownAttempt(row["trial_id"], row["attempt_id"], sent_at, row["reserved_usd"]))
    return found


def left_over(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Yields the runs whose process ended without giving them back, with the number of their unknown attempts."""
    suspects = connection.execute(
        "SELECT run_id FROM attempt WHERE state = 'sent' UNION SELECT run_id FROM lease"
    ).fetchall()
    for row in suspects:
        unknown = len(unknown_attempts(connection, row["run_id"]))
        holder = held_by(connection, row["run_id"])
        if unknown or (holder is not None and is_gone(holder.process)):
            yield row["run_id"], unknown


def spent(connection: sqlite3.Connection, run_id: str) -> Spent:
    """Returns what a run's own attempts and answers have cost; what other runs paid for is not among it."""
    paid = connection.execute(
        f"""SELECT coalesce(sum(cost_usd), 0.0),
            coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0)
        FROM outcome WHERE run_id = ? AND cost_source IS NOT ? AND {_OF_RUN}""",  # noqa: S608  our own names
        (run_id, CACHE_SOURCE, run_id),
    ).fetchone()
    sent = connection.execute(
        f"""SELECT count(*), coalesce(sum(CASE
            WHEN state = 'failed' AND NOT possibly_billed THEN 0.0
            WHEN state = 'ok' AND EXISTS (
                SELECT 1 FROM outcome WHERE outcome.place = attempt.place
                    AND outcome.run_id = attempt.run_id AND cost_usd IS NOT NULL) THEN 0.0
            ELSE reserved_usd END), 0.0)
        FROM attempt WHERE run_id = ? AND {_OF_RUN}""",  # noqa: S608  our own names
        (run_id, run_id),
    ).fetchone()
    return Spent(usd=paid[0], possibly_billed_usd=sent[1], calls=sent[0], tokens=paid[1])


def limit_changes(connection: sqlite3.Connection, run_id: str) -> list[LimitChange]:
    """Returns the limits of a run as they moved, oldest first."""
    rows = connection.execute("SELECT * FROM limit_change WHERE run_id = ? ORDER BY change_id", (run_id,))
    return [
        LimitChange(dt.datetime.fromisoformat(row["at"]), row["endpoint"], row["in_flight"], row["reason"])
        for row in rows
    ]


def _sender_is_gone(connection: sqlite3.Connection, key: str | None, run_id: str) -> bool:
    if key is None:
        # Sent by an earlier version, which did not say who it was.
        return True
    process = Process.from_key(key)
    gone = is_gone(process)
    if gone is None:
        # Of another machine: as long as it holds the run, its answers may still come.
        holder = held_by(connection, run_id)
        return holder is None or holder.process.key != key
    return gone


def _load_arms(connection: sqlite3.Connection, run_id: str) -> dict[int, Arm]:
    arms = {}
    for row in _rows_of(connection, ARM, "run_id = ?", (run_id,)):
        snapshot = connection.execute("SELECT snapshot FROM prompt WHERE prompt_key = ?", (row[2],)).fetchone()
        if snapshot is None:
            raise DamagedRowError(f"malformed run {run_id!r}: the prompt of its arm {row[1]} is missing")
        arms[row[1]] = _rows.read_arm(row, _rows.read_prompt(row[2], snapshot[0]))
    return arms


def _load_trials(
    connection: sqlite3.Connection, run_id: str, arms: Mapping[int, Arm]
) -> tuple[list[Trial], dict[str, int]]:
    """Returns a run's trials in order, and the place of each by its id."""
    cases = {row[1]: _rows.read_case(row) for row in _rows_of(connection, CASE, "run_id = ?", (run_id,))}
    trials: list[Trial] = []
    places: dict[str, int] = {}
    for row in _rows_of(connection, TRIAL, "run_id = ? ORDER BY position", (run_id,)):
        if row[1] != len(trials):
            raise DamagedRowError(f"malformed run {run_id!r}: its trial {len(trials)} is missing")
        # Ids come again with every part of the run: one text for all.
        trial_id = sys.intern(row[2])
        trials.append(Trial(trial_id=trial_id, arm=arms[row[3]], case=cases[row[4]], repeat=row[5]))
        places[trial_id] = row[6]
    return trials, places


def _load_attempts(connection: sqlite3.Connection, run_id: str, *, has_copies: bool) -> dict[str, tuple[int, int, int]]:
    """Returns for each trial that was sent its attempts, those possibly billed, and answers."""
    attempted: dict[str, tuple[int, int, int]] = {}
    columns = "attempt.trial_id, attempt_id, state, kind, possibly_billed, end_seal"
    query = f"SELECT {columns} FROM trial CROSS JOIN attempt USING (place) WHERE trial.run_id = ?"  # noqa: S608  our own names
    if has_copies:
        # A trial that stands twice in the run has its attempts once.
        query = query.replace("SELECT", "SELECT DISTINCT", 1)
    for trial_id, number, state, kind, billed, seal in _plain(connection, query, (run_id,)):
        if state not in _STATES or (
            seal is not None and (state == "sent" or seal != checksum((number, state, kind, billed)))
        ):
            raise DamagedRowError(f"malformed row in table 'attempt': number {number!r} is not what was written")
        change = _ANSWERED if state == "ok" else _BILLED if billed else _NOT_BILLED
        counts = attempted.get(trial_id)
        # Most trials are sent once: one value for all of them.
        attempted[sys.intern(trial_id)] = (
            change if counts is None else (counts[0] + 1, counts[1] + change[1], counts[2] + change[2])
        )
    return attempted


def _load_measures(
    connection: sqlite3.Connection, run_id: str, attempted: Mapping[str, tuple[int, int, int]]
) -> dict[str, Outcome]:
    """Returns outcomes without texts, in the trials' order: texts that are read later are read in this order too."""
    measures = {}
    in_order = f"{OUTCOME.select.replace('FROM', 'FROM trial CROSS JOIN', 1)} USING (place)"
    where = "trial.run_id = ? ORDER BY trial.position"
    for row in map(OUTCOME.opened, _plain(connection, f"{in_order} WHERE {where}", (run_id,))):
        attempts, possibly_billed, _ = attempted.get(row[0], _NEVER)
        measures[sys.intern(row[0])] = _rows.read_measures(row, attempts=attempts, possibly_billed=possibly_billed)
    for trial_id, (_, _, answers) in attempted.items():
        if answers and trial_id not in measures:
            raise DamagedRowError(f"malformed store: the outcome of trial {trial_id!r} is missing")
    return measures


def _rows_of(
    connection: sqlite3.Connection, table: Table, where: str, values: Sequence[Any]
) -> Iterator[Sequence[Any]]:
    return map(table.opened, _plain(connection, f"{table.select} WHERE {where}", values))


def _plain(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> sqlite3.Cursor:
    """A query whose rows are plain tuples, which many rows are read from."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(query, values)
