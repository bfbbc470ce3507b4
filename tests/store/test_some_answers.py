"""The texts of some answers, wherever in the run they lie."""

from __future__ import annotations

import pytest

from tests.builders import make_outcome
from tests.store.builders import answer, attempt, finish, make_trials, save
from toolkit._records import Failure
from toolkit.store import RunStore


@pytest.fixture
def outcomes(tmp_path):
    """Outcomes of a run: two answers, a failure, and an answer that the store has not written yet."""
    store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(5))
    for number in (0, 3):
        answer(store, f"t1:{number}", f"answer {number}")
    failure = Failure(kind="timeout", error_type="TimeoutError", message="late")
    finish(store, make_outcome("t1:1", status="failed", response=None, failure=failure), attempt(store, "t1:1"))
    yield store.load_run("run-1").outcomes.with_held({"t1:4": make_outcome("t1:4", "held")})
    store.close()


def test_some_answers_are_read_at_once(outcomes):
    """The texts asked for come by trial id, those not written yet among them; what has no answer is left out."""
    found = outcomes.some(["t1:4", "t1:3", "t1:1", "t1:0"])
    assert {trial_id: texts.text for trial_id, texts in found.items()} == {
        "t1:0": "answer 0",
        "t1:3": "answer 3",
        "t1:4": "held",
    }


def test_no_answers_are_read_for_nothing(outcomes):
    """Asked for nothing, or for failures alone, there is nothing."""
    assert outcomes.some([]) == outcomes.some(["t1:1"]) == {}


def test_a_trial_that_the_run_has_not_is_refused(outcomes):
    """A trial without an outcome is an error, as it is for every other reading."""
    with pytest.raises(KeyError):
        outcomes.some(["t1:2"])
