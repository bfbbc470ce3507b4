"""What a run says when it is read: its own name, every measure in its place, and how often it was sent."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.builders import NOON, make_arm, make_outcome, make_trial
from tests.store.builders import answer, attempt, finish, make_trials, save
from toolkit import _sync
from toolkit._records import Failure, FrozenDict, Response, Score, Usage
from toolkit._votes import Vote
from toolkit.errors import RunNotFoundError, StoreCorruptError, StoreFullError
from toolkit.store import RunStore, _places, _rows, this_process
from toolkit.store._places import in_groups
from toolkit.store._tables import OUTCOME


@pytest.fixture
def store(tmp_path):
    """An empty store, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    yield opened
    opened.close()


LATE = Failure(kind="timeout", error_type="ProviderTimeoutError", message="late", possibly_billed=True)

FULL = Failure(
    kind="overloaded",
    error_type="ProviderServerError",
    message="busy \u2028",
    retryable=True,
    status=529,
    possibly_billed=True,
    partial="Once up",
)

WHOLE = make_outcome(
    "t1:0",
    run_id="run-1",
    response=Response(
        text="hello",
        finish_reason="stop",
        model="served",
        usage=Usage(input_tokens=7, output_tokens=6, cached_tokens=5, reasoning_tokens=4),
        request_id="req-9",
        latency_s=0.75,
        first_token_s=0.25,
        refusal="no",
        tool_calls=(FrozenDict({"id": "1"}), FrozenDict({"id": "2"})),
        cost_usd=0.125,
        flags=("encoding_repaired",),
        raw=FrozenDict({"id": "x"}),
    ),
    queue_s=1.5,
    retry_s=2.5,
    cost_usd=0.125,
    cost_source="list 2026-01-01",
    model_sent="sent",
    started_at=NOON + dt.timedelta(microseconds=1),
)

BARE = make_outcome(
    "t1:0",
    run_id="run-1",
    response=Response(text="", finish_reason=None),
    model_sent=None,
    started_at=None,
)

ODD = replace(
    WHOLE,
    response=replace(WHOLE.response, **dict.fromkeys(("finish_reason", "model", "request_id", "refusal"), "\ud800")),
    cost_source="\ud800",
    model_sent="\ud800",
)

FAILED = make_outcome("t1:0", run_id="run-1", status="failed", response=None, failure=FULL, possibly_billed=1)


@pytest.mark.parametrize("outcome", [WHOLE, BARE, ODD, FAILED], ids=["whole", "bare", "odd", "failed"])
@pytest.mark.parametrize("is_group", [False, True], ids=["alone", "in a group"])
def test_every_measure_comes_back_in_its_place(store, outcome, is_group):
    """An outcome with all that can be known of it, with nothing more than needed, or without an answer comes back."""
    save(store, make_trials(2))
    number = attempt(store)
    if is_group:
        other = make_outcome("t1:1", run_id="run-1")
        _sync.run(store.finish_all([(outcome, number), (other, attempt(store, "t1:1"))], run_id="run-1"))
    else:
        finish(store, outcome, number)
    assert store.load_run("run-1").outcomes["t1:0"] == outcome


def test_a_run_knows_its_name_and_its_baseline(store):
    """A run is read under its own id, with the arm that the others are compared with."""
    save(store, make_trials(2, arms=2), run_id="run-7", baseline=1)
    view = store.load_run("run-7")
    assert (view.run_id, view.baseline) == ("run-7", 1)


def test_a_plan_of_any_length_keeps_its_order(store, monkeypatch):
    """A plan that is written in several parts comes back with every trial, in the plan's order."""
    monkeypatch.setattr(_places, "_TRIALS_AT_ONCE", 2)
    trials = make_trials(5)
    save(store, trials)
    assert store.load_run("run-1").trials == tuple(trials)


def test_an_arm_comes_back_whole(store):
    """An arm has the place that its model was taken from, and every other word of it."""
    arm = make_arm(
        model="openai/m", provider="openai", model_sent="m", model_source="prompt", params=FrozenDict({"n": 1})
    )
    save(store, [make_trial("t1:0", arm=arm)])
    assert store.load_run("run-1").arms == (arm,)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "It has no runs yet."),
        (1, "The newest are run-0."),
        (6, "The newest are run-1, run-2, run-3, run-4, run-5."),
    ],
)
def test_a_run_that_is_not_there_is_told_with_the_newest_five(store, count, told):
    """Asking for an unknown run names the store, the run, and the five newest runs that there are."""
    for number in range(count):
        save(store, make_trials(1), run_id=f"run-{number}")
    with pytest.raises(RunNotFoundError) as caught:
        store.load_run("run-9")
    assert str(caught.value) == f"The run store {str(store.path)!r} has no run 'run-9'. {told}"


def test_an_answer_that_came_twice_and_is_gone_is_missed(store):
    """A trial with two answered attempts whose outcome is gone is damage, not a trial that was never answered."""
    save(store, make_trials(1))
    for text in ("first", "second"):
        answer(store, "t1:0", text)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM outcome")
    with pytest.raises(StoreCorruptError, match="outcome of trial 't1:0' is missing"):
        store.load_run("run-1")


def test_votes_are_kept_and_taken_back(store):
    """A vote on a run is there when the run is read, and no longer once it is taken back; others stay."""
    save(store, make_trials(2))
    votes = [Vote(voter=who, case=0, left="t1:0", right="t1:1", verdict="left", at=NOON) for who in ("ana", "ben")]
    store.save_votes("run-1", votes)
    assert store.load_run("run-1").votes == tuple(votes)
    store.drop_votes("run-1", votes[:1])
    assert store.load_run("run-1").votes == (votes[1],)


def test_every_attempt_that_may_be_billed_is_counted(store):
    """Three attempts of which two may be billed are three and two; what was never sent is none of either."""
    save(store, make_trials(2))
    for possibly_billed in (True, False, True):
        failure = replace(LATE, possibly_billed=possibly_billed)
        outcome = make_outcome("t1:0", status="failed", response=None, failure=failure)
        finish(store, outcome, attempt(store))
    finish(store, make_outcome("t1:1", status="skipped", response=None, failure=replace(LATE, kind="stopped")), None)
    found = store.load_run("run-1").outcomes
    assert [(each.attempts, each.possibly_billed) for each in found.values()] == [(3, 2), (0, 0)]


def test_what_has_no_column_comes_back(monkeypatch):
    """A field of an outcome, an answer or its usage that the table has no column for is kept beside, and comes back."""
    without = {"outcome": "cost_source", "response": "refusal", "usage": "cached_tokens"}
    monkeypatch.setattr(_rows, "_FURTHER", {part: ((name, None),) for part, name in without.items()})
    row = dict(zip(OUTCOME.columns, _rows.outcome_row(WHOLE, "run-1"), strict=True))
    row |= dict.fromkeys(without.values())
    found = _rows.read_measures(list(row.values()), attempts=1, possibly_billed=0)
    assert (found.cost_source, found.response.refusal) == ("list 2026-01-01", "no")
    assert found.response.usage == WHOLE.response.usage
    assert found.run_id == "run-1"


def test_what_is_as_usual_is_not_kept_beside():
    """An outcome whose further fields have their defaults takes no room for them."""
    assert dict(zip(OUTCOME.columns, _rows.outcome_row(BARE, "run-1"), strict=True))["further"] is None


def test_a_score_comes_back_whole(store):
    """A score has the version of its scorer, and one whose names are empty has empty names."""
    save(store, make_trials(1))
    scores = [
        Score(name="", value=1.0, scorer=""),
        Score(name="exact", value=0.5, scorer="exact()", scorer_version="2"),
    ]
    store.save_scores("run-1", [("t1:0", score) for score in scores])
    assert list(store.load_run("run-1").scores["t1:0"]) == scores


def test_a_model_s_habits_are_means_over_its_answers(store):
    """Of each model that was asked for and has answers, their number, their latency and their length are told."""
    save(store, make_trials(4))
    answer(store, "t1:0", model_sent="a")
    quick = replace(WHOLE.response, latency_s=1.5, usage=Usage(output_tokens=4))
    answer(store, "t1:1", model_sent="a", response=quick)
    answer(store, "t1:2", model_sent="b")
    failed = make_outcome("t1:3", status="failed", response=None, failure=LATE, model_sent="c")
    finish(store, failed, attempt(store, "t1:3"))
    found = store.habits(["a", "c", "nobody"])
    assert list(found) == ["a"]
    assert (found["a"].answers, found["a"].latency_s, found["a"].output_tokens) == (2, 1.0, 3.0)


def test_runs_that_a_process_left_behind_are_told(store):
    """Runs with requests of a process that is gone, or with its lease, are told newest first; those at work are not."""
    gone = replace(this_process(), started_s=0.5)
    ids = ["run-1", "run-2", "run-3", "run-4"]
    for number, run_id in enumerate(ids):
        save(store, make_trials(number + 1)[number:], run_id=run_id)
    for _ in range(2):
        attempt(store, "t1:0", "run-1")
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE attempt SET process = ?", (gone.key,))
    _sync.run(store.acquire_lease("run-2", owner=gone))
    _sync.run(store.acquire_lease("run-3"))
    attempt(store, "t1:3", "run-4")
    assert store.left_over() == [("run-2", 0), ("run-1", 2)]


@pytest.fixture
def is_full(store, monkeypatch):
    """Makes the store's file full."""
    save(store, make_trials(4))

    def make():
        async def full(work):
            raise StoreFullError("The disk is full.")

        monkeypatch.setattr(store._writer, "write", full)

    return make


def hold(store, *outcomes):
    """Has a group of outcomes held."""
    with pytest.raises(StoreFullError) as caught:
        _sync.run(store.finish_all([(each, None) for each in outcomes], run_id="run-1"))
    assert caught.value.path == str(store.path)


def test_a_group_that_cannot_be_written_is_held(store, is_full, monkeypatch):
    """Outcomes that are finished together while the file is full are shown, and all written when there is room."""
    is_full()
    hold(store, make_outcome("t1:0", "zero", run_id="run-1"), make_outcome("t1:1", "one", run_id="run-1"))
    shown = {key: each.text for key, each in store.load_run("run-1").outcomes.items()}
    monkeypatch.undo()
    assert store.flush() == 2
    written = {key: each.text for key, each in store.load_run("run-1").outcomes.items()}
    assert shown == written == {"t1:0": "zero", "t1:1": "one"}


def test_of_what_is_held_and_what_is_written_the_answer_is_shown(store, is_full):
    """An answer in the file goes before one that is held, and a held answer, with its calls, before a failure."""
    answer(store, "t1:0", "written")
    for trial_id in ("t1:1", "t1:2"):
        finish(store, make_outcome(trial_id, status="failed", response=None, failure=LATE), attempt(store, trial_id))
    is_full()
    hold(store, make_outcome("t1:0", "held", run_id="run-1"), replace(WHOLE, trial_id="t1:1"))
    outcomes = store.load_run("run-1").outcomes
    assert {key: each.text for key, each in outcomes.items()} == {"t1:0": "written", "t1:1": "hello", "t1:2": ""}
    calls = WHOLE.response.tool_calls
    assert (outcomes.texts("t1:1").text, outcomes.texts("t1:1").tool_calls) == ("hello", calls)
    found = outcomes.some(["t1:2", "t1:1", "t1:0"])
    assert {key: (each.text, each.tool_calls) for key, each in found.items()} == {
        "t1:0": ("written", ()),
        "t1:1": ("hello", calls),
    }


def test_ids_are_looked_up_in_groups_each_once(monkeypatch):
    """A long list of ids is asked for in parts, none of which begins within another."""
    monkeypatch.setattr(_places, "_LOOKUP_GROUP", 2)
    assert list(in_groups(["a", "b", "c", "d", "e"])) == ['["a","b"]', '["c","d"]', '["e"]']
