"""Ranks arms by pairwise preferences of people or judges, with intervals from resampled cases."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.stats._arrays import FloatArray, check_level, group_numbers
from toolkit.stats._bradley_terry import bradley_terry, elo, fit_many, is_connected
from toolkit.stats._intervals import Interval

# Wins lent to every pair in both directions where a table of wins has no finite strengths.
_LENT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One verdict on two arms' answers to one case."""

    case: Hashable
    first: str
    second: str
    score: float
    """1 = the first is better, 0 = the second is, 0.5 = a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStrength:
    """One arm's place among the others."""

    arm: str
    log_strength: float
    """Log-odds against an arm of average strength."""
    interval: Interval | None
    """Of `log_strength`; `None` for fewer than two cases."""
    elo: float
    """The same number as a rating around 1,500, for display."""
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Arms from the strongest to the weakest."""

    arms: tuple[ArmStrength, ...]
    n_cases: int
    n_preferences: int
    draws_lent: int
    """Resamples that had no finite strengths and got 0.1 wins for every pair in both directions."""
    note: str | None
    """What was done to get strengths at all, in words."""


def rank_arms(
    preferences: Sequence[Preference],
    *,
    pseudo_wins: float = 0.0,
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
) -> Ranking:
    """Ranks arms by the Bradley-Terry model; ties are half a win each, and the intervals resample whole cases.

    Args:
        preferences: Verdicts in any order; two orders of one pair are one verdict, made beforehand.
        pseudo_wins: As for `bradley_terry`.
        level: Confidence level.
        draws: Resamples.
        seed: Seed of the resamples.

    Raises:
        ValueError: If there is no preference, a score is not 0, 0.5 or 1, an arm meets itself, or the preferences
            have no finite strengths.

    Source: at `bradley_terry`; percentile bootstrap after B. Efron and R. Tibshirani (1993) chapter 13.

    Example:
        >>> votes = [Preference(case=n, first="a", second="b", score=1.0 if n else 0.0) for n in range(4)]
        >>> [arm.arm for arm in rank_arms(votes, draws=99).arms]
        ['a', 'b']
    """
    check_level(level)
    if draws < 99:
        raise ValueError(f"A bootstrap needs 99 draws or more; got {draws!r}.")
    names = _checked_names(preferences)
    by_case = _wins_by_case(preferences, names)
    fitted = bradley_terry(by_case.sum(axis=0), pseudo_wins=pseudo_wins)
    ends, lent = _bootstrap_ends(by_case, pseudo_wins, level=level, draws=draws, seed=seed)
    counts = {name: [0, 0, 0] for name in names}
    for vote in preferences:
        counts[vote.first][_PLACES[vote.score]] += 1
        counts[vote.second][_PLACES[1 - vote.score]] += 1
    arms = [
        ArmStrength(
            arm=name,
            log_strength=strength,
            interval=None if ends is None else Interval(low=float(ends[0, i]), high=float(ends[1, i]), level=level),
            elo=elo(strength),
            wins=counts[name][0],
            ties=counts[name][1],
            losses=counts[name][2],
        )
        for i, (name, strength) in enumerate(zip(names, fitted.log_strengths, strict=True))
    ]
    note = f"{pseudo_wins:g} wins added for every pair in both directions" if pseudo_wins else None
    return Ranking(
        arms=tuple(sorted(arms, key=lambda arm: -arm.log_strength)),
        n_cases=len(by_case),
        n_preferences=len(preferences),
        draws_lent=lent,
        note=note,
    )


_PLACES = {1.0: 0, 0.5: 1, 0.0: 2}


def _checked_names(preferences: Sequence[Preference]) -> list[str]:
    for vote in preferences:
        if vote.score not in _PLACES:
            raise ValueError(f"A preference scores 1, 0.5 or 0; got {vote.score!r} in case {vote.case!r}.")
        if vote.first == vote.second:
            raise ValueError(f"Arm {vote.first!r} meets itself in case {vote.case!r}.")
    if not preferences:
        raise ValueError("There is no preference to rank by; collect some first.")
    return list(dict.fromkeys(name for vote in preferences for name in (vote.first, vote.second)))


def _wins_by_case(preferences: Sequence[Preference], names: Sequence[str]) -> FloatArray:
    places = {name: place for place, name in enumerate(names)}
    cases = group_numbers([vote.case for vote in preferences])
    wins = np.zeros((int(cases.max()) + 1, len(names), len(names)))
    for case, vote in zip(cases, preferences, strict=True):
        i, j = places[vote.first], places[vote.second]
        wins[case, i, j] += vote.score
        wins[case, j, i] += 1 - vote.score
    return wins


def _bootstrap_ends(
    by_case: FloatArray, pseudo_wins: float, *, level: float, draws: int, seed: int
) -> tuple[FloatArray | None, int]:
    n, size, _ = by_case.shape
    if n < 2:
        return None, 0
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    pairs = 1 - np.eye(size)
    tables = (times @ by_case.reshape(n, size * size)).reshape(draws, size, size) + pseudo_wins * pairs
    lacking = ~is_connected(tables)
    tables[lacking] += _LENT * pairs
    ends: FloatArray = np.quantile(fit_many(tables), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends, int(lacking.sum())
