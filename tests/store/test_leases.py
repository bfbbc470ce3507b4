"""Leases on runs: one process at a time, a dead one replaced at once, a distant one by its heartbeat."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from tests.builders import NOON
from toolkit import _sync
from toolkit.store import LEASE_S, Holder, Lease, Process, RunStore, this_process
from toolkit.store import _process as processes
from toolkit.store._process import is_gone

LATE = NOON + dt.timedelta(seconds=LEASE_S + 1)


@pytest.fixture
def store(tmp_path):
    """A new store, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def child():
    """A process that lives until it is ended, as the store would know it."""
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started_s = psutil.Process(running.pid).create_time() - psutil.boot_time()
    yield running, replace(this_process(), pid=running.pid, started_s=round(started_s, 2))
    running.kill()
    running.wait()
    running.stdin.close()


DISTANT = Process(pid=1, started_s=1.0, place="elsewhere", host="other-machine")


def acquire(store, run_id="run-1", **fields):
    """Asks for the lease of a run."""
    return _sync.run(store.acquire_lease(run_id, **{"now": NOON, **fields}))


def test_a_free_run_is_leased_and_given_back(store):
    """Who asks first has the run until it gives it back; each run has a lease of its own."""
    lease = acquire(store)
    assert isinstance(lease, Lease)
    assert isinstance(acquire(store, "run-2"), Lease)
    assert store.holder("run-1") == Holder(run_id="run-1", process=this_process(), since=NOON, heartbeat=NOON)
    _sync.run(store.release_lease(lease))
    assert store.holder("run-1") is None


def test_who_asks_second_is_told_who_has_it(store, child):
    """While its holder lives, a run is not leased again, however late the heartbeat is; the answer names the holder."""
    _, living = child
    assert isinstance(acquire(store, owner=living), Lease)
    found = acquire(store, now=LATE)
    assert (found.process.pid, found.since) == (living.pid, NOON)
    assert str(found) == f"process {living.pid} on {living.host} since 2026-01-01 12:00:00 UTC"


def test_a_dead_holder_is_replaced_at_once(store, child):
    """A holder that was killed loses the run at once, also while its parent has not noticed; its lease is void."""
    running, killed = child
    lease = acquire(store, owner=killed)
    running.kill()
    # Ended and not yet waited for: it still has its number.
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    mine = acquire(store)
    assert isinstance(mine, Lease)
    assert _sync.run(store.renew_lease(lease, now=NOON)) is False
    _sync.run(store.release_lease(lease))
    assert store.holder("run-1").process == this_process()
    assert _sync.run(store.renew_lease(mine, now=NOON)) is True


def test_a_number_that_was_given_to_another_process_is_not_the_holder(store):
    """A living process with the holder's number and another start is not the holder."""
    assert isinstance(acquire(store, owner=replace(this_process(), started_s=1.0)), Lease)
    assert isinstance(acquire(store), Lease)


@pytest.mark.parametrize("is_distant", [True, False], ids=["another machine", "this process"])
@pytest.mark.parametrize("days", [0, 1, -1])
def test_who_cannot_be_looked_up_has_it_as_long_as_its_heart_beats(store, is_distant, days):
    """A holder on another machine, or an earlier one in this process, keeps the run a minute from its heartbeat on."""
    # Asked for here: a fork that was made since is another process.
    owner = DISTANT if is_distant else this_process()
    shift = dt.timedelta(days=days)
    lease = acquire(store, owner=owner)
    assert _sync.run(store.renew_lease(lease, now=NOON + shift + dt.timedelta(seconds=30))) is True
    assert isinstance(acquire(store, now=NOON + shift + dt.timedelta(seconds=89)), Holder)
    assert isinstance(acquire(store, now=NOON + shift + dt.timedelta(seconds=91)), Lease)


def test_of_two_that_ask_at_once_one_has_it(tmp_path):
    """Two stores over one file that ask for one run at the same time get one lease between them."""
    stores = [RunStore(tmp_path / "runs.sqlite") for _ in range(2)]
    found = [acquire(store) for store in stores for _ in range(3)]
    assert [type(each) for each in found].count(Lease) == 1
    for store in stores:
        store.close()


def test_a_process_comes_back_from_its_key(child):
    """A process is found again from the text that stands in the store, and is gone once it has ended."""
    running, process = child
    again = Process.from_key(process.key, host=process.host)
    assert again == process
    assert is_gone(again) is False
    running.kill()
    running.wait()
    assert is_gone(again) is True
    assert is_gone(DISTANT) is None
    assert is_gone(this_process()) is False


def test_a_process_that_may_not_be_looked_at_is_there(monkeypatch, child):
    """A process of another user, of which nothing may be learnt, counts as living."""
    _, process = child

    def refuse(pid):
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)
    this_process()
    assert is_gone(process) is False


def test_without_a_boot_number_the_host_is_the_place(monkeypatch, tmp_path):
    """Where the system tells no boot number, processes of one host are of one place."""
    monkeypatch.setattr(processes, "_BOOT_ID", tmp_path / "none")
    processes._process.cache_clear()
    place = this_process().place
    processes._process.cache_clear()
    assert place == this_process().place
    monkeypatch.undo()
    processes._process.cache_clear()
    assert this_process().place != place


def test_a_lease_names_its_run_and_its_holder(store):
    """A lease tells whose it is and of which run; no two have the same token."""
    leases = [acquire(store, run_id, owner=DISTANT) for run_id in ("run-1", "run-2")]
    assert [(lease.run_id, lease.process) for lease in leases] == [("run-1", DISTANT), ("run-2", DISTANT)]
    assert leases[0].token != leases[1].token


def test_a_heart_that_beat_a_minute_ago_still_beats(store):
    """A holder that cannot be looked up keeps the run for the whole of the minute after its heartbeat."""
    acquire(store, owner=DISTANT)
    assert isinstance(acquire(store, now=NOON + dt.timedelta(seconds=LEASE_S)), Holder)


def test_heartbeats_are_told_in_utc(store):
    """Where no moment is given the machine's is taken, in UTC, when a lease is acquired and when it is renewed."""
    before = dt.datetime.now(dt.UTC)
    lease = acquire(store, now=None)
    acquired = store.holder("run-1")
    assert _sync.run(store.renew_lease(lease)) is True
    renewed = store.holder("run-1")
    assert before <= acquired.since == acquired.heartbeat <= renewed.heartbeat <= dt.datetime.now(dt.UTC)
    assert renewed.since == acquired.since
