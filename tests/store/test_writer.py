"""The thread that writes: groups of writes, their size, and what comes back from a write that fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import threading

import pytest

from tests.builders import NOON
from tests.store.builders import make_trials, save
from toolkit import _sync
from toolkit.store import RunStore
from toolkit.store._writer import Joint

ADD = "INSERT INTO attempt (run_id, trial_id, request_key, sent_at, state) VALUES ('r', 't', 'k', 'now', 'sent')"


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    made = RunStore(tmp_path / "runs.sqlite")
    yield made
    made.close()


def test_many_waiting_writes_are_several_transactions(store):
    """Of 1,200 writes that wait, the first are committed before the last are made: other processes get their turn."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_):
        begun.set()
        return go_on.wait(30)

    def committed(_):
        with contextlib.closing(sqlite3.connect(store.path)) as other:
            return other.execute("SELECT count(*) FROM attempt").fetchone()[0]

    held = store._writer.submit(hold)
    assert begun.wait(30)
    added = [store._writer.submit(lambda connection: connection.execute(ADD).rowcount) for _ in range(1200)]
    last = store._writer.submit(committed)
    go_on.set()
    assert held.result(30)
    assert [future.result(30) for future in added] == [1] * 1200
    assert 500 <= last.result(30) < 1200
    assert committed(None) == 1200


def test_what_a_write_raises_is_its_caller_s(store):
    """A write that fails by a mistake of its own gives its caller that error as it is; the writer goes on."""

    def mistaken(connection):
        connection.execute(ADD)
        raise ValueError("mine")

    failed, fine = store._writer.submit(mistaken), store._writer.submit(lambda _: "done")
    with pytest.raises(ValueError, match="mine"):
        failed.result(30)
    assert fine.result(30) == "done"
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        assert other.execute("SELECT count(*) FROM attempt").fetchone() == (0,)


@pytest.mark.parametrize("is_on", [True, False])
def test_loading_a_run_leaves_the_collector_as_it_was(store, is_on):
    """A program that has turned its garbage collector off has it off behind the loading of a run, and else on."""
    save(store, make_trials(2))
    was_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        store.load_run("run-1")
        assert gc.isenabled() is is_on
    finally:
        (gc.enable if was_on else gc.disable)()


@pytest.fixture
def busy(store):
    """The store while its writer is held up by one write; what is returned lets it go on."""
    begun, go_on = threading.Event(), threading.Event()
    held = store._writer.submit(lambda _: (begun.set(), go_on.wait(30)))
    assert begun.wait(30)

    def release():
        go_on.set()
        held.result(30)

    yield release
    release()


def test_writes_of_one_kind_that_wait_are_done_together(store, busy):
    """Of writes that wait, those that can be done together are, in their order, and each has its own result."""
    seen = []

    def double(_, parts):
        seen.append(list(parts))
        return [part * 2 for part in parts]

    def triple(_, parts):
        seen.append(list(parts))
        return [part * 3 for part in parts]

    works = [Joint(double, 1), Joint(triple, 10), lambda _: "alone", Joint(double, 2), Joint(triple, 20)]
    futures = [store._writer.submit(work) for work in works]
    busy()
    assert [future.result(30) for future in futures] == [2, 30, "alone", 4, 60]
    assert seen == [[1, 2], [10, 20]]


def test_of_writes_done_together_a_bad_one_takes_no_other_with_it(store, busy):
    """When writes that are done together fail, each is done alone: one is told of its mistake, the others are kept."""

    def add(connection, parts):
        for part in parts:
            connection.execute(ADD)
            if part == "bad":
                raise ValueError(part)
        return list(parts)

    futures = [store._writer.submit(Joint(add, part)) for part in ("one", "bad", "two")]
    busy()
    assert (futures[0].result(30), futures[2].result(30)) == ("one", "two")
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(30)
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        assert other.execute("SELECT count(*) FROM attempt").fetchone() == (2,)


def test_attempts_that_begin_together_have_numbers_of_their_own(store):
    """Of attempts that begin at once each has its own number, under which its own trial stands."""
    trials = make_trials(40)
    save(store, trials)

    async def begin_all():
        calls = (attempt_of(store, trial.trial_id) for trial in trials)
        return await asyncio.gather(*calls)

    numbers = _sync.run(begin_all())
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        kept = dict(other.execute("SELECT attempt_id, trial_id FROM attempt"))
    assert kept == {number: trial.trial_id for number, trial in zip(numbers, trials, strict=True)}


async def attempt_of(store, trial_id):
    """Begins an attempt at a trial."""
    return await store.begin_attempt(run_id="run-1", trial_id=trial_id, request_key="r1:a", sent_at=NOON)
