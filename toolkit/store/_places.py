"""Finds and gives places: the numbers under which all that is written of a trial lies."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from toolkit._records import Trial
from toolkit.store._bodies import json_text
from toolkit.store._tables import TRIAL, DamagedRowError

# A plan of a million trials is never in memory twice.
_TRIALS_AT_ONCE = 5_000

_LOOKUP_GROUP = 10_000

# The row that the index points to is looked at, too: a wrong number would lead to another trial's place.
_FIND = (
    "SELECT wanted.value, found.place, found.trial_id FROM json_each(?) AS wanted "
    "JOIN place AS known ON known.trial_id = wanted.value LEFT JOIN place AS found ON found.place = known.place"
)

_FIND_ONE = (
    "SELECT known.trial_id, found.place, found.trial_id FROM place AS known "
    "LEFT JOIN place AS found ON found.place = known.place WHERE known.trial_id = ?"
)


def find_places(connection: sqlite3.Connection, trial_ids: Sequence[str]) -> dict[str, int]:
    """Returns the places of those trials that have one.

    Raises:
        DamagedRowError: If the index of places is not the one that was written.
    """
    if len(trial_ids) == 1:
        rows = connection.execute(_FIND_ONE, (trial_ids[0],)).fetchall()
    else:
        rows = connection.execute(_FIND, (json_text(trial_ids),)).fetchall()
    places = {}
    for wanted, place, trial_id in rows:
        if trial_id != wanted:
            raise DamagedRowError(f"malformed index of table 'place': it has another place for trial {wanted!r}")
        places[trial_id] = place
    return places


def in_groups(trial_ids: Sequence[str]) -> Iterator[str]:
    """JSON lists of ids, for queries that look many of them up: no text is longer than some megabytes."""
    for start in range(0, len(trial_ids), _LOOKUP_GROUP):
        yield json_text(trial_ids[start : start + _LOOKUP_GROUP])


def give_places(connection: sqlite3.Connection, trial_ids: Sequence[str]) -> dict[str, int]:
    """Returns the place of every trial; those that have none are given the next ones, in order."""
    places = find_places(connection, trial_ids)
    missing = [trial_id for trial_id in dict.fromkeys(trial_ids) if trial_id not in places]
    if missing:
        first = connection.execute("SELECT coalesce(max(place), 0) + 1 FROM place").fetchone()[0]
        new = dict(zip(missing, range(first, first + len(missing)), strict=True))
        connection.executemany("INSERT INTO place (trial_id, place) VALUES (?, ?)", new.items())
        places |= new
    return places


def places_in_plan(connection: sqlite3.Connection, trial_ids: Sequence[str]) -> dict[str, int]:
    """As `give_places`, for trials that a plan has given theirs; one that stands in no plan is given one.

    Raises:
        DamagedRowError: If a plan has one of the trials and it has no place: a second one would hide its answer.
    """
    places = find_places(connection, trial_ids)
    missing = [trial_id for trial_id in trial_ids if trial_id not in places]
    if not missing:
        return places
    _check_unplanned(connection, missing)
    return give_places(connection, trial_ids)


def add_trials(connection: sqlite3.Connection, run_id: str, trials: Sequence[Trial]) -> None:
    """Writes a run's trials in order, each with its place."""
    for start in range(0, len(trials), _TRIALS_AT_ONCE):
        group = trials[start : start + _TRIALS_AT_ONCE]
        places = give_places(connection, [trial.trial_id for trial in group])
        rows = [
            (run_id, number, each.trial_id, each.arm.index, each.case.index, each.repeat, places[each.trial_id])
            for number, each in enumerate(group, start)
        ]
        connection.executemany(TRIAL.insert, map(TRIAL.sealed, rows))


def _check_unplanned(connection: sqlite3.Connection, trial_ids: Iterable[str]) -> None:
    query = "SELECT trial_id FROM trial WHERE trial_id IN (SELECT value FROM json_each(?)) LIMIT 1"
    planned = connection.execute(query, (json_text(list(trial_ids)),)).fetchone()
    if planned is not None:
        raise DamagedRowError(f"malformed table 'place': the place of trial {planned[0]!r} is missing")
