"""What results say to a reader who is no statistician: units, plurals, p beside interval, and what to do next."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from tests.results import runs
from toolkit._records import Score, Trial
from toolkit.results import Results, compare_arms
from toolkit.results._judging import Judging
from toolkit.results._words import amount, p_words
from toolkit.stats import BothOrders, judge_report

NAN = math.nan


def scored(*lines, **fields):
    """Returns results with one arm a line of scores called `right`; NaN = an answer that is not scored."""
    answers = fields.pop("answers", [["a"] * len(line) for line in lines])
    return Results(runs.run(answers, scores={"right": lines}, **fields))


def repeated(*lines):
    """Returns results with one arm a line; each cell has the scores of a case's repeats."""
    view = runs.run([["a"] * len(line) for line in lines])
    trials, outcomes, scores = [], {}, {}
    for trial in view.trials:
        for repeat, value in enumerate(lines[trial.arm.index][trial.case.index]):
            trial_id = f"{trial.trial_id}-{repeat}"
            trials.append(Trial(trial_id=trial_id, arm=trial.arm, case=trial.case, repeat=repeat))
            outcomes[trial_id] = runs.outcome(trial_id)
            scores[trial_id] = (Score(name="right", value=value),)
    return Results(replace(view, trials=tuple(trials), outcomes=outcomes, scores=scores))


# Wins, ties and losses of the second arm, as scores of zeros and ones.
def counted_out(wins, ties, losses):
    """Returns the scores of a baseline and of an arm that wins, ties and loses so many cases."""
    return [0] * wins + [1] * ties + [1] * losses, [1] * wins + [1] * ties + [0] * losses


SITUATIONS = {
    "clear win": scored(*counted_out(30, 10, 0)),
    "narrow win": scored(*counted_out(11, 87, 2)),
    "loss": scored(*counted_out(0, 10, 30)),
    "tie in sum": scored(*counted_out(5, 10, 5)),
    "undecided": scored(*counted_out(3, 20, 1)),
    "all right": scored([1] * 30, [1] * 30),
    "all wrong": scored([0] * 30, [0] * 30),
    "one case": scored([1], [0]),
    "three cases": scored([1, 0, 0], [1, 1, 0]),
    "two winners": scored([0] * 20, [1] * 15 + [0] * 5, [1] * 14 + [0] * 6),
    "six arms": scored(*[[place % 2] * 10 + [1] * (place + 1) + [0] * (9 - place) for place in range(6)]),
    "failures in one arm": scored([1] * 9, [None] * 9, answers=[["a"] * 9, [runs.failure()] * 9]),
    "nothing answered": scored([None] * 3, [None] * 3, answers=[[runs.failure()] * 3] * 2),
    "nothing sent": scored([None] * 3, [None] * 3, answers=[[None] * 3] * 2),
    "no number": scored([NAN] * 3, [NAN] * 3),
    "grades": scored([0.2, 0.4, 0.1] * 5, [0.3, 0.6, 0.1] * 5),
    "one arm": scored([1, 0, 1]),
    "not scored": Results(runs.run([["a"], ["b"]])),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_verdict_says_what_is_next(situation):
    """Whatever the outcome, the verdict and each row of a comparison name the next step."""
    results = SITUATIONS[situation]
    told = [results.verdict, *_rows(results)]
    assert all("Next: " in each for each in told)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_no_sentence_stumbles(situation):
    """No sentence has a plural of one, a signed zero, a p in powers of ten, or two full stops."""
    results = SITUATIONS[situation]
    told = "\n".join([results.verdict, *_rows(results)])
    slips = r"(?<![\d.,])1 (?:cases|trials|arms|answers|points|case are)\b|[+-]0(?:\.0+)?\b(?!\.)|\de-\d|\.\."
    assert re.findall(slips, told) == []


def _rows(results):
    """Returns the sentences of a comparison; none where nothing is scored."""
    return [] if "nothing is scored yet" in results.verdict else results.compare()["verdict"].tolist()


def test_a_narrow_win_is_called_narrow():
    """Where p decides and the interval still reaches 0, the sentence says that both are so and what to do."""
    # 5 wins and no loss of 100: mid-p 2 * 0.5**5 / 2 = 0.031, Bonett and Price's interval -0.1 to +9.9 points.
    results = scored(*counted_out(5, 95, 0))
    caution = "It is narrow: the interval, made in another way than p, still reaches 0; repeat it on new cases."
    assert "+5.0 points (95 % interval -0.1 to +9.9; p = 0.031), 100 cases.\n" + caution in results.verdict
    assert caution in results.compare()["verdict"].iloc[0]


def test_a_gap_that_only_the_correction_undoes_is_explained():
    """An arm whose interval leaves out 0 and that Holm leaves undecided has both told."""
    arm = [1] * 5 + [0] * 5
    (first, *_) = scored([0] * 10, arm, arm, arm, arm).compare()["verdict"]
    assert "p = 0.13 after Holm's correction for 4 arms" in first
    alone = scored([0] * 30, [1] * 6 + [0] * 24, *[[0] * 29 + [1]] * 5)
    told = alone.compare()["verdict"].iloc[0]
    assert "Alone it would count (p = 0.016); among 6 arms chance brings such a gap too often." in told


def test_too_few_cases_ask_for_as_many_as_can_decide():
    """Fewer cases than could decide anything are called too few, with the fewest that could."""
    assert "it takes 5 cases or more" in scored([0] * 4, [1] * 4).verdict
    assert "Next: results.compare" in scored([0] * 5, [1] * 5).verdict
    # Grades flip signs, which needs one more; of three arms the least p counts thrice, so 2 * 3 / 2**7 < 0.05.
    assert "it takes 6 cases or more" in scored([0.1] * 4, [0.3, 0.4, 0.5, 0.6]).verdict
    many = scored([0.1] * 4, *[[0.3, 0.4, 0.5, 0.6]] * 3).verdict
    assert "it takes 7 cases or more" in many


def test_cases_needed_are_never_fewer_than_can_decide():
    """Four wins of four cases need five, not the four that a formula for many cases gives."""
    assert "needs about 4 cases" not in scored([0] * 3, [1] * 3).verdict


def test_repeats_of_shares_are_told_in_points():
    """Several repeats of zeros and ones make thirds, and their gap is told in points as without repeats."""
    told = repeated([[0, 0, 1]] * 20, [[1, 1, 1]] * 19 + [[0, 1, 1]]).verdict
    assert "+65.0 points (95 % interval +" in told


def test_grades_have_no_points():
    """A score between 0 and 1 that is no share keeps its own unit."""
    assert "points" not in scored([0.2, 0.4] * 10, [0.4, 0.5] * 10).verdict


def test_arms_of_one_score_share_a_unit():
    """An arm whose grades happen to be zeros and ones is told in the unit of the others."""
    found = compare_arms(scored([0, 1] * 5, [0, 1] * 5, [0.5, 1] * 5).view)
    assert [one.is_share for one in found] == [False, False]


def test_alike_cases_are_told_as_groups():
    """Equal rows count as one group, and the sentence says how many groups there are."""
    variables = [{"q": f"word {case // 5}"} for case in range(50)]
    told = scored([0] * 50, [1] * 50, variables=variables).verdict
    assert "50 cases in 10 groups" in told


def test_fewer_groups_than_can_decide():
    """Ten equal rows of two kinds are too few, whatever their number."""
    variables = [{"q": f"word {case // 5}"} for case in range(10)]
    told = scored([0] * 10, [1] * 10, variables=variables).verdict
    assert "10 cases in 2 groups are too few to see any gap: it takes 6 groups of cases or more." in told


@pytest.mark.parametrize(
    ("value", "advice"), [(1, "or add harder cases: all of these are right"), (0, "none is right, so the scorer or")]
)
def test_all_right_and_all_wrong_have_their_own_advice(value, advice):
    """Where every arm has every case right, harder cases would tell; where none has any, a look at the scorer."""
    assert advice in scored([value] * 30, [value] * 30).verdict


def test_less_is_better_is_said():
    """Where the smaller number wins the verdict says so, since a plus is a loss there."""
    view = runs.run([["a"] * 12] * 2, scores={"latency": [[1.0] * 12, [1.5 + case / 9 for case in range(12)]]})
    found = replace(compare_arms(view)[0], lower_is_better=True)
    assert "reply@2 is worse than reply@1 on latency (less is better): +" in found.sentence


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        ([["a", runs.failure()], ["a", "a"]], "1 of 4 trials without an answer, in reply@1 (1 of 2):"),
        ([[runs.failure()] * 2, ["a", "a"]], "2 of 4 trials without an answer, all in reply@1 (2 of 2):"),
        ([["a", runs.failure()]] * 2, "2 of 4 trials without an answer, at most 1 in an arm:"),
        ([[runs.failure()] * 2, ["a", runs.failure()]], "3 of 4 trials without an answer, most in reply@1 (2 of 2):"),
    ],
)
def test_where_answers_are_missing(answers, where):
    """The arm with most of the missing answers is named where there is one such arm."""
    scores = [[1 if cell == "a" else None for cell in line] for line in answers]
    scores[0][0] = 1
    assert where in scored(*scores, answers=answers).verdict


def test_what_the_budget_cut_is_not_a_failure():
    """Trials over budget are told apart from failures: a higher budget, and not the same one, sends them."""
    over = runs.outcome("x", runs.failure("budget", "too dear"), status="over_budget")
    cut = [replace(over, trial_id=f"t-1-{case}") for case in range(5)]
    verdict = scored([1] * 10, [1] * 5 + [None] * 5, answers=[["a"] * 10, ["a"] * 5 + cut]).verdict
    assert "5 of 20 trials not sent for want of budget, all in reply@2 (5 of 10): raise `budget_usd`" in verdict
    assert "without an answer," not in verdict.replace("left out, without an answer", "")


def test_a_tie_that_failures_shake_asks_for_them():
    """Where two arms tie on the cases that both answered and would not with the rest, the rest is asked for first."""
    answers = [["a"] * 30, ["a"] * 20 + [runs.failure()] * 10]
    results = scored([1] * 30, [1] * 20 + [None] * 10, answers=answers)
    assert "that would be another verdict" in results.verdict
    assert "Next: get the missing answers." in results.verdict
    assert "take the cheaper" not in results.verdict


def test_a_cheaper_arm_with_failures_is_not_recommended_blindly():
    """An arm that is not worse on what it answered, and could be with the rest as 0, is named with that doubt."""
    grid = [
        [runs.outcome(f"t-0-{case}", cost_usd=0.01) for case in range(30)],
        [runs.outcome(f"t-1-{case}", cost_usd=0.001) for case in range(20)] + [runs.failure()] * 10,
    ]
    told = scored([1] * 30, [1] * 20 + [None] * 10, answers=grid).cheapest(0.2).sentence
    assert (
        "10 cases left out for want of an answer or a score: with missing answers as 0 the gap is -33.3 points" in told
    )
    assert "a loss of 20 points is not ruled out. Next: get the missing answers before you decide." in told


def test_an_interval_of_shares_stays_within_them():
    """An interval of a difference of shares is not told beyond 100 points, whatever its formula gives."""
    told = repeated([[1, 1, 1]] * 10, [[0, 0, 0]] * 9 + [[0, 1, 0]]).verdict
    assert "-96.7 points (95 % interval -100.0 to -89.1;" in told


def test_unscored_answers_are_no_worst_case():
    """Where cases lack a score and none lacks an answer, nothing is told of answers counted as 0."""
    verdict = scored([1] * 20, [1] * 15 + [NAN] * 5).verdict
    assert "5 cases left out" in verdict
    assert "worst case" not in verdict


@pytest.mark.parametrize(
    ("factor", "told"),
    [
        (1.0, "reply@2 takes as long as reply@1 on 12 cases, with no spread between them. Next: decide by the score."),
        (
            0.5,
            "reply@2 takes 0.5 times as long as reply@1 on 12 cases, with no spread between them. Next: ",
        ),
    ],
)
def test_a_ratio_without_spread_is_told_plainly(factor, told):
    """Where every case has the same ratio there is no interval, and the sentence says so in plain words."""
    answers = [[runs.response("a", latency_s=seconds * arm) for seconds in range(1, 13)] for arm in (1.0, factor)]
    assert Results(runs.run(answers)).compare("latency_s")["verdict"].iloc[0].startswith(told)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        (("first", "first"), "the answer in front wins 100.0 % of the time, where 50 % is fair (95 % interval "),
        (("second", "second"), "the answer in front wins 0.0 % of the time, where 50 % is fair (95 % interval "),
    ],
)
def test_position_bias_is_a_share(verdicts, told):
    """Position bias is told as how often the answer in front wins, so that no sign has to be read."""
    pairs = [BothOrders(case=case, a_first=verdicts[0], b_first=verdicts[1]) for case in range(30)]
    judging = Judging(
        score="judge", model="fake/judge", run_id="run-2", answers=30, scored=30, unread=0, reasons=(), calls=1, sent=1,
        cost_usd=0.5, pairs=judge_report(pairs),
    )  # fmt: skip
    assert told in str(judging)
    assert "for 1 call, 1 of them" in str(judging)


@pytest.mark.parametrize(
    ("value", "in_points", "told"),
    [
        (0.0, True, "0"), (-0.0, False, "0"), (0.125, True, "+12.5"), (-0.0003, True, "-0.03"), (1e-7, True, "+1e-05"),
        (0.00049, True, "+0.05"), (1234.5, False, "+1.23e+03"),
    ],
)  # fmt: skip
def test_a_gap_is_never_rounded_to_nothing(value, in_points, told):
    """A gap that is there has a digit that says so, and none is 0 without a sign."""
    assert amount(value, in_points) == told


@pytest.mark.parametrize(
    ("p", "told"),
    [(0.0512, "p = 0.051"), (0.0502, "p = 0.0502"), (0.0498, "p = 0.05"), (0.05, "p = 0.05"), (1.0, "p = 1"),
     (0.0001, "p = 0.0001"), (1e-12, "p < 0.0001")],
)  # fmt: skip
def test_a_p_stays_on_its_side(p, told):
    """A p is rounded to two digits, but never across the bar, and never to powers of ten."""
    assert p_words(p) == told
