"""Repeats of a case, and how many cases a pilot says are needed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toolkit.stats import anova_components, flips, mean_pass_at_k, outlook, pass_at_k

NAN = math.nan


def test_repeats_are_not_cases():
    """Ten repeats of three cases are three cases."""
    found = anova_components([[0.1] * 10, [0.5] * 10, [0.9] * 10])
    assert (found.n, found.repeats, found.within) == (3, pytest.approx(10.0), 0.0)


def test_between_is_never_below_0():
    """Cases whose means spread less than repeats alone would make them have a variance of 0 between them."""
    found = anova_components([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert (found.between, found.within, found.sampling_share) == (0.0, 0.5, 1.0)


def test_unequal_repeats():
    """Cases of 3, 1 and 2 repeats count as (6 - 14/6) / 2 = 11/6 repeats each."""
    found = anova_components([[1.0, 2.0, 3.0], [5.0], [4.0, 6.0]])
    assert found.repeats == pytest.approx(11 / 6)
    assert found.within == pytest.approx((2.0 + 2.0) / 3)
    # Means 2, 5, 5 around 21/6 = 3.5: (3 * 2.25 + 1 * 2.25 + 2 * 2.25) / 2.
    assert found.between == pytest.approx((13.5 / 2 - 4 / 3) / (11 / 6))


def test_missing_repeats_are_no_zeros():
    """A repeat without a value is left out."""
    with_gaps = anova_components([[1.0, NAN, 3.0], [NAN, NAN, NAN], [5.0, 7.0, NAN]])
    assert with_gaps == anova_components([[1.0, 3.0], [5.0, 7.0]])


def test_sampling_share():
    """With 3 between and 1 within, sampling is a quarter of a trial's variance and a tenth of that of 3 repeats."""
    found = anova_components([[0.0, math.sqrt(2)], [2.0 * math.sqrt(1.75), 2.0 * math.sqrt(1.75) + math.sqrt(2)]])
    assert (found.within, found.between) == (pytest.approx(1.0), pytest.approx(3.0))
    assert found.within_sd == pytest.approx(1.0)
    assert found.sampling_share == pytest.approx(1 / 4)
    assert found.sampling_share_of_mean(3) == pytest.approx(1 / 10)


@pytest.mark.parametrize(("passed", "repeats", "k"), [(3, 10, 2), (0, 5, 3), (5, 5, 1), (4, 6, 4), (2, 6, 5)])
def test_pass_at_k_counts_the_draws(passed, repeats, k):
    """pass@k is the share of all choices of k repeats with a passed one among them."""
    outcomes = [1] * passed + [0] * (repeats - passed)
    draws = list(itertools.combinations(outcomes, k))
    assert pass_at_k(passed, repeats, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


@pytest.mark.parametrize(("passed", "repeats", "k"), [(1, 3, 4), (1, 3, 0), (4, 3, 1)])
def test_pass_at_k_refuses(passed, repeats, k):
    """More than the repeats made cannot be asked for, nor more passed than made."""
    with pytest.raises(ValueError, match=r"pass@k needs|cannot be"):
        pass_at_k(passed, repeats, k)


def test_mean_pass_at_k_needs_k_repeats():
    """A case with fewer than k repeats is left out of pass@k."""
    found = mean_pass_at_k([[1, 0, 0], [0, 0, NAN], [1, 1, 1]], 3)
    assert (found.n, found.mean) == (2, 1.0)


def test_mean_pass_at_k_refuses_grades():
    """A score of one half neither passed nor failed."""
    with pytest.raises(ValueError, match="0 and 1"):
        mean_pass_at_k([[0.5, 1.0]], 1)


def test_flip_rate():
    """Two of three pairs differ in (yes, yes, no); equal answers never flip; a case with one answer says nothing."""
    found = flips([["yes", "yes", "no"], ["a", "a"], ["b", None], [None, None]])
    assert (found.n, found.changed) == (2, 1)
    assert found.rate == pytest.approx((2 / 3 + 0) / 2)
    assert found.estimate.n == 2


def test_pilot_by_hand():
    """A pilot's variances: 1/2 within each arm, 4/3 of the differences of two repeats' means, so 5/6 between cases."""
    a = [[0.0, 1.0], [2.0, 3.0], [1.0, 2.0]]
    b = [[0.0, 1.0], [0.0, 1.0], [1.0, 2.0]]
    found = outlook(a, b, gap=0.5)
    # Differences 0, 2, 0: variance 4/3; from repeats (1/2 + 1/2) / 2.
    assert (found.within_a, found.within_b) == (pytest.approx(0.5), pytest.approx(0.5))
    assert found.between == pytest.approx(4 / 3 - 1 / 2)
    # (1.959964 + .841621)^2 * 4/3 / .25 = 41.86.
    assert (found.repeats, found.rows, found.still_needed) == (2, 42, 39)
    assert found.smallest_gap == pytest.approx((1.959964 + 0.841621) * math.sqrt(4 / 9), abs=1e-5)


def test_more_repeats_need_fewer_cases():
    """Planning for ten repeats takes nine tenths of the spread within cases away, and nothing of that between."""
    a, b = [[0.0, 1.0], [2.0, 3.0], [1.0, 2.0]], [[0.0, 1.0], [0.0, 1.0], [1.0, 2.0]]
    found = outlook(a, b, gap=0.5, repeats=10)
    assert found.rows == math.ceil((1.959964 + 0.841621) ** 2 * (5 / 6 + 0.1) / 0.25)


def test_enough_cases_need_no_more():
    """A pilot with more cases than needed needs no more of them."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(1.0, 1.0, size=(80, 1)), generator.normal(0.0, 1.0, size=(80, 1))
    assert outlook(a, b, gap=1.0).still_needed == 0


def test_pilot_of_one_case():
    """One case in common says nothing about how many are needed."""
    found = outlook([[1.0], [NAN]], [[0.0], [1.0]], gap=0.1)
    assert (found.n, found.rows, found.still_needed, found.smallest_gap) == (1, None, None, None)


def test_no_gap_is_never_seen():
    """No number of cases shows a gap of 0."""
    assert outlook([[1.0], [0.0]], [[0.0], [0.5]], gap=0.0).rows is None
