"""The store's file: made, opened, checked and migrated, and SQLite's errors in words that say what to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from toolkit.errors import (
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
    StoreWarning,
    UsageError,
)
from toolkit.store._schema import VERSION, expected_schema, migrate, schema_of

Durability = Literal["normal", "full"]
"""What a power cut may take: `normal` = the last commits, `full` = nothing. A killed process never takes any."""

# How long a writer waits for another process's transaction, which lasts milliseconds.
_BUSY_TIMEOUT_S = 10.0

# Of the writing connection's own memory for pages, taken as it is needed.
_CACHE_KIB = 16_384

# A file up to this size is looked through when it is opened: some 50 ms.
_CHECKED_BYTES = 16 * 1024 * 1024

# Write-ahead logging needs memory that all processes share; over a network there is none.
_NETWORK_FILE_SYSTEMS = frozenset("nfs nfs4 cifs smb smb2 smb3 smbfs afs 9p ceph glusterfs lustre fuse.sshfs".split())

_JUDGE_FULL = ("full", "readonly", "unable to open", "disk i/o error")


class StoreFile:
    """One SQLite file that is ready to be read and written.

    Args:
        path: The file; made with its folder when first opened, readable by its owner only.
        durability: What a power cut may take.

    Raises:
        StoreVersionError: If a newer version of this package wrote it.
        StoreBusyError: If another process keeps it locked.
        StoreCorruptError: If it is damaged.
        StoreError: If it cannot be opened or is not a run store; the message names the file.
    """

    def __init__(self, path: Path, *, durability: Durability = "normal") -> None:
        if durability not in get_args(Durability):
            raise UsageError(f"`durability` is 'normal' or 'full'; got {durability!r}.")
        self.path = path
        self._durability = durability
        # Chosen when the file is prepared; a rollback journal keeps to one writer or many readers at a time.
        self._journal: Literal["WAL", "DELETE"] = "WAL"
        self._prepare()

    def connect(self) -> sqlite3.Connection:
        """Returns a new connection that may read and write; the file is there already."""
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.row_factory = sqlite3.Row
            # A store may come from a colleague: it is data, and nothing written in its schema is to be executed.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA page_size = 16384")
            connection.execute(f"PRAGMA journal_mode = {self._journal}")
            connection.execute("PRAGMA temp_store = MEMORY")
            # Pages that were changed many times are written into the file once: fewer checkpoints, a longer log.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            # Without a write-ahead log, anything less than FULL may damage the file when the power goes.
            full = self._durability == "full" or self._journal != "WAL"
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
        except BaseException:
            connection.close()
            raise
        return connection

    def connect_writer(self) -> sqlite3.Connection:
        """As `connect`, for the one connection that writes for long.

        Trials are found by their hash, which is anywhere in an index: with SQLite's own 2 MB its pages are read again
        and again.
        """
        connection = self.connect()
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the store, whatever is written meanwhile."""
        try:
            with contextlib.closing(self.connect()) as connection:
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            raise self.ours(error) from error
        except (ValueError, KeyError, TypeError, IndexError, AssertionError, zlib.error) as error:
            # Columns that hold no JSON, no number, no such arm: what was written here would not be read like this.
            raise self._corrupt(f"{type(error).__name__}: {error}") from error

    def ours(self, error: sqlite3.Error) -> StoreError:
        """Returns what an exception of SQLite means for who uses the store."""
        where, text = repr(str(self.path)), str(error)
        if "locked" in text or "busy" in text:
            return StoreBusyError(
                f"The run store {where} was locked by another process for {_BUSY_TIMEOUT_S:g} s; "
                "close what uses it, or set TOOLKIT_HOME to another folder."
            )
        if is_full(error):
            return StoreFullError(
                f"The run store {where} cannot be written: {text}. Free space in its folder, or make the folder and "
                "the file writable, then go on; or set TOOLKIT_HOME to another folder.",
                path=str(self.path),
            )
        if "not a database" in text:
            return StoreCorruptError(
                f"The run store {where} is damaged or not a run store: {text}. It was left as it is; move it away, "
                f"set TOOLKIT_HOME to another folder, or save what is whole with {_repair_command(self.path)}.",
                path=str(self.path),
            )
        if isinstance(error, sqlite3.DatabaseError) and _is_damage(error):
            return self._corrupt(text)
        return StoreError(f"The run store {where} failed: {text}.")

    def _corrupt(self, reason: str) -> StoreCorruptError:
        return StoreCorruptError(
            f"The run store {str(self.path)!r} is damaged: {reason}. It was left as it is; save what is whole into a "
            f"new file with {_repair_command(self.path)}, or set TOOLKIT_HOME to another folder.",
            path=str(self.path),
        )

    def _prepare(self) -> None:
        """Makes the folder and the file if need be, checks the version and the content, migrates."""
        self._make()
        self._journal = "DELETE" if _is_on_network(self.path) else "WAL"
        try:
            # Looked at before anything may change it: what is not ours is left as it is, to the last byte.
            with contextlib.closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as first:
                found = first.execute("PRAGMA user_version").fetchone()[0]
                self._check_version(first, found)
            with contextlib.closing(self._first_connection()) as connection:
                if found < VERSION:
                    migrate(connection, backup=self._back_up)
                    return
                missing = expected_schema() - schema_of(connection)
                if missing:
                    raise self._corrupt(f"its schema is not the one that was written ({len(missing)} parts differ)")
                if self.path.stat().st_size <= _CHECKED_BYTES:
                    self._look_through(connection)
        except sqlite3.Error as error:
            raise self.ours(error) from error
        except UnicodeDecodeError as error:
            # SQLite quotes damaged words of its own schema, and Python cannot read its message.
            raise self._corrupt("the words of its schema cannot be read") from error

    def _make(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Answers may be private: the file is for its owner only, from its first byte on.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StoreError(
                f"The run store {str(self.path)!r} cannot be made: {error.strerror}. "
                "Make the folder writable, or set TOOLKIT_HOME to one that is."
            ) from error

    def _first_connection(self) -> sqlite3.Connection:
        """The connection that finds out how the file is to be written."""
        reason = "it is on a network file system" if self._journal == "DELETE" else ""
        if not reason:
            try:
                connection = self.connect()
                mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if mode == "wal":
                    return connection
                connection.close()
                reason = f"the file system keeps it in mode {mode!r}"
            except sqlite3.OperationalError as error:
                # "locking protocol" and the like: no shared memory here. Damage and lack of space are not that.
                if is_full(error, but_for="disk i/o error") or "protocol" not in str(error):
                    raise
                reason = str(error)
        self._journal = "DELETE"
        connection = self.connect()
        warnings.warn(
            f"The run store {str(self.path)!r} is written with a rollback journal, since {reason}: writing is slower, "
            "and readers wait for writers. Set TOOLKIT_HOME to a folder on a local disk.",
            StoreWarning,
            stacklevel=2,
        )
        return connection

    def _check_version(self, connection: sqlite3.Connection, found: int) -> None:
        if found > VERSION or found < 0:
            if expected_schema() <= schema_of(connection):
                raise self._corrupt(f"it says that it has version {found}, and has the tables of version {VERSION}")
            raise StoreVersionError(
                f"The run store {str(self.path)!r} has version {found}; this package reads up to {VERSION}. "
                "Upgrade promptsweep, or set TOOLKIT_HOME to another folder.",
                found=found,
                supported=VERSION,
            )
        if found == VERSION or not schema_of(connection):
            return
        if expected_schema() & schema_of(connection) == expected_schema():
            raise self._corrupt(f"it says that it has version {found}, and has the tables of version {VERSION}")
        if found == 0:
            raise StoreError(
                f"{str(self.path)!r} is a SQLite file of something else, not a run store; it was left as it is. "
                "Set TOOLKIT_HOME to another folder."
            )

    def _look_through(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise self._corrupt(" ".join(str(found).split()))

    def _back_up(self, version: int) -> None:
        """Copies the file beside itself, in the version that it has; earlier copies stay."""
        stem = f"{self.path.name}.v{version}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        target = next(path for path in _numbered(self.path.with_name(stem)) if not path.exists())
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
            with (
                contextlib.closing(self.connect()) as source,
                contextlib.closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
                # One file that can be moved: no log beside it.
                copy.execute("PRAGMA journal_mode = DELETE")
        except (sqlite3.Error, OSError) as error:
            target.unlink(missing_ok=True)
            raise StoreFullError(
                f"The run store {str(self.path)!r} has version {version} and was not brought to version {VERSION}, "
                f"because no copy of it could be made at {str(target)!r}: {error}. Free as much space as it takes.",
                path=str(self.path),
                needed_bytes=self.path.stat().st_size,
            ) from error


def is_full(error: sqlite3.Error, *, but_for: str = "") -> bool:
    """Tells whether SQLite refused to write because of space or rights: later, the same write may work."""
    text = str(error).lower()
    return any(words in text for words in _JUDGE_FULL if words != but_for)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Damage shows as "malformed", and as names and types that cannot come from what this package wrote."""
    words = ("malformed", "no such column", "no such table", "could not decode", "corrupt", "encrypted", "datatype")
    return any(word in str(error).lower() for word in words)


def _repair_command(path: Path) -> str:
    return f"`toolkit runs repair {path}` or `tk.repair_store({str(path)!r})`"


def _numbered(path: Path) -> Iterator[Path]:
    number = 1
    while True:
        yield path if number == 1 else path.with_name(f"{path.name}-{number}")
        number += 1


def _is_on_network(path: Path) -> bool:
    """Tells whether the file's folder is mounted over a network; false where that cannot be told."""
    return _file_system_of(path.absolute()) in _NETWORK_FILE_SYSTEMS


def _file_system_of(path: Path) -> str:
    import psutil

    try:
        mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    except OSError:
        return ""
    return next((mounts[folder] for folder in (path, *path.parents) if folder in mounts), "")
