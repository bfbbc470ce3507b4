"""Tables, indexes and the ordered list of migrations.

A store's version is SQLite's `user_version`: the number of migrations that have run. A migration, once released, is
never changed; a new one is added at the end.

Measures stand apart from texts: a frame of numbers over many trials reads `outcome` and never touches `answer`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


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


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create_runs, _create_outcomes, _create_scores)

VERSION = len(MIGRATIONS)
"""Version that this package writes and reads."""


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a store to `VERSION`, all steps or none. The caller has checked that it is not newer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read inside the transaction: another process may have migrated while this one waited for the lock.
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        for step in MIGRATIONS[found:]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
