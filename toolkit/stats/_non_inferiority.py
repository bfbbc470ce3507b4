"""Picks the cheapest arm that is shown to be not worse than the baseline by more than a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit.stats._arrays import check_level
from toolkit.stats._intervals import Interval

Standing = Literal["not worse", "worse", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An arm that might replace the baseline."""

    arm: str
    cost_usd: float | None
    """What it costs, in the same unit for all (USD a case); `None` = not known, and then it is not chosen."""
    difference: Interval | None
    """Of its score minus the baseline's on the same cases; `None` when it cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which arm to take."""

    arm: str
    """The cheapest that is not worse by more than the margin; the baseline when no cheaper one is."""
    is_baseline: bool
    margin: float
    standings: tuple[tuple[str, Standing], ...]
    """Each candidate with where it stands, in the order given."""
    unpriced: tuple[str, ...]
    """Candidates that are not worse and have no known cost."""


def standing(difference: Interval | None, *, margin: float) -> Standing:
    """Returns whether an arm is shown to be not worse by more than `margin`, shown to be so, or neither.

    Args:
        difference: The interval of its score minus the baseline's.
        margin: The loss that would be accepted, above 0, in the score's unit: 0.02 = two points of a share.

    Raises:
        ValueError: If `margin` is not above 0.

    Source: the confidence-interval form of a non-inferiority test, ICH E9 (1998) section 3.3.2: with a two-sided 95 %
    interval, an arm that is worse by the margin passes with a chance of at most 2.5 %.

    Example:
        >>> standing(Interval(low=-0.01, high=0.05, level=0.95), margin=0.02)
        'not worse'
    """
    if not margin > 0:
        raise ValueError(f"A margin is a loss that would be accepted, above 0, such as 0.02; got {margin!r}.")
    if difference is None:
        return "undecided"
    if difference.low > -margin:
        return "not worse"
    return "worse" if difference.high < -margin else "undecided"


def interval_of_ties(n: int, *, level: float = 0.95) -> Interval | None:
    """Returns the interval of a mean difference where all of `n` cases had the same score in both arms.

    No difference was seen, so there is no spread to make an interval of. The share of further cases that differ is held
    below -log((1 - level) / 2) / n, and each of them is taken to differ by one whole unit of the score.

    `None` without a case.

    Raises:
        ValueError: If `level` is not between 0 and 1.

    Source: the "rule of three" at a two-sided level, J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983) 1743-1745.

    Example:
        >>> round(interval_of_ties(100).high, 4)
        0.0369
    """
    check_level(level)
    if n == 0:
        return None
    bound = -math.log((1 - level) / 2) / n
    return Interval(low=-bound, high=bound, level=level)


def ties_needed(margin: float, *, level: float = 0.95) -> int:
    """Returns how many cases of equal scores show that an arm is not worse by more than `margin`.

    Args:
        margin: As for `standing`.
        level: As for `interval_of_ties`.

    Raises:
        ValueError: If `level` is not between 0 and 1.

    Example:
        >>> ties_needed(0.02)
        185
    """
    check_level(level)
    return math.ceil(-math.log((1 - level) / 2) / margin)


def cheapest_not_worse(
    candidates: Sequence[Candidate], *, baseline: str, baseline_cost_usd: float | None, margin: float
) -> Choice:
    """Returns the cheapest arm whose score is shown to be not worse than the baseline's by more than `margin`.

    The more arms are tried, the more often one passes by chance: make the intervals at
    `bonferroni_level(len(candidates))`, and the chance that the arm chosen is worse by more than the margin stays at
    2.5 %. Without a known cost of the baseline, the cheapest arm with a known cost that is not worse is chosen.

    Args:
        candidates: The arms beside the baseline; of two with the same cost the first is taken.
        baseline: The arm that they are compared with.
        baseline_cost_usd: Its cost, in the candidates' unit; `None` = not known.
        margin: The loss that would be accepted, above 0, in the score's unit.

    Raises:
        ValueError: If `margin` is not above 0.

    Source: at `standing`.

    Example:
        >>> small = Candidate(arm="small", cost_usd=0.001, difference=Interval(low=-0.01, high=0.03, level=0.95))
        >>> cheapest_not_worse([small], baseline="large", baseline_cost_usd=0.01, margin=0.02).arm
        'small'
    """
    standings = tuple((each.arm, standing(each.difference, margin=margin)) for each in candidates)
    passing = [each for each, (_, where) in zip(candidates, standings, strict=True) if where == "not worse"]
    chosen, cost = baseline, baseline_cost_usd
    for each in passing:
        if each.cost_usd is not None and (cost is None or each.cost_usd < cost):
            chosen, cost = each.arm, each.cost_usd
    return Choice(
        arm=chosen,
        is_baseline=chosen == baseline,
        margin=margin,
        standings=standings,
        unpriced=tuple(each.arm for each in passing if each.cost_usd is None),
    )
