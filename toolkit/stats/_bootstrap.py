"""The paired bootstrap: an interval for any statistic of two arms, by resampling whole cases or clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray, check_level, in_pairs, real_groups
from toolkit.stats._intervals import Interval
from toolkit.stats._special import normal_cdf, normal_quantile

# Numbers held at once while resampling.
_BATCH = 2_000_000
# Up to here each case is left out on its own to measure skew; beyond, so many groups of them are.
_MOST_LEFT_OUT = 500


class PairedStatistic(Protocol):
    """A number made of two arms' values, such as the difference of two medians."""

    def __call__(self, a: FloatArray, b: FloatArray, /) -> FloatArray | float:
        """Returns the statistic over the last axis of both; the axes before it hold resamples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """A statistic of two arms with its bootstrap interval."""

    n: int
    """Cases with a value in both arms."""
    only_a: int
    """Cases with a value in the first arm alone; left out."""
    only_b: int
    """Cases with a value in the second arm alone; left out."""
    units: int
    """What was resampled: cases, or clusters of them."""
    value: float | None
    """The statistic of the cases seen; `None` without a case, or when it is not finite."""
    interval: Interval | None
    """`None` for fewer than two units, without spread, or when a resample has no finite statistic."""
    method: str
    """`bca`, `percentile` or `none`."""
    note: str | None
    """Why it is not `bca`, in words."""
    draws: int


def bootstrap_paired(
    a: Sequence[float] | FloatArray,
    b: Sequence[float] | FloatArray,
    statistic: PairedStatistic,
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    draws: int = 9_999,
    seed: int = 0,
) -> Bootstrapped:
    """Returns the bias-corrected and accelerated bootstrap interval of a statistic of two arms.

    A case is drawn with both its values, a cluster with all its cases. Where the correction cannot be computed, the
    plain percentiles of the resamples stand in for it, and `method` says so.

    Args:
        a: One number a case (the mean over its repeats); NaN = no value.
        b: The same cases in the same order.
        statistic: Reduces the last axis: `lambda a, b: np.median(a, axis=-1) - np.median(b, axis=-1)`.
        clusters: For each case, what it shares with others; `None` = all independent.
        level: Confidence level.
        draws: Resamples.
        seed: Seed of the resamples.

    Raises:
        ValueError: If the lengths differ, a value is infinite, or `level` or `draws` make no sense.

    Source: B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987) 171-185; B. Efron and R. Tibshirani,
    An Introduction to the Bootstrap (1993) section 14.3.

    Example:
        >>> found = bootstrap_paired([2, 4, 3, 5], [1, 2, 3, 3], lambda a, b: (a - b).mean(axis=-1), draws=999)
        >>> found.value, found.method
        (1.25, 'bca')
    """
    check_level(level)
    if draws < 99:
        raise ValueError(f"A bootstrap needs 99 draws or more; got {draws!r}.")
    first, second, groups = in_pairs(a, b, clusters)
    both = ~np.isnan(first) & ~np.isnan(second)
    x, y = first[both], second[both]
    groups = real_groups(None if groups is None else groups[both])
    members = None if groups is None else [np.flatnonzero(groups == g) for g in range(int(groups.max()) + 1)]
    units = len(x) if members is None else len(members)
    value = _one(statistic, x, y) if len(x) else math.nan
    found = _Found(None, "none", "fewer than two cases or clusters")
    if units >= 2 and math.isfinite(value):
        resampled = _resample(x, y, members, statistic, draws=draws, seed=seed)
        found = _interval(x, y, members, statistic, value, resampled, level)
    elif units >= 2:
        found = _Found(None, "none", "the statistic of the cases seen is not a finite number")
    return Bootstrapped(
        n=len(x),
        only_a=int(np.sum(~np.isnan(first) & np.isnan(second))),
        only_b=int(np.sum(np.isnan(first) & ~np.isnan(second))),
        units=units,
        value=value if math.isfinite(value) else None,
        interval=found.interval,
        method=found.method,
        note=found.note,
        draws=draws,
    )


class _Found(NamedTuple):
    interval: Interval | None
    method: str
    note: str | None


_Members = list[NDArray[np.intp]] | None


def _interval(
    x: FloatArray,
    y: FloatArray,
    members: _Members,
    statistic: PairedStatistic,
    value: float,
    resampled: FloatArray,
    level: float,
) -> _Found:
    if not np.all(np.isfinite(resampled)):
        count = int(np.sum(~np.isfinite(resampled)))
        return _Found(None, "none", f"{count} of {len(resampled)} resamples have no finite statistic")
    scale = max(abs(value), float(np.max(np.abs(resampled))))
    if float(np.ptp(resampled)) <= 1e-12 * scale:
        return _Found(None, "none", "every resample has the same statistic")
    tails = (1 - level) / 2, (1 + level) / 2
    corrected = _corrected_tails(tails, value, resampled, _leave_out(x, y, members, statistic))
    note = None if corrected is not None else "the correction cannot be computed from so few different values"
    low, high = (float(end) for end in np.quantile(resampled, corrected or tails))
    return _Found(Interval(low=low, high=high, level=level), "percentile" if corrected is None else "bca", note)


def _corrected_tails(
    tails: tuple[float, float], value: float, resampled: FloatArray, left_out: FloatArray
) -> tuple[float, float] | None:
    """The shares of resamples below the two ends, corrected for bias and skew; `None` if they cannot be computed."""
    below = float(np.mean(resampled < value)) + float(np.mean(resampled == value)) / 2
    if not 0 < below < 1 or not np.all(np.isfinite(left_out)):
        return None
    deviations = left_out.mean() - left_out
    squares = float(np.sum(deviations**2))
    if squares <= (1e-12 * max(abs(value), 1e-300)) ** 2:
        return None
    acceleration = float(np.sum(deviations**3)) / (6 * squares**1.5)
    bias = normal_quantile(below)
    corrected = []
    for tail in tails:
        z = bias + normal_quantile(tail)
        if 1 - acceleration * z <= 0:
            return None
        corrected.append(normal_cdf(bias + z / (1 - acceleration * z)))
    low, high = corrected
    return (low, high) if 0 < low < high < 1 else None


def _resample(
    x: FloatArray, y: FloatArray, members: _Members, statistic: PairedStatistic, *, draws: int, seed: int
) -> FloatArray:
    generator = np.random.default_rng(seed)
    values = np.empty(draws)
    if members is not None:
        for draw in range(draws):
            chosen = generator.integers(0, len(members), size=len(members))
            rows = np.concatenate([members[place] for place in chosen])
            values[draw] = _one(statistic, x[rows], y[rows])
        return values
    n = len(x)
    batch = max(1, _BATCH // n)
    for start in range(0, draws, batch):
        rows = generator.integers(0, n, size=(min(batch, draws - start), n))
        values[start : start + len(rows)] = _many(statistic, x[rows], y[rows])
    return values


def _leave_out(x: FloatArray, y: FloatArray, members: _Members, statistic: PairedStatistic) -> FloatArray:
    """The statistic without each case or cluster in turn; many of them are left out some at a time."""
    units = len(x) if members is None else len(members)
    kinds = np.arange(units) % _MOST_LEFT_OUT
    unit_of = np.empty(len(x), dtype=np.intp)
    for unit, rows in enumerate(members or []):
        unit_of[rows] = unit
    kind_of = kinds if members is None else kinds[unit_of]
    kept = (kind_of != kind for kind in range(min(units, _MOST_LEFT_OUT)))
    return np.array([_one(statistic, x[rows], y[rows]) for rows in kept])


def _one(statistic: PairedStatistic, x: FloatArray, y: FloatArray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(statistic(x, y))


def _many(statistic: PairedStatistic, x: FloatArray, y: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(statistic(x, y), dtype=np.float64)
    if values.shape != x.shape[:-1]:
        raise ValueError(
            f"The statistic has to reduce the last axis: it made shape {values.shape!r} of {x.shape!r}; "
            "write np.median(a, axis=-1), not np.median(a)."
        )
    return values
