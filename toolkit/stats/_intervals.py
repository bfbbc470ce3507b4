"""Means and shares with confidence intervals that stay honest for a handful of cases; clustered where cases repeat."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray, check_level, group_numbers, is_binary, numbers, real_groups
from toolkit.stats._special import beta_quantile, normal_quantile, t_quantile

# Below these the t interval rests on an approximation that is not good yet, and says so.
_FEW_CASES = 30
_FEW_CLUSTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval, both ends included."""

    low: float
    high: float
    level: float
    """Share of such intervals that hold the truth: 0.95."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over cases, with what is known of its precision."""

    mean: float | None
    """`None` when there is no value."""
    interval: Interval | None
    """`None` when it cannot be told: fewer than two cases or clusters, or no spread seen; never a width of 0."""
    n: int
    """Cases with a value."""
    method: str
    """`wilson`, `t`, `t, clustered` or `none`."""
    caution: str | None = None
    """Why the interval is rough, in words; `None` when it is not."""


def wilson(successes: int, n: int, *, level: float = 0.95) -> Interval | None:
    """Returns Wilson's interval for a share of `successes` in `n` independent cases.

    `None` for fewer than two cases.

    Raises:
        ValueError: If `successes` is not within 0 to `n`, or `level` is not between 0 and 1.

    Source: E. B. Wilson, "Probable inference", JASA 22 (1927) 209-212; R. G. Newcombe, Stat. Med. 17 (1998) 857-872.

    Example:
        >>> interval = wilson(8, 10)
        >>> round(interval.low, 3), round(interval.high, 3)
        (0.49, 0.943)
    """
    check_level(level)
    _check_count(successes, n)
    if n < 2:
        return None
    z2 = normal_quantile((1 + level) / 2) ** 2
    centre = successes + z2 / 2
    reach = math.sqrt(z2 * (successes * (n - successes) / n + z2 / 4))
    low = 0.0 if successes == 0 else (centre - reach) / (n + z2)
    high = 1.0 if successes == n else (centre + reach) / (n + z2)
    return Interval(low=low, high=high, level=level)


def clopper_pearson(successes: int, n: int, *, level: float = 0.95) -> Interval | None:
    """Returns Clopper and Pearson's interval for a share: never too short, and wider than Wilson's.

    `None` for fewer than two cases. With `level=0.90` each end is a one-sided bound at 95 %, as in "at most 1 in 100
    fail, seen none in 300".

    Raises:
        ValueError: If `successes` is not within 0 to `n`, or `level` is not between 0 and 1.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.

    Example:
        >>> round(clopper_pearson(0, 300, level=0.90).high, 6)
        0.009936
    """
    check_level(level)
    _check_count(successes, n)
    if n < 2:
        return None
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1 - tail, successes + 1, n - successes)
    return Interval(low=low, high=high, level=level)


def mean_interval(
    values: Sequence[float] | FloatArray, *, clusters: Sequence[Hashable] | None = None, level: float = 0.95
) -> Interval | None:
    """Returns the t interval of a mean.

    Without clusters the standard error is that of independent values and there are n - 1 degrees of freedom. With
    clusters it is CR1 (sums of deviations within each of G clusters, times G / (G - 1)), with G - 1 degrees of freedom.

    Args:
        values: One number a case; NaN is left out.
        clusters: For each value, what it shares with others (the same text asked twice); `None` = all independent.
        level: Confidence level, between 0 and 1.

    Returns `None` for fewer than two values or clusters, and when no spread was seen.

    Raises:
        ValueError: If `clusters` has another length than `values`, or `level` is not between 0 and 1.

    Source: C. Cameron and D. Miller, "A Practitioner's Guide to Cluster-Robust Inference", JHR 50 (2015) 317-372.
    """
    check_level(level)
    array, groups = _present(values, clusters)
    error, df = error_of_mean(array, groups)
    if error is None:
        return None
    reach, mean = t_quantile((1 + level) / 2, df) * error, float(array.mean())
    return Interval(low=mean - reach, high=mean + reach, level=level)


def error_of_mean(array: FloatArray, groups: NDArray[np.int64] | None) -> tuple[float | None, int]:
    """Returns the standard error of the mean and its degrees of freedom.

    The error is `None` for fewer than two values or groups, and when no spread was seen.

    Args:
        array: Finite values.
        groups: The number of each value's cluster; `None` = all independent.
    """
    n = len(array)
    if n == 0:
        return None, 0
    deviations = array - array.mean()
    if groups is not None:
        _, numbered = np.unique(groups, return_inverse=True)
        deviations = np.bincount(numbered, weights=deviations)
    g = len(deviations)
    if g < 2:
        return None, 0
    error = math.sqrt(g / (g - 1) * float(np.sum(deviations**2))) / n
    # What adding leaves in the last digits is no spread.
    return (None if error <= 1e-12 * max(1.0, float(np.max(np.abs(array)))) else error), g - 1


def estimate(
    values: Sequence[float] | FloatArray, *, clusters: Sequence[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """Returns the mean of `values` and the interval that suits them.

    Zeros and ones without clusters get Wilson's interval; everything else gets `mean_interval`.

    Args:
        values: One number a case (the mean over its repeats); NaN is left out.
        clusters: As for `mean_interval`; clusters of one value each are no clusters.
        level: Confidence level, between 0 and 1.

    Example:
        >>> estimate([1, 1, 0, float("nan"), 1]).n
        4
    """
    array, groups = _present(values, clusters)
    n = len(array)
    if n == 0:
        return Estimate(mean=None, interval=None, n=0, method="none")
    mean = float(array.mean())
    groups = real_groups(groups)
    if groups is None and is_binary(array):
        interval, method = wilson(int(array.sum()), n, level=level), "wilson"
    else:
        interval = mean_interval(array, clusters=None if groups is None else groups.tolist(), level=level)
        method = "t" if groups is None else "t, clustered"
    if interval is None:
        return Estimate(mean=mean, interval=None, n=n, method="none")
    caution = None if method == "wilson" else caution_of_t(n, groups)
    return Estimate(mean=mean, interval=interval, n=n, method=method, caution=caution)


def caution_of_t(n: int, groups: NDArray[np.int64] | None) -> str | None:
    """Returns why a t interval of so few values is rough; `None` from 30 cases and, if clustered, 20 clusters on."""
    if groups is not None:
        g = len(np.unique(groups))
        return f"{g} clusters, fewer than {_FEW_CLUSTERS}: the interval is rough" if g < _FEW_CLUSTERS else None
    return f"{n} cases, fewer than {_FEW_CASES}: the interval is rough" if n < _FEW_CASES else None


def _check_count(successes: int, n: int) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"{successes!r} successes in {n!r} cases cannot be.")


def _present(
    values: Sequence[float] | FloatArray, clusters: Sequence[Hashable] | None
) -> tuple[FloatArray, NDArray[np.int64] | None]:
    array = numbers(values)
    if clusters is not None and len(clusters) != len(array):
        raise ValueError(f"There are {len(array)} values and {len(clusters)} cluster names; give one a value.")
    keep = ~np.isnan(array)
    return array[keep], None if clusters is None else group_numbers(clusters)[keep]
