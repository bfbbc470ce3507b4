"""Intervals against published values, and what they say when there is too little to tell."""

from __future__ import annotations

import math

import pytest

from toolkit.stats import estimate, mean_interval, wilson

NAN = math.nan


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.255289, 0.366210),  # Newcombe 1998, printed as .2553 and .3662
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (8, 10, 0.490162, 0.943318),
        (45, 50, 0.786398, 0.956524),
    ],
)
def test_wilson(successes, n, low, high):
    """Wilson's 95 % interval has its published ends."""
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_wilson_of_one_case():
    """One case has no interval."""
    assert wilson(1, 1) is None


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5)])
def test_wilson_refuses(successes, n):
    """More successes than cases, and fewer than none, are refused."""
    with pytest.raises(ValueError, match="cannot be"):
        wilson(successes, n)


def test_level_is_checked():
    """A level given in percent is refused."""
    with pytest.raises(ValueError, match=r"such as 0\.95"):
        mean_interval([1.0, 2.0, 3.0], level=95)


SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]


def test_mean_of_sleep():
    """The differences of Student's sleep data (1908) have the interval (-2.459886, -0.700114)."""
    interval = mean_interval(SLEEP)
    assert interval.low == pytest.approx(-2.459886, abs=1e-6)
    assert interval.high == pytest.approx(-0.700114, abs=1e-6)


def test_clusters_of_one_are_independent():
    """Clusters of one value each change nothing."""
    assert mean_interval(SLEEP, clusters=range(10)) == mean_interval(SLEEP)


def test_cr1_by_hand():
    """Clusters {1,2}, {3}, {6}: sums of deviations -3, 0, 3; error sqrt(3/2 * 18)/4; t on 2 degrees 4.302653."""
    interval = mean_interval([1.0, 2.0, 3.0, 6.0], clusters=["a", "a", "b", "c"])
    assert interval.high - 3.0 == pytest.approx(4.302653 * math.sqrt(27) / 4, abs=1e-5)


def test_every_case_twice_is_not_twice_the_cases():
    """Each case written down twice, clustered, is no more certain than each once."""
    once = mean_interval(SLEEP)
    twice = mean_interval([*SLEEP, *SLEEP], clusters=[*range(10), *range(10)])
    assert (twice.low, twice.high) == (pytest.approx(once.low), pytest.approx(once.high))


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([], None), ([0.5], None), ([0.5, NAN], None), ([0.1, 0.9], ["a", "a"]), ([0.5, 0.5, 0.5], None)],
    ids=["none", "one", "one besides NaN", "one cluster", "no spread"],
)
def test_no_interval(values, clusters):
    """Fewer than two values or clusters, and values without spread, have no interval instead of one of width 0."""
    assert mean_interval(values, clusters=clusters) is None


def test_nan_is_left_out():
    """A NaN is no value: neither in the mean nor in the count."""
    found = estimate([0.2, NAN, 0.4])
    assert (found.mean, found.n) == (pytest.approx(0.3), 2)


@pytest.mark.parametrize(
    ("values", "clusters", "method"),
    [
        ([1, 0, 1, 1], None, "wilson"),
        ([1, 0, 1, 1], ["a", "a", "b", "c"], "t, clustered"),
        ([1, 0.5, 1, 1], None, "t"),
        ([1.0], None, "none"),
        ([], None, "none"),
    ],
)
def test_method(values, clusters, method):
    """Zeros and ones get Wilson's interval, clustered or other values the t interval, and the estimate says which."""
    assert estimate(values, clusters=clusters).method == method


def test_cluster_names_must_fit():
    """Another number of cluster names than values is refused."""
    with pytest.raises(ValueError, match="3 values and 1 cluster"):
        mean_interval([1.0, 2.0, 3.0], clusters=["a"])
