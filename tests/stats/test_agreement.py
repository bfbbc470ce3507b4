"""Agreement of raters, and what a judge's verdicts in both orders are worth."""

from __future__ import annotations

import math

import pytest

from toolkit.stats import (
    BothOrders,
    bonett_price,
    cohen_kappa,
    cohen_kappa_of,
    fleiss_kappa,
    judge_agreement,
    judge_report,
    krippendorff_alpha,
    wilson,
)

NAN = math.nan


def pairs(**counts):
    """So many pairs of each kind: `ab` = the first in both orders of asking is "a" then "b" ..."""
    kinds = {
        "a": ("first", "second"),
        "b": ("second", "first"),
        "front": ("first", "first"),
        "back": ("second", "second"),
        "tie": ("tie", "tie"),
        "half": ("first", "tie"),
        "unread": ("first", None),
    }
    verdicts = [kinds[kind] for kind, count in counts.items() for _ in range(count)]
    return [BothOrders(case=case, a_first=one, b_first=two) for case, (one, two) in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("kind", "score", "is_consistent"),
    [
        ("a", 1.0, True),
        ("b", 0.0, True),
        ("tie", 0.5, True),
        ("front", 0.5, False),
        ("back", 0.5, False),
        ("half", 0.5, False),
        ("unread", None, False),
    ],
)
def test_verdict_counts_only_if_both_orders_agree(kind, score, is_consistent):
    """A verdict counts when both orders name the same arm; orders that contradict each other are a tie."""
    (pair,) = pairs(**{kind: 1})
    assert (pair.score, pair.is_consistent) == (score, is_consistent)


def test_report_counts():
    """Wins, ties and losses add up to the scored pairs; unread verdicts are counted and score nothing."""
    report = judge_report(pairs(a=5, b=3, tie=1, front=2, half=1, unread=2))
    assert (report.pairs, report.scored, report.unread_verdicts) == (14, 12, 2)
    assert (report.wins, report.ties, report.losses, report.consistent) == (5, 4, 3, 9)
    assert report.swap_consistency == 0.75
    assert report.swap_consistency_interval == wilson(9, 12)


def test_unbiased_judge_has_no_bias_and_an_interval():
    """A judge that is always consistent has a bias of 0, with an interval that is not 0 wide."""
    report = judge_report(pairs(a=10, b=10))
    assert report.position_bias == 0.0
    assert report.position_bias_interval.low < 0 < report.position_bias_interval.high


def test_always_the_first():
    """A judge that always prefers the answer in front has a bias of one half."""
    report = judge_report(pairs(front=20))
    assert report.position_bias == 0.5
    assert report.position_bias_interval.low > 0.3


def test_position_bias_is_half_the_paired_difference():
    """6 pairs lean to the front and 2 to the back of 20: .1, with half of Bonett and Price's interval."""
    report = judge_report(pairs(a=8, b=4, front=6, back=2))
    whole = bonett_price(6, 2, 20)
    assert report.position_bias == pytest.approx((6 - 2) / 40)
    found = report.position_bias_interval
    assert (found.low, found.high) == (pytest.approx(whole.low / 2), pytest.approx(whole.high / 2))


def test_half_leanings_get_the_t_interval():
    """With ties in one order only, the leanings are halves: .5, 0, 0, 0 have the mean .125, half of it is the bias."""
    report = judge_report(pairs(half=1, a=3))
    assert report.position_bias == pytest.approx(0.0625)
    # Half of t(3, .975) = 3.182446 times the standard error .25 / sqrt(4).
    assert report.position_bias_interval.high == pytest.approx(0.0625 + 3.182446 * 0.125 / 2, abs=1e-6)


def test_few_labels_have_no_kappa():
    """With 29 labels the share of agreement is told, but no kappa and no alpha."""
    found = judge_agreement(["a", "b"] * 14 + ["a"], ["a", "b"] * 14 + ["b"])
    assert (found.n, found.kappa, found.alpha) == (29, None, None)
    assert found.share == pytest.approx(28 / 29)


def test_agreement_with_people():
    """Of 40 cases 20 are good and 10 bad to both, 5 each to one: kappa 1/3."""
    judge = ["good"] * 20 + ["bad"] * 10 + ["good"] * 5 + ["bad"] * 5
    people = ["good"] * 20 + ["bad"] * 10 + ["bad"] * 5 + ["good"] * 5
    found = judge_agreement([*judge, None, "good"], [*people, "good", None])
    # Chance agrees in (25 * 25 + 15 * 15) / 1600 = 17/32; seen 3/4.
    assert (found.n, found.share) == (40, 0.75)
    assert found.kappa == pytest.approx((3 / 4 - 17 / 32) / (15 / 32))


def test_grades_agree_by_their_distance():
    """Grades that are one off agree better on the interval scale than as names."""
    judge = [float(1 + case % 5) for case in range(40)]
    people = [float(1 + (case + (case % 4 == 0)) % 5) for case in range(40)]
    named, graded = (judge_agreement(judge, people, scale=scale) for scale in ("nominal", "interval"))
    assert named.kappa == graded.kappa
    assert named.alpha != graded.alpha


def test_words_have_no_distance():
    """Words on an interval scale are refused."""
    with pytest.raises(ValueError, match="no interval scale"):
        judge_agreement(["a"] * 30, ["b"] * 30, scale="interval")


@pytest.mark.parametrize(
    "call",
    [
        lambda: cohen_kappa([[5, 0], [0, 0]]),
        lambda: cohen_kappa([[0, 0], [0, 0]]),
        lambda: cohen_kappa_of([None], ["a"]),
        lambda: fleiss_kappa([[3, 0], [3, 0]]),
        lambda: krippendorff_alpha([[1.0, 1.0], [1.0, 1.0]]),
        lambda: krippendorff_alpha([[NAN, NAN], [1.0, 1.0]]),
    ],
)
def test_agreement_that_cannot_be_told(call):
    """Without ratings, or where all use one category, agreement beyond chance is not told."""
    assert call() is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cohen_kappa([[1, 2, 3], [4, 5, 6]]), "square"),
        (lambda: cohen_kappa([[1, -2], [4, 5]]), "0 or more"),
        (lambda: cohen_kappa_of(["a"], []), "1 and 0 labels"),
        (lambda: fleiss_kappa([[3, 0], [1, 1]]), "same number of raters"),
        (lambda: fleiss_kappa([3, 0]), "one row a case"),
        (lambda: krippendorff_alpha([1.0, 2.0]), "one row a rater"),
        (lambda: krippendorff_alpha([[1.0, -2.0], [1.0, 2.0]], scale="ratio"), "starts at 0"),
        (lambda: krippendorff_alpha([[1.0, 2.0], [1.0, 2.0]], scale="log"), "no scale 'log'"),
        (lambda: judge_agreement(["a"], []), "1 and 0 labels"),
    ],
)
def test_what_is_no_rating_is_refused(call, words):
    """Tables of the wrong shape and unknown scales are refused with what was given."""
    with pytest.raises(ValueError, match=words):
        call()
