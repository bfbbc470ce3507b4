"""Which answers of other runs serve a new one: whole ones do, cut off or held back ones do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import make_outcome
from tests.store.builders import attempt, finish, make_trials, save
from toolkit.store import RunStore, _places, is_reusable


@pytest.fixture
def store(tmp_path):
    """A store whose first run has answers that ended in four ways, in this order, and a failure."""
    opened = RunStore(tmp_path / "runs.sqlite")
    save(opened, make_trials(5))
    for number, reason in enumerate(["length", "stop", "content_filter", "SAFETY"]):
        finish(opened, ended(f"t1:{number}", reason), attempt(opened, f"t1:{number}"))
    finish(opened, make_outcome("t1:4", status="failed", response=None, run_id="run-1"), attempt(opened, "t1:4"))
    yield opened
    opened.close()


def ended(trial_id, reason):
    """An answer that ended for this reason."""
    outcome = make_outcome(trial_id, run_id="run-1")
    return replace(outcome, response=replace(outcome.response, finish_reason=reason))


ALL = [f"t1:{number}" for number in range(6)]
CUT = {"t1:0", "t1:2", "t1:3"}


@pytest.mark.parametrize("group", [1, 2, 5, 10_000])
def test_answers_that_were_cut_off_do_not_serve_another_run(store, monkeypatch, group):
    """Of stored trials those that were cut off or held back are not for another run, however many are asked for."""
    monkeypatch.setattr(_places, "_LOOKUP_GROUP", group)
    assert store.not_for(ALL, "run-2") == CUT
    assert store.not_for([], "run-2") == set()


def test_a_run_keeps_its_own_answers(store):
    """A trial that is on record as the run's own stays what it is, although its answer was cut off."""
    assert store.not_for(ALL, "run-1") == set()


@pytest.mark.parametrize(("reason", "serves"), [("stop", True), ("", True), ("length", False), ("MAX_TOKENS", False)])
def test_only_a_whole_answer_serves(reason, serves):
    """An answer serves other trials unless it was cut off; where there is no answer there is nothing to serve."""
    assert is_reusable(ended("t1:0", reason)) is serves
    assert not is_reusable(make_outcome("t1:0", status="failed", response=None))
