"""Splits the variance of a score over crossed factors, such as prompt, model and case, their interactions and noise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class VariancePart:
    """What one factor, or the interplay of several, adds to the variance."""

    factors: tuple[str, ...]
    variance: float
    """At least 0: a negative estimate, which is chance, counts as 0."""
    share: float | None
    """Of the variance of a single trial; `None` when nothing varies."""

    @property
    def name(self) -> str:
        """The factors in words: `prompt`, or `prompt x case`."""
        return " x ".join(self.factors)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSplit:
    """The variance of a score, by where it comes from."""

    parts: tuple[VariancePart, ...]
    """Each factor with two levels or more, then their interactions, from two factors to all."""
    noise: VariancePart
    """Between repeats of the same trial; without repeats, with the interaction of all factors in it."""
    total: float
    """Variance of a single trial: the sum of all parts."""
    repeats: float
    """Repeats a cell, the harmonic mean."""
    dropped: int
    """Levels of the last factor (cases) left out for want of a value in some arm."""
    is_balanced: bool
    """False when cases were left out or cells differ in their repeats: the split is then approximate."""
    has_own_noise: bool
    """False without repeats, when noise and the interaction of all factors cannot be told apart."""

    @property
    def interaction(self) -> float:
        """Variance of all interactions together."""
        return sum(part.variance for part in self.parts if len(part.factors) > 1)

    @property
    def interaction_share(self) -> float | None:
        """The same as a share of the variance of a single trial."""
        return self.interaction / self.total if self.total > 0 else None

    def part(self, *factors: str) -> VariancePart | None:
        """Returns the part of these factors in any order; `None` when there is none, as for a factor of one level."""
        return next((part for part in self.parts if set(part.factors) == set(factors)), None)


def split_variance(scores: FloatArray, *, factors: Sequence[str] = ("prompt", "model", "case")) -> VarianceSplit | None:
    """Splits the variance of scores over crossed factors by the method of moments.

    Each level is taken as drawn from many, each mean square is set equal to its expectation, and the equations are
    solved from the interaction of all factors down to the single ones. Layouts that are not balanced are brought to
    one that is: a level of the last factor (a case) with an empty cell is left out and counted, and cells that differ
    in their number of repeats enter with their means, as if each had the harmonic mean of repeats. The result then
    says that it is not balanced. A grid of prompts and models with holes has no such split: give its arms as one
    factor, `factors=("arm", "case")`.

    Args:
        scores: One axis a factor in the order of `factors`, and repeats on the last axis; NaN = no value.
        factors: Names of the axes before the last.

    Returns `None` when no factor has two levels left, or no case is complete.

    Raises:
        ValueError: If `scores` has not one axis more than there are factors, or a value is infinite.

    Source: S. R. Searle, G. Casella and C. E. McCulloch, Variance Components (1992) chapter 4; the analysis of cell
    means after F. Yates, JASA 29 (1934) 51-66.

    Example:
        >>> split = split_variance(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]), factors=("arm", "case"))
        >>> split.part("arm").variance, split.part("case").variance, split.noise.variance
        (2.0, 0.5, 0.0)
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != len(factors) + 1:
        raise ValueError(
            f"Scores over {', '.join(factors)} and repeats have {len(factors) + 1} axes; got {array.ndim}."
        )
    if np.any(np.isinf(array)):
        raise ValueError("The scores hold an infinite number; give a finite one, or NaN for none.")
    counts = np.sum(~np.isnan(array), axis=-1)
    is_complete = np.all(counts > 0, axis=tuple(range(array.ndim - 2)))
    array, counts = array[..., is_complete, :], counts[..., is_complete]
    active = [place for place, size in enumerate(counts.shape) if size > 1]
    if counts.size == 0 or not active:
        return None
    cells = np.nansum(array, axis=-1) / counts
    spare = int(counts.sum()) - counts.size
    residual = float(np.nansum((array - cells[..., None]) ** 2)) / spare if spare else None
    repeats = counts.size / float(np.sum(1 / counts))
    variances = _solved(cells, active, repeats, residual)
    noise = variances.pop(()) if residual is None else residual
    total = noise + sum(variances.values())
    ordered = sorted(variances, key=lambda places: (len(places), places))
    parts = tuple(_part(tuple(factors[place] for place in places), variances[places], total) for places in ordered)
    return VarianceSplit(
        parts=parts,
        noise=_part(("noise",), noise, total),
        total=total,
        repeats=repeats,
        dropped=int(np.sum(~is_complete)),
        is_balanced=bool(is_complete.all()) and bool(np.all(counts == counts.flat[0])),
        has_own_noise=residual is not None,
    )


def _solved(
    cells: FloatArray, active: Sequence[int], repeats: float, residual: float | None
) -> dict[tuple[int, ...], float]:
    """The variance of each set of factors; without a residual, that of all factors stands under () as noise."""
    sets = [tuple(chosen) for size in range(len(active), 0, -1) for chosen in itertools.combinations(active, size)]
    squares = {places: _mean_square(cells, places, repeats) for places in sets}
    solved: dict[tuple[int, ...], float] = {}
    floored: dict[tuple[int, ...], float] = {}
    base = residual
    if base is None:
        # The highest interaction is the only measure of noise that there is.
        base = floored[()] = squares.pop(sets.pop(0))
    for places in sets:
        above = [other for other in solved if set(places) < set(other)]
        explained = base + sum(_weight(cells, other, repeats) * solved[other] for other in above)
        solved[places] = (squares[places] - explained) / _weight(cells, places, repeats)
        floored[places] = max(0.0, solved[places])
    return floored


def _weight(cells: FloatArray, places: Sequence[int], repeats: float) -> float:
    """Trials that share one combination of these factors' levels."""
    return repeats * float(math.prod(size for place, size in enumerate(cells.shape) if place not in places))


def _mean_square(cells: FloatArray, places: tuple[int, ...], repeats: float) -> float:
    """The mean square of an effect: the means over all other factors, less every effect of fewer factors."""
    effect = np.zeros([1] * cells.ndim)
    for size in range(len(places) + 1):
        for kept in itertools.combinations(places, size):
            others = tuple(place for place in range(cells.ndim) if place not in kept)
            effect = effect + (-1) ** (len(places) - size) * cells.mean(axis=others, keepdims=True)
    degrees = float(math.prod(cells.shape[place] - 1 for place in places))
    return float(np.sum(np.square(effect))) * _weight(cells, places, repeats) / degrees


def _part(names: tuple[str, ...], variance: float, total: float) -> VariancePart:
    return VariancePart(factors=names, variance=variance, share=variance / total if total > 0 else None)
