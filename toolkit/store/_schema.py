"""Tables, indexes and the ordered list of migrations.

A store's version is SQLite's `user_version`: the number of migrations that have run. A migration, once released, is
never changed; a new one is added at the end.

Measures stand apart from texts: a frame of numbers over many trials reads `outcome` and never touches `answer`.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Callable

from toolkit.store._deliveries import create_deliveries
from toolkit.store._tables import checksum


def _create_runs(connection: sqlite3.Connection) -> None:
    """A run, the arms and cases it is made of, and its trials in the plan's order."""
    connection.execute(
        """CREATE TABLE run (
            run_id TEXT PRIMARY KEY,
            created_at TEXT NOT NULL,        -- UTC, ISO 8601
            baseline INTEGER NOT NULL,       -- index of an arm
            toolkit_version TEXT NOT NULL
        )"""
    )
    connection.execute(
        """CREATE TABLE prompt (
            prompt_key TEXT PRIMARY KEY,     -- content hash of the snapshot
            snapshot TEXT NOT NULL           -- JSON of the Prompt record, as it was when the plan was made
        )"""
    )
    connection.execute(
        """CREATE TABLE arm (
            run_id TEXT NOT NULL REFERENCES run,
            arm INTEGER NOT NULL,
            prompt_key TEXT NOT NULL REFERENCES prompt,
            model TEXT NOT NULL,
            model_source TEXT NOT NULL,
            provider TEXT NOT NULL,
            model_sent TEXT NOT NULL,
            params TEXT NOT NULL,            -- JSON
            PRIMARY KEY (run_id, arm)
        ) WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE run_case (
            run_id TEXT NOT NULL REFERENCES run,
            case_index INTEGER NOT NULL,
            variables TEXT NOT NULL,         -- JSON
            expected TEXT NOT NULL,          -- JSON
            PRIMARY KEY (run_id, case_index)
        ) WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE trial (
            run_id TEXT NOT NULL REFERENCES run,
            position INTEGER NOT NULL,
            trial_id TEXT NOT NULL,
            arm INTEGER NOT NULL,
            case_index INTEGER NOT NULL,
            repeat INTEGER NOT NULL,
            PRIMARY KEY (run_id, position)
        ) WITHOUT ROWID"""
    )
    connection.execute("CREATE INDEX trial_by_id ON trial (trial_id)")


def _create_outcomes(connection: sqlite3.Connection) -> None:
    """What was sent, and what came of it. `trial_id` is a content hash, so runs share outcomes."""
    connection.execute(
        """CREATE TABLE attempt (
            attempt_id INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL,
            trial_id TEXT NOT NULL,
            request_key TEXT NOT NULL,
            sent_at TEXT NOT NULL,           -- UTC, ISO 8601; committed before the request leaves
            state TEXT NOT NULL,             -- sent, ok, failed
            kind TEXT,                       -- of the failure
            possibly_billed INTEGER NOT NULL DEFAULT 1
        )"""
    )
    connection.execute("CREATE INDEX attempt_by_trial ON attempt (trial_id)")
    connection.execute(
        """CREATE TABLE outcome (
            trial_id TEXT PRIMARY KEY,
            run_id TEXT NOT NULL,            -- the run that paid for it
            request_key TEXT NOT NULL,
            status TEXT NOT NULL,
            queue_s REAL NOT NULL,
            retry_s REAL NOT NULL,
            started_at TEXT,
            model_sent TEXT,
            model_served TEXT,
            finish_reason TEXT,
            request_id TEXT,
            latency_s REAL,
            first_token_s REAL,
            input_tokens INTEGER,
            output_tokens INTEGER,
            cached_tokens INTEGER,
            reasoning_tokens INTEGER,
            cost_usd REAL,                   -- USD; NULL = unknown
            cost_source TEXT,
            failure TEXT                     -- JSON of the Failure record; NULL when there is an answer
        ) WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE answer (
            trial_id TEXT PRIMARY KEY REFERENCES outcome,
            text NOT NULL,                   -- TEXT; a BLOB of UTF-8 with surrogates where TEXT cannot hold it
            refusal,
            tool_calls TEXT NOT NULL,        -- JSON
            raw BLOB NOT NULL                -- the body as it came: JSON; zlib where it is long
        ) WITHOUT ROWID"""
    )


def _create_scores(connection: sqlite3.Connection) -> None:
    """Scores of one run's outcomes: the expected answer belongs to the run, so the score does too."""
    connection.execute(
        """CREATE TABLE score (
            run_id TEXT NOT NULL REFERENCES run,
            trial_id TEXT NOT NULL,
            name TEXT NOT NULL,
            value REAL,                      -- NULL = not scored
            explanation,
            scorer TEXT NOT NULL,
            scorer_version TEXT NOT NULL,
            PRIMARY KEY (run_id, trial_id, name)
        ) WITHOUT ROWID"""
    )


def _add_trust(connection: sqlite3.Connection) -> None:
    """Checksums; who sent an attempt and what it may cost; who is at work on a run, and how it was asked for.

    Rows from before have no checksum: they are read as they are.
    """
    for name in ("run", "arm", "run_case", "trial", "attempt", "score"):
        connection.execute(f"ALTER TABLE {name} ADD COLUMN seal INTEGER")  # CRC-32 of the row's other values
    connection.execute("ALTER TABLE run ADD COLUMN trials INTEGER")  # how many; NULL = live calls, or not counted
    connection.execute("ALTER TABLE attempt ADD COLUMN process TEXT")  # who sent it
    connection.execute("ALTER TABLE attempt ADD COLUMN reserved_usd REAL")  # worst case; NULL = unknown
    connection.execute("ALTER TABLE attempt ADD COLUMN end_seal INTEGER")  # over number, state, kind, possibly_billed
    connection.execute("CREATE INDEX attempt_open ON attempt (trial_id) WHERE state = 'sent'")
    _lay_in_order(connection)
    connection.execute(
        """CREATE TABLE run_spec (
            run_id TEXT PRIMARY KEY REFERENCES run,
            spec TEXT NOT NULL,              -- JSON: the arguments that the run was asked for with
            seal INTEGER
        ) WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE lease (
            run_id TEXT PRIMARY KEY,
            token TEXT NOT NULL,             -- of this tenure
            process TEXT NOT NULL,
            host TEXT NOT NULL,
            since TEXT NOT NULL,             -- UTC, ISO 8601
            heartbeat TEXT NOT NULL          -- UTC, ISO 8601
        ) WITHOUT ROWID"""
    )
    connection.execute(
        """CREATE TABLE limit_change (
            change_id INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL,
            at TEXT NOT NULL,                -- UTC, ISO 8601
            endpoint TEXT NOT NULL,
            in_flight INTEGER NOT NULL,      -- most calls from now on
            reason TEXT NOT NULL
        )"""
    )
    connection.execute("CREATE INDEX limit_change_by_run ON limit_change (run_id)")


def _lay_in_order(connection: sqlite3.Connection) -> None:
    """Outcomes and answers lie in the order in which they came, and are found by an index.

    Sorted by content hash, each new one went to another page, and an answer longer than a quarter of a page took a page
    more for its rest.
    """
    connection.execute("ALTER TABLE outcome RENAME TO outcome_by_hash")
    connection.execute("ALTER TABLE answer RENAME TO answer_by_hash")
    connection.execute(
        """CREATE TABLE outcome (
            trial_id TEXT NOT NULL UNIQUE,
            run_id TEXT NOT NULL,            -- the run that paid for it
            request_key TEXT NOT NULL,
            status TEXT NOT NULL,
            queue_s REAL NOT NULL,
            retry_s REAL NOT NULL,
            started_at TEXT,
            model_sent TEXT,
            model_served TEXT,
            finish_reason TEXT,
            request_id TEXT,
            latency_s REAL,
            first_token_s REAL,
            input_tokens INTEGER,
            output_tokens INTEGER,
            cached_tokens INTEGER,
            reasoning_tokens INTEGER,
            cost_usd REAL,                   -- USD; NULL = unknown
            cost_source TEXT,
            failure TEXT,                    -- JSON of the Failure record; NULL when there is an answer
            refusal,
            further TEXT,                    -- JSON of what has no column of its own
            seal INTEGER                     -- CRC-32 of the row's other values; NULL = written before there were any
        )"""
    )
    connection.execute(
        """CREATE TABLE answer (
            trial_id TEXT NOT NULL UNIQUE,
            text NOT NULL,                   -- TEXT; a BLOB of UTF-8 with surrogates where TEXT cannot hold it
            tool_calls TEXT NOT NULL,        -- JSON
            raw BLOB NOT NULL,               -- the body as it came: JSON; zlib where it is long
            seal INTEGER
        )"""
    )
    connection.execute(
        "INSERT INTO outcome SELECT outcome_by_hash.*, answer_by_hash.refusal, NULL, NULL "
        "FROM outcome_by_hash LEFT JOIN answer_by_hash USING (trial_id)"
    )
    connection.execute("INSERT INTO answer SELECT trial_id, text, tool_calls, raw, NULL FROM answer_by_hash")
    connection.execute("DROP TABLE answer_by_hash")
    connection.execute("DROP TABLE outcome_by_hash")


def _give_places(connection: sqlite3.Connection) -> None:
    """Every trial that was ever planned has a number, its place: what is written of it lies there, found by no hash.

    With an index over hashes each outcome changed pages of its own all over the file: the larger the store, the more
    was written for each.
    """
    connection.execute("CREATE TABLE place (place INTEGER PRIMARY KEY, trial_id TEXT NOT NULL UNIQUE)")
    connection.execute(
        "INSERT OR IGNORE INTO place (trial_id) "
        "SELECT trial_id FROM trial JOIN run USING (run_id) ORDER BY created_at, run_id, position"
    )
    for name in ("trial", "outcome", "attempt", "answer"):
        connection.execute(f"INSERT OR IGNORE INTO place (trial_id) SELECT trial_id FROM {name}")  # noqa: S608  our own names
    for name in ("trial_by_id", "attempt_by_trial", "attempt_open"):
        connection.execute(f"DROP INDEX {name}")
    for name in ("trial", "attempt"):
        connection.execute(f"ALTER TABLE {name} ADD COLUMN place INTEGER")
        connection.execute(
            f"UPDATE {name} SET place = (SELECT place FROM place WHERE place.trial_id = {name}.trial_id)"  # noqa: S608  our own names
        )
    _seal_places(connection)
    connection.execute("CREATE INDEX attempt_by_place ON attempt (place)")
    connection.execute("CREATE INDEX attempt_open ON attempt (place) WHERE state = 'sent'")
    _lay_in_places(connection)


def _lay_in_places(connection: sqlite3.Connection) -> None:
    """Outcomes and answers lie in their trials' places, and need no index."""
    connection.execute("ALTER TABLE outcome RENAME TO outcome_by_id")
    connection.execute("ALTER TABLE answer RENAME TO answer_by_id")
    connection.execute(
        """CREATE TABLE outcome (
            place INTEGER PRIMARY KEY,
            trial_id TEXT NOT NULL,
            run_id TEXT NOT NULL,            -- the run that paid for it
            request_key TEXT NOT NULL,
            status TEXT NOT NULL,
            queue_s REAL NOT NULL,
            retry_s REAL NOT NULL,
            started_at TEXT,
            model_sent TEXT,
            model_served TEXT,
            finish_reason TEXT,
            request_id TEXT,
            latency_s REAL,
            first_token_s REAL,
            input_tokens INTEGER,
            output_tokens INTEGER,
            cached_tokens INTEGER,
            reasoning_tokens INTEGER,
            cost_usd REAL,                   -- USD; NULL = unknown
            cost_source TEXT,
            failure TEXT,                    -- JSON of the Failure record; NULL when there is an answer
            refusal,
            further TEXT,                    -- JSON of what has no column of its own
            seal INTEGER                     -- CRC-32 of the row's other values, without its place
        )"""
    )
    connection.execute(
        """CREATE TABLE answer (
            place INTEGER PRIMARY KEY,
            trial_id TEXT NOT NULL,
            text NOT NULL,                   -- TEXT; a BLOB of UTF-8 with surrogates where TEXT cannot hold it
            tool_calls TEXT NOT NULL,        -- JSON
            raw BLOB NOT NULL,               -- the body as it came, the text left out
            seal INTEGER
        )"""
    )
    for name in ("outcome", "answer"):
        connection.execute(
            f"INSERT INTO {name} SELECT place.place, {name}_by_id.* FROM place JOIN {name}_by_id USING (trial_id)"  # noqa: S608  our own names
        )
        connection.execute(f"DROP TABLE {name}_by_id")


def _seal_places(connection: sqlite3.Connection) -> None:
    """Gives the trials' rows checksums over their places too; a row that was damaged before stays one."""

    def sealed(seal: int | None, *row: object) -> int | None:
        return checksum(row) if seal is not None and seal == checksum(row[:-1]) else seal

    connection.create_function("sealed_with_place", 8, sealed, deterministic=True)
    columns = "run_id, position, trial_id, arm, case_index, repeat, place"
    connection.execute(f"UPDATE trial SET seal = sealed_with_place(seal, {columns})")  # noqa: S608  our own names


def _create_votes(connection: sqlite3.Connection) -> None:
    """What people said of pairs of answers; a voter has one vote on a pair, and one more where it was shown again."""
    connection.execute(
        """CREATE TABLE vote (
            run_id TEXT NOT NULL REFERENCES run,
            voter TEXT NOT NULL,
            case_index INTEGER NOT NULL,
            repeat INTEGER NOT NULL,
            pair TEXT NOT NULL,              -- both trial ids in order, a line each
            is_repeat INTEGER NOT NULL,      -- 1 = shown once more, to see whether the voter says the same
            left_trial TEXT NOT NULL,
            right_trial TEXT NOT NULL,
            verdict TEXT NOT NULL,
            seconds REAL NOT NULL,
            voted_at TEXT NOT NULL,          -- UTC, ISO 8601
            note,
            seal INTEGER,
            PRIMARY KEY (run_id, voter, case_index, repeat, pair, is_repeat)
        ) WITHOUT ROWID"""
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _create_runs,
    _create_outcomes,
    _create_scores,
    _add_trust,
    _give_places,
    _create_votes,
    create_deliveries,
)

VERSION = len(MIGRATIONS)
"""Version that this package writes and reads."""


@functools.cache
def expected_schema() -> frozenset[str]:
    """Returns the SQL of every table and index of a store of `VERSION`."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, backup=lambda _: None)
        return schema_of(connection)


def schema_of(connection: sqlite3.Connection) -> frozenset[str]:
    """Returns the SQL of every table and index that a connection sees."""
    rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    return frozenset(row[0] for row in rows)


def migrate(connection: sqlite3.Connection, *, backup: Callable[[int], None]) -> None:
    """Brings a store to `VERSION`, all steps or none. The caller has checked that it is not newer.

    Args:
        connection: To the store.
        backup: Called with the version found, before anything is changed and while nobody else can write; not for a
            new store.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read inside the transaction: another process may have migrated while this one waited for the lock.
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if 0 < found < VERSION:
            backup(found)
        for step in MIGRATIONS[found:]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
