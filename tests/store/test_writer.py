"""The thread that writes: groups of writes, their size, and what comes back from a write that fails."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading

import pytest

from tests.store.builders import make_trials, save
from toolkit.store import RunStore

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
