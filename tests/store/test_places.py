"""Places: every trial has one, keeps it, and what is not in its place is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.builders import make_outcome
from tests.store.builders import answer, attempt, finish, make_trials, released_store, save
from toolkit import _sync
from toolkit.errors import StoreCorruptError
from toolkit.store import RunStore, Spent, _file, repair_store


@pytest.fixture
def store(tmp_path):
    """A store with a run of six trials, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    save(opened, make_trials(6))
    yield opened
    opened.close()


def change(path, sql):
    """Changes the file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def places(path):
    """The place of each trial, as the file says it."""
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT trial_id, place FROM place ORDER BY place"))


def test_a_trial_keeps_its_place_in_every_run(store):
    """A run that shares trials with another one has them in the same places, and the new ones behind."""
    first = places(store.path)
    save(store, make_trials(8)[4:], run_id="run-2")
    assert list(first) == [f"t1:{number}" for number in range(6)]
    assert places(store.path) == first | {"t1:6": 7, "t1:7": 8}


def test_a_trial_of_no_plan_is_given_a_place(store):
    """A trial that stands in no plan may be sent and answered; a plan that has it later finds its answer."""
    answer(store, "t1:7", "unplanned")
    save(store, make_trials(8), run_id="run-2")
    assert store.load_run("run-2").outcomes["t1:7"].text == "unplanned"


def test_a_trial_whose_place_is_gone_is_not_sent(store):
    """A planned trial that is found in no place may have been answered: sending it is refused as damage."""
    change(store.path, "DELETE FROM place WHERE trial_id = 't1:3'")
    with pytest.raises(StoreCorruptError, match="place of trial 't1:3' is missing"):
        attempt(store, "t1:3")
    assert store.spent("run-1").calls == 0
    attempt(store, "t1:2")


@pytest.mark.parametrize("count", [1, 2])
def test_an_index_that_leads_elsewhere_is_told(store, monkeypatch, count):
    """Where the index of places leads to the row of another trial, alone or in a group, nothing is sent."""
    store.close()
    content = bytearray(store.path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    for start in range(0, len(content), size):
        # The one page of a table, whose first byte is 13, that has the ids: the places themselves, not their index.
        if content[start] == 13 and b"t1:3" in content[start : start + size]:
            content[start : start + size] = content[start : start + size].replace(b"t1:3", b"t1:x")
    store.path.write_bytes(content)
    monkeypatch.setattr(_file, "_CHECKED_BYTES", 0)
    again = RunStore(store.path)
    ended = [(make_outcome(f"t1:{number}", run_id="run-1"), None) for number in (3, 4)][:count]
    with pytest.raises(StoreCorruptError, match="another place for trial 't1:3'"):
        _sync.run(again.finish_all(ended, run_id="run-1"))
    again.close()


def test_an_outcome_in_the_place_of_another_is_not_overwritten(store):
    """Where a trial's place holds another trial's outcome, finishing it is refused as damage and replaces nothing."""
    answer(store, "t1:0", "zero")
    number = attempt(store, "t1:1")
    change(store.path, "UPDATE outcome SET place = 2 WHERE place = 1")
    with pytest.raises(StoreCorruptError, match="trial 't1:0' lies in another's place"):
        finish(store, make_outcome("t1:1", run_id="run-1"), number)
    assert store.load_run("run-1").outcomes["t1:0"].text == "zero"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE trial SET place = 6 WHERE position = 0", "table 'trial'"),
        (
            "UPDATE attempt SET trial_id = 't1:9' WHERE state = 'sent'",
            "trial 't1:9' lies in the place of one of run 'run-1'",
        ),
        ("UPDATE answer SET place = 5", "answer of trial 't1:0' is missing"),
    ],
)
def test_what_lies_in_a_wrong_place_is_told(store, sql, told):
    """A row that lies in another trial's place is an error when the run is read; never another trial's answer."""
    answer(store, "t1:0")
    attempt(store, "t1:1")
    change(store.path, sql)
    with pytest.raises(StoreCorruptError, match=told):
        dict(store.load_run("run-1").outcomes)


def test_a_store_of_version_4_keeps_all_that_it_held(tmp_path):
    """A store of the version without places opens with its trials, answers, scores, spending and unknown attempts."""
    store = RunStore(released_store(4, tmp_path / "runs.sqlite"))
    view = store.load_run("run-old")
    assert [trial.trial_id for trial in view.trials] == ["t1:0-0", "t1:0-1", "t1:0-2", "t1:1-0", "t1:1-1", "t1:1-2"]
    assert {key: (found.status, found.text) for key, found in view.outcomes.items()} == {
        "t1:0-0": ("ok", "one"),
        "t1:0-1": ("ok", "lone \ud800 \x00"),
        "t1:1-0": ("ok", "x" * 9000),
        "t1:1-1": ("failed", ""),
    }
    assert (view.baseline, view.attempted) == (1, {"t1:0-0", "t1:0-1", "t1:1-0", "t1:1-1", "t1:1-2"})
    assert [score.value for score in view.scores["t1:0-0"]] == [1.0]
    assert [found.trial_id for found in store.unknown("run-old")] == ["t1:1-2"]
    assert store.spent("run-old") == Spent(usd=0.75, possibly_billed_usd=1.0, calls=5, tokens=27)
    answer(store, "t1:0-2", "two", run_id="run-old")
    assert store.load_run("run-old").outcomes["t1:0-2"].text == "two"
    store.close()
    assert list(places(tmp_path / "runs.sqlite").values()) == [1, 2, 3, 4, 5, 6, 7]


def test_what_was_damaged_before_is_damaged_afterwards(tmp_path):
    """A trial that is not what was written gets no checksum that fits when the store is brought to this version."""
    path = released_store(4, tmp_path / "runs.sqlite")
    change(path, "UPDATE trial SET repeat = 9 WHERE position = 0")
    store = RunStore(path)
    with pytest.raises(StoreCorruptError, match="table 'trial'"):
        store.load_run("run-old")
    store.close()
    assert "The plan of run 'run-old' has holes" in str(repair_store(path))


def test_a_damaged_trial_of_version_4_is_not_saved(tmp_path):
    """Repairing a store of the version without places checks its trials by the checksums that they have."""
    whole = repair_store(released_store(4, tmp_path / "whole.sqlite"))
    assert (whole.is_whole, whole.saved["trial"], whole.saved["answer"]) == (True, 7, 3)
    path = released_store(4, tmp_path / "damaged.sqlite")
    change(path, "UPDATE trial SET repeat = 9 WHERE position = 0 AND run_id = 'run-old'")
    assert repair_store(path).saved["trial"] == 6
