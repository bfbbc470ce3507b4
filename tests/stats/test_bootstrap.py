"""The paired bootstrap and the ratio of medians."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from toolkit.stats import bootstrap_paired, compare_medians, mean_interval

GENERATOR = np.random.default_rng(11)
SECONDS_A = np.round(GENERATOR.lognormal(0.0, 0.5, size=40), 3)
SECONDS_B = np.round(SECONDS_A * GENERATOR.lognormal(0.5, 0.1, size=40), 3)


def mean_gap(a, b):
    return np.mean(a - b, axis=-1)


def test_seed_decides():
    """The same seed makes the same interval, another seed another."""
    first, again, other = (bootstrap_paired(SECONDS_A, SECONDS_B, mean_gap, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.interval != other.interval


def test_near_the_t_interval_of_many_cases():
    """For the mean of many even differences, the bootstrap and the t interval are nearly the same."""
    a = np.random.default_rng(5).normal(0.3, 1.0, size=400)
    found, t = bootstrap_paired(a, np.zeros(400), mean_gap).interval, mean_interval(a)
    assert (found.low, found.high) == (pytest.approx(t.low, abs=0.01), pytest.approx(t.high, abs=0.01))


def test_pairs_stay_together():
    """Cases are drawn with both values: arms that differ by a constant have no spread in their difference."""
    found = bootstrap_paired(SECONDS_A + 2.0, SECONDS_A, mean_gap, draws=199)
    assert found.value == pytest.approx(2.0)
    assert found.note == "every resample has the same statistic"


def test_clusters_are_drawn_whole():
    """Each case written down five times, clustered, is no more certain than each once."""
    once = bootstrap_paired(SECONDS_A, SECONDS_B, mean_gap)
    five = bootstrap_paired(
        np.repeat(SECONDS_A, 5), np.repeat(SECONDS_B, 5), mean_gap, clusters=[*np.repeat(range(40), 5)]
    )
    assert (once.units, five.units, five.n) == (40, 40, 200)
    width = once.interval.high - once.interval.low
    assert five.interval.low == pytest.approx(once.interval.low, abs=0.05 * width)
    assert five.interval.high == pytest.approx(once.interval.high, abs=0.05 * width)


def test_fallback_is_flagged():
    """Where the correction cannot be computed the percentiles stand in, and the result says so."""
    # Leaving out any one case leaves the median where it was, so there is nothing to correct the skew by.
    a = [1.0] * 6 + [2.0] * 3
    found = bootstrap_paired(a, [1.0] * 9, lambda x, y: np.median(x / y, axis=-1), draws=999)
    assert found.method == "percentile"
    assert "correction" in found.note
    assert (found.interval.low, found.interval.high) == (1.0, 2.0)


def test_correction_moves_the_ends():
    """The corrected interval of a skewed statistic is not the plain percentiles': it lies further towards the tail."""
    a = np.random.default_rng(2).lognormal(0.0, 1.0, size=25)
    ones = np.ones(25)
    found = bootstrap_paired(a, ones, lambda x, y: np.mean(x * y, axis=-1))
    draws = np.random.default_rng(0).integers(0, 25, size=(9_999, 25))
    plain = np.quantile(a[draws].mean(axis=1), [0.025, 0.975])
    assert found.method == "bca"
    assert found.interval.low > plain[0]
    assert found.interval.high > plain[1]


def test_correction_by_its_formula():
    """The ends are the resamples' quantiles at the shares that Efron's formulas for bias and skew give."""
    a = np.random.default_rng(2).lognormal(0.0, 1.0, size=25)
    resampled = a[np.random.default_rng(6).integers(0, 25, size=(9_999, 25))].std(axis=1)
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.mean(resampled < a.std())))
    without = np.array([np.delete(a, case).std() for case in range(25)])
    lean = without.mean() - without
    skew = np.sum(lean**3) / (6 * np.sum(lean**2) ** 1.5)
    shares = [normal.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-1.959964, 1.959964)]
    found = bootstrap_paired(a, np.ones(25), lambda x, y: np.std(x * y, axis=-1), seed=6)
    low, high = np.quantile(resampled, shares)
    assert (abs(bias) > 0.1, abs(skew) > 0.05) == (True, True)
    assert (found.interval.low, found.interval.high) == (pytest.approx(low, rel=1e-4), pytest.approx(high, rel=1e-4))


def test_pairs_stay_together_in_clusters():
    """A cluster is drawn with both values of each of its cases."""
    names = [case // 4 for case in range(40)]
    largest = bootstrap_paired(
        SECONDS_A + 2.0, SECONDS_A, lambda a, b: np.max(a - b, axis=-1), clusters=names, draws=199
    )
    assert (largest.value, largest.note) == (pytest.approx(2.0), "every resample has the same statistic")


def test_left_out_cases_are_counted():
    """A case that only one arm has a value for is left out and counted."""
    nan = float("nan")
    found = bootstrap_paired([1.0, nan, 3.0, 2.0], [1.0, 2.0, nan, 1.0], mean_gap, draws=99)
    assert (found.n, found.only_a, found.only_b) == (2, 1, 1)


def test_ratio_of_medians():
    """An arm that takes 1.6 times as long has a ratio around 1.6, and says so only when 1 is outside the interval."""
    found = compare_medians(SECONDS_B, SECONDS_A)
    assert found.ratio == pytest.approx(np.median(SECONDS_B) / np.median(SECONDS_A))
    assert (found.is_larger, found.is_smaller) == (True, False)
    same = compare_medians(SECONDS_A, np.roll(SECONDS_A, 1))
    assert (same.is_larger, same.is_smaller) == (False, False)


def test_ratio_the_other_way_round():
    """Exchanging the arms turns the ratio and its interval over."""
    found, other = compare_medians(SECONDS_B, SECONDS_A), compare_medians(SECONDS_A, SECONDS_B)
    assert found.ratio == pytest.approx(1 / other.ratio)
    assert found.interval.low == pytest.approx(1 / other.interval.high, rel=0.01)


def test_unit_does_not_matter():
    """Seconds and milliseconds make the same ratio and the same interval."""
    found, thousand = compare_medians(SECONDS_A, SECONDS_B), compare_medians(SECONDS_A * 1000, SECONDS_B * 1000)
    assert thousand.ratio == pytest.approx(found.ratio)
    assert thousand.interval.high == pytest.approx(found.interval.high)
