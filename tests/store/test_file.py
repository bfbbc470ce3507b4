"""The store's file: what is refused when it is opened, and what SQLite's errors are called."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import psutil
import pytest

from tests.builders import NOON
from tests.store.builders import answer, attempt, make_trials, released_store, save
from toolkit import _sync
from toolkit.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
    StoreWarning,
)
from toolkit.store import VERSION, RunStore, _file, _held


@pytest.fixture
def store(tmp_path):
    """A store with a run of two trials, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    save(opened, make_trials(2))
    yield opened
    opened.close()


def change(path, sql):
    """Changes the file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (f"PRAGMA user_version = {VERSION + 1}", f"says that it has version {VERSION + 1}"),
        (f"PRAGMA user_version = {VERSION - 1}", f"says that it has version {VERSION - 1}"),
        ("PRAGMA user_version = 0", "says that it has version 0"),
        ("DROP INDEX attempt_by_place", "schema is not the one that was written"),
    ],
)
def test_a_file_that_contradicts_itself_is_damaged(store, sql, told):
    """A version that does not fit the tables, and tables that are not ours, are damage; the file stays as it is."""
    store.close()
    change(store.path, sql)
    before = store.path.read_bytes()
    with pytest.raises(StoreCorruptError, match=told):
        RunStore(store.path)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("word", [b"CREATE TABLE lease", b"ON attempt", b"TEXT PRIMARY KEY"])
def test_words_of_the_schema_that_are_no_text_are_damage(store, word):
    """A store whose schema has bytes that are no text is damaged, wherever they stand, and stays as it is."""
    store.close()
    content = bytearray(store.path.read_bytes())
    content[content.index(word) + 4] = 0xE1
    store.path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"runs\.sqlite.*is damaged"):
        RunStore(store.path)
    assert store.path.read_bytes() == content


def test_a_negative_version_is_refused(tmp_path):
    """A version below 0 is none of ours."""
    change(tmp_path / "runs.sqlite", "PRAGMA user_version = -5")
    with pytest.raises(StoreVersionError, match="version -5"):
        RunStore(tmp_path / "runs.sqlite")


def test_a_large_file_is_not_looked_through(store, monkeypatch):
    """A file above the limit opens without being looked through; its rows are checked as they are read."""
    store.close()
    monkeypatch.setattr(_file, "_CHECKED_BYTES", 0)
    monkeypatch.setattr(_file.StoreFile, "_look_through", None)
    again = RunStore(store.path)
    assert len(again.load_run("run-1").trials) == 2
    again.close()


def test_a_locked_store_says_so(store, monkeypatch):
    """While another process keeps the file locked, a write ends with an error that says how long it waited."""
    monkeypatch.setattr(_file, "_BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = RunStore(store.path)
        with pytest.raises(StoreBusyError, match=r"locked by another process for 0\.05 s"):
            attempt(waiting)
        waiting.close()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("database or disk is full", StoreFullError),
        ("attempt to write a readonly database", StoreFullError),
        ("database disk image is malformed", StoreCorruptError),
        ("near 'x': syntax error", StoreError),
    ],
)
def test_errors_of_sqlite_have_a_name(store, words, kind):
    """Each kind of SQLite's errors becomes one of ours that names the file."""
    found = store.ours(sqlite3.OperationalError(words))
    assert type(found) is kind
    assert "runs.sqlite" in str(found)


@pytest.mark.parametrize(
    ("kind", "mountpoint", "is_network"),
    [("nfs4", "here", True), ("ext4", "here", False), ("nfs4", "elsewhere", False)],
)
def test_the_kind_of_file_system_is_that_of_the_nearest_mount(tmp_path, monkeypatch, kind, mountpoint, is_network):
    """The store is on a network when the nearest mount above it is."""
    parts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(tmp_path / mountpoint), fstype=kind),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: parts)
    assert _file._is_on_network(tmp_path / "here" / "deep" / "runs.sqlite") is is_network


def test_where_mounts_cannot_be_told_the_store_is_taken_to_be_local(tmp_path, monkeypatch):
    """A system that tells no mounts keeps nobody from opening a store."""

    def refuse(**_):
        raise OSError("no /proc")

    monkeypatch.setattr(psutil, "disk_partitions", refuse)
    RunStore(tmp_path / "runs.sqlite").close()


def test_two_copies_of_one_second_have_two_names(tmp_path, monkeypatch):
    """A copy made before a migration never takes the place of an earlier one."""
    monkeypatch.setattr(_file.time, "strftime", lambda *_: "now")
    (tmp_path / "runs.sqlite.v3-now").write_text("earlier")
    RunStore(released_store(3, tmp_path / "runs.sqlite")).close()
    assert (tmp_path / "runs.sqlite.v3-now").read_text() == "earlier"
    assert (tmp_path / "runs.sqlite.v3-now-2").read_bytes().startswith(b"SQLite format 3")


def test_an_error_that_is_no_missing_memory_is_not_taken_for_a_network(tmp_path, monkeypatch):
    """Only what a network file system does leads to a rollback journal; another error is told as it is."""

    class Refusing(sqlite3.Connection):
        """A connection that fails for a reason of its own."""

        def execute(self, sql, *values):
            """Fails at the mode of the journal."""
            if "journal_mode = WAL" in sql:
                raise sqlite3.OperationalError("out of memory")
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Refusing, **kwargs))
    with pytest.raises(StoreError, match="out of memory"):
        RunStore(tmp_path / "runs.sqlite")


def test_a_folder_that_is_gone_is_told_with_what_is_held(store, monkeypatch):
    """When the store's folder cannot be looked at any more, the message says so instead of the space it has."""
    number = attempt(store)

    async def full(work):
        raise StoreFullError("full")

    def gone(_):
        raise FileNotFoundError(2, "No such file or directory")

    with monkeypatch.context() as patched:
        patched.setattr(store._writer, "write", full)
        patched.setattr(_held.shutil, "disk_usage", gone)
        with pytest.raises(StoreFullError, match=r"cannot be looked at \(No such file"):
            _sync.run(store.fail_attempt(number, kind="timeout", possibly_billed=True))
    assert store.flush() == 0


def test_a_rollback_journal_survives_opening_again(tmp_path, monkeypatch):
    """A store that was written with a write-ahead log on a local disk opens on a network file system, and back."""
    store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(1))
    answer(store)
    store.close()
    with monkeypatch.context() as patched:
        patched.setattr(_file, "_file_system_of", lambda _: "cifs")
        with pytest.warns(StoreWarning, match="rollback journal"):
            there = RunStore(store.path)
        assert there.load_run("run-1").outcomes["t1:0"].text == "hello"
        there.close()
    back = RunStore(store.path)
    assert back.runs() == [("run-1", NOON)]
    assert back.runs()[0][1].tzinfo == dt.UTC
    back.close()


def test_a_file_that_is_locked_fails_a_whole_group_at_once(store, monkeypatch):
    """Writes that wait together for a locked file are told together, after one wait and not one each."""
    monkeypatch.setattr(_file, "_BUSY_TIMEOUT_S", 0.2)
    begun = []

    class Counting(sqlite3.Connection):
        """A connection that notes each transaction that it begins."""

        def execute(self, sql, *values):
            """Notes the beginning of a transaction."""
            begun.append(sql) if sql == "BEGIN IMMEDIATE" else None
            return super().execute(sql, *values)

    waiting = RunStore(store.path)
    connect = sqlite3.connect
    with closing(connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Counting, **kwargs))
        futures = [waiting._writer.submit(lambda connection: connection.execute("SELECT 1")) for _ in range(50)]
        for future in futures:
            with pytest.raises(StoreBusyError):
                future.result()
    assert len(begun) <= 3
    waiting.close()


def test_a_file_that_is_gone_is_told_to_who_writes(store):
    """A store whose file was taken away is not made again in silence: the write says that it cannot be opened."""
    again = RunStore(store.path)
    store.close()
    for file in store.path.parent.iterdir():
        file.unlink()
    with pytest.raises(StoreFullError, match="unable to open"):
        attempt(again)
    assert not store.path.exists()
    again.close()
