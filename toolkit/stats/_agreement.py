"""Agreement between raters, such as a judge and people: Cohen's and Fleiss's kappa and Krippendorff's alpha."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np

from toolkit.stats._arrays import FloatArray, group_numbers

Scale = Literal["nominal", "ordinal", "interval", "ratio"]


def cohen_kappa(table: Sequence[Sequence[float]] | FloatArray) -> float | None:
    """Returns Cohen's kappa of two raters: agreement beyond chance, 1 = always, 0 = as by chance.

    Args:
        table: Row i, column j: how often the first rater said i where the second said j.

    Returns `None` without a rating, or when both use a single category, where chance agrees always.

    Raises:
        ValueError: If the table is not square, or holds anything but finite counts.

    Source: J. Cohen, Educ. Psychol. Meas. 20 (1960) 37-46.

    Example:
        >>> round(cohen_kappa([[20, 5], [10, 15]]), 6)
        0.4
    """
    counts = _counts(table)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"Cohen's kappa needs a square table of counts; got shape {counts.shape!r}.")
    n = float(counts.sum())
    if n == 0:
        return None
    seen = float(np.trace(counts)) / n
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1)) / n**2
    return _beyond(seen, chance)


def cohen_kappa_of(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Returns Cohen's kappa of two raters' labels; a pair in which one is `None` is left out.

    Raises:
        ValueError: If the raters have different numbers of labels.

    Example:
        >>> round(cohen_kappa_of(["good", "bad", "good", None], ["good", "bad", "bad", "bad"]), 6)
        0.4
    """
    if len(first) != len(second):
        raise ValueError(f"Both raters label the same cases; got {len(first)} and {len(second)} labels.")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    places = group_numbers([label for pair in pairs for label in pair]).reshape(-1, 2)
    table = np.zeros((int(places.max()) + 1,) * 2)
    np.add.at(table, (places[:, 0], places[:, 1]), 1)
    return cohen_kappa(table)


def fleiss_kappa(counts: Sequence[Sequence[float]] | FloatArray) -> float | None:
    """Returns Fleiss's kappa of several raters, each case rated by the same number of them.

    Args:
        counts: One row a case, one column a category: how many raters chose it.

    Returns `None` without a case, or when all use a single category.

    Raises:
        ValueError: If the rows have different sums, or a sum is below 2.

    Source: J. L. Fleiss, Psychol. Bull. 76 (1971) 378-382.

    Example:
        >>> round(fleiss_kappa([[3, 0], [0, 3], [2, 1]]), 6)
        0.55
    """
    table = _counts(counts)
    if table.ndim != 2:
        raise ValueError(f"Fleiss's kappa needs one row a case and one column a category; got shape {table.shape!r}.")
    if len(table) == 0:
        return None
    raters = table.sum(axis=1)
    if np.any(raters != raters[0]) or raters[0] < 2:
        raise ValueError("Fleiss's kappa needs the same number of raters in each case, two or more.")
    agreeing = (np.sum(table**2, axis=1) - raters) / (raters * (raters - 1))
    shares = table.sum(axis=0) / table.sum()
    return _beyond(float(agreeing.mean()), float(np.sum(shares**2)))


def krippendorff_alpha(ratings: Sequence[Sequence[float]] | FloatArray, *, scale: Scale = "nominal") -> float | None:
    """Returns Krippendorff's alpha: agreement beyond chance of any number of raters, with gaps allowed.

    Args:
        ratings: One row a rater, one column a case; NaN = not rated. Nominal categories are numbered.
        scale: How far two ratings are apart: `nominal` equal or not, `ordinal` by how many ratings lie between,
            `interval` by their difference, `ratio` by their difference over their sum.

    Returns `None` when no case has two ratings, or all ratings are the same.

    Raises:
        ValueError: If a rating is infinite, the scale is unknown, or a rating is below 0 on the ratio scale.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).

    Example:
        >>> round(krippendorff_alpha([[1, 2, 3], [1, 2, 4]], scale="interval"), 6)
        0.878049
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"Ratings have one row a rater and one column a case; got shape {table.shape!r}.")
    if np.any(np.isinf(table)):
        raise ValueError("The ratings hold an infinite number; give a finite one, or NaN for none.")
    table = table[:, np.sum(~np.isnan(table), axis=0) >= 2]
    present = ~np.isnan(table)
    if not present.any():
        return None
    values = np.unique(table[present])
    counts = np.array([np.sum(table == value, axis=0) for value in values], dtype=np.float64)
    # Each ordered pair of ratings of one case counts 1 / (ratings of the case - 1).
    weights = 1 / (counts.sum(axis=0) - 1)
    coincidences = (counts * weights) @ counts.T
    coincidences -= np.diag((counts * weights).sum(axis=1))
    totals = coincidences.sum(axis=1)
    distance = _distances(values, totals, scale)
    n = float(totals.sum())
    expected = float(totals @ distance @ totals) / (n - 1)
    if expected == 0:
        return None
    return 1 - float(np.sum(coincidences * distance)) / expected


def _distances(values: FloatArray, totals: FloatArray, scale: Scale) -> FloatArray:
    """How far each two values are apart, squared."""
    apart = values[:, None] - values[None, :]
    if scale == "nominal":
        return np.where(apart == 0, 0.0, 1.0)
    if scale == "interval":
        return np.square(apart)
    if scale == "ratio":
        if np.any(values < 0):
            raise ValueError(f"A ratio scale starts at 0; got a rating of {float(values.min())!r}.")
        total = values[:, None] + values[None, :]
        return np.square(np.divide(apart, total, out=np.zeros_like(apart), where=total > 0))
    if scale == "ordinal":
        # Ratings up to the middle of each value's own: the distance is the count between two middles.
        middles = np.cumsum(totals) - totals / 2
        return np.square(middles[:, None] - middles[None, :])
    raise ValueError(f"There is no scale {scale!r}; choose nominal, ordinal, interval or ratio.")


def _beyond(seen: float, chance: float) -> float | None:
    return None if chance >= 1 else (seen - chance) / (1 - chance)


def _counts(table: Sequence[Sequence[float]] | FloatArray) -> FloatArray:
    counts = np.asarray(table, dtype=np.float64)
    if not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError("Counts are finite and 0 or more.")
    return counts
