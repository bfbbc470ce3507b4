"""An interval for a mean that holds at every look, for bounded scores drawn from a finite list of cases."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toolkit.stats._arrays import FloatArray, check_level, numbers
from toolkit.stats._intervals import Interval

# Candidate means tried on a grid; the ends are then widened by one step.
_GRID = 1_000
# A bet risks at most this share of the capital on one case.
_LARGEST_BET = 0.5
# Adding in another order changes the mean in its last digits; the ends leave room for that.
_ROUNDING = 1e-12


def confidence_sequence(
    values: Sequence[float] | FloatArray,
    *,
    population: int,
    lowest: float = 0.0,
    highest: float = 1.0,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Returns, for each number of cases seen so far, an interval for the mean over all cases of the list.

    Against each candidate mean a gambler bets that the next values lie above it, another that they lie below; a
    candidate is ruled out for good once one of them has multiplied the stake by 2 / alpha. All the intervals together
    hold the mean with chance `level`, so one may look after every case and stop at any. The list is finite and drawn
    from without putting back: when every case was seen, the interval is the mean itself. It says nothing about cases
    outside the list.

    Args:
        values: Scores, or differences of two arms, in the random order in which the cases were tried.
        population: Cases in the list.
        lowest: Smallest value possible; -1 for the difference of two scores from 0 to 1.
        highest: Largest value possible.
        level: Confidence level of all intervals together.

    Raises:
        ValueError: If a value is not finite or outside the bounds, or there are more values than cases.

    Source: I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting", J. R. Stat. Soc.
    B 86 (2024) 1-27, arXiv:2010.09686, section 5 (without replacement, hedged capital) with its predictable
    plug-in bets.

    Example:
        >>> path = confidence_sequence([1.0] * 30, population=100)
        >>> path[-1].low > 0.5, path[-1].high
        (True, 1.0)
    """
    check_level(level)
    array = numbers(values)
    if np.any(np.isnan(array)):
        raise ValueError("A confidence sequence needs a number for every case; count a failure as the worst score.")
    if len(array) > population:
        raise ValueError(f"{len(array)} values cannot come from a list of {population!r} cases.")
    width = highest - lowest
    if width <= 0 or np.any(array < lowest) or np.any(array > highest):
        raise ValueError(f"The values have to lie within {lowest!r} and {highest!r}; give the bounds of the score.")
    found = _unit_path((array - lowest) / width, population, level)
    return tuple(
        Interval(low=max(lowest, lowest + width * low), high=min(highest, lowest + width * high), level=level)
        for low, high in found
    )


def first_look_without(
    values: FloatArray, mean: float, *, population: int, lowest: float, highest: float, level: float
) -> tuple[int, bool] | None:
    """Returns the first value by which `mean` is ruled out, and whether the true mean is above it; `None` = it is not.

    The bets are those of `confidence_sequence`, against this one candidate.

    Args:
        values: One a case, in random order, all within the bounds.
        mean: The candidate, strictly between the bounds.
        population: Cases of the list.
        lowest: The smallest value that a case can have.
        highest: The largest.
        level: Confidence level, over all looks.
    """
    if not len(values):
        return None
    x = (values - lowest) / (highest - lowest)
    candidate = (mean - lowest) / (highest - lowest)
    seen = np.arange(len(x))
    rest = (population * candidate - np.concatenate([[0.0], np.cumsum(x)[:-1]])) / (population - seen)
    inside = np.clip(rest, 1e-12, 1 - 1e-12)
    bets = _bets(x, level)
    up = np.cumsum(np.log1p(np.minimum(bets, _LARGEST_BET / inside) * (x - inside)))
    down = np.cumsum(np.log1p(-np.minimum(bets, _LARGEST_BET / (1 - inside)) * (x - inside)))
    # Where the rest would have to lie outside the bounds, the candidate is impossible.
    is_above = (up >= math.log(2 / (1 - level))) | (rest < 0)
    is_below = (down >= math.log(2 / (1 - level))) | (rest > 1)
    places = np.flatnonzero(is_above | is_below)
    return (int(places[0]), bool(is_above[places[0]])) if len(places) else None


def _unit_path(x: FloatArray, population: int, level: float) -> list[tuple[float, float]]:
    grid = np.linspace(0.0, 1.0, _GRID + 1)
    bets = _bets(x, level)
    # Half the stake goes to each gambler.
    threshold = math.log(2 / (1 - level))
    up, down = np.zeros_like(grid), np.zeros_like(grid)
    total, path = 0.0, []
    low, high = 0.0, 1.0
    for seen, (value, bet) in enumerate(zip(x, bets, strict=True)):
        # What the mean of the cases that remain would be, if the candidate were true.
        rest = (population * grid - total) / (population - seen)
        inside = np.clip(rest, 1e-12, 1 - 1e-12)
        up += np.log1p(np.minimum(bet, _LARGEST_BET / inside) * (value - inside))
        down += np.log1p(-np.minimum(bet, _LARGEST_BET / (1 - inside)) * (value - inside))
        is_open = (rest >= 0) & (rest <= 1) & (np.maximum(up, down) < threshold)
        total += float(value)
        kept = grid[is_open]
        possible = total / population - _ROUNDING, (total + population - seen - 1) / population + _ROUNDING
        if len(kept):
            low, high = max(low, float(kept[0]) - 1 / _GRID), min(high, float(kept[-1]) + 1 / _GRID)
        low, high = max(low, possible[0]), min(high, possible[1])
        if low > high:
            # Only when the truth was ruled out before, or lies between two candidates: what is still possible stands.
            low = high = min(max(low, possible[0]), possible[1])
        path.append((low, high))
    return path


def _bets(x: FloatArray, level: float) -> FloatArray:
    """The stake on each value, from the values before it only."""
    seen = np.arange(len(x))
    before = np.concatenate([[0.0], np.cumsum(x)[:-1]]) if len(x) else x
    # A value's own deviation is measured from the mean that includes it.
    own = (0.5 + before + x) / (seen + 2)
    squares = np.concatenate([[0.0], np.cumsum((x - own) ** 2)[:-1]]) if len(x) else x
    spread = (0.25 + squares) / (seen + 1)
    bets: FloatArray = np.sqrt(2 * math.log(2 / (1 - level)) / (spread * (seen + 1) * np.log(seen + 2)))
    return bets
