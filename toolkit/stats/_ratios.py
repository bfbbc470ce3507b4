"""Latency and cost of two arms, compared as the ratio of their medians over the same cases."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray, numbers
from toolkit.stats._bootstrap import bootstrap_paired
from toolkit.stats._intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioComparison:
    """How many times the second arm's median the first arm's is: 0.5 = half as much."""

    n: int
    """Cases with a value in both arms."""
    only_a: int
    only_b: int
    median_a: float | None
    """Over the cases with a value in both, in the values' unit."""
    median_b: float | None
    ratio: float | None
    """`None` without a case, or when the second arm's median is 0."""
    interval: Interval | None
    method: str
    """`bca`, `percentile` or `none`."""
    note: str | None
    """Why it is not `bca`, in words."""

    @property
    def is_smaller(self) -> bool:
        """True when the whole interval lies below 1: the first arm is faster, or cheaper."""
        return self.interval is not None and self.interval.high < 1

    @property
    def is_larger(self) -> bool:
        """True when the whole interval lies above 1."""
        return self.interval is not None and self.interval.low > 1


def ratio_of_medians(a: FloatArray, b: FloatArray) -> FloatArray:
    """Returns the median of `a` over that of `b`, over the last axis."""
    ratio: FloatArray = np.median(a, axis=-1) / np.median(b, axis=-1)
    return ratio


def compare_medians(
    a: Sequence[float] | FloatArray,
    b: Sequence[float] | FloatArray,
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    draws: int = 9_999,
    seed: int = 0,
) -> RatioComparison:
    """Compares what two arms took on the same cases, by the ratio of the medians and its paired bootstrap interval.

    Args:
        a: One number a case, such as seconds or USD; NaN = not known.
        b: The same cases in the same order.
        clusters: For each case, what it shares with others; `None` = all independent.
        level: Confidence level.
        draws: Resamples.
        seed: Seed of the resamples.

    Raises:
        ValueError: If a value is below 0 or infinite, or the lengths differ.

    Source: at `bootstrap_paired`.

    Example:
        >>> found = compare_medians([1.0, 1.2, 0.9, 1.1], [2.0, 2.2, 2.1, 1.9], draws=999)
        >>> round(found.ratio, 3), found.is_smaller
        (0.512, True)
    """
    first, second = numbers(a, "first arm's values"), numbers(b, "second arm's values")
    for array in (first, second):
        if np.any(array < 0):
            raise ValueError(f"A ratio of medians needs values of 0 or more; got {float(np.nanmin(array))!r}.")
    found = bootstrap_paired(first, second, ratio_of_medians, clusters=clusters, level=level, draws=draws, seed=seed)
    both = ~np.isnan(first) & ~np.isnan(second)
    return RatioComparison(
        n=found.n,
        only_a=found.only_a,
        only_b=found.only_b,
        median_a=float(np.median(first[both])) if found.n else None,
        median_b=float(np.median(second[both])) if found.n else None,
        ratio=found.value,
        interval=found.interval,
        method=found.method,
        note=found.note,
    )
