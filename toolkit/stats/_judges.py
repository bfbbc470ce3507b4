"""What a judge's verdicts in both orders are worth: consistency, position bias, and agreement with people."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from toolkit.stats._agreement import cohen_kappa_of, krippendorff_alpha
from toolkit.stats._arrays import FloatArray, group_numbers, is_binary
from toolkit.stats._intervals import Interval, mean_interval, wilson
from toolkit.stats._pairs import bonett_price

Verdict = Literal["first", "second", "tie"]

# Fewer labels than these say too little about a judge.
_FEWEST_LABELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BothOrders:
    """A judge's verdicts on two arms' answers to one case, asked in both orders; `None` = could not be read."""

    case: Hashable
    a_first: Verdict | None
    """The verdict when arm a's answer stood first."""
    b_first: Verdict | None
    """The verdict when arm b's answer stood first."""

    @property
    def score(self) -> float | None:
        """1 = a is better, 0 = b is, 0.5 = a tie or the orders contradict each other; `None` = unscored."""
        if self.a_first is None or self.b_first is None:
            return None
        return _SCORES.get((self.a_first, self.b_first), 0.5)

    @property
    def is_consistent(self) -> bool:
        """True when both orders name the same winner, or both a tie."""
        return (self.a_first, self.b_first) in _SCORES


_SCORES: dict[tuple[Verdict | None, Verdict | None], float] = {
    ("first", "second"): 1.0,
    ("second", "first"): 0.0,
    ("tie", "tie"): 0.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """How a judge behaved over all pairs."""

    pairs: int
    scored: int
    """Pairs of which both verdicts could be read."""
    unread_verdicts: int
    """Verdicts that could not be read; their pairs are unscored."""
    wins: int
    """Pairs in which both orders say that arm a is better."""
    ties: int
    """Pairs that are a tie in both orders, or in which the orders contradict each other."""
    losses: int
    consistent: int
    """Pairs with the same verdict in both orders."""
    swap_consistency: float | None
    """`consistent` over `scored`; `None` without a scored pair."""
    swap_consistency_interval: Interval | None
    """Wilson's."""
    position_bias: float | None
    """P(the answer that stands first wins) - 0.5, a tie counting half: 0 = none, 0.5 = always the first."""
    position_bias_interval: Interval | None
    """Half of Bonett and Price's; the t interval over pairs when a tie in one order alone makes halves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a judge agrees with people, over the cases that both labelled."""

    n: int
    share: float | None
    """Of equal labels."""
    kappa: float | None
    """Cohen's; `None` for fewer than 30 labels."""
    alpha: float | None
    """Krippendorff's; `None` for fewer than 30 labels."""


def judge_report(pairs: Sequence[BothOrders], *, level: float = 0.95) -> JudgeReport:
    """Returns how consistent a judge was, and whether it prefers a place.

    Args:
        pairs: One a case and pair of arms, each judged in both orders.
        level: Confidence level.

    Source: position bias as in L. Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena",
    arXiv:2306.05685 (2023); the intervals at `wilson`, `bonett_price` and `mean_interval`.

    Example:
        >>> report = judge_report([
        ...     BothOrders(case=1, a_first="first", b_first="second"),
        ...     BothOrders(case=2, a_first="first", b_first="first"),
        ... ])
        >>> report.wins, report.ties, report.swap_consistency, report.position_bias
        (1, 1, 0.5, 0.25)
    """
    read = [pair for pair in pairs if pair.score is not None]
    scores = [pair.score for pair in read]
    consistent = sum(pair.is_consistent for pair in read)
    # Twice the share of wins of the place in front, less 1: 1 = first in both orders, 0 = no place preferred.
    leaning = np.array([_of_first(pair.a_first) + _of_first(pair.b_first) - 1 for pair in read])
    return JudgeReport(
        pairs=len(pairs),
        scored=len(read),
        unread_verdicts=sum((pair.a_first is None) + (pair.b_first is None) for pair in pairs),
        wins=scores.count(1.0),
        ties=scores.count(0.5),
        losses=scores.count(0.0),
        consistent=consistent,
        swap_consistency=consistent / len(read) if read else None,
        swap_consistency_interval=wilson(consistent, len(read), level=level),
        position_bias=float(leaning.mean()) / 2 if read else None,
        position_bias_interval=_bias_interval(leaning, level),
    )


def judge_agreement(
    judge: Sequence[float | str | None],
    people: Sequence[float | str | None],
    *,
    scale: Literal["nominal", "ordinal", "interval", "ratio"] = "nominal",
) -> Agreement:
    """Returns how far a judge's labels agree with people's, beyond what chance would make.

    Args:
        judge: One label a case; `None` = unscored.
        people: The same cases in the same order; `None` = not labelled.
        scale: For Krippendorff's alpha; labels that are words are nominal.

    Raises:
        ValueError: If the numbers of labels differ, or words are given for another scale than nominal.

    Source: at `cohen_kappa` and `krippendorff_alpha`.

    Example:
        >>> found = judge_agreement(["good", "bad"] * 20, ["good", "bad"] * 19 + ["good", "good"])
        >>> found.n, found.share, round(found.kappa, 2)
        (40, 0.975, 0.95)
    """
    if len(judge) != len(people):
        raise ValueError(f"Judge and people label the same cases; got {len(judge)} and {len(people)} labels.")
    both = [(a, b) for a, b in zip(judge, people, strict=True) if a is not None and b is not None]
    n = len(both)
    share = sum(a == b for a, b in both) / n if n else None
    if n < _FEWEST_LABELS:
        return Agreement(n=n, share=share, kappa=None, alpha=None)
    labels = [label for pair in both for label in pair]
    if scale == "nominal":
        numbered = group_numbers(labels).astype(np.float64)
    elif any(isinstance(label, str) for label in labels):
        raise ValueError(f"Labels that are words have no {scale} scale; number them, or choose nominal.")
    else:
        numbered = np.array(labels, dtype=np.float64)
    return Agreement(
        n=n,
        share=share,
        kappa=cohen_kappa_of([a for a, _ in both], [b for _, b in both]),
        alpha=krippendorff_alpha(numbered.reshape(-1, 2).T, scale=scale),
    )


def _of_first(verdict: Verdict | None) -> float:
    return {"first": 1.0, "second": 0.0}.get(verdict or "tie", 0.5)


def _bias_interval(leaning: FloatArray, level: float) -> Interval | None:
    if is_binary(np.abs(leaning)):
        found = bonett_price(int(np.sum(leaning > 0)), int(np.sum(leaning < 0)), len(leaning), level=level)
    else:
        found = mean_interval(leaning, level=level)
    return None if found is None else Interval(low=found.low / 2, high=found.high / 2, level=level)
