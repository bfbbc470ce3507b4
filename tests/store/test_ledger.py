"""The ledger: what was reserved, what is unknown, what was spent, how a run was asked for, how its limits moved."""

from __future__ import annotations

import datetime as dt
import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.builders import NOON, make_arm, make_outcome
from tests.store.builders import answer, attempt, finish, make_trials, save
from toolkit import _sync
from toolkit._records import Failure, FrozenDict, Score, Usage
from toolkit.errors import StoreCorruptError, StoreError, StoreFullError, UsageError
from toolkit.store import (
    LimitChange,
    Process,
    RunStore,
    Spent,
    StoredOutcomes,
    UnknownAttempt,
    measures_of,
    this_process,
)


@pytest.fixture
def store(tmp_path):
    """A store with a run of six trials, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    save(opened, make_trials(6))
    yield opened
    opened.close()


def change(store, sql, *values):
    """Changes the file behind the store's back."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(sql, values)


def sender(store, process):
    """Makes every attempt that of another process."""
    change(store, "UPDATE attempt SET process = ?", process)


@pytest.fixture
def gone():
    """A process of this machine that has ended."""
    return replace(this_process(), started_s=0.5).key


TIMEOUT = Failure(kind="timeout", error_type="ProviderTimeoutError", message="slow", possibly_billed=True)


def test_what_is_under_way_is_not_unknown(store, gone):
    """An attempt of a living process without an outcome is under way; once that process is gone it is unknown."""
    number = attempt(store, reserved_usd=0.5)
    assert store.unknown("run-1") == []
    sender(store, gone)
    assert store.unknown("run-1") == [UnknownAttempt("t1:0", number, NOON, 0.5)]


def test_an_attempt_of_an_earlier_version_is_unknown(store):
    """An attempt that does not say who sent it, and has no outcome, is unknown."""
    number = attempt(store)
    sender(store, None)
    assert store.unknown("run-1") == [UnknownAttempt("t1:0", number, NOON, None)]


def test_a_distant_attempt_is_unknown_unless_its_sender_has_the_run(store):
    """An attempt of another machine is under way while that machine holds the run, and unknown else."""
    distant = Process(pid=1, started_s=1.0, place="elsewhere", host="other")
    attempt(store)
    sender(store, distant.key)
    assert len(store.unknown("run-1")) == 1
    _sync.run(store.acquire_lease("run-1", owner=distant))
    assert store.unknown("run-1") == []


def test_what_was_answered_or_ended_later_is_not_unknown(store, gone):
    """A vanished attempt is no longer unknown once the trial is answered, or failed in a later attempt."""
    for trial_id in ("t1:0", "t1:1", "t1:2"):
        attempt(store, trial_id)
    sender(store, gone)
    answer(store, "t1:0")
    finish(store, make_outcome("t1:1", status="failed", response=None, failure=TIMEOUT), attempt(store, "t1:1"))
    assert [found.trial_id for found in store.unknown("run-1")] == ["t1:2"]


def test_a_failure_does_not_hide_a_later_attempt_that_vanished(store, gone):
    """A trial that failed, was sent again and vanished is unknown."""
    finish(store, make_outcome("t1:0", status="failed", response=None, failure=TIMEOUT), attempt(store))
    attempt(store)
    sender(store, gone)
    assert [found.trial_id for found in store.unknown("run-1")] == ["t1:0"]


def test_spending_is_known_possible_or_nothing(store):
    """What a run spent: answers' prices; at most the reserve of what may have been billed; every attempt as a call."""
    finish(store, make_outcome("t1:0", run_id="run-1", cost_usd=0.25), attempt(store, "t1:0", reserved_usd=1.0))
    finish(store, make_outcome("t1:1", run_id="run-1"), attempt(store, "t1:1", reserved_usd=2.0))
    refused = replace(TIMEOUT, possibly_billed=False)
    for trial_id, failure in (("t1:2", TIMEOUT), ("t1:3", refused)):
        outcome = make_outcome(trial_id, status="failed", response=None, failure=failure)
        finish(store, outcome, attempt(store, trial_id, reserved_usd=4.0))
    _sync.run(store.fail_attempt(attempt(store, "t1:4", reserved_usd=8.0), kind="timeout", possibly_billed=True))
    attempt(store, "t1:4", reserved_usd=16)
    # Known 0.25; the answer without a price, both timeouts and what is under way count with their reserve.
    assert store.spent("run-1") == Spent(usd=0.25, possibly_billed_usd=2.0 + 4.0 + 8.0 + 16.0, calls=6, tokens=18)


def test_what_another_run_paid_for_is_not_spent_again(store):
    """A run that reuses another's answer has spent nothing for it."""
    finish(store, make_outcome("t1:0", run_id="run-1", cost_usd=0.25), attempt(store, "t1:0", reserved_usd=1.0))
    save(store, make_trials(2), run_id="run-2")
    assert store.spent("run-2") == Spent(usd=0.0, possibly_billed_usd=0.0, calls=0, tokens=0)


def test_how_a_run_was_asked_for_is_kept(store):
    """The arguments of a run come back as they were given last; without any there is none."""
    assert store.run_spec("run-1") is None
    save(store, make_trials(6), spec={"budget_usd": 1.0, "models": ["a", "b"], "name": "\ud800"})
    save(store, make_trials(6))
    assert store.run_spec("run-1") == {"budget_usd": 1.0, "models": ("a", "b"), "name": "\ud800"}
    save(store, make_trials(6), spec={"budget_usd": 2.0})
    assert store.run_spec("run-1") == {"budget_usd": 2.0}


def test_limits_are_kept_as_they_moved(store):
    """The history of a run's limits comes back in the order in which it was noted."""
    changes = [LimitChange(NOON, "https://a.test m", 8, "start"), LimitChange(NOON, "https://a.test m", 5, "429")]
    _sync.run(store.note_limits("run-1", changes))
    _sync.run(store.note_limits("run-2", changes[:1]))
    assert store.limit_changes("run-1") == changes


def test_fields_that_have_no_column_come_back(store):
    """What a record has beyond the store's columns is kept where it differs from its default, and comes back."""
    outcome = make_outcome("t1:0", run_id="run-1")
    response = replace(
        outcome.response, flags=("encoding_repaired",), refusal="no\ud800", tool_calls=(FrozenDict({"id": "1"}),)
    )
    outcome = replace(outcome, response=response)
    finish(store, outcome, attempt(store))
    assert store.load_run("run-1").outcomes["t1:0"] == outcome


@pytest.mark.parametrize(
    ("status", "has_answer"), [("cancelled", True), ("ok", False)], ids=["cancelled with an answer", "ok without one"]
)
def test_whether_there_is_an_answer_does_not_hang_on_the_status(store, status, has_answer):
    """An outcome comes back with its answer or without one, whatever its status is."""
    outcome = make_outcome("t1:0", run_id="run-1", status=status)
    outcome = outcome if has_answer else replace(outcome, response=None)
    finish(store, outcome, attempt(store))
    assert store.load_run("run-1").outcomes["t1:0"] == outcome


def test_numbers_that_are_none_come_back_as_unknown(store):
    """NaN for a duration and token counts that no column holds come back as unknown."""
    outcome = make_outcome("t1:0", run_id="run-1", cost_usd=float("nan"))
    odd = replace(outcome.response, latency_s=float("nan"), usage=Usage(input_tokens=2**70, output_tokens=-1))
    finish(store, replace(outcome, response=odd), attempt(store))
    back = store.load_run("run-1").outcomes["t1:0"]
    assert (back.cost_usd, back.response.latency_s, back.response.usage) == (None, None, Usage())


def test_outcomes_are_counted_without_their_texts(store):
    """Measures of outcomes are read without any text; each outcome is whole when it is asked for, and pickles whole."""
    for number in range(3):
        answer(store, f"t1:{number}", f"answer {number}")
    finish(store, make_outcome("t1:3", status="failed", response=None, failure=TIMEOUT), attempt(store, "t1:3"))
    outcomes = store.load_run("run-1").outcomes
    assert isinstance(outcomes, StoredOutcomes)
    assert [each.text for each in measures_of(outcomes).values()] == ["", "", "", ""]
    assert [outcomes[f"t1:{number}"].text for number in (2, 0, 1, 3)] == ["answer 2", "answer 0", "answer 1", ""]
    assert (outcomes.texts("t1:1").text, outcomes.texts("t1:3"), len(outcomes)) == ("answer 1", None, 4)
    assert measures_of({"a": 1}) == {"a": 1}
    assert pickle.loads(pickle.dumps(outcomes)) == dict(outcomes)  # noqa: S301  our own bytes
    with pytest.raises(KeyError):
        outcomes["t1:5"]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE answer SET text = 'other'", "table 'answer'"),
        ("UPDATE outcome SET cost_usd = 7", "table 'outcome'"),
        ("UPDATE trial SET repeat = 9", "table 'trial'"),
        ("UPDATE prompt SET snapshot = replace(snapshot, 'Say', 'Sing')", "table 'prompt'"),
        ("UPDATE attempt SET state = 'lost'", "number 1 is not what was written"),
        ("UPDATE attempt SET possibly_billed = 1", "number 1 is not what was written"),
        ("UPDATE attempt SET state = 'sent'", "number 1 is not what was written"),
        ("DELETE FROM prompt", "prompt of its arm 0 is missing"),
        ("DELETE FROM trial WHERE position = 2", "its trial 2 is missing"),
        ("DELETE FROM trial WHERE position = 5", "planned with 6 trials and has 5"),
        ("DELETE FROM outcome", "outcome of trial 't1:0' is missing"),
        ("DELETE FROM answer", "answer of trial 't1:0' is missing"),
        ("DELETE FROM run_case", "KeyError"),
        ("DROP TABLE score", "no such table"),
    ],
)
def test_what_is_not_what_was_written_is_told(store, sql, told):
    """A value that was changed, or a part of a run that is gone, is an error when the run is read; never other data."""
    answer(store)
    change(store, sql)
    with pytest.raises(StoreCorruptError, match=told) as caught:
        dict(store.load_run("run-1").outcomes)
    assert caught.value.path == str(store.path)
    assert "toolkit runs repair" in str(caught.value)


def test_an_answer_that_was_paid_for_and_is_gone_is_not_paid_for_again(store):
    """Asking which trials are answered raises an error when an attempt was answered and the answer is missing."""
    answer(store)
    change(store, "DELETE FROM outcome")
    with pytest.raises(StoreCorruptError, match="outcome of trial 't1:0' is missing"):
        store.answered(["t1:0", "t1:1"])


def test_what_is_held_is_shown_counted_and_written_by_the_next_attempt(store, monkeypatch):
    """While the file takes nothing, outcomes are held, shown and counted as answered; the next attempt writes them."""
    numbers = {trial_id: attempt(store, trial_id) for trial_id in ("t1:0", "t1:1")}
    answer(store, "t1:2", "in the file")
    submit, write = store._writer.submit, store._writer.write

    async def full(work):
        raise StoreFullError("full")

    def full_too(work):
        raise StoreFullError("full")

    monkeypatch.setattr(store._writer, "write", full)
    monkeypatch.setattr(store._writer, "submit", full_too)
    for trial_id, text in (("t1:0", "first"), ("t1:1", "second")):
        with pytest.raises(StoreFullError):
            finish(store, make_outcome(trial_id, text, run_id="run-1"), numbers[trial_id])
    failed = make_outcome("t1:0", status="failed", response=None, failure=TIMEOUT)
    with pytest.raises(StoreFullError, match="2 outcomes that are not") as caught:
        finish(store, failed, numbers["t1:0"])
    assert caught.value.held == 2
    for refused in (lambda: attempt(store, "t1:3"), store.flush):
        with pytest.raises(StoreFullError, match="2 outcomes"):
            refused()
    outcomes = store.load_run("run-1").outcomes
    assert {key: each.text for key, each in outcomes.items()} == {
        "t1:2": "in the file",
        "t1:0": "first",
        "t1:1": "second",
    }
    assert outcomes.texts("t1:0").text == "first"
    assert store.answered(["t1:0", "t1:1", "t1:2", "t1:3"]) == {"t1:0", "t1:1", "t1:2"}
    monkeypatch.setattr(store._writer, "write", write)
    monkeypatch.setattr(store._writer, "submit", submit)
    attempt(store, "t1:3")
    assert store.flush() == 0
    assert store.load_run("run-1").outcomes["t1:0"].text == "first"


def test_an_interrupted_flush_keeps_what_is_held(store, monkeypatch):
    """What is held stays held when the writing of it is interrupted in either face."""
    number = attempt(store)
    write, submit = store._writer.write, store._writer.submit
    with monkeypatch.context() as patched:

        async def full(work):
            raise StoreFullError("full")

        patched.setattr(store._writer, "write", full)
        with pytest.raises(StoreFullError, match="1 outcome that is not"):
            finish(store, make_outcome("t1:0"), number)
    with monkeypatch.context() as patched:

        async def interrupted(work):
            raise StoreError("closed")

        def interrupted_too(work):
            raise KeyboardInterrupt

        patched.setattr(store._writer, "write", interrupted)
        patched.setattr(store._writer, "submit", interrupted_too)
        with pytest.raises(StoreError, match="closed"):
            save(store, make_trials(1), run_id="run-2")
        with pytest.raises(KeyboardInterrupt):
            store.flush()
    assert (store._writer.write, store._writer.submit) == (write, submit)
    assert store.flush() == 1


def test_durability_is_one_of_two_words(tmp_path):
    """A durability that is neither normal nor full is refused."""
    with pytest.raises(UsageError, match="got 'sometimes'"):
        RunStore(tmp_path / "runs.sqlite", durability="sometimes")


def test_a_copy_of_a_trial_shares_its_outcome(store):
    """A run in which one trial stands twice counts its attempts once."""
    trials = make_trials(2)
    save(store, [*trials, replace(trials[0], repeat=1)], run_id="run-3")
    answer(store, "t1:0", run_id="run-3")
    view = store.load_run("run-3")
    assert (len(view.trials), len(view.outcomes), view.outcomes["t1:0"].attempts) == (3, 1, 1)


def test_scores_of_odd_names_come_back(store):
    """A score whose name, scorer or explanation no column of text can hold comes back as it was."""
    score = Score(name="has\ud800", value=1.0, explanation="\ud800", scorer="contains('\ud800')")
    store.save_scores("run-1", [("t1:0", score)])
    assert store.load_run("run-1").scores["t1:0"] == (score,)


def test_the_time_of_a_run_is_told_in_utc(store):
    """Runs are listed with the moment at which they were first planned."""
    assert store.runs() == [("run-1", NOON)]
    assert store.runs()[0][1].utcoffset() == dt.timedelta(0)


def test_a_group_is_finished_at_once_and_replaces_no_answer(store):
    """Outcomes that are finished together are all there; a trial that had an answer keeps it, with its text."""
    answer(store, "t1:1", "first")
    failed = make_outcome("t1:2", status="failed", response=None, failure=TIMEOUT)
    skipped = make_outcome("t1:3", status="skipped", response=None, failure=replace(TIMEOUT, possibly_billed=False))
    group = [
        (make_outcome("t1:0", "zero", run_id="run-1"), attempt(store, "t1:0")),
        (make_outcome("t1:1", "second", run_id="run-1"), attempt(store, "t1:1")),
        (failed, attempt(store, "t1:2")),
        (skipped, None),
        (make_outcome("t1:0", "zero again", run_id="run-1"), None),
    ]
    _sync.run(store.finish_all(group, run_id="run-1"))
    outcomes = store.load_run("run-1").outcomes
    assert [(key, each.status, each.text, each.attempts) for key, each in outcomes.items()] == [
        ("t1:0", "ok", "zero", 1),
        ("t1:1", "ok", "first", 2),
        ("t1:2", "failed", "", 1),
        ("t1:3", "skipped", "", 0),
    ]


@pytest.mark.parametrize("face", ["lease", "live call"])
def test_what_is_held_is_written_before_anything_new_is_begun(store, monkeypatch, face):
    """A lease is not given and a live call not begun before what is held has been written."""
    number = attempt(store)

    async def full(work):
        raise StoreFullError("full")

    with monkeypatch.context() as patched:
        patched.setattr(store._writer, "write", full)
        with pytest.raises(StoreFullError):
            finish(store, make_outcome("t1:0"), number)
    if face == "lease":
        _sync.run(store.acquire_lease("run-1"))
    else:
        call = {"run_id": "traffic-2026-01-01", "arm": make_arm(), "case": make_trials(1)[0].case}
        _sync.run(store.append_call(**call, trial_id="c1:a", request_key="r1:a", sent_at=NOON, reserved_usd=1))
        assert store.spent("traffic-2026-01-01").possibly_billed_usd == 1.0
    assert store.flush() == 0
    assert store.load_run("run-1").outcomes["t1:0"].text == "hello"
