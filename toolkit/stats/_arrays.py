"""Turns what callers give into checked arrays: finite numbers, NaN for no value, cluster names as whole numbers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def numbers(values: Sequence[float] | FloatArray, what: str = "values") -> FloatArray:
    """Returns `values` as one row of floats, in which NaN stands for no value.

    Raises:
        ValueError: If one is infinite, or they are not one row.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"The {what} must be one row of numbers; got an array of shape {array.shape!r}.")
    return _checked(array, what)


def table(values: Sequence[Sequence[float]] | FloatArray, what: str = "values") -> FloatArray:
    """Returns `values` as a table of floats, one row a case and one column a repeat; short rows end in NaN.

    Raises:
        ValueError: If one is infinite, or they are not rows of numbers.
    """
    if isinstance(values, np.ndarray):
        array = values.astype(np.float64)
    else:
        width = max((len(row) for row in values), default=0)
        array = np.full((len(values), width), np.nan)
        for place, row in enumerate(values):
            array[place, : len(row)] = row
    if array.ndim != 2:
        raise ValueError(f"The {what} must be rows of repeats; got an array of shape {array.shape!r}.")
    return _checked(array, what)


def in_pairs(
    a: Sequence[float] | FloatArray, b: Sequence[float] | FloatArray, clusters: Sequence[Hashable] | None
) -> tuple[FloatArray, FloatArray, NDArray[np.int64] | None]:
    """Returns both sides as floats and the number of each case's cluster; `None` when every case is its own.

    Raises:
        ValueError: If the lengths differ or a value is infinite.
    """
    first, second = numbers(a, "first arm's values"), numbers(b, "second arm's values")
    if len(first) != len(second):
        raise ValueError(
            f"A paired comparison needs the same cases in the same order on both sides; got {len(first)} and "
            f"{len(second)} values."
        )
    if clusters is None:
        return first, second, None
    if len(clusters) != len(first):
        raise ValueError(f"There are {len(first)} cases and {len(clusters)} cluster names; give one a case.")
    return first, second, group_numbers(clusters)


def group_numbers(clusters: Sequence[Hashable]) -> NDArray[np.int64]:
    """Returns one whole number a value, equal where the clusters are equal."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(cluster, len(seen)) for cluster in clusters], dtype=np.int64)


def real_groups(groups: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Returns the groups numbered from 0 without gaps; `None` when each has one member, which is no clustering."""
    if groups is None:
        return None
    names, numbered = np.unique(groups, return_inverse=True)
    return None if len(names) == len(groups) else numbered.astype(np.int64)


def is_binary(values: FloatArray) -> bool:
    """True when every value is 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def check_level(level: float) -> None:
    """Raises `ValueError` unless `level` lies between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"A confidence level lies between 0 and 1, such as 0.95; got {level!r}.")


def _checked(array: FloatArray, what: str) -> FloatArray:
    infinite = np.argwhere(np.isinf(array))
    if len(infinite):
        place = ", ".join(str(index) for index in infinite[0])
        raise ValueError(f"The {what} hold an infinite number at place {place}; give a finite one, or NaN for none.")
    return array
