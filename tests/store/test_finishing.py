"""Outcomes that are finished alone and together: attempts ended, answers kept, nothing replaced that was paid for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.builders import make_outcome
from tests.store.builders import answer, attempt, make_trials, save
from toolkit import _sync
from toolkit._records import Failure, Usage
from toolkit.store import RunStore

LATE = Failure(kind="timeout", error_type="ProviderTimeoutError", message="late", possibly_billed=True)


@pytest.fixture
def store(tmp_path):
    """A store with a run of six trials, closed at the end."""
    opened = RunStore(tmp_path / "runs.sqlite")
    save(opened, make_trials(6))
    yield opened
    opened.close()


def failed(trial_id, *, possibly_billed=True):
    """An outcome without an answer."""
    failure = replace(LATE, possibly_billed=possibly_billed)
    return make_outcome(trial_id, status="failed", response=None, failure=failure, run_id="run-1")


def answered(trial_id, text):
    """An outcome with an answer."""
    return make_outcome(trial_id, text, run_id="run-1")


def ends(store):
    """How each attempt ended, as the file says it."""
    with closing(sqlite3.connect(store.path)) as connection:
        query = "SELECT trial_id, state, kind, possibly_billed FROM attempt ORDER BY attempt_id"
        return connection.execute(query).fetchall()


def finish_all(store, *ended):
    """Finishes a group."""
    _sync.run(store.finish_all(ended, run_id="run-1"))


def texts(store):
    """Status and text of each outcome of the run."""
    return {key: (each.status, each.text) for key, each in store.load_run("run-1").outcomes.items()}


GROUPED = [(answered("t1:0", "zero"), True), (failed("t1:1"), True), (failed("t1:2", possibly_billed=False), False)]
ENDED = [("t1:0", "ok", None, 0), ("t1:1", "failed", "timeout", 1)]
SHOWN = {"t1:0": ("ok", "zero"), "t1:1": ("failed", ""), "t1:2": ("failed", "")}


def test_a_group_of_new_outcomes_is_written_whole(store):
    """Of a group of trials without an answer each outcome and text is kept, and each attempt has its end."""
    finish_all(store, *[(each, attempt(store, each.trial_id) if sent else None) for each, sent in GROUPED])
    assert (texts(store), ends(store)) == (SHOWN, ENDED)


def test_one_after_the_other_they_are_written_the_same_way(store):
    """Outcomes that are finished singly leave what a group of them leaves, also where nothing was sent."""
    for each, sent in GROUPED:
        number = attempt(store, each.trial_id) if sent else None
        _sync.run(store.finish(each, run_id="run-1", attempt_id=number))
    assert (texts(store), ends(store)) == (SHOWN, ENDED)


@pytest.mark.parametrize("late", [answered("t1:1", "second"), failed("t1:1")], ids=["answer", "failure"])
def test_a_group_replaces_no_answer(store, late):
    """A group with a trial that has an answer leaves that answer and its text, and keeps all the others."""
    answer(store, "t1:1", "first")
    finish_all(store, (answered("t1:0", "zero"), None), (late, None), (answered("t1:2", "two"), None))
    assert texts(store) == {"t1:0": ("ok", "zero"), "t1:1": ("ok", "first"), "t1:2": ("ok", "two")}


def test_a_failure_is_replaced_by_what_comes_later(store):
    """A trial that failed and is finished again in a group has the later outcome, be it an answer or a failure."""
    finish_all(store, (failed("t1:0"), None), (failed("t1:1"), None))
    finish_all(store, (answered("t1:0", "zero"), None), (failed("t1:1", possibly_billed=False), None))
    outcomes = store.load_run("run-1").outcomes
    assert outcomes["t1:0"].text == "zero"
    assert outcomes["t1:1"].failure.possibly_billed is False


@pytest.mark.parametrize("later", [answered("t1:0", "again"), failed("t1:0")], ids=["answer", "failure"])
def test_a_trial_that_stands_twice_in_a_group_keeps_its_first_answer(store, later):
    """Where a group has a trial's answer and then another outcome of it, the first answer stays with its text."""
    finish_all(store, (answered("t1:0", "zero"), None), (later, None))
    assert texts(store) == {"t1:0": ("ok", "zero")}


def test_an_attempt_that_failed_tells_its_kind(store):
    """An attempt that another follows ends with the kind of its failure and whether it may be billed."""
    number = attempt(store)
    _sync.run(store.fail_attempt(number, kind="timeout", possibly_billed=True))
    assert ends(store) == [("t1:0", "failed", "timeout", 1)]


@pytest.mark.parametrize("most", [0, 2**63 - 1])
def test_every_count_of_tokens_comes_back(store, most):
    """Input, output, cached and reasoning tokens come back each in its place, from nothing to the largest that fits."""
    usage = Usage(input_tokens=7, output_tokens=most, cached_tokens=3, reasoning_tokens=2)
    outcome = answered("t1:0", "zero")
    outcome = replace(outcome, response=replace(outcome.response, usage=usage))
    finish_all(store, (outcome, None))
    assert store.load_run("run-1").outcomes["t1:0"].response.usage == usage
