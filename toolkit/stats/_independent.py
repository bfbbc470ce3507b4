"""Comparison of two arms that answered different cases: independent groups, as a proxy's split of live calls makes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray, check_level, group_numbers, is_binary, numbers, real_groups
from toolkit.stats._compare import Comparison
from toolkit.stats._intervals import Interval, caution_of_t, error_of_mean, wilson
from toolkit.stats._power import rows_for_gap, smallest_gap
from toolkit.stats._special import t_quantile, t_two_sided_p


def newcombe(successes_a: int, n_a: int, successes_b: int, n_b: int, *, level: float = 0.95) -> Interval | None:
    """Returns Newcombe's interval for the difference of two independent shares, the first minus the second.

    `None` for fewer than two cases on either side.

    Raises:
        ValueError: If successes are not within 0 to n, or `level` is not between 0 and 1.

    Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions", Stat. Med. 17
    (1998) 873-890, method 10 (hybrid score, without continuity correction).

    Example:
        >>> found = newcombe(56, 70, 48, 80)
        >>> round(found.low, 4), round(found.high, 4)
        (0.0524, 0.3339)
    """
    a, b = wilson(successes_a, n_a, level=level), wilson(successes_b, n_b, level=level)
    if a is None or b is None:
        return None
    p, q = successes_a / n_a, successes_b / n_b
    return Interval(
        low=p - q - math.hypot(p - a.low, b.high - q), high=p - q + math.hypot(a.high - p, q - b.low), level=level
    )


def fisher(successes_a: int, n_a: int, successes_b: int, n_b: int) -> tuple[float, float]:
    """Returns Fisher's exact two-sided p of two independent shares, and its mid-p.

    The mid-p counts tables as likely as the one seen half; it is nearer to its name, where the exact p is cautious.

    Raises:
        ValueError: If successes are not within 0 to n.

    Source: R. A. Fisher, Statistical Methods for Research Workers (1934) section 21.02; H. O. Lancaster, "Significance
    tests in discrete distributions", JASA 56 (1961) 223-234.

    Example:
        >>> [round(p, 6) for p in fisher(8, 10, 1, 6)]
        [0.034965, 0.023164]
    """
    for successes, n in ((successes_a, n_a), (successes_b, n_b)):
        if not 0 <= successes <= n:
            raise ValueError(f"{successes!r} successes in {n!r} cases cannot be.")
    total = successes_a + successes_b
    possible = np.arange(max(0, total - n_b), min(total, n_a) + 1)
    logs = np.array([_log_ways(n_a, int(k)) + _log_ways(n_b, total - int(k)) for k in possible])
    chances = np.exp(logs - logs.max())
    chances /= chances.sum()
    seen = chances[successes_a - possible[0]]
    # Chances that are equal on paper differ in the last digits.
    is_equal = np.abs(chances - seen) <= 1e-7 * seen
    rarer = float(chances[(chances < seen) & ~is_equal].sum())
    equal = float(chances[is_equal].sum())
    return min(1.0, rarer + equal), min(1.0, rarer + equal / 2)


def compare_independent(
    a: Sequence[float] | FloatArray,
    b: Sequence[float] | FloatArray,
    *,
    clusters_a: Sequence[Hashable] | None = None,
    clusters_b: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compares two arms that answered different cases.

    Zeros and ones without clusters: Newcombe's interval and Fisher's mid-p. Everything else: Welch's t interval and
    test, with CR1 errors where cases are clustered. Nothing is paired, so there are no wins and losses, and it takes
    far more cases than a paired comparison to see the same gap.

    Args:
        a: One number a case of the first arm; NaN = not scored.
        b: The same of the second arm, in no relation to the first.
        clusters_a: For each case of the first arm, what it shares with others of it; `None` = all independent.
        clusters_b: The same of the second arm.
        level: Confidence level; 1 - `level` is also the error rate behind `rows_needed`.

    Raises:
        ValueError: If a value is infinite, a number of clusters does not fit, or `level` is not between 0 and 1.

    Source: at `newcombe` and `fisher`; B. L. Welch, Biometrika 34 (1947) 28-35.

    Example:
        >>> found = compare_independent([1, 1, 1, 0], [0, 1, 0, 0, 0])
        >>> found.n_a, found.n_b, round(found.delta, 2), found.method
        (4, 5, 0.55, 'newcombe, fisher mid-p')
    """
    check_level(level)
    (x, groups_x), (y, groups_y) = _present(a, clusters_a), _present(b, clusters_b)
    m, n = len(x), len(y)
    if not m or not n:
        return _made(x, y, None, None, None, "none", math.nan, level=level)
    if groups_x is None and groups_y is None and is_binary(x) and is_binary(y):
        ones = int(x.sum()), int(y.sum())
        exact, mid_p = fisher(ones[0], m, ones[1], n)
        shares = (ones[0] + 1) / (m + 2), (ones[1] + 1) / (n + 2)
        variance = shares[0] * (1 - shares[0]) / m + shares[1] * (1 - shares[1]) / n
        interval = newcombe(ones[0], m, ones[1], n, level=level)
        return _made(x, y, interval, mid_p, exact, "newcombe, fisher mid-p", variance, level=level)
    (error_x, df_x), (error_y, df_y) = error_of_mean(x, groups_x), error_of_mean(y, groups_y)
    is_clustered = groups_x is not None or groups_y is not None
    method = "welch, clustered" if is_clustered else "welch"
    squares = (error_x or 0.0) ** 2, (error_y or 0.0) ** 2
    variance = sum(squares)
    if variance == 0 or min(df_x, df_y) < 1:
        return _made(x, y, None, None, None, method, math.nan, level=level)
    df = variance**2 / (squares[0] ** 2 / df_x + squares[1] ** 2 / df_y)
    delta, error = float(x.mean() - y.mean()), math.sqrt(variance)
    reach = t_quantile((1 + level) / 2, df) * error
    interval = Interval(low=delta - reach, high=delta + reach, level=level)
    p = t_two_sided_p(delta / error, df)
    caution = caution_of_t(m, groups_x) or caution_of_t(n, groups_y)
    return _made(x, y, interval, p, None, method, variance, level=level, caution=caution)


def _made(
    x: FloatArray,
    y: FloatArray,
    interval: Interval | None,
    p_value: float | None,
    p_exact: float | None,
    method: str,
    variance: float,
    *,
    level: float,
    caution: str | None = None,
) -> Comparison:
    """The comparison; `variance` is that of the difference of the two means."""
    n = len(x) + len(y)
    delta = float(x.mean() - y.mean()) if len(x) and len(y) else None
    # What one case more adds, at the same split between the arms: n cases have this variance over n.
    of_one = n * variance
    needed = rows_for_gap(delta, variance=of_one, alpha=1 - level) if delta and variance > 0 else math.inf
    gap = smallest_gap(n, variance=of_one, alpha=1 - level) if variance > 0 else math.nan
    return Comparison(
        n=n,
        only_a=0,
        only_b=0,
        delta=delta,
        interval=interval,
        p_value=p_value,
        p_exact=p_exact,
        wins=0,
        ties=0,
        losses=0,
        method=method,
        rows_needed=math.ceil(needed) if math.isfinite(needed) and needed > 0 else None,
        smallest_gap=gap if math.isfinite(gap) and gap > 0 else None,
        caution=caution,
        n_a=len(x),
        n_b=len(y),
    )


def _present(
    values: Sequence[float] | FloatArray, clusters: Sequence[Hashable] | None
) -> tuple[FloatArray, NDArray[np.int64] | None]:
    array = numbers(values)
    if clusters is not None and len(clusters) != len(array):
        raise ValueError(f"There are {len(array)} values and {len(clusters)} cluster names; give one a value.")
    keep = ~np.isnan(array)
    return array[keep], real_groups(None if clusters is None else group_numbers(clusters)[keep])


def _log_ways(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
