"""Saves what is whole of a damaged run store into a new file, and says what could not be saved."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import StoreError, StoreFullError
from toolkit.store import _rows
from toolkit.store._file import is_full
from toolkit.store._places import give_places
from toolkit.store._schema import migrate
from toolkit.store._tables import (
    ANSWER,
    ARM,
    ATTEMPT,
    CASE,
    DELIVERY,
    OUTCOME,
    RUN,
    SCORE,
    SPEC,
    TRIAL,
    VOTE,
    DamagedRowError,
    Table,
)

# Old tables before those that point to them.
_TABLES = (RUN, SPEC, ARM, CASE, TRIAL, OUTCOME, ANSWER, SCORE, VOTE, DELIVERY)

# Tables without a row number, and the columns that they are walked by.
_KEYS = {
    "run_spec": ("run_id",),
    "arm": ("run_id", "arm"),
    "run_case": ("run_id", "case_index"),
    "trial": ("run_id", "position"),
    "score": ("run_id", "trial_id", "name"),
    "vote": ("run_id", "voter", "case_index", "repeat", "pair", "is_repeat"),
    "delivery": ("run_id", "target", "kind", "record"),
}

# Tables that came later, with their version, and columns that stood elsewhere before.
_SINCE = {"run_spec": 4, "vote": 6, "delivery": 7}
_INSTEAD = {"refusal": "(SELECT refusal FROM answer WHERE answer.trial_id = outcome.trial_id)"}

# Rows that are tried one by one behind a place that cannot be read, before the rest is given up.
_MOST_SKIPPED = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What a repair saved."""

    path: Path
    """The new file."""
    saved: dict[str, int]
    """Rows by table."""
    lost: tuple[str, ...]
    """What could not be saved, a sentence each; empty when everything was."""

    @property
    def is_whole(self) -> bool:
        """True when nothing is known to be lost."""
        return not self.lost

    def __str__(self) -> str:
        kept = ", ".join(f"{count:,} {name}" for name, count in self.saved.items() if count)
        lines = [f"Saved into {str(self.path)!r}: {kept or 'nothing'}."]
        return "\n".join([*lines, *(f"- {each}" for each in self.lost or ("Nothing is known to be lost.",))])


def repair_store(path: str | os.PathLike[str], target: str | os.PathLike[str] | None = None) -> Repair:
    """Saves what is whole of a run store into a new file; the damaged one is left as it is.

    Answers that were paid for are what matters: each that can be read and fits its checksum is saved. Trials whose
    answers are lost count as not answered in the new file, and are sent again when the run is resumed.

    Args:
        path: The damaged file; its `-wal` file is read too.
        target: The new file, which must not exist; `None` = beside it, with `-repaired` in its name.

    Returns:
        Where it is, and what could not be saved. To use it, move the damaged file away and the new one to its place.

    Raises:
        StoreError: If there is no such file, the new one exists already or cannot be written.

    Example:
        >>> print(repair_store(".toolkit/runs.sqlite"))    # doctest: +SKIP
    """
    source = Path(path)
    new = Path(target) if target is not None else source.with_name(f"{source.stem}-repaired{source.suffix}")
    if not source.is_file():
        raise StoreError(f"There is no run store {str(source)!r} to repair.")
    if new.exists():
        raise StoreError(f"{str(new)!r} exists already; name another file for what is saved, or move it away.")
    try:
        os.close(os.open(new, os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as copy:
            copy.execute("PRAGMA page_size = 16384")
            copy.execute("PRAGMA journal_mode = WAL")
            migrate(copy, backup=lambda _: None)
            with contextlib.closing(_open_damaged(source)) as damaged:
                return _salvage(damaged, copy, new)
    except (sqlite3.Error, OSError) as error:
        words = f"What is whole of {str(source)!r} cannot be saved into {str(new)!r}: {error}."
        if isinstance(error, sqlite3.Error) and not is_full(error):
            raise StoreError(words) from error
        raise StoreFullError(f"{words} Name a file in a folder with space.", path=str(new)) from error


def _open_damaged(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    # Let a table be read although the words that describe another one are damaged.
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _salvage(damaged: sqlite3.Connection, copy: sqlite3.Connection, path: Path) -> Repair:
    lost: list[str] = []
    saved: dict[str, int] = {}
    copy.execute("BEGIN IMMEDIATE")
    saved["prompt"] = _copy_prompts(damaged, copy, lost)
    for table in _TABLES:
        saved[table.name] = _copy_table(damaged, copy, table, lost)
    saved["attempt"] = _copy_attempts(damaged, copy, lost)
    _drop_fragments(copy, lost)
    copy.execute("COMMIT")
    return Repair(path=path, saved=saved, lost=tuple(lost))


def _copy_table(damaged: sqlite3.Connection, copy: sqlite3.Connection, table: Table, lost: list[str]) -> int:
    columns, seal = list(table.columns), "seal"
    there = _columns_of(damaged, table.name)
    if not there and _version_of(damaged) < _SINCE.get(table.name, 0):
        return 0
    # A store of an earlier version has fewer columns; what it lacks is NULL in the new one.
    terms = [column if column in there else _INSTEAD.get(column, "NULL") for column in (*columns, seal)]
    query = f"SELECT {', '.join(terms)} FROM {table.name}"  # noqa: S608  our own names
    count = broken = 0
    for row in _every_row(damaged, query, table.name, lost):
        try:
            copy.execute(table.add, _placed(copy, table, _opened(table, row, there)))
            count += 1
        except (DamagedRowError, sqlite3.IntegrityError, UnicodeError, TypeError):
            broken += 1
    if broken:
        lost.append(f"{broken:,} rows of {table.name!r} are not what was written.")
    return count


def _opened(table: Table, row: Sequence[Any], there: set[str]) -> Sequence[Any]:
    """The row once it has been found to be what was written; a trial of an earlier version has no place to check."""
    if table is TRIAL and "place" not in there:
        before = (*row[:-2], row[-1])
        table.opened(before)
        return row
    return table.opened(row)


def _placed(copy: sqlite3.Connection, table: Table, row: Sequence[Any]) -> Sequence[Any]:
    """The row with the place that its trial has in the new file, where each is given as it comes."""
    if table is TRIAL:
        place = give_places(copy, [row[2]])[row[2]]
        trial = (*row[:-2], place)
        return (*trial, None if row[-1] is None else TRIAL.checksum(trial))
    if table in (OUTCOME, ANSWER):
        return (give_places(copy, [row[0]])[row[0]], *row)
    return row


def _copy_prompts(damaged: sqlite3.Connection, copy: sqlite3.Connection, lost: list[str]) -> int:
    count = broken = 0
    for key, snapshot in _every_row(damaged, "SELECT prompt_key, snapshot FROM prompt", "prompt", lost):
        try:
            _rows.read_prompt(key, snapshot)
        except (DamagedRowError, ValueError, TypeError, AttributeError):
            broken += 1
            continue
        copy.execute("INSERT OR IGNORE INTO prompt VALUES (?, ?)", (key, snapshot))
        count += 1
    if broken:
        lost.append(f"{broken:,} prompts are not what was written.")
    return count


def _copy_attempts(damaged: sqlite3.Connection, copy: sqlite3.Connection, lost: list[str]) -> int:
    there = _columns_of(damaged, "attempt")
    names = ("attempt_id", *ATTEMPT.columns, "seal", "state", "kind", "possibly_billed", "end_seal")
    query = f"SELECT {', '.join(c if c in there else 'NULL' for c in names)} FROM attempt"  # noqa: S608  our own names
    listed, marks = ", ".join((*names, "place")), ", ".join("?" * (len(names) + 1))
    insert = f"INSERT OR IGNORE INTO attempt ({listed}) VALUES ({marks})"  # noqa: S608  our own names
    count = broken = 0
    for row in _every_row(damaged, query, "attempt", lost):
        number, begun, (state, kind, billed, end_seal) = row[0], row[1:-4], row[-4:]
        ended = (number, state, kind, billed)
        try:
            ATTEMPT.opened(begun)
            if end_seal is not None and end_seal != ATTEMPT.checksum(ended):
                raise DamagedRowError("malformed end of an attempt")
            copy.execute(insert, (*row, give_places(copy, [row[2]])[row[2]]))
            count += 1
        except (DamagedRowError, sqlite3.Error):
            broken += 1
    if broken:
        lost.append(f"{broken:,} attempts are not what was written: what they cost is not known any more.")
    return count


def _drop_fragments(copy: sqlite3.Connection, lost: list[str]) -> None:
    """Leaves no outcome without its answer, and no attempt that says there is one: such trials are sent again."""
    for what, statement in (
        (
            "{:,} answers are lost: their trials count as not answered, and as possibly billed.",
            "DELETE FROM outcome WHERE status = 'ok' AND place NOT IN (SELECT place FROM answer)",
        ),
        ("", "DELETE FROM answer WHERE place NOT IN (SELECT place FROM outcome)"),
        (
            "{:,} attempts were answered, and the outcome is lost.",
            "UPDATE attempt SET state = 'sent', end_seal = NULL, kind = NULL, possibly_billed = 1 "
            "WHERE state = 'ok' AND place NOT IN (SELECT place FROM outcome)",
        ),
    ):
        count = copy.execute(statement).rowcount
        if count and what:
            lost.append(what.format(count))
    # A run is shown whole or not at all: with a hole in its plan, every number about it would be wrong.
    whole = """SELECT run_id FROM run WHERE
        (SELECT count(*) FROM trial WHERE trial.run_id = run.run_id) = coalesce(trials, (
            SELECT coalesce(max(position) + 1, 0) FROM trial WHERE trial.run_id = run.run_id))
        AND NOT EXISTS (SELECT 1 FROM trial LEFT JOIN arm USING (run_id, arm)
            LEFT JOIN run_case USING (run_id, case_index) LEFT JOIN prompt USING (prompt_key)
            WHERE trial.run_id = run.run_id AND (prompt.snapshot IS NULL OR run_case.variables IS NULL))"""
    broken = [row[0] for row in copy.execute(f"SELECT run_id FROM run WHERE run_id NOT IN ({whole})")]  # noqa: S608  our own names
    for run_id in broken:
        for name in ("run", "run_spec", "arm", "run_case", "trial"):
            copy.execute(f"DELETE FROM {name} WHERE run_id = ?", (run_id,))  # noqa: S608  our own names
        lost.append(
            f"The plan of run {run_id!r} has holes; its answers are kept: run the same sweep again to use them."
        )


def _every_row(damaged: sqlite3.Connection, query: str, name: str, lost: list[str]) -> Iterator[Sequence[Any]]:
    """Every row that can be read, from the front, and after a place that cannot from behind it or from the back."""
    keys = _KEYS.get(name, ("rowid",))
    seen: set[int] = set()
    try:
        yield from _new_rows(damaged, query, seen)
        return
    except sqlite3.Error:
        with contextlib.suppress(sqlite3.Error):
            yield from _new_rows(damaged, f"{query} ORDER BY {', '.join(f'{key} DESC' for key in keys)}", seen)
    if keys == ("rowid",) and _columns_of(damaged, name):
        yield from _by_number(damaged, query, seen)
    lost.append(f"Some pages of {name!r} cannot be read; {len(seen):,} rows around them were.")


def _new_rows(damaged: sqlite3.Connection, query: str, seen: set[int]) -> Iterator[Sequence[Any]]:
    """Rows that were not seen yet; a page that stands twice in a damaged file brings its rows twice."""
    for row in damaged.execute(query):
        if hash(row) not in seen:
            seen.add(hash(row))
            yield row


def _by_number(damaged: sqlite3.Connection, query: str, seen: set[int]) -> Iterator[Sequence[Any]]:
    """Rows between two places that cannot be read: from each number on, the next row that can be."""
    following = f"{query.replace('SELECT', 'SELECT rowid,', 1)} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
    number, misses = 1, 0
    while misses < _MOST_SKIPPED:
        try:
            found = damaged.execute(following, (number,)).fetchone()
        except sqlite3.Error:
            number, misses = number + 1, misses + 1
            continue
        if found is None:
            return
        number, row, misses = max(number, found[0]) + 1, found[1:], 0
        if hash(row) not in seen:
            seen.add(hash(row))
            yield row


def _version_of(damaged: sqlite3.Connection) -> int:
    return int(damaged.execute("PRAGMA user_version").fetchone()[0])


def _columns_of(damaged: sqlite3.Connection, name: str) -> set[str]:
    try:
        return {row[1] for row in damaged.execute(f"PRAGMA table_info({name})")}
    except sqlite3.Error:
        return set()
