"""Two arms that answered different cases: Newcombe's and Welch's intervals, Fisher's p, and what comes of few cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.stats.proportion
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toolkit.stats import compare_independent, fisher, newcombe, wilson

NAN = math.nan
COUNTS = st.integers(2, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
SCORES = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=3, max_size=40)


# R. G. Newcombe, Stat. Med. 17 (1998) 873-890, table II, method 10, contrasts (a) to (h).
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_as_printed(counts, low, high):
    """Newcombe's interval is the one in his paper, also where all or none succeed."""
    found = newcombe(*counts)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@settings(deadline=None, max_examples=50)
@given(COUNTS, COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
def test_newcombe_is_statsmodels_s(a, b, level):
    """Newcombe's interval agrees with statsmodels."""
    low, high = statsmodels.stats.proportion.confint_proportions_2indep(
        a[0], a[1], b[0], b[1], method="newcomb", compare="diff", alpha=1 - level
    )
    found = newcombe(*a, *b, level=level)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


@settings(deadline=None, max_examples=50)
@given(COUNTS, COUNTS)
def test_fisher_is_scipy_s(a, b):
    """Fisher's exact p agrees with SciPy, and the mid-p takes half of the tables as likely as the one seen."""
    exact, mid_p = fisher(*a, *b)
    table = [[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]
    assert exact == pytest.approx(scipy.stats.fisher_exact(table)[1], abs=1e-9)
    law = scipy.stats.hypergeom(a[1] + b[1], a[0] + b[0], a[1])
    chances = law.pmf(np.arange(max(0, a[0] + b[0] - b[1]), min(a[0] + b[0], a[1]) + 1))
    equal = np.isclose(chances, law.pmf(a[0]), rtol=1e-7, atol=0)
    assert mid_p == pytest.approx(exact - chances[equal].sum() / 2, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(SCORES, SCORES)
def test_welch_is_scipy_s(a, b):
    """Scores that are not all 0 or 1 get Welch's interval and p, as SciPy has them."""
    assume(np.std(a) > 1e-3)
    assume(np.std(b) > 1e-3)
    assume(not {*a, *b} <= {0, 1})
    found, theirs = compare_independent(a, b), scipy.stats.ttest_ind(a, b, equal_var=False)
    span = theirs.confidence_interval()
    assert found.method == "welch"
    assert found.p_value == pytest.approx(theirs.pvalue, abs=1e-7)
    assert (found.interval.low, found.interval.high) == (
        pytest.approx(span.low, abs=1e-5),
        pytest.approx(span.high, abs=1e-5),
    )


def test_nothing_is_paired():
    """Arms of different sizes are compared, scores that are missing left out, and nothing is won or lost."""
    found = compare_independent([1, 1, NAN, 0], [0, NAN, 1, 0, 0])
    assert (found.n_a, found.n_b, found.n, found.is_paired) == (3, 4, 7, False)
    assert (found.wins, found.ties, found.losses) == (0, 0, 0)
    assert found.delta == pytest.approx(2 / 3 - 1 / 4)


def test_clusters_count_once():
    """Ten copies of one call are one call: clustered errors are those of the cluster means."""
    a, b = [0.1, 0.5, 0.9, 0.4], [0.2, 0.3, 0.6, 0.1]
    names = [name for name in "pqrs" for _ in range(10)]
    copied = compare_independent(np.repeat(a, 10), np.repeat(b, 10), clusters_a=names, clusters_b=names)
    plain = compare_independent(a, b)
    assert copied.method == "welch, clustered"
    assert copied.interval.low == pytest.approx(plain.interval.low)
    assert copied.p_value == pytest.approx(plain.p_value)


@pytest.mark.parametrize(("a", "b"), [([], [1, 0]), ([1], []), ([0.5, 0.5], [0.5, 0.5]), ([0.3], [0.1, 0.2])])
def test_too_little_to_tell(a, b):
    """Without cases in one arm, without spread, or with one case alone there is no interval and no p."""
    found = compare_independent(a, b)
    assert (found.interval, found.p_value) == (None, None)


def test_cases_needed_are_enough():
    """With as many cases as are said to be needed, at the same split, the gap seen is the smallest gap."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.5, 1, 200), rng.normal(0.4, 1, 100)
    found = compare_independent(a, b)
    assert found.rows_needed / found.n == pytest.approx((found.smallest_gap / abs(found.delta)) ** 2, rel=0.01)


@pytest.mark.parametrize("counts", [(3, 2, 0, 1), (-1, 2, 0, 1), (0, 1, 2, 1)])
def test_impossible_counts_are_refused(counts):
    """More successes than cases, or fewer than none, are refused."""
    with pytest.raises(ValueError, match="cannot be"):
        fisher(*counts)


def test_false_alarms_are_as_rare_as_promised():
    """Between arms that do not differ, Fisher's mid-p is at most 5 % in about 5 % of the samples, and not in more."""
    rng = np.random.default_rng(11)
    alarms = sum(fisher(int(a), 60, int(b), 40)[1] <= 0.05 for a, b in rng.binomial([60, 40], 0.3, (2_000, 2)))
    assert alarms / 2_000 <= 0.065


def test_the_interval_is_wider_than_that_of_one_arm():
    """The interval of a difference is wider than either arm's own."""
    found, own = newcombe(30, 50, 20, 50), wilson(30, 50)
    assert found.high - found.low > own.high - own.low
