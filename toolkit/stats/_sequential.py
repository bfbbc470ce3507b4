"""Stopping early without fooling oneself: an e-process for paired zeros and ones, and curtailment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from toolkit.stats._arrays import check_level
from toolkit.stats._intervals import Interval
from toolkit.stats._special import log_beta

# The largest power that a float holds.
_LARGEST_LOG = 709.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where a comparison that is looked at after every case stands."""

    wins: int
    losses: int
    e_value: float
    """Evidence against "a win is as likely as a loss"; may be looked at after every case."""
    threshold: float
    """Evidence at which the comparison stops: the number of comparisons over alpha."""
    win_share: Interval
    """Share of wins among the cases on which the arms differ; holds the truth at every look at once."""
    better: Literal["first", "second"] | None
    """Which arm the evidence shows to be better."""
    is_order_fixed: bool
    """True when the cases that remain cannot change which arm has more wins."""

    @property
    def should_stop(self) -> bool:
        """True when there is nothing left to learn for this comparison."""
        return self.better is not None or self.is_order_fixed


def watch(wins: int, losses: int, *, remaining: int, comparisons: int = 1, alpha: float = 0.05) -> Watch:
    """Returns whether a comparison with the baseline can stop; cases must come in random order.

    The chance that any of the comparisons ever names an arm that is not better is at most `alpha`. The price is power:
    where the gap is small, a fixed number of cases decides more often (docs/statistics.md has figures).

    Args:
        wins: Cases so far that only the first arm gets right.
        losses: Cases so far that only the second arm gets right.
        remaining: Cases not seen yet.
        comparisons: Arms that are compared with the baseline.
        alpha: Chance of a false alarm, over all comparisons and looks.

    Raises:
        ValueError: If a count is below 0, `comparisons` below 1, or `alpha` not between 0 and 1.

    Source: at `e_value` and `win_share_interval`.

    Example:
        >>> found = watch(8, 0, remaining=40)
        >>> round(found.e_value, 4), found.better
        (28.4444, 'first')
    """
    check_level(1 - alpha)
    if min(wins, losses, remaining) < 0 or comparisons < 1:
        raise ValueError(
            f"Counts are 0 or more and comparisons 1 or more; got {wins!r} wins, {losses!r} losses, {remaining!r} "
            f"remaining, {comparisons!r} comparisons."
        )
    evidence, threshold = e_value(wins, losses), comparisons / alpha
    better: Literal["first", "second"] | None = None
    if evidence >= threshold:
        better = "first" if wins > losses else "second"
    return Watch(
        wins=wins,
        losses=losses,
        e_value=evidence,
        threshold=threshold,
        win_share=win_share_interval(wins, losses, level=1 - alpha / comparisons),
        better=better,
        is_order_fixed=is_order_fixed(wins - losses, remaining=remaining),
    )


def e_value(wins: int, losses: int) -> float:
    """Returns the evidence against a win being as likely as a loss: 2^(w+l) B(w+1, l+1).

    It is the likelihood of the wins and losses, averaged over every share of wins, over that of a share of one half.
    If a win is as likely as a loss, it ever reaches 1 / alpha with a chance of at most alpha, however often one looks.

    Source: J. Ville, Étude critique de la notion de collectif (1939); H. Robbins, Ann. Math. Statist. 41 (1970)
    1397-1409; A. Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", Stat. Sci. 38 (2023).

    Example:
        >>> round(e_value(5, 0), 4)
        5.3333
    """
    log = (wins + losses) * math.log(2) + log_beta(wins + 1, losses + 1)
    return math.exp(log) if log < _LARGEST_LOG else math.inf


def win_share_interval(wins: int, losses: int, *, level: float = 0.95) -> Interval:
    """Returns the shares of wins that the e-process has not ruled out: an interval that is valid at every look.

    It is about the cases on which the arms differ, so 0.5 means that neither is better.

    Raises:
        ValueError: If `level` is not between 0 and 1.

    Source: the inversion of `e_value`; H. Robbins (1970).

    Example:
        >>> found = win_share_interval(15, 4)
        >>> round(found.low, 2), round(found.high, 2)
        (0.45, 0.97)
    """
    check_level(level)
    bar = log_beta(wins + 1, losses + 1) + math.log(1 - level)
    middle = wins / (wins + losses) if wins + losses else 0.5
    low = 0.0 if wins == 0 else _crossing(wins, losses, bar, outer=0.0, inner=middle)
    high = 1.0 if losses == 0 else _crossing(wins, losses, bar, outer=1.0, inner=middle)
    return Interval(low=low, high=high, level=level)


def is_order_fixed(lead: float, *, remaining: int, largest: float = 1.0) -> bool:
    """True when the cases that remain cannot turn the sign of the sum of differences.

    Args:
        lead: Sum of the differences so far; wins minus losses for zeros and ones.
        remaining: Cases not seen yet.
        largest: The largest difference that one case can have.

    Example:
        >>> is_order_fixed(5, remaining=4), is_order_fixed(4, remaining=4)
        (True, False)
    """
    return abs(lead) > remaining * largest


def _crossing(wins: int, losses: int, bar: float, *, outer: float, inner: float) -> float:
    """The share between `outer` (ruled out) and `inner` (not) at which the log-likelihood falls to `bar`."""
    for _ in range(200):
        middle = (outer + inner) / 2
        if middle in (outer, inner):
            break
        likely = (wins * math.log(middle) if wins else 0.0) + (losses * math.log1p(-middle) if losses else 0.0)
        outer, inner = (outer, middle) if likely > bar else (middle, inner)
    # The side that is not smaller than the truth.
    return outer
