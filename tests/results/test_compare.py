"""Comparison with the baseline, and the verdict in words."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from tests.results import runs
from toolkit._records import Score, Trial
from toolkit.errors import UsageError
from toolkit.results import Results

NAN = math.nan


def scored(*lines, **fields):
    """Returns results with one arm a line of scores called `right`; NaN = an answer that is not scored."""
    answers = fields.pop("answers", [["a"] * len(line) for line in lines])
    return Results(runs.run(answers, scores={"right": lines}, **fields))


def test_paired_by_case():
    """Each arm is paired with the baseline case by case: wins, ties, losses, mean difference, McNemar's mid-p."""
    base = [1] * 10 + [0] * 9 + [1] * 2 + [0] * 20
    other = [1] * 10 + [1] * 9 + [0] * 2 + [0] * 20
    row = scored(base, other).compare().loc["reply@2"]
    assert row[["cases", "wins", "ties", "losses", "dropped"]].tolist() == [41, 9, 30, 2, 0]
    assert row["delta"] == pytest.approx(7 / 41)
    assert row["p"] == row["p_holm"] == pytest.approx(0.0385742, abs=1e-7)
    assert (row["mean"], row["baseline_mean"]) == (pytest.approx(19 / 41), pytest.approx(12 / 41))
    assert row["method"] == "bonett-price, mcnemar mid-p"


def test_holm_over_the_arms():
    """The p of each arm is corrected for the number of arms that are compared with the baseline."""
    found = scored([0] * 10, [1] * 5 + [0] * 5, [1] * 6 + [0] * 4).compare()
    assert found["p"].tolist() == [pytest.approx(1 / 32), pytest.approx(1 / 64)]
    assert found["p_holm"].tolist() == [pytest.approx(1 / 32), pytest.approx(2 / 64)]


def test_verdict_names_the_winner():
    """A decided comparison names the arm, the gap, the interval, the corrected p and the number of cases."""
    verdict = scored([0] * 20, [1] * 10 + [0] * 10).verdict
    assert verdict.startswith("reply@2 beats the baseline reply@1 on right: +50.0 points (95 % interval +")
    assert "p = 0.00098" in verdict
    assert "20 cases" in verdict


def test_verdict_is_undecided():
    """Without a decided arm the verdict says so, with the gap that so few cases could show and the cases needed."""
    verdict = scored([1, 0, 0, 1, 0], [1, 1, 0, 1, 0]).verdict
    assert verdict.startswith("Undecided: no arm is shown to be better than the baseline reply@1 on right.")
    assert "reply@2, +20.0 points" in verdict
    assert "Next: add cases" in verdict
    assert "With 5 cases only a gap of about" in verdict


def test_too_few_cases_are_called_too_few():
    """Where no gap of a yes-or-no score could be shown, the verdict says so instead of naming one above 100 points."""
    verdict = scored([1, 0], [1, 0]).verdict
    assert "2 cases are too few to see any gap: it takes 5 cases or more." in verdict
    assert "points or more" not in verdict


def test_correction_decides():
    """A p that is small alone and not after the correction is undecided."""
    arms = [[1] * 5 + [0] * 5 for _ in range(4)]
    assert "Undecided" in scored([0] * 10, *arms).verdict
    assert "beats" in scored([0] * 10, arms[0]).verdict


def test_no_difference_at_all():
    """Arms that score the same everywhere are undecided, and their sentence says that they are the same."""
    results = scored([1, 0, 1] * 4, [1, 0, 1] * 4)
    assert results.verdict.startswith("Undecided: reply@2 has the same right as the baseline reply@1 in 12 cases.\n")
    assert results.compare()["verdict"].tolist() == [
        "reply@2 has the same right as reply@1 in each of 12 cases. "
        "Next: take the cheaper of the two: results.compare('cost_usd')."
    ]


@pytest.mark.parametrize("baseline", ["reply@2", "folder:reply@2", 1])
def test_a_baseline_is_named_as_people_name_arms(baseline):
    """Another baseline is named by its label, its prompt reference, or its index."""
    view = runs.run([["a"] * 4] * 2, scores={"right": [[0, 0, 0, 1], [1, 1, 1, 1]]})
    assert Results(view).compare(baseline=baseline)["baseline"].tolist() == ["reply@2"]


def test_baseline_wins():
    """When every arm is shown to be worse, the verdict names the baseline."""
    verdict = scored([1] * 12, [0] * 12, [0] * 11 + [1]).verdict
    assert verdict.startswith("The baseline reply@1 is better than every other arm on right. Nearest: reply@3, -91.7 ")


def test_winners_are_not_ranked_untested():
    """When several arms beat the baseline, the verdict says that their own gap was not tested and how to."""
    verdict = scored([0] * 20, [1] * 15 + [0] * 5, [1] * 14 + [0] * 6).verdict
    assert "Also better than the baseline: reply@3." in verdict
    assert "results.compare(baseline='reply@2')" in verdict


def test_other_baseline():
    """Another baseline can be named by its label, its reference or its index."""
    results = scored([0] * 4, [1] * 4, [0] * 4)
    for baseline in ("reply@2", "folder:reply@2", 1):
        assert results.compare(baseline=baseline).index.tolist() == ["reply@1", "reply@3"]


def test_planned_baseline():
    """The baseline is the arm that the run was planned with."""
    assert scored([0] * 4, [1] * 4, baseline=1).compare()["baseline"].tolist() == ["reply@2"]


@pytest.mark.parametrize("options", [{"baseline": "reply@9"}, {"baseline": 7}, {"score": "wrong"}])
def test_unknown_is_refused(options):
    """A baseline or score that does not exist is refused with those that do."""
    with pytest.raises(UsageError, match=r"reply@1|right"):
        scored([0] * 4, [1] * 4).compare(**options)


def test_score_by_either_name():
    """A score is named as it is, or as its column."""
    results = scored([0] * 4, [1] * 4)
    assert results.compare("right").equals(results.compare("score.right"))


def test_nothing_scored():
    """Without a score there is no comparison, and the verdict says how to get one."""
    results = Results(runs.run([["a"], ["b"]]))
    with pytest.raises(UsageError, match=r"results\.score"):
        results.compare()
    assert "results.score(tk.contains())" in results.verdict


def test_nothing_but_nan():
    """A score that is NaN everywhere is no verdict, and the commonest reason is told."""
    view = runs.run([["a"], ["b"]])
    scores = {trial.trial_id: (Score(name="right", explanation="no expected answer"),) for trial in view.trials}
    verdict = Results(replace(view, scores=scores)).verdict
    assert verdict == (
        "No verdict: right has no number for any trial (no expected answer: 2 trials). "
        "Next: read some answers in results.wide() and see whether the scorer can do with them."
    )


def test_one_arm():
    """A single arm has its score with its interval, and no comparison."""
    results = scored([1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    assert "right 0.8 (10 cases, 95 % interval 0.49 to 0.943)" in results.verdict
    assert len(results.compare()) == 0


def test_dropped_cases_are_told():
    """Cases that one arm has no answer for are left out, counted, and told with the failures as 0."""
    line = [1.0] * 10
    failing = [runs.failure()] * 2 + ["a"] * 8
    results = scored(line, [None, None, *line[2:]], answers=[["a"] * 10, failing])
    row = results.compare().iloc[0]
    assert (row["cases"], row["dropped"], row["delta"]) == (8, 2, 0.0)
    assert row["delta_failures_as_0"] == pytest.approx(-0.2)
    assert "2 cases left out" in results.verdict


def test_unscored_answer_is_not_a_failure():
    """An answer that a scorer could not score is left out, and is not counted as 0."""
    row = scored([1, 1, 1], [1, 1, NAN]).compare().iloc[0]
    assert (row["dropped"], row["delta_failures_as_0"]) == (1, 0.0)


def test_repeats_are_not_cases():
    """Repeats of a case are averaged first: three repeats of two cases are two cases."""
    view = runs.run([["a", "b"], ["c", "d"]])
    trials, outcomes, scores = [], {}, {}
    for trial in view.trials:
        for repeat in range(3):
            trial_id = f"{trial.trial_id}-{repeat}"
            trials.append(Trial(trial_id=trial_id, arm=trial.arm, case=trial.case, repeat=repeat))
            outcomes[trial_id] = runs.outcome(trial_id)
            scores[trial_id] = (Score(name="right", value=float(trial.arm.index == 1 and repeat < 2)),)
    results = Results(replace(view, trials=tuple(trials), outcomes=outcomes, scores=scores))
    row = results.compare().iloc[0]
    assert (row["cases"], row["mean"]) == (2, pytest.approx(2 / 3))
    assert results.summary()["n"].tolist() == [6, 6]


def test_equal_cases_are_one():
    """A case that stands ten times in the table is no ten cases: they count as one cluster."""
    once = scored([0] * 10, [1] * 10).compare().iloc[0]
    again = scored([0] * 10, [1] * 10, variables=[{"q": "same"}] * 10).compare().iloc[0]
    assert once["p"] == pytest.approx(2 / 2**11)
    assert again["p"] == 1.0
    assert again["low"] is pd.NA


def test_summary_scores():
    """A summary has each arm's mean over cases, Wilson's interval, and the answers without a score."""
    results = scored([1] * 8 + [0] * 2, [1] * 9 + [NAN])
    found = results.summary()
    assert found["score.right"].tolist() == [0.8, 1.0]
    assert found.loc["reply@1", ["score.right.low", "score.right.high"]].tolist() == [
        pytest.approx(0.490162, abs=1e-6),
        pytest.approx(0.943318, abs=1e-6),
    ]
    assert found["score.right.unscored"].tolist() == [0, 1]


def test_summary_of_one_case():
    """One case has a mean and no interval."""
    found = scored([1]).summary().iloc[0]
    assert (found["score.right"], found["score.right.low"]) == (1.0, pd.NA)


def test_summary_measures():
    """A summary has counts, costs, latencies and tokens of each arm's answers."""
    answers = [["a", runs.failure(), None, runs.response("b", latency_s=1.5, finish_reason="length")]]
    found = Results(runs.run(answers)).summary().iloc[0]
    assert found[["n", "ok", "failed", "skipped", "refused", "truncated"]].tolist() == [4, 2, 1, 1, 0, 1]
    assert found[["cost_usd", "cost_usd_mean", "latency_s"]].tolist() == [0.02, 0.01, 1.0]
    assert found["latency_s_p95"] == pytest.approx(1.45)
    assert found[["input_tokens", "output_tokens"]].tolist() == [20, 4]


def test_unknown_cost_is_unknown():
    """One answer of unknown price makes the arm's cost unknown, not smaller."""
    found = Results(runs.run([["a", runs.outcome("t-0-1", cost_usd=None)]])).summary().iloc[0]
    assert (found["cost_usd"], found["cost_usd_mean"]) == (pd.NA, pd.NA)
