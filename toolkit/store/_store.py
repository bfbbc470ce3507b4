"""The SQLite run store: one writer, many readers, each outcome committed once."""

from __future__ import annotations

import datetime as dt
import functools
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit._records import Arm, Case, Outcome, RunView, Score, Trial
from toolkit._votes import Vote
from toolkit.errors import RunNotFoundError
from toolkit.store import _leases, _reading, _rows
from toolkit.store._bodies import json_text
from toolkit.store._deliveries import DeliveryBook
from toolkit.store._file import Durability, StoreFile
from toolkit.store._finishing import beginning, end_attempt, end_of, finishing
from toolkit.store._habits import Habits, read_habits
from toolkit.store._held import Held
from toolkit.store._leases import Holder, Lease
from toolkit.store._places import add_trials
from toolkit.store._process import Process, this_process
from toolkit.store._reading import LimitChange, Spent, UnknownAttempt
from toolkit.store._reuse import not_for
from toolkit.store._tables import ARM, CASE, RUN, SCORE, SPEC
from toolkit.store._traffic import Snapshots, append_call, new_call
from toolkit.store._votes import drop_votes, keep_votes
from toolkit.store._writer import Writer

FILE_NAME = "runs.sqlite"


class RunStore(StoreFile, DeliveryBook):
    """What was planned, sent and answered, in one file.

    Writing happens on one thread (see `Writer`); every read opens its own connection, so any thread may read.

    When the file can take no more (no space, no right to write), what was paid for is held in memory: `finish` and
    `fail_attempt` raise `StoreFullError` then and nothing is lost as long as the process lives; `flush`, or the next
    attempt that is begun, writes it.

    Args:
        path: The file; made with its folder when first opened, readable by its owner only.
        durability: `normal` = a power cut may take the last commits, though nothing else ever; `full` = not even
            those, at the cost of one wait for the disk a commit.

    Raises:
        StoreVersionError: If a newer version of this package wrote it.
        StoreBusyError: If another process keeps it locked.
        StoreCorruptError: If it is damaged; it is left as it is.
        StoreError: If it cannot be opened or is not a run store; the message names the file.
    """

    def __init__(self, path: Path, *, durability: Durability = "normal") -> None:
        super().__init__(path, durability=durability)
        self._writer = Writer(self.connect_writer, self.ours)
        self._snapshots = Snapshots()
        self._held = Held(self._writer, str(path))

    async def save_run(
        self,
        *,
        run_id: str,
        created_at: dt.datetime,
        arms: Sequence[Arm],
        trials: Sequence[Trial],
        baseline: int,
        spec: Mapping[str, Any] | None = None,
    ) -> None:
        """Keeps a plan: its arms with their prompts as they were, its cases, its trials; a known run stays as it is.

        Args:
            run_id: Identity of the plan; the same plan has the same.
            created_at: UTC.
            arms: In the plan's order.
            trials: In the plan's order.
            baseline: Index of the arm that the others are compared with.
            spec: How the run was asked for, as JSON values; it takes the place of an earlier one. `None` = nothing new.
        """
        await self._held.aflush()
        prompts = [_rows.prompt_row(arm.prompt) for arm in arms]
        cases = {trial.case.index: trial.case for trial in trials}
        spec_row = None if spec is None else SPEC.sealed((run_id, json_text(spec)))

        def work(connection: sqlite3.Connection) -> None:
            known = connection.execute("SELECT 1 FROM run WHERE run_id = ?", (run_id,)).fetchone()
            if known is None:
                run = (run_id, created_at.isoformat(), baseline, _toolkit_version(), len(trials))
                connection.execute(RUN.insert, RUN.sealed(run))
                connection.executemany("INSERT OR IGNORE INTO prompt VALUES (?, ?)", prompts)
                # Rows are made as they are written: a plan of a million trials is never in memory twice.
                connection.executemany(
                    ARM.insert,
                    (ARM.sealed(_rows.arm_row(run_id, arm, key)) for arm, (key, _) in zip(arms, prompts, strict=True)),
                )
                connection.executemany(
                    CASE.insert, (CASE.sealed(_rows.case_row(run_id, case)) for case in cases.values())
                )
                add_trials(connection, run_id, trials)
            if spec_row is not None:
                connection.execute(SPEC.replace, spec_row)

        await self._writer.write(work)

    async def append_call(
        self,
        *,
        run_id: str,
        arm: Arm,
        case: Case,
        trial_id: str,
        request_key: str,
        sent_at: dt.datetime,
        reserved_usd: float | None = None,
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
            reserved_usd: What it can cost at most; `None` = not known.
        """
        if self._held:
            await self._held.aflush()
        call = new_call(
            run_id=run_id,
            arm=arm,
            case=case,
            trial_id=trial_id,
            request_key=request_key,
            sent_at=sent_at,
            snapshots=self._snapshots,
            toolkit_version=_toolkit_version(),
            reserved_usd=reserved_usd,
        )
        attempt_id: int = await self._writer.write(lambda connection: append_call(connection, call))
        return attempt_id

    async def begin_attempt(
        self,
        *,
        run_id: str,
        trial_id: str,
        request_key: str,
        sent_at: dt.datetime,
        reserved_usd: float | None = None,
    ) -> int:
        """Records that a request is about to leave and returns the attempt's number in the store.

        Only when this has returned may the request be sent: a crash then leaves a trace of what may have been billed.

        Args:
            run_id: Run that sends it.
            trial_id: The trial it is for.
            request_key: Content hash of what is sent.
            sent_at: UTC.
            reserved_usd: What it can cost at most; `None` = not known.

        Raises:
            StoreFullError: If nothing can be written, or what is held in memory cannot; then nothing may be sent.
        """
        if self._held:
            await self._held.aflush()
        work = beginning(run_id, trial_id, request_key, sent_at, reserved_usd)
        attempt_id: int = await self._writer.write(work)
        return attempt_id

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Records that an attempt failed and another will follow.

        Raises:
            StoreFullError: If it cannot be written; it is held in memory.
        """
        end = end_of(attempt_id, kind=kind, possibly_billed=possibly_billed)
        await self._held.write(lambda connection: end_attempt(connection, end))

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Records what a trial ended with. An answer that is stored is never replaced.

        Only when this has returned may the outcome be shown, counted or used.

        Args:
            outcome: The answer or the failure.
            run_id: Run that sent it.
            attempt_id: The attempt that ended it; `None` when nothing was sent.

        Raises:
            StoreFullError: If it cannot be written; it is held in memory, and `load_run` shows it.
        """
        await self._held.write(finishing([(outcome, attempt_id)], run_id), (outcome,))

    async def finish_all(self, ended: Sequence[tuple[Outcome, int | None]], *, run_id: str) -> None:
        """Records what several trials ended with, all or none of them: `finish` for a group, at a lower cost each.

        Args:
            ended: Each outcome with the attempt that ended it; `None` = nothing was sent.
            run_id: Run that sent them.

        Raises:
            StoreFullError: As `finish` does.
        """
        await self._held.write(finishing(ended, run_id), [outcome for outcome, _ in ended])

    def flush(self) -> int:
        """Writes what is held in memory since the file could take no more, and returns the number of outcomes.

        Raises:
            StoreFullError: If it still cannot be written; it stays held.
        """
        return self._held.flush()

    def save_scores(self, run_id: str, scores: Sequence[tuple[str, Score]]) -> None:
        """Keeps scores by trial id, in place of earlier ones of the same name."""
        rows = [SCORE.sealed(_rows.score_row(run_id, trial_id, score)) for trial_id, score in scores]
        self._writer.submit(lambda connection: connection.executemany(SCORE.replace, rows)).result()

    def save_votes(self, run_id: str, votes: Sequence[Vote]) -> None:
        """Keeps votes, each in place of an earlier one with the same `key`; returns once they are committed."""
        self._writer.submit(lambda connection: keep_votes(connection, run_id, votes)).result()

    def drop_votes(self, run_id: str, votes: Sequence[Vote]) -> None:
        """Takes votes back; one of which there is none with its `key` is passed over."""
        self._writer.submit(lambda connection: drop_votes(connection, run_id, votes)).result()

    async def acquire_lease(
        self, run_id: str, *, owner: Process | None = None, now: dt.datetime | None = None
    ) -> Lease | Holder:
        """Returns the right to send a run's trials, or who has it; a holder that is gone is replaced.

        A process of this machine is gone when it has ended; one that cannot be looked up is gone when its heartbeat is
        older than `LEASE_S`.

        Args:
            run_id: The run; it need not be saved yet.
            owner: Who asks; `None` = this process.
            now: UTC; `None` = the machine's time.
        """
        if self._held:
            await self._held.aflush()
        process, moment = owner or this_process(), now or dt.datetime.now(dt.UTC)
        found: Lease | Holder = await self._writer.write(
            lambda connection: _leases.acquire(connection, run_id, process, moment)
        )
        return found

    async def renew_lease(self, lease: Lease, *, now: dt.datetime | None = None) -> bool:
        """Tells that the holder is still there; False = the run was taken over, and nothing more may be sent."""
        moment = now or dt.datetime.now(dt.UTC)
        is_held: bool = await self._writer.write(lambda connection: _leases.renew(connection, lease, moment))
        return is_held

    async def release_lease(self, lease: Lease) -> None:
        """Gives a lease back; does nothing when it was taken over.

        Raises:
            StoreFullError: If that cannot be written; it is held, and done with the rest.
        """
        await self._held.write(lambda connection: _leases.release(connection, lease))

    async def note_limits(self, run_id: str, changes: Sequence[LimitChange]) -> None:
        """Keeps how limits moved during a run, behind those noted before."""
        rows = [(run_id, each.at.isoformat(), each.endpoint, each.in_flight, each.reason) for each in changes]
        sql = "INSERT INTO limit_change (run_id, at, endpoint, in_flight, reason) VALUES (?, ?, ?, ?, ?)"
        await self._writer.write(lambda connection: connection.executemany(sql, rows))

    def holder(self, run_id: str) -> Holder | None:
        """Returns who has the lease of a run, be it gone or not; `None` = nobody."""
        with self.reading() as connection:
            return _leases.held_by(connection, run_id)

    def limit_changes(self, run_id: str) -> list[LimitChange]:
        """Returns how limits moved during a run, oldest first."""
        with self.reading() as connection:
            return _reading.limit_changes(connection, run_id)

    def unknown(self, run_id: str) -> list[UnknownAttempt]:
        """Returns the attempts at a run's trials that were sent by a process that is gone and have no outcome."""
        with self.reading() as connection:
            return _reading.unknown_attempts(connection, run_id)

    def spent(self, run_id: str) -> Spent:
        """Returns what a run's own attempts and answers have cost, known and possible (USD), with calls and tokens."""
        with self.reading() as connection:
            return _reading.spent(connection, run_id)

    def run_spec(self, run_id: str) -> Mapping[str, Any] | None:
        """Returns how a run was asked for; `None` when that was not kept."""
        with self.reading() as connection:
            spec: Mapping[str, Any] | None = _reading.read_spec(connection, run_id)
            return spec

    def answered(self, trial_ids: Iterable[str]) -> set[str]:
        """Returns those of `trial_ids` that have an answer already, those held in memory among them.

        Raises:
            StoreCorruptError: If one has been answered and its answer is missing.
        """
        wanted = list(trial_ids)
        with self.reading() as connection:
            found = _reading.answered(connection, wanted)
        held = {trial_id for trial_id, outcome in self._held.outcomes().items() if outcome.status == "ok"}
        return found | held.intersection(wanted)

    def not_for(self, trial_ids: Sequence[str], run_id: str) -> set[str]:
        """Returns those that another run has answered, with an answer that is cut off or filtered: not for this one."""
        with self.reading() as connection:
            return not_for(connection, trial_ids, run_id)

    def habits(self, models: Iterable[str]) -> dict[str, Habits]:
        """Returns what stored answers say of each model, by provider-side name; none of a model without answers."""
        with self.reading() as connection:
            return read_habits(connection, models)

    def runs(self) -> list[tuple[str, dt.datetime]]:
        """Returns every run's id and when it was first planned (UTC), oldest first."""
        with self.reading() as connection:
            rows = connection.execute("SELECT run_id, created_at FROM run ORDER BY created_at, run_id").fetchall()
            return [(row["run_id"], dt.datetime.fromisoformat(row["created_at"])) for row in rows]

    def left_over(self) -> list[tuple[str, int]]:
        """Returns the runs that a process left when it was killed, newest first.

        Each with the number of its requests that were sent and whose outcome nobody will tell; 0 = only its lease.
        """
        with self.reading() as connection:
            found = dict(_reading.left_over(connection))
        newest_first = [run_id for run_id, _ in reversed(self.runs())]
        return [(run_id, found[run_id]) for run_id in newest_first if run_id in found]

    def load_run(self, run_id: str) -> RunView:
        """Returns everything the store knows of one run; texts are read when they are asked for.

        Raises:
            RunNotFoundError: If there is no such run; the message lists the newest.
            StoreCorruptError: If something of it is damaged.
        """
        with self.reading() as connection:
            view = _reading.load_view(connection, run_id, self._read_answers)
        if view is None:
            newest = [known for known, _ in self.runs()][-5:]
            listed = f"The newest are {', '.join(newest)}." if newest else "It has no runs yet."
            raise RunNotFoundError(f"The run store {str(self.path)!r} has no run {run_id!r}. {listed}")
        return self._held.shown_in(view)

    def close(self) -> None:
        """Writes what is held and what waits, and closes the file.

        Raises:
            StoreFullError: If what is held cannot be written: it ends with the process.
        """
        try:
            self._held.flush()
        finally:
            self._writer.close()

    def _read_answers(self, places: Mapping[str, int]) -> dict[str, Sequence[Any]]:
        with self.reading() as connection:
            return _reading.read_answers(connection, places)


@functools.cache
def _toolkit_version() -> str:
    from importlib import metadata

    return metadata.version("promptsweep")
