"""Strengths of arms from pairwise preferences: the Bradley-Terry model, and Elo numbers to show them by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray

_MOST_STEPS = 200
# Change of a log-strength at which a fit counts as settled, and the largest change made at once.
_SETTLED = 1e-10
_LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BradleyTerry:
    """Strengths that make the preferences seen most likely: arm i beats arm j with odds exp(s_i - s_j)."""

    log_strengths: tuple[float, ...]
    """One an arm, with mean 0."""
    covariance: tuple[tuple[float, ...], ...]
    """Of the log-strengths, from the curvature at the maximum; preferences are taken as independent."""
    deviance: float
    """Twice the log-likelihood that the model falls short of the pairs' own shares by."""
    df: int
    """Pairs that met, less the strengths fitted: what `deviance` is about when the model holds."""

    def difference(self, i: int, j: int) -> tuple[float, float]:
        """Returns how much stronger arm `i` is than arm `j` (log-odds), and its standard error."""
        c = self.covariance
        error = math.sqrt(max(0.0, c[i][i] + c[j][j] - 2 * c[i][j]))
        return self.log_strengths[i] - self.log_strengths[j], error


def bradley_terry(wins: Sequence[Sequence[float]] | FloatArray, *, pseudo_wins: float = 0.0) -> BradleyTerry:
    """Returns the maximum-likelihood strengths of arms from a table of wins, by Newton's method.

    Args:
        wins: Row i, column j: how often arm i was preferred to arm j; a tie is half a win for each. The diagonal is 0.
        pseudo_wins: Added to every pair in both directions, 0.1 say, to get strengths from a table that has none; it
            draws them together.

    Raises:
        ValueError: If `wins` is not a square table of finite counts, or there is no finite maximum: some arms never
            lost to any of the others, or the arms fall into groups that never met.

    Source: R. A. Bradley and M. E. Terry, Biometrika 39 (1952) 324-345; D. R. Hunter, "MM algorithms for generalized
    Bradley-Terry models", Ann. Statist. 32 (2004) 384-406, for the condition.

    Example:
        >>> found = bradley_terry([[0, 3], [1, 0]])
        >>> round(found.difference(0, 1)[0], 6)
        1.098612
    """
    table = _checked(wins) + pseudo_wins * (1 - np.eye(len(wins)))
    if not is_connected(table[None])[0]:
        raise ValueError(
            "These preferences have no finite strengths: some arms never lost to the others, or never met them. "
            "Collect more, or give pseudo_wins=0.1, which draws the strengths together."
        )
    strengths = fit_many(table[None])[0]
    met = table + table.T
    chance = 1 / (1 + np.exp(strengths[None, :] - strengths[:, None]))
    covariance = _covariance(met * chance * (1 - chance))
    has_won = table > 0
    expected = met * chance
    deviance = 2 * float(np.sum(table[has_won] * np.log(table[has_won] / expected[has_won])))
    return BradleyTerry(
        log_strengths=tuple(float(strength) for strength in strengths),
        covariance=tuple(tuple(float(value) for value in row) for row in covariance),
        deviance=deviance,
        df=int(np.sum(np.triu(met, 1) > 0)) - (len(table) - 1),
    )


def elo(log_strength: float, *, middle: float = 1500.0) -> float:
    """Returns a log-strength on the scale of Elo ratings: 400 more are odds of 10 to 1. For display only.

    Source: A. E. Elo, The Rating of Chessplayers (1978); the factor is 400 / ln 10.

    Example:
        >>> round(elo(math.log(10)))
        1900
    """
    return middle + 400.0 * log_strength / math.log(10)


def elo_expected(rating: float, other: float) -> float:
    """Returns the chance that the arm rated `rating` is preferred to the one rated `other`, a tie counting half.

    Example:
        >>> round(elo_expected(1613, 1388), 3)
        0.785
    """
    return 1 / (1 + 10 ** ((other - rating) / 400))


def is_connected(tables: FloatArray) -> NDArray[np.bool_]:
    """True for each table of wins in which every arm is reached from every other by a chain of wins.

    Args:
        tables: Any number of square tables, one after the other.
    """
    size = tables.shape[-1]
    reached = (tables > 0) | np.eye(size, dtype=bool)
    for _ in range(max(1, math.ceil(math.log2(max(2, size))))):
        reached = (reached.astype(np.float64) @ reached.astype(np.float64)) > 0
    return np.asarray(np.all(reached, axis=(-2, -1)), dtype=np.bool_)


def fit_many(tables: FloatArray) -> FloatArray:
    """Returns the centred log-strengths of many tables of wins at once, each of which has to be connected.

    Raises:
        ArithmeticError: If a fit does not settle.
    """
    size = tables.shape[-1]
    met, won = tables + tables.transpose(0, 2, 1), tables.sum(axis=2)
    strengths: FloatArray = np.zeros(tables.shape[:2])
    for _ in range(_MOST_STEPS):
        chance = 1 / (1 + np.exp(strengths[:, None, :] - strengths[:, :, None]))
        slope = won - (met * chance).sum(axis=2)
        curvature = _laplacian(met * chance * (1 - chance)) + 1 / size
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        strengths = strengths + step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, 1e-300))
        strengths -= strengths.mean(axis=1, keepdims=True)
        if float(longest.max(initial=0.0)) < _SETTLED * max(1.0, float(np.abs(strengths).max(initial=0.0))):
            return np.asarray(strengths, dtype=np.float64)
    raise ArithmeticError(
        f"The strengths did not settle in {_MOST_STEPS} steps; some arms almost never lose. Give pseudo_wins=0.1."
    )


def _covariance(weights: FloatArray) -> FloatArray:
    size = len(weights)
    # The constant moves the one direction that the preferences say nothing about away from 0, and back.
    return np.asarray(np.linalg.inv(_laplacian(weights) + 1 / size) - 1 / size, dtype=np.float64)


def _laplacian(weights: FloatArray) -> FloatArray:
    size = weights.shape[-1]
    return np.asarray(np.eye(size) * weights.sum(axis=-1)[..., None] - weights, dtype=np.float64)


def _checked(wins: Sequence[Sequence[float]] | FloatArray) -> FloatArray:
    table = np.asarray(wins, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or len(table) < 2:
        raise ValueError(f"Wins are a square table of two arms or more; got shape {table.shape!r}.")
    if not np.all(np.isfinite(table)) or np.any(table < 0) or np.any(np.diag(table) != 0):
        raise ValueError("Wins are finite counts of 0 or more, and no arm beats itself.")
    return table
