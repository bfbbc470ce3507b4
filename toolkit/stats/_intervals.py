"""Means and shares with confidence intervals that stay honest for a handful of cases; clustered where cases repeat."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._special import normal_quantile, t_quantile

FloatArray = NDArray[np.float64]


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
    _check_level(level)
    if not 0 <= successes <= n:
        raise ValueError(f"{successes!r} successes in {n!r} cases cannot be.")
    if n < 2:
        return None
    z2 = normal_quantile((1 + level) / 2) ** 2
    centre = successes + z2 / 2
    reach = math.sqrt(z2 * (successes * (n - successes) / n + z2 / 4))
    low = 0.0 if successes == 0 else (centre - reach) / (n + z2)
    high = 1.0 if successes == n else (centre + reach) / (n + z2)
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
    _check_level(level)
    array, groups = _present(values, clusters)
    n = len(array)
    if groups is None:
        totals = array - array.mean() if n else array
    else:
        _, inverse = np.unique(groups, return_inverse=True)
        totals = np.bincount(inverse, weights=array - array.mean()) if n else array
    g = len(totals)
    if g < 2:
        return None
    error = math.sqrt(g / (g - 1) * float(np.sum(totals**2))) / n
    if error <= 1e-12 * max(1.0, float(np.max(np.abs(array)))):
        return None
    reach = t_quantile((1 + level) / 2, g - 1) * error
    mean = float(array.mean())
    return Interval(low=mean - reach, high=mean + reach, level=level)


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
    is_clustered = groups is not None and len(np.unique(groups)) < n
    if not is_clustered and is_binary(array):
        interval, method = wilson(int(array.sum()), n, level=level), "wilson"
    else:
        interval = mean_interval(array, clusters=None if groups is None else groups.tolist(), level=level)
        method = "t, clustered" if is_clustered else "t"
    return Estimate(mean=mean, interval=interval, n=n, method=method if interval is not None else "none")


def is_binary(values: FloatArray) -> bool:
    """True when every value is 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def group_numbers(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    """Returns one whole number a value, equal where the clusters are equal."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.int64)


def _present(
    values: Sequence[float] | FloatArray, clusters: Sequence[Hashable] | None
) -> tuple[FloatArray, NDArray[np.int64] | None]:
    array = np.asarray(values, dtype=np.float64)
    if clusters is not None and len(clusters) != len(array):
        raise ValueError(f"There are {len(array)} values and {len(clusters)} cluster names; give one a value.")
    keep = ~np.isnan(array)
    return array[keep], None if clusters is None else group_numbers(clusters)[keep]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"A confidence level lies between 0 and 1, such as 0.95; got {level!r}.")
