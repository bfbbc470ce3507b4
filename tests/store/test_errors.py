"""The writer's beginning, end and errors: which are the file's, what who waits is told, and what closing leaves."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from toolkit.errors import StoreError
from toolkit.store import RunStore
from toolkit.store._writer import Writer, _is_of_the_file, _Job


@pytest.mark.parametrize(
    ("code", "is_of_the_file"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_READONLY, True),
        (sqlite3.SQLITE_IOERR, True),
        (sqlite3.SQLITE_CORRUPT, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_CANTOPEN, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_CONSTRAINT, False),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False),
        (None, False),
    ],
)
def test_an_error_is_the_file_s_or_the_write_s(code, is_of_the_file):
    """A file that is locked, failing, full or gone fails every write; a mistake in one write fails that one."""
    error = ValueError("mine")
    if code is not None:
        error = sqlite3.OperationalError("no")
        error.sqlite_errorcode = code
    assert _is_of_the_file(error) is is_of_the_file


def test_an_error_tells_which_of_sqlite_s_it_was(tmp_path):
    """What a write raises for SQLite has SQLite's own error as its cause."""
    store = RunStore(tmp_path / "runs.sqlite")
    future = store._writer.submit(lambda connection: connection.execute("SELECT * FROM nowhere"))
    with pytest.raises(StoreError, match="nowhere") as caught:
        future.result(30)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    store.close()


def test_a_store_that_was_closed_says_so(tmp_path):
    """A write to a store that was closed is refused, with what to do."""
    store = RunStore(tmp_path / "runs.sqlite")
    store.close()
    with pytest.raises(StoreError) as caught:
        store._writer.submit(lambda _: None)
    assert str(caught.value) == "The run store has been closed; open it again."


def test_closing_waits_for_what_was_begun(tmp_path):
    """When a store has been closed, all that was asked for is done and its thread has ended."""
    store = RunStore(tmp_path / "runs.sqlite")
    future = store._writer.submit(lambda connection: [connection.execute("SELECT 1") for _ in range(1_000)] and "done")
    thread = store._writer._thread
    store.close()
    assert (future.done(), thread.is_alive()) == (True, False)
    assert future.result() == "done"


def test_a_program_ends_although_its_store_is_open(tmp_path):
    """The writer's thread, which is known by its name, keeps no program from ending."""
    store = RunStore(tmp_path / "runs.sqlite")
    store._writer.submit(lambda _: None).result(30)
    assert (store._writer._thread.name, store._writer._thread.daemon) == ("toolkit-store", True)
    store.close()


@pytest.fixture
def mistakes(monkeypatch):
    """What ended a thread by mistake."""
    found = []
    monkeypatch.setattr(threading, "excepthook", found.append)
    return found


def failing(times):
    """Opens a connection, but not before it has failed so many times."""
    left = [sqlite3.OperationalError("unable to open database file")] * times

    def connect():
        if left:
            raise left.pop()
        return sqlite3.connect(":memory:", isolation_level=None)

    return connect


def test_a_file_that_can_be_opened_again_is_written_again(mistakes):
    """A write that finds the file not to be opened is told so, and the next one that finds it is done."""
    writer = Writer(failing(1), lambda error: StoreError(str(error)))
    with pytest.raises(StoreError, match="unable to open"):
        writer.submit(lambda _: "lost").result(30)
    assert writer.submit(lambda _: "done").result(10) == "done"
    writer.close()
    assert mistakes == []


def test_a_file_that_was_never_opened_is_closed_without_more_ado(mistakes):
    """A writer that never had its file ends in peace."""
    writer = Writer(failing(9), lambda error: StoreError(str(error)))
    with pytest.raises(StoreError, match="unable to open"):
        writer.submit(lambda _: "lost").result(30)
    writer.close()
    assert mistakes == []


def test_who_is_gone_keeps_nobody_else_waiting(mistakes):
    """A write whose event loop was closed meanwhile is done, and so are those that come after it."""
    writer = Writer(failing(0), lambda error: StoreError(str(error)))
    done, loop = [], asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    writer._put(_Job(lambda _: done.append("gone"), future, loop))
    assert writer.submit(lambda _: "done").result(10) == "done"
    writer.close()
    assert (done, mistakes) == (["gone"], [])
