"""Repeats of the same case: how much of the spread is sampling, how often an answer changes, and pass@k."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray, table
from toolkit.stats._intervals import Estimate, estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """How the spread of one arm's scores divides between cases and repeats; `None` where it cannot be told."""

    between: float | None
    """Variance between cases' true means; 0 when the means spread no more than repeats alone would make them."""
    within: float | None
    """Variance between repeats of one case; `None` without a case that was repeated."""
    n: int
    """Cases with a value."""
    repeats: float
    """Repeats a case, a kind of mean when cases differ in it."""

    @property
    def within_sd(self) -> float | None:
        """Standard deviation between repeats of one case, in the score's unit."""
        return None if self.within is None else math.sqrt(self.within)

    @property
    def sampling_share(self) -> float | None:
        """Share of a single trial's variance that comes from sampling, from 0 to 1."""
        return self.sampling_share_of_mean(1)

    def sampling_share_of_mean(self, repeats: int) -> float | None:
        """Returns the share of the variance that still comes from sampling when `repeats` are averaged."""
        if self.between is None or self.within is None:
            return None
        left = self.within / repeats
        total = self.between + left
        return left / total if total > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """How often repeats of the same case answer differently."""

    n: int
    """Cases with two answers or more."""
    rate: float | None
    """Chance that two repeats of a case differ, averaged over cases; `None` without such a case."""
    estimate: Estimate
    """The same with its interval over cases."""
    changed: int
    """Cases of which not all repeats are the same."""


def anova_components(scores: Sequence[Sequence[float]] | FloatArray) -> Components:
    """Returns the variance between cases and between repeats, by a one-way analysis of variance.

    Args:
        scores: One row a case, one column a repeat; NaN = no value. Cases may have different numbers of repeats.

    Raises:
        ValueError: If a value is infinite.

    Source: S. R. Searle, G. Casella and C. E. McCulloch, Variance Components (1992) chapter 3.

    Example:
        >>> found = anova_components([[1.0, 3.0], [5.0, 7.0]])
        >>> found.within, found.between
        (2.0, 7.0)
    """
    array = table(scores, "scores")
    array = array[~np.isnan(array).all(axis=1)] if array.size else array.reshape(0, 0)
    n = len(array)
    counts = np.sum(~np.isnan(array), axis=1)
    total = int(counts.sum())
    if n == 0:
        return Components(between=None, within=None, n=0, repeats=0.0)
    means = np.nansum(array, axis=1) / counts
    within = float(np.nansum((array - means[:, None]) ** 2)) / (total - n) if total > n else None
    if n < 2:
        return Components(between=None, within=within, n=n, repeats=float(counts[0]))
    repeats = (total - float(np.sum(counts**2)) / total) / (n - 1)
    grand = float(np.nansum(array)) / total
    mean_square = float(np.sum(counts * (means - grand) ** 2)) / (n - 1)
    between = None if within is None else max(0.0, (mean_square - within) / repeats)
    return Components(between=between, within=within, n=n, repeats=repeats)


def pass_at_k(passed: int, repeats: int, k: int) -> float:
    """Returns the chance that at least one of `k` repeats passes, without bias, from `passed` in `repeats`.

    It is 1 - C(repeats - passed, k) / C(repeats, k).

    Raises:
        ValueError: If `k` is not within 1 to `repeats`, or `passed` not within 0 to `repeats`.

    Source: M. Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374 (2021), equation 1.

    Example:
        >>> round(pass_at_k(3, 10, 2), 6)
        0.533333
    """
    if not 1 <= k <= repeats:
        raise ValueError(f"pass@k needs k from 1 to the number of repeats; got k={k!r} and {repeats!r} repeats.")
    if not 0 <= passed <= repeats:
        raise ValueError(f"{passed!r} passed of {repeats!r} repeats cannot be.")
    return 1.0 - math.comb(repeats - passed, k) / math.comb(repeats, k)


def mean_pass_at_k(scores: Sequence[Sequence[float]] | FloatArray, k: int, *, level: float = 0.95) -> Estimate:
    """Returns pass@k averaged over the cases that have at least `k` repeats, with its interval over cases.

    Args:
        scores: One row a case, one column a repeat: 1 = passed, 0 = failed, NaN = no value.
        k: Repeats of which one has to pass.
        level: Confidence level.

    Raises:
        ValueError: If a score is neither 0 nor 1, or `k` is below 1.

    Example:
        >>> mean_pass_at_k([[1, 0], [0, 0], [1, 1]], 2).mean
        0.6666666666666666
    """
    array = table(scores, "scores")
    if not np.all(np.isnan(array) | (array == 0) | (array == 1)):
        raise ValueError("pass@k needs scores of 0 and 1; turn others into passed or not first.")
    if k < 1:
        raise ValueError(f"pass@k needs a k of at least 1; got {k!r}.")
    counts = np.sum(~np.isnan(array), axis=1)
    passed = np.nansum(array, axis=1)
    chances = [pass_at_k(int(c), int(n), k) for c, n in zip(passed, counts, strict=True) if n >= k]
    return estimate(chances, level=level)


def flips(answers: Sequence[Sequence[Hashable | None]], *, level: float = 0.95) -> Flips:
    """Returns how often repeats of the same case answer differently; at temperature 0 this should be never.

    Args:
        answers: For each case its repeats' answers, made comparable; `None` = no answer, left out.
        level: Confidence level of the interval over cases.

    Example:
        >>> found = flips([["yes", "yes"], ["yes", "no"]])
        >>> found.rate, found.changed, found.n
        (0.5, 1, 2)
    """
    rates = []
    for row in answers:
        present = [answer for answer in row if answer is not None]
        if len(present) > 1:
            same = sum(math.comb(count, 2) for count in Counter(present).values())
            rates.append(1.0 - same / math.comb(len(present), 2))
    found = estimate(rates, level=level)
    return Flips(n=len(rates), rate=found.mean, estimate=found, changed=sum(rate > 0 for rate in rates))
