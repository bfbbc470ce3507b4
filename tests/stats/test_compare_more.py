"""Paired comparison where failures, clusters and corrections come in."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from toolkit.stats import (
    benjamini_hochberg,
    bonett_price,
    bonferroni,
    bonferroni_level,
    compare_paired,
    compare_worst_case,
    holm,
    wilcoxon,
)

NAN = math.nan


def test_ties_share_their_mean_rank():
    """Of 1, -1, 2 and 2 the ranks are 1.5, 1.5, 3.5 and 3.5; a rank sum of 8.5 or more has a chance of 3/16."""
    found = wilcoxon([1, -1, 2, 2])
    assert (found.positive, found.negative, found.p_greater, found.p_value) == (8.5, 1.5, 3 / 16, 3 / 8)


def test_many_ties_narrow_the_rank_sum():
    """Of 60 ones up and 50 down: all ranks are 55.5, so V - 50 % is 277.5 and its spread 55.5 sqrt(110) / 2."""
    z = (277.5 - 0.5) / (55.5 * math.sqrt(110) / 2)
    assert wilcoxon([1] * 60 + [-1] * 50).p_greater == pytest.approx(1 - NormalDist().cdf(z))


def test_failures_count_as_the_worst():
    """With failures as 0, an arm that failed on two of four cases falls behind one that got all half right."""
    a, b = [1.0, 1.0, NAN, NAN], [0.5, 0.5, 0.5, 0.5]
    assert compare_paired(a, b).delta == 0.5
    worst = compare_worst_case(a, b, failed_a=[False, False, True, True], failed_b=[False] * 4)
    assert (worst.n, worst.delta, worst.only_b) == (4, 0.0, 0)


def test_unscored_answers_are_not_failures():
    """A case that has an answer and no score stays left out of the worst case."""
    worst = compare_worst_case([1.0, NAN], [1.0, 1.0], failed_a=[False, False], failed_b=[False, False])
    assert (worst.n, worst.only_b) == (1, 1)


def test_worst_is_what_the_score_calls_worst():
    """On a scale from 1 to 5 a failure counts as 1 when that is given."""
    worst = compare_worst_case([NAN, 4.0], [3.0, 3.0], failed_a=[True, False], failed_b=[False, False], worst=1.0)
    assert worst.delta == pytest.approx((-2.0 + 1.0) / 2)


def test_a_score_beside_a_failure_stands():
    """A case marked as failed that has a score keeps it: a repeat answered."""
    worst = compare_worst_case([0.7, 1.0], [0.5, 0.5], failed_a=[True, False], failed_b=[False, False])
    assert worst.delta == pytest.approx(0.35)


def test_cases_needed_mind_the_clusters():
    """Cases that come in equal groups of four need four times the cases that independent ones need."""
    differences = [0.3, -0.1, 0.2, 0.4, -0.2, 0.1, 0.25, -0.15]
    zeros = [0.0] * 8
    alone = compare_paired(differences, zeros)
    groups = compare_paired(
        [d for d in differences for _ in range(4)], zeros * 4, clusters=[c for c in range(8) for _ in range(4)]
    )
    assert groups.rows_needed == pytest.approx(4 * alone.rows_needed, abs=4)
    assert groups.smallest_gap == pytest.approx(alone.smallest_gap)


def test_clusters_forbid_counting_pairs():
    """Zeros and ones that come in clusters get the clustered t interval, not Bonett and Price's."""
    found = compare_paired([1, 1, 0, 1], [0, 0, 1, 0], clusters=["a", "a", "b", "b"])
    assert (found.method, found.p_exact) == ("t, sign flips, clustered", None)


@pytest.mark.parametrize(("wins", "losses", "n"), [(5, 6, 10), (-1, 2, 10)])
def test_impossible_pairs_are_refused(wins, losses, n):
    """More wins and losses than pairs, and fewer than none, are refused."""
    with pytest.raises(ValueError, match="cannot be"):
        bonett_price(wins, losses, n)


@pytest.mark.parametrize("correct", [holm, bonferroni, benjamini_hochberg])
def test_corrections_pass_over_none(correct):
    """A comparison that could not be made stays None and does not count."""
    assert correct([None, 0.02, None]) == [None, 0.02, None]


@pytest.mark.parametrize("correct", [holm, bonferroni, benjamini_hochberg])
@pytest.mark.parametrize("p", [-0.1, 1.1, NAN])
def test_corrections_refuse_what_is_no_p(correct, p):
    """What lies outside 0 to 1 is no p value and is refused."""
    with pytest.raises(ValueError, match="within 0 to 1"):
        correct([0.5, p])


def test_corrections_are_ordered():
    """Benjamini and Hochberg's values are at most Holm's, and Holm's at most Bonferroni's."""
    p_values = [0.04, 0.001, 0.2, 0.03, 0.012]
    for bh, step, plain in zip(benjamini_hochberg(p_values), holm(p_values), bonferroni(p_values), strict=True):
        assert bh <= step <= plain


def test_level_of_each_interval():
    """Five intervals at 99 % hold all five truths with a chance of at least 95 %."""
    assert bonferroni_level(5) == pytest.approx(0.99)
    with pytest.raises(ValueError, match="at least one"):
        bonferroni_level(0)
