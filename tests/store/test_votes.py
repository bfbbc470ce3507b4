"""Votes in the run store: kept one by one, replaced, taken back, sealed, and seen by other processes."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.builders import NOON
from tests.store.builders import make_trials, released_store, save
from toolkit._votes import Vote
from toolkit.errors import StoreCorruptError
from toolkit.store import RunStore


@pytest.fixture
def store(tmp_path):
    """A store with a run of two trials."""
    found = RunStore(tmp_path / "runs.sqlite")
    save(found, make_trials(2, arms=2))
    yield found
    found.close()


def vote(verdict="left", *, second=0, **fields):
    """A vote by ana on the two trials of case 0."""
    at = NOON + dt.timedelta(seconds=second)
    return Vote(**{"voter": "ana", "case": 0, "left": "t1:0", "right": "t1:1", "verdict": verdict, "at": at, **fields})


def test_a_vote_comes_back_as_it_was(store):
    """Every field of a vote is read as it was written, half characters in names and notes included."""
    kept = vote("both_bad", seconds=1.5, is_repeat=True, repeat=2, note="a\ud800b", voter="\udfffana")
    store.save_votes("run-1", [kept])
    assert store.load_run("run-1").votes == (kept,)


def test_a_voter_has_one_vote_on_a_pair(store):
    """A later vote on a pair takes the place of the earlier, whichever side its answers stood on."""
    store.save_votes("run-1", [vote("skip")])
    later = vote("left", left="t1:1", right="t1:0", second=5)
    store.save_votes("run-1", [later])
    assert store.load_run("run-1").votes == (later,)


def test_voters_repeats_and_cases_stand_apart(store):
    """Votes of another voter, on another case or repeat, or on a pair shown again do not replace each other."""
    kept = [
        vote(),
        vote(second=1, voter="bo"),
        vote(second=2, case=1),
        vote(second=3, repeat=1),
        vote(second=4, is_repeat=True),
        vote(second=5, right="t1:2"),
    ]
    store.save_votes("run-1", kept)
    assert store.load_run("run-1").votes == tuple(kept)


def test_votes_are_read_in_the_order_in_which_they_were_cast(store):
    """Whatever the order in which they were written, the oldest comes first."""
    store.save_votes("run-1", [vote(second=9), vote(second=3, case=7), vote(second=5, case=2)])
    assert [each.case for each in store.load_run("run-1").votes] == [7, 2, 0]


def test_a_vote_is_taken_back(store):
    """What is taken back is gone, whatever it said; what was not there is passed over."""
    store.save_votes("run-1", [vote(), vote(second=1, voter="bo")])
    store.drop_votes("run-1", [vote("tie"), vote(case=9)])
    assert [each.voter for each in store.load_run("run-1").votes] == ["bo"]


def test_votes_belong_to_one_run(store):
    """A vote on one run is no vote on another that shares its trials."""
    save(store, make_trials(2, arms=2), run_id="run-2")
    store.save_votes("run-1", [vote()])
    assert store.load_run("run-2").votes == ()
    store.drop_votes("run-2", [vote()])
    assert len(store.load_run("run-1").votes) == 1


VOTING = """
import datetime as dt, os, sys
from pathlib import Path
from toolkit._votes import Vote
from toolkit.store import RunStore
store = RunStore(Path(sys.argv[1]))
at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
store.save_votes("run-1", [Vote(voter="bo", case=0, left="t1:0", right="t1:1", verdict="right", at=at)])
print("kept", flush=True)
os._exit(9)
"""


def test_a_vote_outlives_its_process(store):
    """Once a vote is kept, its process may be killed: another sees it, and its own beside it."""
    store.save_votes("run-1", [vote()])
    ended = subprocess.run(
        [sys.executable, "-c", VOTING, str(store.path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (9, "kept\n"), ended.stderr
    assert [each.voter for each in store.load_run("run-1").votes] == ["bo", "ana"]


@pytest.mark.parametrize(
    "sql",
    ["UPDATE vote SET verdict = 'right'", "UPDATE vote SET voter = 'bo'", "UPDATE vote SET verdict = 'x', seal = NULL"],
)
def test_a_changed_vote_is_an_error(store, sql):
    """A vote that is not what was written is an error that says so, and never another vote."""
    store.save_votes("run-1", [vote()])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(sql)
    with pytest.raises(StoreCorruptError, match="'vote'"):
        store.load_run("run-1")


def test_a_store_of_an_earlier_version_takes_votes(tmp_path):
    """A store that was made before there were votes has none, and takes some."""
    store = RunStore(released_store(3, tmp_path / "runs.sqlite"))
    view = store.load_run("run-old")
    assert view.votes == ()
    first, second = (trial.trial_id for trial in view.trials[:2])
    store.save_votes("run-old", [vote(left=first, right=second)])
    assert len(store.load_run("run-old").votes) == 1
    store.close()
