"""Follows a comparison case by case, in random order, and says after which case it was settled, and for whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from toolkit.stats._arrays import FloatArray, check_level, numbers
from toolkit.stats._betting import confidence_sequence, first_look_without
from toolkit.stats._intervals import Interval
from toolkit.stats._sequential import is_order_fixed, win_share_interval

# Evidence that reaches the bar to the last digit counts, however its logarithm is rounded.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a comparison stands that was looked at after every case."""

    n: int
    """Cases with a difference."""
    wins: int
    losses: int
    better: Literal["first", "second"] | None
    """Which arm the evidence has shown to be better, at some look; it stays so whatever came later."""
    decided_at: int | None
    """Cases gone through when it was shown, those without a difference included; `None` = it was not."""
    is_order_fixed: bool
    """True when the cases that remain cannot change which arm is ahead."""
    is_binary: bool
    """True when every difference is -1, 0 or 1."""
    is_bounded: bool
    """False when a difference lies outside -1 to 1: nothing can be decided by looking then."""

    @property
    def is_settled(self) -> bool:
        """True when there is nothing left to learn for this comparison."""
        return self.better is not None or self.is_order_fixed


def follow(
    differences: Sequence[float] | FloatArray, *, population: int, comparisons: int = 1, alpha: float = 0.05
) -> Course:
    """Returns how a comparison stands after the cases so far, which must have come in random order.

    Differences of zeros and ones are weighed by wins and losses (`e_value`), others between -1 and 1 by betting
    against a mean of 0 over the list (`confidence_sequence`). The chance that any of the comparisons ever names an arm
    that is not better is at most `alpha`.

    Args:
        differences: First arm minus second, one a case; NaN = one of the two has no score, which decides nothing.
        population: Cases of the list, those not seen yet included.
        comparisons: Arms that are compared with the baseline.
        alpha: Chance of a false alarm, over all comparisons and looks.

    Raises:
        ValueError: If there are more differences than cases, `comparisons` is below 1, or `alpha` not between 0 and 1.

    Source: at `e_value` and `confidence_sequence`.

    Example:
        >>> found = follow([1, 1, float("nan"), 1, 1, 1, 1, 1, 1], population=40)
        >>> found.better, found.decided_at
        ('first', 9)
    """
    check_level(1 - alpha)
    array = numbers(differences)
    if len(array) > population or comparisons < 1:
        raise ValueError(
            f"A list of {population!r} cases cannot have {len(array)} differences, and comparisons are 1 or more; got "
            f"{comparisons!r} comparisons."
        )
    seen = np.flatnonzero(~np.isnan(array))
    known = array[seen]
    is_bounded = bool(np.all(np.abs(known) <= 1))
    is_binary = is_bounded and bool(np.all(np.isin(known, (-1.0, 0.0, 1.0))))
    found: tuple[int, bool] | None = None
    if is_binary:
        found = _first_look_at_wins(known, comparisons / alpha)
    elif is_bounded:
        found = first_look_without(
            known, 0.0, population=population, lowest=-1.0, highest=1.0, level=1 - alpha / comparisons
        )
    remaining = population - len(array)
    return Course(
        n=len(known),
        wins=int(np.sum(known > 0)),
        losses=int(np.sum(known < 0)),
        better=None if found is None else "first" if found[1] else "second",
        decided_at=None if found is None else int(seen[found[0]]) + 1,
        is_order_fixed=is_bounded and is_order_fixed(float(known.sum()), remaining=remaining),
        is_binary=is_binary,
        is_bounded=is_bounded,
    )


def course_interval(
    differences: Sequence[float] | FloatArray, *, population: int, comparisons: int = 1, alpha: float = 0.05
) -> Interval | None:
    """Returns the interval that belongs to `follow`, valid at every look; `None` without a difference.

    Differences of zeros and ones: the share of wins among the cases on which the arms differ, where 0.5 means that
    neither is better. Others between -1 and 1: the mean difference over the list. `None` beyond these bounds.

    The arguments and errors are those of `follow`.

    Example:
        >>> found = course_interval([1] * 8, population=40)
        >>> round(found.low, 2), found.high
        (0.52, 1.0)
    """
    found = follow(differences, population=population, comparisons=comparisons, alpha=alpha)
    if not found.n or not found.is_bounded:
        return None
    level = 1 - alpha / comparisons
    if found.is_binary:
        return win_share_interval(found.wins, found.losses, level=level)
    array = numbers(differences)
    path = confidence_sequence(array[~np.isnan(array)], population=population, lowest=-1.0, highest=1.0, level=level)
    return path[-1]


def _first_look_at_wins(known: FloatArray, threshold: float) -> tuple[int, bool] | None:
    """Place of the difference with which the evidence reaches the threshold, and whether it is for the first arm."""
    wins, losses = np.cumsum(known > 0), np.cumsum(known < 0)
    # log of n!, by n; the evidence is that of `e_value`, for all looks at once.
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, len(known) + 2)))])
    both = wins + losses
    evidence = both * math.log(2) + log_factorial[wins] + log_factorial[losses] - log_factorial[both + 1]
    places = np.flatnonzero(evidence >= math.log(threshold) - _ROUNDING)
    return (int(places[0]), bool(wins[places[0]] > losses[places[0]])) if len(places) else None
