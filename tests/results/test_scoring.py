"""What scoring keeps, what it does again, and how a gap is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results
from toolkit.scorers import as_scorer, contains, scorer


class Counting:
    """A scorer that counts how often it is called."""

    name, spec = "n", "Counting()"

    def __init__(self, version="1", give=1.0):
        self.version = version
        self.give = give
        self.called = []

    def __call__(self, outcome, case):
        self.called.append(outcome.text)
        return self.give


def results(answers=("a", "b"), **fields):
    """Results of one arm with these answers."""
    return Results(runs.run([list(answers)], **fields))


def test_an_unchanged_scorer_is_not_run_again():
    """A scorer of the same version is not called for answers that it has scored."""
    first, second = Counting(), Counting()
    results().score(first).score(second)
    assert (first.called, second.called) == (["a", "b"], [])


def test_a_changed_scorer_is_run_again():
    """A scorer of another version scores anew, and its scores replace the old ones."""
    found = results().score(Counting()).score(Counting(version="2", give=0.25))
    assert found.df["score.n"].tolist() == [0.25, 0.25]


def test_a_changed_function_is_run_again():
    """A function of the same name with another body scores anew; with the same body it does not."""
    found = results()
    calls = []

    def version(factor):
        return as_scorer(lambda text: calls.append(text) or factor, name="f", version=str(factor))

    for factor in (1, 1, 2):
        found.score(version(factor))
    assert (calls, found.df["score.f"].tolist()) == (["a", "b", "a", "b"], [2.0, 2.0])


def test_again_runs_everything():
    """`again=True` calls every scorer for every answer."""
    counting = Counting()
    results().score(counting).score(counting, again=True)
    assert counting.called == ["a", "b", "a", "b"]


def test_only_gaps_are_filled():
    """What was not scored is tried again, what was is not."""
    calls = []

    def fragile(text):
        calls.append(text)
        if text == "b" and len(calls) < 3:
            raise OSError("busy")
        return 1.0

    fixed = as_scorer(fragile, version="1")
    found = results().score(fixed).score(fixed)
    assert sorted(calls[:2]) == ["a", "b"]
    assert calls[2:] == ["b"]
    assert found.df["score.fragile"].tolist() == [1.0, 1.0]


def test_a_new_answer_is_scored():
    """An answer that came after a failure is scored, though the trial has a gap on record."""
    failed = runs.run([["a", runs.failure()]])
    found = Results(failed).score(contains("a"))
    answered = replace(runs.run([["a", "a"]]), scores=found.view.scores)
    assert Results(answered).score(contains("a")).df["score.contains(a)"].tolist() == [1.0, 1.0]


def test_a_scorer_of_failures_is_always_run():
    """A scorer that is called for failures too is called again, because a failure may have become an answer."""
    calls = []
    made = scorer(scores_failures=True, version="1", name="f")(lambda outcome: calls.append(outcome.status) or 0)
    Results(runs.run([["a", runs.failure()]])).score(made).score(made)
    assert sorted(calls) == ["failed", "failed", "ok", "ok"]


def test_reasons_stand_in_the_frame():
    """Why an answer is not scored, or is wrong, stands in the column `reason.NAME`; a score without one has none."""

    def strict(text):
        return None if text == "a" else 1

    frame = results(["a", "b", runs.failure("timeout")]).score(strict).df
    assert frame["reason.strict"].isna().tolist() == [False, True, False]
    assert frame["reason.strict"].dropna().tolist() == ["the scorer returned None", "no answer: timeout"]
    assert "reason.n" not in results().score(Counting()).df


def test_gaps_of_a_scorer_with_several_scores():
    """Where a scorer gives several scores, a gap is told under each of them, and no column stands for the scorer."""

    def tone(text):
        if text == "b":
            raise ValueError("odd")
        return {"polite": 1, "brief": 0}

    frame = results().score(tone).df
    assert {name for name in frame if name.startswith("score.")} == {"score.tone.brief", "score.tone.polite"}
    assert frame["reason.tone.polite"][1] == "the scorer raised ValueError: odd"
    assert frame["score.tone.brief"].isna().tolist() == [False, True]


def test_a_score_that_is_given_up():
    """A score that a changed scorer does not give any more is a gap that says so, not the old number."""
    first = as_scorer(lambda text: {"a": 1, "b": 1}, name="f", version="1")
    second = as_scorer(lambda text: {"a": 0}, name="f", version="2")
    second = replace(second, spec=first.spec)
    frame = results(["x"]).score(first).score(second).df
    assert frame["score.f.a"].tolist() == [0.0]
    assert frame["score.f.b"].isna().all()
    assert frame["reason.f.b"].tolist() == ["the scorer gives this score no more"]


def test_names_that_share_a_beginning():
    """The scores of a scorer are not taken for those of another whose name begins like its own."""
    calls = []
    one = replace(as_scorer(lambda text: 1, name="f.a", version="1"), spec="s")
    other = replace(as_scorer(lambda text: calls.append(text) or 0, name="f.ab", version="1"), spec="s")
    results(["x"]).score(one).score(other)
    assert calls == ["x"]


def test_two_scorers_of_one_name():
    """Two scorers of one name are refused before anything is scored."""
    with pytest.raises(UsageError, match="Two scorers are called"):
        results().score(contains("a"), contains("a"))
