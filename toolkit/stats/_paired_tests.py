"""Tests of paired differences that are not zeros and ones: t, sign flips, and Wilcoxon's signed ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray, numbers
from toolkit.stats._intervals import error_of_mean
from toolkit.stats._special import normal_cdf, t_two_sided_p

# Up to here every pattern of signs is tried; beyond, this many are drawn.
_MOST_ENUMERATED = 20
_DRAWS = 9_999
# Signs held at once while drawing.
_BATCH = 4_000_000
# Up to here the distribution of the rank sum is counted out; beyond, it is taken for normal.
_MOST_COUNTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentT:
    """Student's paired t."""

    statistic: float
    df: int
    p_value: float
    """Two-sided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRanks:
    """Wilcoxon's signed-rank test."""

    positive: float
    """Sum of the ranks of the differences above 0 (V)."""
    negative: float
    """Sum of the ranks of the differences below 0."""
    n: int
    """Differences that are not 0."""
    p_value: float
    """Two-sided."""
    p_greater: float
    """One-sided: small when the differences tend to lie above 0."""
    method: str
    """`exact` up to 100 differences, else `normal`; `none` without a difference."""


def paired_t(differences: Sequence[float] | FloatArray) -> StudentT | None:
    """Returns Student's t of the differences against 0; `None` for fewer than two, or without spread.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908) 1-25.

    Example:
        >>> found = paired_t([1.0, 2.0, 3.0])
        >>> round(found.statistic, 6), found.df
        (3.464102, 2)
    """
    array = numbers(differences, "differences")
    array = array[~np.isnan(array)]
    error, df = error_of_mean(array, None)
    if error is None:
        return None
    statistic = float(array.mean()) / error
    return StudentT(statistic=statistic, df=df, p_value=t_two_sided_p(statistic, df))


def sign_flip_p(differences: Sequence[float] | FloatArray, *, seed: int = 0) -> float:
    """Returns the share of sign patterns whose sum lies at least as far from 0 as the sum seen.

    All patterns up to 20 differences that are not 0, else 9,999 seeded draws with p = (k + 1) / 10,000.

    Args:
        differences: One a case, or one sum a cluster; NaN is left out.
        seed: Seed of the draws.

    Source: R. A. Fisher, The Design of Experiments (1935) section 21; B. Phipson and G. K. Smyth, "Permutation
    p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010) 39.

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0])
        0.25
    """
    array = numbers(differences, "differences")
    array = array[~np.isnan(array) & (array != 0)]
    m = len(array)
    if m == 0:
        return 1.0
    total = float(array.sum())
    # Sums that are equal on paper differ in the last bits, depending on the order of adding.
    bar = abs(total) - 1e-9 * float(np.abs(array).sum())
    if m <= _MOST_ENUMERATED:
        sums = np.zeros(1)
        for value in array:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= bar))
    generator = np.random.default_rng(seed)
    rows, width = max(1, _BATCH // m), (m + 7) // 8
    reached = 0
    for start in range(0, _DRAWS, rows):
        count = min(rows, _DRAWS - start)
        drawn = np.frombuffer(generator.bytes(count * width), dtype=np.uint8).reshape(count, width)
        is_kept = np.unpackbits(drawn, axis=1, count=m).astype(np.float64)
        reached += int(np.sum(np.abs(2.0 * (is_kept @ array) - total) >= bar))
    return (reached + 1) / (_DRAWS + 1)


def wilcoxon(differences: Sequence[float] | FloatArray) -> SignedRanks:
    """Returns Wilcoxon's signed-rank test, for scores of which only the order counts.

    Differences of 0 are left out, equal sizes share their mean rank, and the p values are counted out given these
    ranks. Beyond 100 differences the rank sum is taken for normal, corrected for ties and by a half for continuity.

    Args:
        differences: One a case; NaN is left out.

    Source: F. Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; M. Hollander and D. A. Wolfe, Nonparametric Statistical
    Methods (1973) chapter 3.

    Example:
        >>> found = wilcoxon([3.0, 1.0, -2.0, 4.0, 5.0])
        >>> found.positive, found.p_value
        (13.0, 0.1875)
    """
    array = numbers(differences, "differences")
    array = array[~np.isnan(array) & (array != 0)]
    n = len(array)
    if n == 0:
        return SignedRanks(positive=0.0, negative=0.0, n=0, p_value=1.0, p_greater=1.0, method="none")
    sizes, place, counts = np.unique(np.abs(array), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place] if len(sizes) else np.zeros(0)
    positive = float(ranks[array > 0].sum())
    negative = n * (n + 1) / 2.0 - positive
    if n <= _MOST_COUNTED:
        p_greater, p_less = _counted_tails(ranks, positive)
        method = "exact"
    else:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0 - float(np.sum(counts**3 - counts)) / 48.0)
        lead = (positive - negative) / 2.0
        p_greater, p_less = normal_cdf(-(lead - 0.5) / spread), normal_cdf((lead + 0.5) / spread)
        method = "normal"
    p_value = min(1.0, 2.0 * min(p_greater, p_less))
    return SignedRanks(positive=positive, negative=negative, n=n, p_value=p_value, p_greater=p_greater, method=method)


def _counted_tails(ranks: FloatArray, positive: float) -> tuple[float, float]:
    """Chance of a rank sum of at least, and of at most, `positive`, each rank counting with chance 1/2."""
    # Mean ranks are halves: doubled they are whole.
    doubled = np.rint(2 * ranks).astype(np.int64)
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for step in doubled:
        shifted = np.zeros_like(chance)
        shifted[step:] = chance[: len(chance) - step]
        chance = (chance + shifted) / 2.0
    seen = round(2 * positive)
    return float(chance[seen:].sum()), float(chance[: seen + 1].sum())
