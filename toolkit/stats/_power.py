"""How many cases a gap needs to be seen, and how small a gap a number of cases can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray, table
from toolkit.stats._repeats import anova_components
from toolkit.stats._special import normal_cdf, normal_quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a pilot says about the number of cases that a gap needs; `None` where it cannot be told."""

    n: int
    """Cases of the pilot with a score in both arms."""
    gap: float
    """The difference that should be seen."""
    repeats: int
    """Repeats a case that the answer is for."""
    rows: int | None
    """Cases needed in all."""
    still_needed: int | None
    """Cases needed beyond the pilot's; 0 when it has enough."""
    smallest_gap: float | None
    """Difference that the pilot's number of cases would show, with so many repeats."""
    between: float | None
    """Variance between cases of the arms' true difference."""
    within_a: float | None
    """Variance between repeats of one case in the first arm; 0 when nothing was repeated (it is then in `between`)."""
    within_b: float | None


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


def chance_to_see(gap: float, n: int, *, variance: float, alpha: float = 0.05) -> float:
    """Returns the chance that `n` cases show a mean difference of `gap`, if it is there.

    The other arguments are those of `rows_for_gap`, which this inverts.

    Raises:
        ValueError: If `variance` is not above 0.

    Source: at `rows_for_gap`.

    Example:
        >>> round(chance_to_see(0.03, 969, variance=1 / 9), 3)
        0.8
    """
    if not variance > 0:
        raise ValueError(f"A chance needs a spread, a variance above 0; got {variance!r}.")
    reach, bar = abs(gap) * math.sqrt(max(0, n) / variance), normal_quantile(1 - alpha / 2)
    return normal_cdf(reach - bar) + normal_cdf(-reach - bar)


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


def gap_variance(between: float, *, within_a: float = 0.0, within_b: float = 0.0, repeats: int = 1) -> float:
    """Returns the variance of one case's difference when each arm is repeated `repeats` times on it.

    Args:
        between: Variance between cases of the arms' true difference.
        within_a: Variance between repeats of one case in the first arm.
        within_b: The same in the second arm.
        repeats: Repeats a case, in each arm.

    Raises:
        ValueError: If `repeats` is below 1.

    Source: E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640 (2024), the bracket of equation 9.

    Example:
        >>> round(rows_for_gap(0.03, variance=gap_variance(1 / 9, within_a=1 / 6, within_b=1 / 6, repeats=10)), 2)
        1259.7
    """
    if repeats < 1:
        raise ValueError(f"A case is tried at least once; got {repeats!r} repeats.")
    return between + (within_a + within_b) / repeats


def outlook(
    a: Sequence[Sequence[float]] | FloatArray,
    b: Sequence[Sequence[float]] | FloatArray,
    *,
    gap: float,
    repeats: int | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Outlook:
    """Returns how many cases a gap needs, and how many are still missing, judged by a pilot run.

    The spread between repeats comes from a one-way analysis of variance of each arm. The spread between cases is that
    of the differences of the cases' means, less what repeats add to it, and at least 0.

    Args:
        a: The first arm's scores: one row a case, one column a repeat; NaN = no value.
        b: The second arm's, the same cases in the same order.
        gap: The difference that should be seen.
        repeats: Repeats a case to plan for; `None` = as many as the pilot had (the smaller of the two arms' means).
        alpha: Two-sided error rate.
        power: Chance to see the gap if it is there.

    Raises:
        ValueError: If the arms have different numbers of cases, a value is infinite, or `repeats` is below 1.

    Source: E. Miller, arXiv:2411.00640 (2024), equation 9; the components as at `anova_components`.

    Example:
        >>> pilot = outlook([[1], [0], [1], [1]], [[0], [0], [1], [0]], gap=0.2)
        >>> pilot.rows, pilot.still_needed
        (66, 62)
    """
    first, second = table(a, "first arm's scores"), table(b, "second arm's scores")
    if len(first) != len(second):
        raise ValueError(f"Both arms need the same cases in the same order; got {len(first)} and {len(second)}.")
    count_a, count_b = np.sum(~np.isnan(first), axis=1), np.sum(~np.isnan(second), axis=1)
    both = (count_a > 0) & (count_b > 0)
    n, x, y = int(both.sum()), first[both], second[both]
    if n < 2:
        planned = 1 if repeats is None else repeats
        return _unknown_outlook(n, gap, planned)
    k_a, k_b = count_a[both], count_b[both]
    within_a, within_b = anova_components(x).within or 0.0, anova_components(y).within or 0.0
    difference = np.nansum(x, axis=1) / k_a - np.nansum(y, axis=1) / k_b
    from_repeats = within_a * float(np.mean(1 / k_a)) + within_b * float(np.mean(1 / k_b))
    between = max(0.0, float(np.var(difference, ddof=1)) - from_repeats)
    planned = max(1, round(min(float(k_a.mean()), float(k_b.mean())))) if repeats is None else repeats
    variance = gap_variance(between, within_a=within_a, within_b=within_b, repeats=planned)
    needed = rows_for_gap(gap, variance=variance, alpha=alpha, power=power)
    rows = math.ceil(needed) if math.isfinite(needed) and needed > 0 else None
    return Outlook(
        n=n,
        gap=gap,
        repeats=planned,
        rows=rows,
        still_needed=None if rows is None else max(0, rows - n),
        smallest_gap=smallest_gap(n, variance=variance, alpha=alpha, power=power) if variance > 0 else None,
        between=between,
        within_a=within_a,
        within_b=within_b,
    )


def _unknown_outlook(n: int, gap: float, repeats: int) -> Outlook:
    return Outlook(
        n=n,
        gap=gap,
        repeats=repeats,
        rows=None,
        still_needed=None,
        smallest_gap=None,
        between=None,
        within_a=None,
        within_b=None,
    )


def _sum_of_quantiles(alpha: float, power: float) -> float:
    return normal_quantile(1 - alpha / 2) + normal_quantile(power)
