"""What helps to decide: ratios, the cheapest arm that will do, where differences come from, steadiness, doubts."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results


def taking(*lines, measure="latency_s", **fields):
    """Returns results with one arm a line of seconds, or of USD; `None` = no answer."""

    def outcome(arm, case, value):
        if value is None:
            return runs.failure()
        if measure == "latency_s":
            return runs.outcome(f"t-{arm}-{case}", runs.response(latency_s=value))
        return runs.outcome(f"t-{arm}-{case}", cost_usd=value)

    answers = [[outcome(arm, case, value) for case, value in enumerate(line)] for arm, line in enumerate(lines)]
    return Results(runs.run(answers, **fields))


def priced(costs, scores):
    """Returns results with one arm a line of scores, whose answers all cost the same."""
    answers = [
        [runs.outcome(f"t-{arm}-{case}", cost_usd=cost) for case in range(len(scores[0]))]
        for arm, cost in enumerate(costs)
    ]
    return Results(runs.run(answers, scores={"right": scores}))


# Seconds and USD


def test_seconds_are_compared_by_the_ratio_of_medians():
    """The ratio is the arm's median over the baseline's, on the cases that both answered."""
    row = taking([1.0, 2.0, 3.0, 9.0], [2.0, 3.0, 6.0, None]).compare("latency_s").loc["reply@2"]
    assert row[["cases", "dropped", "median", "baseline_median", "ratio"]].tolist() == [3, 1, 3.0, 2.0, 1.5]
    assert (row["baseline"], row["measure"]) == ("reply@1", "latency_s")


@pytest.mark.parametrize(
    ("measure", "factor", "sentence"),
    [
        ("latency_s", 1.5, "reply@2 is 1.5 times as slow as reply@1 (95 % interval 1.5 to 1.5 times) on 40 cases."),
        ("latency_s", 0.5, "reply@2 takes 0.5 times as long as reply@1 (95 % interval 0.5 to 0.5 times) on 40 cases."),
        ("cost_usd", 3.0, "reply@2 costs 3 times as much as reply@1 (95 % interval 3 to 3 times) on 40 cases."),
        ("cost_usd", 0.25, "reply@2 costs 0.25 times as much as reply@1 (95 % interval 0.25 to 0.25 times) on 40"),
    ],
)
def test_a_ratio_is_told_in_one_sentence(measure, factor, sentence):
    """An arm that is slower, faster, dearer or cheaper is told with its ratio, interval, cases, and what is next."""
    base = [1.0 + case / 7 for case in range(40)]
    # A hair's breadth apart, so that the ratio has a spread.
    other = [value * (factor + (case % 3 - 1) * 1e-4) for case, value in enumerate(base)]
    told = taking(base, other, measure=measure).compare(measure)["verdict"].iloc[0]
    assert told.startswith(sentence)
    assert "Next: results." in told


def test_a_ratio_around_one_is_undecided():
    """An interval that holds 1 is called undecided."""
    base = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    told = taking(base, base[::-1]).compare("latency_s")["verdict"].iloc[0]
    assert "Next: decide by the score, or add cases." in told
    assert told.startswith("Undecided: reply@2 takes about as long as reply@1 (95 % interval 0.")


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (
            ([None], [1.0]),
            "Not comparable: no case has its cost known in both reply@2 and reply@1. Next: give `prices=`",
        ),
        (([0.0, 0.0], [0.0, 0.0]), "No ratio: reply@1 costs nothing on 2 cases, and so does reply@2. Next:"),
        (([1.0], [2.0]), "reply@2 costs 2 times as much as reply@1 on 1 case; no interval: fewer than two cases"),
    ],
)
def test_what_has_no_ratio_says_why(lines, start):
    """Without a common case, with a free baseline, or with one case, the sentence says so and what to do."""
    assert taking(*lines, measure="cost_usd").compare("cost_usd")["verdict"].iloc[0].startswith(start)


def test_a_ratio_near_one_is_not_rounded_to_it():
    """An interval that ends just below 1 is not printed as if it held 1."""
    base = [1.0 + case / 7 for case in range(40)]
    other = [value * (0.996 + (case % 3 - 1) * 1e-4) for case, value in enumerate(base)]
    told = taking(base, other).compare("latency_s")["verdict"].iloc[0]
    assert told.startswith("reply@2 takes 0.996 times as long as reply@1 (95 % interval 0.996 to 0.996 times)")


def test_answers_that_were_there_already_have_no_seconds():
    """An answer of an earlier run counts for its cost and not for its seconds."""
    old = [runs.outcome(f"t-1-{case}", run_id="run-0") for case in range(3)]
    results = Results(runs.run([["a"] * 3, old]))
    assert results.compare("latency_s")["cases"].tolist() == [0]
    assert results.compare("cost_usd")["cases"].tolist() == [3]


def test_a_score_of_that_name_goes_first():
    """Where a score is called `latency_s`, comparing it compares the score."""
    results = Results(runs.run([["a"] * 3] * 2, scores={"latency_s": [[1, 2, 3], [2, 3, 4]]}))
    assert results.compare("latency_s")["delta"].tolist() == [1.0]


def test_ten_thousand_cases_take_seconds():
    """The ratio of one arm over 10,000 cases is there in well under ten seconds."""
    base = [1.0 + case % 97 / 50 for case in range(10_000)]
    results = taking(base, base[::-1])
    start = time.perf_counter()
    results.compare("latency_s")
    assert time.perf_counter() - start < 10


# The cheapest arm that will do


def test_the_cheapest_arm_that_is_not_worse_is_taken():
    """Of two cheaper arms that lose at most the margin, the cheapest is taken, and its sentence has cost and gap."""
    same = [1] * 150 + [0] * 50
    found = priced([0.01, 0.002, 0.004], [same, same, same]).cheapest(0.05)
    assert (found.arm, found.is_baseline) == ("reply@2", False)
    assert found.sentence.startswith(
        "Take reply@2: $0.002 an answer, against $0.01 for reply@1. On right it is shown to lose less than 5 points: "
        "0 points (97.5 % interval -1.6 to +1.6), 200 cases. Next:"
    )
    assert found.df.index.tolist() == ["reply@2", "reply@3", "reply@1"]
    assert found.df["standing"].tolist() == ["not worse", "not worse", "baseline"]
    assert found.df["chosen"].tolist() == [True, False, False]
    assert found.df["cost_usd_mean"].tolist() == pytest.approx([0.002, 0.004, 0.01])


def test_a_cheaper_arm_that_is_worse_is_not_taken():
    """A cheaper arm that loses more than the margin leaves the baseline, and the sentence says so."""
    found = priced([0.01, 0.001], [[1] * 60, [1] * 20 + [0] * 40]).cheapest(0.05)
    assert (found.arm, found.is_baseline) == ("reply@1", True)
    assert found.sentence == (
        "Keep reply@1 at $0.01 an answer: every cheaper arm loses more than 5 points on right. "
        "Next: sweep another cheap model, or accept more."
    )
    assert found.df["standing"].tolist() == ["worse", "baseline"]


def test_too_few_cases_leave_a_cheaper_arm_open():
    """A cheaper arm that might do is named, with the number of cases that would tell."""
    found = priced([0.01, 0.001], [[1] * 8 + [0] * 2, [1] * 7 + [0, 1, 0]]).cheapest(0.05)
    assert found.is_baseline
    assert "Cheaper and undecided: reply@2 at $0.001, 0 points (95 % interval -" in found.sentence
    assert "cases would tell, if it is as good." in found.sentence


@pytest.mark.parametrize(
    ("costs", "start"),
    [
        ((None, None), "No choice by cost: no arm's cost is known. Next: sweep again with `prices=`"),
        ((0.0, 0.0), "No choice by cost: every arm costs $0 an answer."),
    ],
)
def test_without_different_costs_there_is_no_choice(costs, start):
    """Where no cost is known, or all are the same, the sentence says that cost does not decide."""
    assert priced(costs, [[1, 0] * 5] * 2).cheapest().sentence.startswith(start)


def test_an_arm_of_unknown_cost_is_named():
    """An arm that is not worse and has no price is not taken, and is named."""
    same = [1] * 150 + [0] * 50
    found = priced([0.01, None], [same, same]).cheapest(0.05)
    assert found.arm == "reply@1"
    assert "Not worse, but of unknown cost: reply@2. Next: give `prices=`" in found.sentence
    assert found.df["cost_usd_mean"].tolist() == [pytest.approx(0.01), pd.NA]


def test_intervals_are_widened_for_the_number_of_arms():
    """With two other arms each interval is made at 97.5 %, so that it is wider than with one."""
    scores = [[1] * 30 + [0] * 30, [1] * 28 + [0] * 32, [0] * 60]
    one = priced([0.01, 0.002], scores[:2]).cheapest().df.loc["reply@2"]
    two = priced([0.01, 0.002, 0.001], scores).cheapest().df.loc["reply@2"]
    assert two["low"] < one["low"]
    assert two["high"] > one["high"]


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf")])
def test_a_margin_is_above_0(margin):
    """A margin that no loss fits into is refused."""
    with pytest.raises(UsageError, match="margin"):
        priced([0.01, 0.002], [[1, 0], [1, 0]]).cheapest(margin)


def test_one_arm_has_nothing_to_choose_from():
    """With a single arm there is nothing to choose, and the message says what to sweep."""
    with pytest.raises(UsageError, match="second model or prompt"):
        priced([0.01], [[1, 0]]).cheapest()


# Where differences come from
