"""Paired comparison of two arms, with a correction for many comparisons."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._intervals import FloatArray, Interval, group_numbers, is_binary, mean_interval
from toolkit.stats._power import rows_for_gap, rows_for_pairs, smallest_gap
from toolkit.stats._special import incomplete_beta, normal_quantile

# Up to here every pattern of signs is tried; beyond, this many are drawn.
_MOST_ENUMERATED = 20
_DRAWS = 9_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two arms' scores on the same cases say about their difference, first minus second."""

    n: int
    """Cases with a score in both."""
    only_a: int
    """Cases scored in the first arm alone; left out."""
    only_b: int
    """Cases scored in the second arm alone; left out."""
    delta: float | None
    """Mean difference; `None` without a pair."""
    interval: Interval | None
    """`None` when it cannot be told: fewer than two pairs or clusters, or no spread seen."""
    p_value: float | None
    """Two-sided; McNemar's mid-p or sign flips. `None` without a pair."""
    p_exact: float | None
    """McNemar's exact p, beside the mid-p; `None` for other tests."""
    wins: int
    ties: int
    losses: int
    method: str
    """`bonett-price, mcnemar mid-p`, `t, sign flips` or `t, sign flips, clustered`."""
    rows_needed: int | None
    """Cases that would show a gap of this size four times in five; `None` when the gap or its spread is 0."""
    smallest_gap: float | None
    """Gap that this many cases show four times in five; `None` when it cannot be told."""

    @property
    def is_binary(self) -> bool:
        """True when both arms' scores are zeros and ones."""
        return self.p_exact is not None


def compare_paired(
    a: Sequence[float] | FloatArray,
    b: Sequence[float] | FloatArray,
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares two arms case by case.

    Zeros and ones without clusters: Bonett and Price's interval and McNemar's mid-p. Everything else: the t interval of
    the differences (CR1 when clustered) and sign flips (of whole clusters): all patterns up to 20 differences that are
    not 0, else 9,999 seeded draws with p = (k + 1) / 10,000.

    Args:
        a: One number a case (the mean over its repeats); NaN = not scored.
        b: The same cases in the same order.
        clusters: For each case, what it shares with others; `None` = all independent.
        level: Confidence level; 1 - `level` is also the error rate behind `rows_needed`.
        seed: Seed of the draws.

    Raises:
        ValueError: If the lengths differ.

    Source: D. Bonett and R. Price, JEBS 37 (2012) 479-488; M. Fagerland et al., BMC Med. Res. Meth. 13:91 (2013);
    B. Phipson and G. Smyth, SAGMB 9 (2010) article 39.

    Example:
        >>> result = compare_paired([1, 1, 1, 0], [0, 1, 0, 0])
        >>> result.delta, result.wins, result.ties, result.losses
        (0.5, 2, 2, 0)
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(first) != len(second) or (clusters is not None and len(clusters) != len(first)):
        raise ValueError("A paired comparison needs the same cases in the same order on both sides.")
    both = ~np.isnan(first) & ~np.isnan(second)
    groups = None if clusters is None else group_numbers(clusters)[both]
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None
    x, y = first[both], second[both]
    difference = x - y
    n = len(difference)
    wins, losses = int(np.sum(difference > 0)), int(np.sum(difference < 0))
    if n and groups is None and is_binary(x) and is_binary(y):
        tested = _of_pairs(wins, losses, n, level=level)
    else:
        tested = _of_differences(difference, groups, level=level, seed=seed)
    gap = smallest_gap(n, variance=tested.variance, alpha=1 - level)
    return Comparison(
        n=n,
        only_a=int(np.sum(~np.isnan(first) & np.isnan(second))),
        only_b=int(np.sum(np.isnan(first) & ~np.isnan(second))),
        delta=float(difference.mean()) if n else None,
        interval=tested.interval,
        p_value=tested.p_value,
        p_exact=tested.p_exact,
        wins=wins,
        ties=n - wins - losses,
        losses=losses,
        method=tested.method,
        rows_needed=math.ceil(tested.needed) if math.isfinite(tested.needed) and tested.needed > 0 else None,
        smallest_gap=gap if math.isfinite(gap) and gap > 0 else None,
    )


def bonett_price(wins: int, losses: int, n: int, *, level: float = 0.95) -> Interval | None:
    """Returns Bonett and Price's interval for the difference of two paired shares; `None` for fewer than two pairs.

    Example:
        >>> interval = bonett_price(9, 2, 41)
        >>> interval.low < 9 / 41 - 2 / 41 < interval.high
        True
    """
    if n < 2:
        return None
    up, down = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    reach = normal_quantile((1 + level) / 2) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    return Interval(low=max(-1.0, up - down - reach), high=min(1.0, up - down + reach), level=level)


def mcnemar(wins: int, losses: int) -> tuple[float, float]:
    """Returns McNemar's exact two-sided p and its mid-p, from the pairs on which the arms differ.

    Example:
        >>> exact, mid = mcnemar(9, 2)
        >>> round(exact, 7), round(mid, 7)
        (0.0654297, 0.0385742)
    """
    n, fewer = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0, 1.0
    at_most = 1.0 if fewer == n else incomplete_beta(n - fewer, fewer + 1, 0.5)
    exactly = math.exp(math.lgamma(n + 1) - math.lgamma(fewer + 1) - math.lgamma(n - fewer + 1) - n * math.log(2))
    return min(1.0, 2 * at_most), min(1.0, 2 * at_most - exactly)


def sign_flip_p(differences: Sequence[float] | FloatArray, *, seed: int = 0) -> float:
    """Returns the share of sign patterns whose sum lies at least as far from 0 as the sum seen.

    Args:
        differences: One a case, or one sum a cluster.
        seed: Seed of the draws that are made beyond 20 differences that are not 0.

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0])
        0.25
    """
    array = np.asarray(differences, dtype=np.float64)
    array = array[array != 0]
    m = len(array)
    if m == 0:
        return 1.0
    # Sums that are equal on paper differ in the last bits, depending on the order of adding.
    bar = abs(float(array.sum())) - 1e-9 * float(np.abs(array).sum())
    if m <= _MOST_ENUMERATED:
        sums = np.zeros(1)
        for value in array:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= bar))
    generator = np.random.default_rng(seed)
    rows = max(1, 2_000_000 // m)
    reached = 0
    for start in range(0, _DRAWS, rows):
        signs = generator.integers(0, 2, size=(min(rows, _DRAWS - start), m), dtype=np.int8) * 2 - 1
        reached += int(np.sum(np.abs(signs @ array) >= bar))
    return (reached + 1) / (_DRAWS + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the p values corrected for their number by Holm's step-down method, in the order given.

    `None` stays `None` and does not count.

    Source: S. Holm, Scand. J. Statist. 6 (1979) 65-70.

    Example:
        >>> holm([0.01, None, 0.04])
        [0.02, None, 0.04]
    """
    ranked = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (p, place) in enumerate(ranked):
        floor = max(floor, min(1.0, p * (len(ranked) - rank)))
        adjusted[place] = floor
    return adjusted


class _Tested(NamedTuple):
    """What one family of methods says; `variance` is that of one case's difference, `needed` is not rounded."""

    interval: Interval | None
    p_value: float | None
    p_exact: float | None
    method: str
    variance: float
    needed: float


def _of_pairs(wins: int, losses: int, n: int, *, level: float) -> _Tested:
    p_exact, mid_p = mcnemar(wins, losses)
    # One more win and one more loss, so that the variance is never 0.
    up, down = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    return _Tested(
        interval=bonett_price(wins, losses, n, level=level),
        p_value=mid_p,
        p_exact=p_exact,
        method="bonett-price, mcnemar mid-p",
        variance=up + down - (up - down) ** 2,
        needed=rows_for_pairs(wins / n, losses / n, alpha=1 - level),
    )


def _of_differences(difference: FloatArray, groups: NDArray[np.int64] | None, *, level: float, seed: int) -> _Tested:
    if len(difference) == 0:
        return _Tested(None, None, None, "none", math.nan, math.inf)
    totals: FloatArray = difference
    if groups is not None:
        totals = np.bincount(groups, weights=difference).astype(np.float64)
    variance = float(np.var(difference, ddof=1)) if len(difference) > 1 else math.nan
    return _Tested(
        interval=mean_interval(difference, clusters=None if groups is None else groups.tolist(), level=level),
        p_value=sign_flip_p(totals, seed=seed),
        p_exact=None,
        method="t, sign flips" if groups is None else "t, sign flips, clustered",
        variance=variance,
        needed=rows_for_gap(float(difference.mean()), variance=variance, alpha=1 - level),
    )
