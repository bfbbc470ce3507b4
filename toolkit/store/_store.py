"""The SQLite run store: one writer, many readers, each outcome committed once."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from toolkit._records import Arm, Case, Outcome, RunView, Score, Trial
from toolkit.errors import RunNotFoundError, StoreBusyError, StoreError, StoreVersionError
from toolkit.store import _rows
from toolkit.store._schema import VERSION, migrate
from toolkit.store._traffic import TRAFFIC, Snapshots, append_call, new_call
from toolkit.store._writer import Writer

FILE_NAME = "runs.sqlite"

# How long a writer waits for another process's transaction, which lasts milliseconds.
_BUSY_TIMEOUT_S = 10.0

# SQLite takes at most 32,766 values in one statement.
_LOOKUP_GROUP = 10_000

_OUTCOMES_OF_RUN = """
    SELECT outcome.*, answer.text, answer.refusal, answer.tool_calls, answer.raw,
        (SELECT count(*) FROM attempt WHERE attempt.trial_id = outcome.trial_id) AS attempts,
        (SELECT count(*) FROM attempt WHERE attempt.trial_id = outcome.trial_id
            AND attempt.state != 'ok' AND attempt.possibly_billed) AS possibly_billed
    FROM outcome LEFT JOIN answer USING (trial_id)
    WHERE outcome.trial_id IN (SELECT trial_id FROM trial WHERE run_id = ?)
"""


class RunStore:
    """What was planned, sent and answered, in one file.

    Writing happens on one thread (see `Writer`); every read opens its own connection, so any thread may read.

    Args:
        path: The file; made with its folder when first opened, readable by its owner only.

    Raises:
        StoreVersionError: If a newer version of this package wrote it.
        StoreBusyError: If another process keeps it locked.
        StoreError: If it cannot be opened or is not a run store; the message names the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prepare()
        self._writer = Writer(self._connect, self._ours)
        self._snapshots = Snapshots()

    async def save_run(
        self, *, run_id: str, created_at: dt.datetime, arms: Sequence[Arm], trials: Sequence[Trial], baseline: int
    ) -> None:
        """Keeps a plan: its arms with their prompts as they were, its cases, its trials; a known run stays as it is.

        Args:
            run_id: Identity of the plan; the same plan has the same.
            created_at: UTC.
            arms: In the plan's order.
            trials: In the plan's order.
            baseline: Index of the arm that the others are compared with.
        """
        prompts = [_rows.prompt_row(arm.prompt) for arm in arms]
        cases = {trial.case.index: trial.case for trial in trials}

        def work(connection: sqlite3.Connection) -> None:
            known = connection.execute("SELECT 1 FROM run WHERE run_id = ?", (run_id,)).fetchone()
            if known is not None:
                return
            connection.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?)",
                (run_id, created_at.isoformat(), baseline, _toolkit_version()),
            )
            connection.executemany("INSERT OR IGNORE INTO prompt VALUES (?, ?)", prompts)
            connection.executemany(
                "INSERT INTO arm VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [_rows.arm_row(run_id, arm, key) for arm, (key, _) in zip(arms, prompts, strict=True)],
            )
            connection.executemany(
                "INSERT INTO run_case VALUES (?, ?, ?, ?)",
                [
                    (run_id, case.index, _rows.json_text(case.variables), _rows.json_text(case.expected))
                    for case in cases.values()
                ],
            )
            connection.executemany(
                "INSERT INTO trial VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (run_id, position, trial.trial_id, trial.arm.index, trial.case.index, trial.repeat)
                    for position, trial in enumerate(trials)
                ],
            )

        await self._writer.write(work)

    async def append_call(
        self, *, run_id: str, arm: Arm, case: Case, trial_id: str, request_key: str, sent_at: dt.datetime
    ) -> int:
        """Adds one live call to a run, begins its first attempt, and returns the attempt's number, in one write.

        The run is made when it is new; an arm of equal content is found again; the call becomes the run's next case
        and trial, whatever indexes `arm` and `case` have. Only when this has returned may the request be sent.

        Args:
            run_id: `traffic-` and the UTC day.
            arm: Prompt, model and params of the call.
            case: Its variables.
            trial_id: Its identity, unlike any other.
            request_key: Content hash of what is sent.
            sent_at: UTC.
        """
        call = new_call(
            run_id=run_id,
            arm=arm,
            case=case,
            trial_id=trial_id,
            request_key=request_key,
            sent_at=sent_at,
            snapshots=self._snapshots,
            toolkit_version=_toolkit_version(),
        )
        attempt_id: int = await self._writer.write(lambda connection: append_call(connection, call))
        return attempt_id

    async def begin_attempt(self, *, run_id: str, trial_id: str, request_key: str, sent_at: dt.datetime) -> int:
        """Records that a request is about to leave and returns the attempt's number in the store.

        Only when this has returned may the request be sent: a crash then leaves a trace of what may have been billed.
        """

        def work(connection: sqlite3.Connection) -> int | None:
            cursor = connection.execute(
                "INSERT INTO attempt (run_id, trial_id, request_key, sent_at, state) VALUES (?, ?, ?, ?, 'sent')",
                (run_id, trial_id, request_key, sent_at.isoformat()),
            )
            return cursor.lastrowid

        attempt_id: int = await self._writer.write(work)
        return attempt_id

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Records that an attempt failed and another will follow."""

        def work(connection: sqlite3.Connection) -> None:
            _end_attempt(connection, attempt_id, kind=kind, possibly_billed=possibly_billed)

        await self._writer.write(work)

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Records what a trial ended with. An answer that is stored is never replaced.

        Only when this has returned may the outcome be shown, counted or used.

        Args:
            outcome: The answer or the failure.
            run_id: Run that sent it.
            attempt_id: The attempt that ended it; `None` when nothing was sent.
        """
        outcome_row, answer_row = _rows.outcome_row(outcome, run_id), _rows.answer_row(outcome)
        marks = ", ".join("?" * len(_rows.OUTCOME_COLUMNS))

        def work(connection: sqlite3.Connection) -> None:
            if attempt_id is not None:
                failure = outcome.failure
                _end_attempt(
                    connection,
                    attempt_id,
                    kind=None if failure is None else failure.kind,
                    possibly_billed=failure is not None and failure.possibly_billed,
                )
            answered = connection.execute(
                "SELECT 1 FROM outcome WHERE trial_id = ? AND status = 'ok'", (outcome.trial_id,)
            ).fetchone()
            if answered is not None:
                return
            connection.execute(
                f"INSERT OR REPLACE INTO outcome ({', '.join(_rows.OUTCOME_COLUMNS)}) VALUES ({marks})",  # noqa: S608  our own names
                outcome_row,
            )
            if answer_row is not None:
                connection.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)", answer_row)

        await self._writer.write(work)

    def save_scores(self, run_id: str, scores: Sequence[tuple[str, Score]]) -> None:
        """Keeps scores by trial id, in place of earlier ones of the same name."""
        rows = [_rows.score_row(run_id, trial_id, score) for trial_id, score in scores]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO score VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

        self._writer.submit(work).result()

    def answered(self, trial_ids: Iterable[str]) -> set[str]:
        """Returns those of `trial_ids` that have an answer already."""
        wanted = list(trial_ids)
        found: set[str] = set()
        with self._reading() as connection:
            for start in range(0, len(wanted), _LOOKUP_GROUP):
                group = wanted[start : start + _LOOKUP_GROUP]
                marks = ", ".join("?" * len(group))
                query = f"SELECT trial_id FROM outcome WHERE status = 'ok' AND trial_id IN ({marks})"  # noqa: S608  marks only
                found.update(row["trial_id"] for row in connection.execute(query, group))
        return found

    def runs(self) -> list[tuple[str, dt.datetime]]:
        """Returns every run's id and when it was first planned (UTC), oldest first."""
        with self._reading() as connection:
            rows = connection.execute("SELECT run_id, created_at FROM run ORDER BY created_at, run_id").fetchall()
        return [(row["run_id"], dt.datetime.fromisoformat(row["created_at"])) for row in rows]

    def load_run(self, run_id: str) -> RunView:
        """Returns everything the store knows of one run.

        Raises:
            RunNotFoundError: If there is no such run; the message lists the newest.
        """
        with self._reading() as connection:
            run = connection.execute("SELECT * FROM run WHERE run_id = ?", (run_id,)).fetchone()
            if run is None:
                newest = [known for known, _ in self.runs()][-5:]
                listed = f"The newest are {', '.join(newest)}." if newest else "It has no runs yet."
                raise RunNotFoundError(f"The run store {str(self.path)!r} has no run {run_id!r}. {listed}")
            arms = _load_arms(connection, run_id)
            cases = _load_cases(connection, run_id)
            rows = connection.execute("SELECT * FROM trial WHERE run_id = ? ORDER BY position", (run_id,))
            trials = tuple(
                Trial(
                    trial_id=row["trial_id"],
                    arm=arms[row["arm"]],
                    case=cases[row["case_index"]],
                    repeat=row["repeat"],
                )
                for row in rows
            )
            outcomes = {
                row["trial_id"]: _rows.read_outcome(row) for row in connection.execute(_OUTCOMES_OF_RUN, (run_id,))
            }
            attempted = connection.execute(
                "SELECT DISTINCT trial_id FROM attempt WHERE trial_id IN (SELECT trial_id FROM trial WHERE run_id = ?)",
                (run_id,),
            )
            scores: dict[str, list[Score]] = {}
            for row in connection.execute("SELECT * FROM score WHERE run_id = ?", (run_id,)):
                scores.setdefault(row["trial_id"], []).append(_rows.read_score(row))
            return RunView(
                run_id=run_id,
                created_at=dt.datetime.fromisoformat(run["created_at"]),
                arms=tuple(arms[index] for index in sorted(arms)),
                trials=trials,
                outcomes=outcomes,
                attempted=frozenset(row["trial_id"] for row in attempted),
                scores={trial_id: tuple(found) for trial_id, found in scores.items()},
                baseline=run["baseline"],
                is_grid=not run_id.startswith(TRAFFIC),
            )

    def close(self) -> None:
        """Commits what waits and closes the file."""
        self._writer.close()

    def _prepare(self) -> None:
        """Makes the folder and the file if need be, checks the version, migrates."""
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"The run store {str(self.path)!r} cannot be made: {error.strerror or error}. "
                "Make the folder writable, or set TOOLKIT_HOME to one that is."
            ) from error
        try:
            with contextlib.closing(self._connect()) as connection:
                found = connection.execute("PRAGMA user_version").fetchone()[0]
                if found > VERSION:
                    raise StoreVersionError(
                        f"The run store {str(self.path)!r} has version {found}; this package reads up to {VERSION}. "
                        "Upgrade promptsweep, or set TOOLKIT_HOME to another folder.",
                        found=found,
                        supported=VERSION,
                    )
                if found < VERSION:
                    self._refuse_foreign(connection, found)
                    migrate(connection)
        except sqlite3.Error as error:
            raise self._ours(error) from error

    def _refuse_foreign(self, connection: sqlite3.Connection, found: int) -> None:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found == 0 and tables:
            raise StoreError(
                f"{str(self.path)!r} is a SQLite file of something else, not a run store; it was left as it is. "
                "Set TOOLKIT_HOME to another folder."
            )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # A store may come from a colleague: it is data, and nothing written in its schema is to be executed.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the store, whatever is written meanwhile."""
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: sqlite3.Error) -> StoreError:
        where, text = repr(str(self.path)), str(error)
        if "locked" in text or "busy" in text:
            return StoreBusyError(
                f"The run store {where} was locked by another process for {_BUSY_TIMEOUT_S:g} s; "
                "close what uses it, or set TOOLKIT_HOME to another folder."
            )
        if "readonly" in text or "unable to open" in text:
            return StoreError(
                f"The run store {where} cannot be written: {text}. "
                "Make the folder and the file writable, or set TOOLKIT_HOME to a folder that is."
            )
        if "not a database" in text or "malformed" in text:
            return StoreError(
                f"The run store {where} is damaged or not a run store: {text}. It was left as it is; "
                "move it away or set TOOLKIT_HOME to another folder."
            )
        return StoreError(f"The run store {where} failed: {text}.")


def _end_attempt(connection: sqlite3.Connection, attempt_id: int, *, kind: str | None, possibly_billed: bool) -> None:
    connection.execute(
        "UPDATE attempt SET state = ?, kind = ?, possibly_billed = ? WHERE attempt_id = ?",
        ("ok" if kind is None else "failed", kind, possibly_billed, attempt_id),
    )


def _load_arms(connection: sqlite3.Connection, run_id: str) -> dict[int, Arm]:
    rows = connection.execute("SELECT * FROM arm JOIN prompt USING (prompt_key) WHERE run_id = ?", (run_id,))
    return {row["arm"]: _rows.read_arm(row, _rows.read_prompt(row["snapshot"])) for row in rows}


def _load_cases(connection: sqlite3.Connection, run_id: str) -> dict[int, Case]:
    rows = connection.execute("SELECT * FROM run_case WHERE run_id = ?", (run_id,))
    return {row["case_index"]: _rows.read_case(row) for row in rows}


@functools.cache
def _toolkit_version() -> str:
    from importlib import metadata

    return metadata.version("promptsweep")
