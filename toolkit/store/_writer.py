"""One thread that owns the writing connection and commits whatever waits as soon as it is free."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from toolkit.errors import StoreError

# Bounds how long one transaction keeps other processes waiting.
_LARGEST_GROUP = 500


_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class Joint(Generic[_Part, _Result]):
    """A write that can be done together with others like it, in fewer statements than one by one.

    Args:
        together: Does several; it is the same function for all that may be done together. Its results are in order.
        part: What this write adds.
    """

    __slots__ = ("part", "together")

    def __init__(
        self, together: Callable[[sqlite3.Connection, Sequence[_Part]], Sequence[_Result]], part: _Part
    ) -> None:
        self.together = together
        self.part = part

    def __call__(self, connection: sqlite3.Connection) -> _Result:
        """Does this one alone."""
        return self.together(connection, [self.part])[0]


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    future: concurrent.futures.Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    """Where an asyncio future is told; `None` for one that any thread may wait for."""


class Writer:
    """Commits groups of writes; a write is finished when its transaction is.

    Nobody of a group has been told that another of it is done, so that they may be done in any order: those that can
    be done together are.

    Writes that arrive while a commit runs form the next group, so the group grows with the load and nobody waits for
    a timer. When one write of a group fails, the group is rolled back and each is done alone: one bad write never
    takes another with it. When it is the file that fails, all of them are told at once.

    Args:
        connect: Opens the connection; called on the writer's own thread.
        translate: Turns SQLite's exceptions into ours.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], translate: Callable[[sqlite3.Error], StoreError]
    ) -> None:
        self._connect = connect
        self._translate = translate
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, work: Callable[[sqlite3.Connection], Any]) -> concurrent.futures.Future[Any]:
        """Queues a write and returns a future that is done when it has been committed.

        Args:
            work: Called with the connection inside a transaction; may be called twice, so it changes nothing else.

        Raises:
            StoreError: If the store has been closed.
        """
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._put(_Job(work, future, None))
        return future

    async def write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Queues a write and waits until it has been committed; a cancelled caller does not undo it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(_Job(work, future, loop))
        return await future

    def _put(self, job: _Job) -> None:
        with self._lock:
            if self._closed:
                raise StoreError("The run store has been closed; open it again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="toolkit-store", daemon=True)
                self._thread.start()
            self._jobs.put(job)

    def close(self) -> None:
        """Commits what waits, closes the connection and ends the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._jobs.put(None)
        if thread is not None:
            thread.join()

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            group, ending = self._next_group()
            if not group:
                continue
            try:
                connection = connection or self._connect()
            except (sqlite3.Error, StoreError) as error:
                _tell([(job, None, self._ours(error)) for job in group])
                continue
            self._commit(connection, group)
        if connection is not None:
            connection.close()

    def _next_group(self) -> tuple[list[_Job], bool]:
        """Waits for one write and takes what else is there; the second value is True when the end was asked for."""
        job = self._jobs.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) >= _LARGEST_GROUP:
                return group, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = _do(connection, [job.work for job in group])
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  handed to who waits: this thread must outlive any one write
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(group) == 1 or _is_of_the_file(error):
                _tell([(job, None, self._ours(error)) for job in group])
                return
            for job in group:
                self._commit(connection, [job])
            return
        _tell([(job, result, None) for job, result in zip(group, results, strict=True)])

    def _ours(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            ours = self._translate(error)
            ours.__cause__ = error
            return ours
        return error


def _do(connection: sqlite3.Connection, works: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
    """Does writes and returns their results in order; those that can be done together at the place of the first."""
    results: list[Any] = [None] * len(works)
    alike: dict[Callable[..., Any], list[int]] = {}
    for number, work in enumerate(works):
        if isinstance(work, Joint):
            alike.setdefault(work.together, []).append(number)
    for number, work in enumerate(works):
        if not isinstance(work, Joint):
            results[number] = work(connection)
        elif alike[work.together][0] == number:
            numbers = alike[work.together]
            parts = [cast("Joint[Any, Any]", works[each]).part for each in numbers]
            for each, result in zip(numbers, work.together(connection, parts), strict=True):
                results[each] = result
    return results


def _is_of_the_file(error: Exception) -> bool:
    """Locked, read-only, failing, full, gone: no write's own fault, and each would wait and fail the same way."""
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the kind; extended codes say more above it.
    return code is not None and code & 0xFF in _OF_THE_FILE


_OF_THE_FILE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def _tell(settled: list[tuple[_Job, Any, Exception | None]]) -> None:
    """Tells those who wait what became of their writes; each event loop is woken once, however many wait there."""
    of_loops: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any, Exception | None]]] = {}
    for job, result, error in settled:
        if job.loop is None:
            _settle([(job, result, error)])
        else:
            of_loops.setdefault(job.loop, []).append((job, result, error))
    for loop, listed in of_loops.items():
        # A closed loop means that nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, listed)


def _settle(settled: list[tuple[_Job, Any, Exception | None]]) -> None:
    for job, result, error in settled:
        if job.future.done():
            # Cancelled by who waited: the write has been done all the same.
            continue
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
