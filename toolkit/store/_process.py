"""Tells processes apart, on this machine and on others, and says whether one is still there."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# Where processes share their numbers, these three are equal; containers of one machine differ in the last.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")

# Start times are told in hundredths of a second, the machine's own in whole ones; the clock may move in between.
_TICK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, told apart from a later one of the same number."""

    pid: int
    started_s: float
    """Seconds from the machine's start to the process's, which no change of the wall clock moves."""
    place: str
    """Hash of machine, boot and process namespace: within one place a process can be looked up."""
    host: str = ""
    """For people; what counts is `place`."""

    @property
    def key(self) -> str:
        """The process in one word, as it stands in the store."""
        return f"{self.pid}.{self.started_s:.2f}@{self.place}"

    @classmethod
    def from_key(cls, key: str, *, host: str = "") -> Process:
        """Returns the process of a `key`.

        Raises:
            ValueError: If it is none.

        Example:
            >>> Process.from_key("7.25.50@abc").started_s
            25.5
        """
        number, _, place = key.partition("@")
        pid, _, started_s = number.partition(".")
        return cls(pid=int(pid), started_s=float(started_s), place=place, host=host)


def this_process() -> Process:
    """Returns the process that asks; a fork is another one."""
    return _process(os.getpid())


def is_gone(process: Process) -> bool | None:
    """Tells whether a process has ended; `None` = it is of another place and cannot be looked up.

    A process that has ended and is only waiting for its parent to notice counts as gone.
    """
    import psutil

    here = this_process()
    if process.place != here.place:
        return None
    if process.pid == here.pid:
        return abs(process.started_s - here.started_s) > _TICK_S
    try:
        found = psutil.Process(process.pid)
        with found.oneshot():
            is_other = abs(_started_s(found) - process.started_s) > _TICK_S
            return is_other or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        # Somebody else's: it is there, and nothing more can be learnt.
        return False


@functools.lru_cache(maxsize=2)
def _process(pid: int) -> Process:
    import psutil

    host = socket.gethostname()
    parts = [host]
    if _BOOT_ID.exists():
        parts += [_BOOT_ID.read_text(encoding="ascii").strip(), str(_NAMESPACE.readlink())]
    place = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:12]
    return Process(pid=pid, started_s=round(_started_s(psutil.Process(pid)), 2), place=place, host=host)


def _started_s(process: psutil.Process) -> float:
    import psutil

    # Both are told relative to the same wall clock, so that its jumps cancel out.
    return process.create_time() - psutil.boot_time()
