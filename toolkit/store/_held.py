"""What was paid for and cannot be written: held in memory, in order, until the file takes it."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit._records import Outcome, RunView
from toolkit.errors import StoreFullError
from toolkit.store._outcomes import StoredOutcomes
from toolkit.store._writer import Writer

# Beside its texts, an outcome takes about this much; SQLite also needs some room to begin at all.
_BYTES_EACH = 2_000
_BYTES_TO_BEGIN = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    work: Callable[[sqlite3.Connection], Any]
    outcomes: Sequence[Outcome]
    """Empty for the end of an attempt that another follows, and the like."""


class Held:
    """Writes that must not be lost: done at once where that is possible, held where it is not.

    Args:
        writer: Does them.
        path: The store's file, for messages.
    """

    def __init__(self, writer: Writer, path: str) -> None:
        self._writer = writer
        self._path = path
        self._lock = threading.Lock()
        self._writes: list[_Write] = []

    def __bool__(self) -> bool:
        return bool(self._writes)

    async def write(self, work: Callable[[sqlite3.Connection], Any], outcomes: Sequence[Outcome] = ()) -> None:
        """Does a write and waits until it is committed.

        Raises:
            StoreFullError: If it cannot be done now; it is held.
        """
        try:
            await self._writer.write(work)
        except StoreFullError as error:
            with self._lock:
                self._writes.append(_Write(work=work, outcomes=outcomes))
            raise self._told(error) from error

    def flush(self) -> int:
        """Does every write that is held, all or none, and returns the number of outcomes among them.

        Raises:
            StoreFullError: If they still cannot be done; they stay held.
        """
        writes = self._take()
        if not writes:
            return 0
        try:
            self._writer.submit(lambda connection: _do_all(connection, writes)).result()
        except StoreFullError as error:
            self._put_back(writes)
            raise self._told(error) from error
        except BaseException:
            # Interrupted: doing a write twice changes nothing, so that it may be held although it may have been done.
            self._put_back(writes)
            raise
        return sum(len(write.outcomes) for write in writes)

    async def aflush(self) -> None:
        """Does what `flush` does, for code that awaits."""
        writes = self._take()
        if not writes:
            return
        try:
            await self._writer.write(lambda connection: _do_all(connection, writes))
        except StoreFullError as error:
            self._put_back(writes)
            raise self._told(error) from error
        except BaseException:
            self._put_back(writes)
            raise

    def outcomes(self) -> dict[str, Outcome]:
        """Returns the outcomes that are held, by trial id; an answer goes before a failure."""
        found: dict[str, Outcome] = {}
        for outcome in [outcome for write in list(self._writes) for outcome in write.outcomes]:
            if outcome.trial_id not in found or found[outcome.trial_id].status != "ok":
                found[outcome.trial_id] = outcome
        return found

    def shown_in(self, view: RunView) -> RunView:
        """Returns a run with those of its outcomes that are held."""
        held = self.outcomes()
        if not held:
            return view
        planned = {trial.trial_id for trial in view.trials}
        outcomes = view.outcomes
        assert isinstance(outcomes, StoredOutcomes)  # noqa: S101  that is what the store makes
        return replace(view, outcomes=outcomes.with_held({key: held[key] for key in held if key in planned}))

    def _take(self) -> list[_Write]:
        with self._lock:
            writes, self._writes = self._writes, []
            return writes

    def _put_back(self, writes: list[_Write]) -> None:
        with self._lock:
            self._writes[:0] = writes

    def _told(self, error: StoreFullError) -> StoreFullError:
        """The same error with what is held, what it needs and what there is."""
        outcomes = self.outcomes()
        needed_bytes = _BYTES_TO_BEGIN + sum(_size_bytes(outcome) for outcome in outcomes.values())
        folder = Path(self._path).absolute().parent
        try:
            free = f"has {shutil.disk_usage(folder).free / 1e6:,.1f} MB free"
        except OSError as reason:
            free = f"cannot be looked at ({reason.strerror})"
        count, verb = ("1 outcome", "is") if len(outcomes) == 1 else (f"{len(outcomes):,} outcomes", "are")
        return StoreFullError(
            f"{error} Nothing more is sent. {count} that {verb} not in the file yet {verb} kept in memory. About "
            f"{needed_bytes / 1e6:,.1f} MB are needed; {str(folder)!r} {free}. Keep this process running, make room, "
            "and run the same call again: what is kept is written first.",
            path=self._path,
            held=len(outcomes),
            needed_bytes=needed_bytes,
        )


def _do_all(connection: sqlite3.Connection, writes: list[_Write]) -> None:
    for write in writes:
        write.work(connection)


def _size_bytes(outcome: Outcome) -> int:
    # The body holds the text once more; in the write-ahead log and in the file it all stands twice for a while.
    return _BYTES_EACH + 4 * len(outcome.text)
