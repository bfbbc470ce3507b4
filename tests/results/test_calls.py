"""Live calls compared: arms that answered different calls are independent groups, and every sentence says so."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.results import runs
from toolkit.results import Results


def calls(first, second, *, variables=None):
    """Results of live calls with these scores: calls of one arm, then calls of the other."""
    n, m = len(first), len(second)
    scores = [[*first, *[None] * m], [*[None] * n, *second]]
    arms = [runs.arm(0, model="fake/large"), runs.arm(1, model="fake/small")]
    answers = [["yes"] * n + [None] * m, [None] * n + ["no"] * m]
    view = runs.run(answers, arms=arms, variables=variables, scores={"good": scores}, is_grid=False)
    own = [trial for trial in view.trials if (trial.case.index < n) == (trial.arm.index == 0)]
    return Results(replace(view, trials=tuple(own)))


def test_calls_are_compared_as_independent_groups():
    """Each call belongs to one arm: shares are compared by Newcombe's interval and Fisher's mid-p, unpaired."""
    row = calls([1] * 48 + [0] * 32, [1] * 56 + [0] * 14).compare().iloc[0]
    # Newcombe (1998), contrast (a): 56/70 - 48/80.
    assert (round(row["delta"], 4), round(row["low"], 4), round(row["high"], 4)) == (0.2, 0.0524, 0.3339)
    assert (row["method"], row["cases"]) == ("newcombe, fisher mid-p", 150)
    assert (row["mean"], row["baseline_mean"]) == (0.8, 0.6)
    assert row[["wins", "ties", "losses"]].isna().all()


def test_the_sentence_says_that_the_calls_differ():
    """What is decided is told with the calls of either arm, and that chance has to have drawn who answers which."""
    results = calls([1] * 48 + [0] * 32, [1] * 56 + [0] * 14)
    told = results.compare().iloc[0]["verdict"]
    assert told.startswith("small is better than large on good: +20.0 points (95 % interval +5.2 to +33.4; p = ")
    assert "70 calls against 80" in told
    assert "drawn by chance" in told
    assert told in results.verdict


def test_what_is_undecided_says_what_would_settle_it():
    """An undecided split is told with the calls that it would take, and that a sweep takes fewer."""
    told = calls([1, 0, 1, 0] * 5, [1, 0, 1, 1] * 5).compare().iloc[0]["verdict"]
    assert "small against large is undecided on good: +25.0 points" in told
    assert "20 calls against 20" in told
    assert "sweep both over the same cases, which takes far fewer" in told
    assert "calls of both together" in told


def test_other_scores_get_welch():
    """Scores that are not all 0 or 1 are compared by Welch's interval."""
    row = calls([0.1, 0.5, 0.9, 0.3], [0.2, 0.6, 1.0, 0.4, 0.7]).compare().iloc[0]
    assert row["method"] == "welch"
    assert "points" not in row["verdict"]


def test_equal_calls_are_one():
    """Calls of equal variables are not independent, and count as one cluster."""
    variables = [{"q": f"word {place // 5}"} for place in range(40)]
    row = calls([0, 1, 1, 0, 1] * 4, [1, 1, 1, 0, 1] * 4, variables=variables).compare().iloc[0]
    assert row["method"] == "welch, clustered"


def test_an_arm_without_a_score_is_not_comparable():
    """An arm of which no call has a score is named."""
    row = calls([1, 0], [None, None]).compare().iloc[0]
    assert row["verdict"].startswith("Not comparable: no call of small has a score good.")
    assert pd.isna(row["p"])


def test_the_other_views_take_live_calls():
    """The summary, the cheapest arm, the text form and the export take live calls that are scored."""
    results = calls([1] * 30, [1] * 25 + [0] * 5)
    assert results.summary()["score.good"].tolist() == [1.0, pytest.approx(25 / 30)]
    assert results.cheapest(margin=0.05).df["cases"].dropna().tolist() == [60]
    assert "good" in repr(results)
