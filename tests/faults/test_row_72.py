"""Row 72: a scorer of the caller's that fails, hangs or returns something odd. The answer is kept, whatever it does."""

from __future__ import annotations

import os
import threading

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit import _sync
from toolkit.config import Settings
from toolkit.testing import FakeProvider, FakeSource, fake_engine

pytestmark = pytest.mark.fault(72)


@pytest.fixture
def answered(tmp_path):
    """Two answers, `A` and `B`, and the provider that gave them."""
    provider = FakeProvider(lambda request: request.messages[0].content.upper())
    engine = fake_engine(
        Settings(home=tmp_path, prompts_folder=tmp_path),
        providers=[provider],
        sources=[FakeSource([make_prompt("{{word}}")])],
    )
    yield tk.sweep("fake:greet", "fake/x", [{"word": "a"}, {"word": "b"}], progress="off", engine=engine), provider
    _sync.run(engine.aclose())


def fails_on_a(text):
    """Scores B only."""
    if text == "A":
        raise KeyError("no such field")
    return 1.0


def reasons(results, name):
    """Why each trial has no score of this name."""
    found = {}
    for trial in results.view.trials:
        (score,) = [score for score in results.view.scores[trial.trial_id] if score.name == name]
        found[trial.case.variables["word"]] = score.explanation
    return found


def test_a_scorer_that_raises_spoils_one_row(answered):
    """The row on which it raises says so and keeps its answer; the others are scored; nothing is asked again."""
    results, provider = answered
    results.score(fails_on_a)
    assert results.df["score.fails_on_a"].isna().tolist() == [True, False]
    assert reasons(results, "fails_on_a")["a"].startswith("the scorer raised KeyError")
    assert results.df["text"].tolist() == ["A", "B"]
    assert len(provider.requests) == 2


def test_a_scorer_that_hangs_is_left_behind(answered):
    """One that does not come back within its time is given up on that row, and the others are scored."""
    results, _ = answered
    release = threading.Event()

    def hangs_on_a(text):
        if text == "A":
            release.wait(60)
        return 1.0

    try:
        results.score(hangs_on_a, timeout_s=0.3)
    finally:
        release.set()
    assert results.df["score.hangs_on_a"].isna().tolist() == [True, False]
    assert reasons(results, "hangs_on_a")["a"] == "the scorer took longer than 0.3 s"


@pytest.mark.parametrize("odd", [object(), [1], b"1", "maybe", 1j, float("inf"), 10**400, os, SystemExit], ids=repr)
def test_an_odd_return_is_no_score(answered, odd):
    """What is no number, truth value or word for one is no score, and the row says what it was."""
    results, _ = answered
    results.score(lambda text: odd)
    assert results.df["score.lambda"].isna().all()
    assert all(reasons(results, "lambda").values())


def test_scoring_again_asks_nobody(answered):
    """A mended scorer is run again over the kept answers, and takes the place of the one that failed."""
    results, provider = answered
    results.score(fails_on_a)

    def mended(text):
        return 0.5

    mended.__name__ = "fails_on_a"
    results.score(mended)
    assert results.df["score.fails_on_a"].tolist() == [0.5, 0.5]
    assert len(provider.requests) == 2
