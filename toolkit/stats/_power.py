"""How many cases a gap needs to be seen, and how small a gap a number of cases can show."""

from __future__ import annotations

import math

from toolkit.stats._special import normal_quantile


def rows_for_gap(gap: float, *, variance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Returns the cases needed to see a mean difference of `gap`, not rounded; infinite for a gap of 0.

    Args:
        gap: Mean difference between two arms.
        variance: Of one case's difference: that between cases, plus each arm's spread between repeats over the repeats.
        alpha: Two-sided error rate.
        power: Chance to see the gap if it is there.

    Source: E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640 (2024), equation 9.

    Example:
        >>> round(rows_for_gap(0.03, variance=1 / 9))
        969
    """
    if gap == 0:
        return math.inf
    return _sum_of_quantiles(alpha, power) ** 2 * variance / gap**2


def smallest_gap(n: int, *, variance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Returns the mean difference that `n` cases show with chance `power`; infinite without cases.

    The other arguments are those of `rows_for_gap`, which this inverts.

    Example:
        >>> round(smallest_gap(198, variance=1 / 9), 6)
        0.066367
    """
    if n < 1:
        return math.inf
    return _sum_of_quantiles(alpha, power) * math.sqrt(variance / n)


def rows_for_pairs(up: float, down: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Returns the cases needed for a paired comparison of zeros and ones, not rounded; infinite when `up` is `down`.

    Args:
        up: Share of cases that only the first arm gets right.
        down: Share of cases that only the second arm gets right.
        alpha: Two-sided error rate.
        power: Chance to see the gap if it is there.

    Source: R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43 (1987) 207-211.

    Example:
        >>> round(rows_for_pairs(0.20, 0.10), 2)
        233.09
    """
    gap = up - down
    if gap == 0:
        return math.inf
    spread = up + down
    under_null = normal_quantile(1 - alpha / 2) * math.sqrt(spread)
    return (under_null + normal_quantile(power) * math.sqrt(spread - gap**2)) ** 2 / gap**2


def _sum_of_quantiles(alpha: float, power: float) -> float:
    return normal_quantile(1 - alpha / 2) + normal_quantile(power)
