"""Paired zeros and ones: the interval of Bonett and Price, and McNemar's tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toolkit.stats._arrays import check_level
from toolkit.stats._intervals import Interval
from toolkit.stats._special import incomplete_beta, normal_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquare:
    """McNemar's statistic, which is about chi-square with one degree of freedom when the arms are equally good."""

    statistic: float
    p_value: float


def bonett_price(wins: int, losses: int, n: int, *, level: float = 0.95) -> Interval | None:
    """Returns Bonett and Price's interval for the difference of two paired shares; `None` for fewer than two pairs.

    One win and one loss are added, so that the interval is never 0 wide.

    Raises:
        ValueError: If there are more wins and losses than pairs, or `level` is not between 0 and 1.

    Source: D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", J. Educ. Behav. Stat. 37 (2012) 479-488.

    Example:
        >>> interval = bonett_price(9, 2, 41)
        >>> round(interval.low, 4), round(interval.high, 4)
        (0.0058, 0.3198)
    """
    check_level(level)
    if min(wins, losses) < 0 or wins + losses > n:
        raise ValueError(f"{wins!r} wins and {losses!r} losses in {n!r} pairs cannot be.")
    if n < 2:
        return None
    middle, variance = adjusted_gap(wins, losses, n)
    reach = normal_quantile((1 + level) / 2) * math.sqrt(variance / (n + 2))
    return Interval(low=max(-1.0, middle - reach), high=min(1.0, middle + reach), level=level)


def adjusted_gap(wins: int, losses: int, n: int) -> tuple[float, float]:
    """Returns the mean and the variance of one pair's difference, after adding one win and one loss."""
    up, down = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    return up - down, up + down - (up - down) ** 2


def mcnemar(wins: int, losses: int) -> tuple[float, float]:
    """Returns McNemar's exact two-sided p and its mid-p, from the pairs on which the arms differ.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; M. W. Fagerland, S. Lydersen and P. Laake, "The McNemar test
    for binary matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Med. Res. Methodol. 13
    (2013) 91.

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


def mcnemar_chi_square(wins: int, losses: int, *, correction: float = 0.0) -> ChiSquare:
    """Returns McNemar's chi-square, the form that other programs print; `compare_paired` does not use it.

    Args:
        wins: Pairs that only the first arm gets right.
        losses: Pairs that only the second arm gets right.
        correction: Taken from the difference of the two before squaring: 0 = none, 1 = Edwards's for continuity.

    Source: A. L. Edwards, Psychometrika 13 (1948) 185-187.

    Example:
        >>> round(mcnemar_chi_square(86, 150).statistic, 6)
        17.355932
    """
    if wins + losses == 0:
        return ChiSquare(statistic=0.0, p_value=1.0)
    statistic = max(0.0, abs(wins - losses) - correction) ** 2 / (wins + losses)
    return ChiSquare(statistic=statistic, p_value=math.erfc(math.sqrt(statistic / 2)))
