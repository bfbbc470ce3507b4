"""The special functions behind the intervals and tests: the beta, Student's t and the normal distribution."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

# Relative change at which the continued fraction counts as settled, and the value that stands in for a zero divisor.
_SETTLED = 1e-15
_TINY = 1e-300
_MOST_STEPS = 100_000


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Returns the regularised incomplete beta function: the chance that a Beta(`a`, `b`) value is at most `x`.

    Args:
        a: First shape, above 0.
        b: Second shape, above 0.
        x: From 0 to 1.

    Raises:
        ValueError: If a shape is not positive or `x` is outside 0 to 1.

    Source: DLMF 8.17.22 (continued fraction), https://dlmf.nist.gov/8.17#v, evaluated by Lentz's method.

    Example:
        >>> round(incomplete_beta(2, 3, 0.5), 6)
        0.6875
    """
    if a <= 0 or b <= 0 or not 0 <= x <= 1:
        raise ValueError(f"The incomplete beta function needs a, b > 0 and 0 <= x <= 1; got {a!r}, {b!r}, {x!r}.")
    if x in (0, 1):
        return float(x)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side only
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(a, b, x))


def t_cdf(t: float, df: float) -> float:
    """Returns the chance that a Student t value with `df` degrees of freedom is at most `t`.

    Example:
        >>> round(t_cdf(2.262157, 9), 4)
        0.975
    """
    upper = _upper_tail(abs(t), df)
    return 1.0 - upper if t > 0 else upper


def t_two_sided_p(t: float, df: float) -> float:
    """Returns the chance that a Student t value lies at least as far from 0 as `t`.

    Example:
        >>> round(t_two_sided_p(-4.062128, 9), 6)
        0.002833
    """
    return 2.0 * _upper_tail(abs(t), df)


@functools.lru_cache(maxsize=1024)
def t_quantile(p: float, df: float) -> float:
    """Returns the value that a Student t with `df` degrees of freedom stays below with chance `p`.

    Raises:
        ValueError: If `p` is not between 0 and 1, or `df` is not positive.

    Example:
        >>> round(t_quantile(0.975, 9), 6)
        2.262157
    """
    if not 0 < p < 1 or df <= 0:
        raise ValueError(f"A t quantile needs 0 < p < 1 and df > 0; got p={p!r}, df={df!r}.")
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    target, low, high = 1.0 - p, 0.0, 1.0
    while _upper_tail(high, df) > target:
        low, high = high, high * 2.0
    while high - low > 1e-14 * max(1.0, high):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if _upper_tail(middle, df) > target else (low, middle)
    return (low + high) / 2.0


def normal_quantile(p: float) -> float:
    """Returns the value that a standard normal stays below with chance `p`.

    Example:
        >>> round(normal_quantile(0.975), 6)
        1.959964
    """
    return NormalDist().inv_cdf(p)


def normal_cdf(x: float) -> float:
    """Returns the chance that a standard normal is at most `x`, exact in both tails.

    Example:
        >>> round(normal_cdf(-1.959964), 6)
        0.025
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def beta_quantile(p: float, a: float, b: float) -> float:
    """Returns the value that a Beta(`a`, `b`) stays below with chance `p`.

    Raises:
        ValueError: If `p` is not between 0 and 1, or a shape is not positive.

    Example:
        >>> round(beta_quantile(0.975, 1, 10), 6)
        0.308497
    """
    if not 0 < p < 1:
        raise ValueError(f"A beta quantile needs 0 < p < 1; got {p!r}.")
    low, high = 0.0, 1.0
    while high - low > 1e-15 * max(high, 1e-300):
        middle = (low + high) / 2.0
        if middle in (low, high):
            break
        low, high = (middle, high) if incomplete_beta(a, b, middle) < p else (low, middle)
    return (low + high) / 2.0


def log_beta(a: float, b: float) -> float:
    """Returns the logarithm of the beta function, for positive shapes.

    Example:
        >>> round(math.exp(log_beta(2, 3)), 6)
        0.083333
    """
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _upper_tail(t: float, df: float) -> float:
    if math.isinf(t):
        return 0.0
    return 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t))


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluates 1 + d1/(1 + d2/(1 + ...)) of DLMF 8.17.22 by Lentz's forward recurrence."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for step in range(1, _MOST_STEPS):
        half, is_odd = divmod(step, 2)
        if is_odd:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        denominator = 1.0 + term * denominator
        denominator = 1.0 / (denominator if abs(denominator) > _TINY else _TINY)
        numerator = 1.0 + term / numerator
        numerator = numerator if abs(numerator) > _TINY else _TINY
        change = numerator * denominator
        value *= change
        if abs(change - 1.0) < _SETTLED:
            break
    return value
