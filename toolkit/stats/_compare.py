"""Paired comparison of two arms: the difference, its interval and its p, by the method that suits the scores."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray, check_level, in_pairs, is_binary, real_groups
from toolkit.stats._intervals import Interval, caution_of_t, error_of_mean, mean_interval
from toolkit.stats._paired_tests import sign_flip_p
from toolkit.stats._pairs import adjusted_gap, bonett_price, mcnemar
from toolkit.stats._power import rows_for_gap, rows_for_pairs, smallest_gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two arms' scores say about their difference, first minus second: on the same cases, or on different ones."""

    n: int
    """Cases with a score in both; of arms that answered different cases, the cases of both together."""
    only_a: int
    """Cases scored in the first arm alone; left out."""
    only_b: int
    """Cases scored in the second arm alone; left out."""
    delta: float | None
    """Mean difference; `None` without a pair."""
    interval: Interval | None
    """`None` when it cannot be told: fewer than two pairs or clusters, or no spread seen."""
    p_value: float | None
    """Two-sided; McNemar's or Fisher's mid-p, sign flips or Welch's t. `None` without a pair."""
    p_exact: float | None
    """McNemar's or Fisher's exact p, beside the mid-p; `None` for other tests."""
    wins: int
    ties: int
    losses: int
    method: str
    """`bonett-price, mcnemar mid-p`, `t, sign flips`, `t, sign flips, clustered`; of arms that answered different cases
    `newcombe, fisher mid-p`, `welch` or `welch, clustered`; `none` without a pair."""
    rows_needed: int | None
    """Cases that would show a gap of this size four times in five; `None` when the gap or its spread is 0."""
    smallest_gap: float | None
    """Gap that this many cases show four times in five; `None` when it cannot be told."""
    caution: str | None = None
    """Why the interval is rough, in words; `None` when it is not."""
    n_a: int | None = None
    """Cases of the first arm, where the arms answered different cases; `None` where they are paired."""
    n_b: int | None = None
    """The same of the second arm."""

    @property
    def is_paired(self) -> bool:
        """True when both arms answered the same cases."""
        return self.n_a is None

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
        ValueError: If the lengths differ, a value is infinite, or `level` is not between 0 and 1.

    Source: at `bonett_price`, `mcnemar`, `mean_interval` and `sign_flip_p`.

    Example:
        >>> result = compare_paired([1, 1, 1, 0], [0, 1, 0, 0])
        >>> result.delta, result.wins, result.ties, result.losses
        (0.5, 2, 2, 0)
    """
    check_level(level)
    first, second, groups = in_pairs(a, b, clusters)
    both = ~np.isnan(first) & ~np.isnan(second)
    groups = real_groups(None if groups is None else groups[both])
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
        caution=tested.caution,
    )


def compare_worst_case(
    a: Sequence[float] | FloatArray,
    b: Sequence[float] | FloatArray,
    *,
    failed_a: Sequence[bool],
    failed_b: Sequence[bool],
    worst: float = 0.0,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares two arms with every failed case counted as the worst score instead of being left out.

    It answers what the comparison would be if the missing answers were all bad, for use when failures fall on one
    arm more than on the other. Cases that are not scored for another reason stay left out.

    Args:
        a: One number a case; NaN = not scored.
        b: The same cases in the same order.
        failed_a: True for each case without an answer in the first arm.
        failed_b: True for each case without an answer in the second arm.
        worst: What a failure counts.
        clusters: As for `compare_paired`.
        level: Confidence level.
        seed: Seed of the draws.

    Raises:
        ValueError: If the lengths differ, or a value is infinite.

    Example:
        >>> nan = float("nan")
        >>> compare_worst_case([1, nan], [1, 1], failed_a=[False, True], failed_b=[False, False]).delta
        -0.5
    """
    sides = []
    for scores, failed in ((a, failed_a), (b, failed_b)):
        array, is_failed = np.asarray(scores, dtype=np.float64), np.asarray(failed, dtype=bool)
        if array.shape != is_failed.shape:
            raise ValueError(f"There are {array.size} cases and {is_failed.size} marks of failure; give one a case.")
        sides.append(np.where(np.isnan(array) & is_failed, worst, array))
    return compare_paired(sides[0], sides[1], clusters=clusters, level=level, seed=seed)


class _Tested(NamedTuple):
    """What one family of methods says; `variance` is that of one case's difference, `needed` is not rounded."""

    interval: Interval | None
    p_value: float | None
    p_exact: float | None
    method: str
    variance: float
    needed: float
    caution: str | None = None


def _of_pairs(wins: int, losses: int, n: int, *, level: float) -> _Tested:
    p_exact, mid_p = mcnemar(wins, losses)
    return _Tested(
        interval=bonett_price(wins, losses, n, level=level),
        p_value=mid_p,
        p_exact=p_exact,
        method="bonett-price, mcnemar mid-p",
        variance=adjusted_gap(wins, losses, n)[1],
        needed=rows_for_pairs(wins / n, losses / n, alpha=1 - level),
    )


def _of_differences(difference: FloatArray, groups: NDArray[np.int64] | None, *, level: float, seed: int) -> _Tested:
    n = len(difference)
    if n == 0:
        return _Tested(None, None, None, "none", math.nan, math.inf)
    totals: FloatArray = difference
    if groups is not None:
        totals = np.bincount(groups, weights=difference).astype(np.float64)
    error, _ = error_of_mean(difference, groups)
    # What one case adds, clusters counted in: n cases have this variance over n.
    variance = math.nan if error is None else n * error**2
    return _Tested(
        interval=mean_interval(difference, clusters=None if groups is None else groups.tolist(), level=level),
        p_value=sign_flip_p(totals, seed=seed),
        p_exact=None,
        method="t, sign flips" if groups is None else "t, sign flips, clustered",
        variance=variance,
        needed=rows_for_gap(float(difference.mean()), variance=variance, alpha=1 - level),
        caution=None if error is None else caution_of_t(n, groups),
    )
