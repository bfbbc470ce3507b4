"""One arm against the baseline: what was decided, how sure it is, and a sentence that says what to do next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.results._calls import calls_words
from toolkit.results._words import amount, counted, p_words, percent
from toolkit.stats import Comparison, Interval, chance_to_see, interval_of_ties, smallest_gap


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """One arm against the baseline."""

    arm: str
    baseline: str
    score: str
    comparison: Comparison
    mean: float | None
    """Over the cases that both have a score for."""
    baseline_mean: float | None
    p_holm: float | None
    """Corrected for the number of arms that are compared with this baseline."""
    family: int
    """That number."""
    level: float
    left_out: int = 0
    """Cases that are not compared, because one of the two has no answer or no score."""
    worst_case: Comparison | None = None
    """The same with every missing answer counted as 0; `None` when at most 2 % of the cases are left out."""
    worst_p_holm: float | None = None
    """Its p, corrected as `p_holm` is."""
    lower_is_better: bool = False
    """Whether the smaller number wins, as of seconds and USD."""
    is_share: bool = False
    """Whether every single score is 0 or 1, so that differences are told in points of a hundred."""
    clusters: int | None = None
    """How many of these cases are independent of each other; `None` = all."""

    @property
    def delta_failures_as_0(self) -> float | None:
        """Mean difference in the worst case; `None` when at most 2 % of the cases are left out."""
        return self.worst_case.delta if self.worst_case is not None else None

    @property
    def is_shaken(self) -> bool:
        """True when the verdict would be another one if every missing answer counted as 0."""
        if self.worst_case is None:
            return False
        delta = self.worst_case.delta or 0.0
        is_decided = self.worst_p_holm is not None and self.worst_p_holm <= 1 - self.level + 1e-12 and bool(delta)
        return is_decided != self.is_decided or (is_decided and (delta > 0) != self.is_better)

    @property
    def gain(self) -> float:
        """The mean difference in favour of the arm, whichever way its score counts; 0 when there is none."""
        delta = self.comparison.delta or 0.0
        return -delta if self.lower_is_better else delta

    @property
    def gain_interval(self) -> Interval | None:
        """The interval of `gain`; where no two answers differed, that of `interval_of_ties`; `None` = not known."""
        found = self.comparison
        if found.interval is None:
            is_tied = found.is_paired and found.wins == found.losses == 0
            return interval_of_ties(found.n, level=self.level) if is_tied else None
        low, high = found.interval.low, found.interval.high
        return Interval(low=-high, high=-low, level=self.level) if self.lower_is_better else found.interval

    @property
    def wins(self) -> int:
        """Cases in which the arm has the better score."""
        return self.comparison.losses if self.lower_is_better else self.comparison.wins

    @property
    def losses(self) -> int:
        """Cases in which the baseline has the better score."""
        return self.comparison.wins if self.lower_is_better else self.comparison.losses

    @property
    def is_decided(self) -> bool:
        """True when the corrected p is at most 1 - level and the arms differ."""
        return self.p_holm is not None and self.p_holm <= 1 - self.level + 1e-12 and bool(self.comparison.delta)

    @property
    def is_better(self) -> bool:
        """True when it is decided in favour of the arm."""
        return self.is_decided and self.gain > 0

    @property
    def is_worse(self) -> bool:
        """True when it is decided in favour of the baseline."""
        return self.is_decided and self.gain < 0

    @property
    def on_score(self) -> str:
        """The score's name, and that less of it is better where that is so."""
        return f"{self.score} (less is better)" if self.lower_is_better else self.score

    @property
    def gap(self) -> str:
        """The difference with its interval, p and number of cases, in words."""
        parts = span_words(self.comparison.interval, self.is_share)
        if self.p_holm is not None:
            corrected = f" after Holm's correction for {self.family} arms" if self.family > 1 else ""
            parts.append(f"{p_words(self.p_holm, alpha=1 - self.level)}{corrected}")
        return f"{gap_words(self.comparison.delta, parts, self.is_share)}, {self.cases}"

    @property
    def plain_gap(self) -> str:
        """The same without p, for what is decided by the interval."""
        parts = span_words(self.comparison.interval, self.is_share)
        return f"{gap_words(self.comparison.delta, parts, self.is_share)}, {self.cases}"

    @property
    def cases(self) -> str:
        """How many cases are compared, and how many independent groups they are."""
        if not self.comparison.is_paired:
            return calls_words(self.comparison)
        told = counted(self.comparison.n, "case")
        return told if self.clusters is None else f"{told} in {counted(self.clusters, 'group')}"

    @property
    def caution(self) -> str:
        """What to make of an interval and a p that seem to disagree; empty where they do not."""
        span, p = self.comparison.interval, self.comparison.p_value
        if span is None or p is None:
            return ""
        holds_zero = span.low <= 0 <= span.high
        if self.is_decided and holds_zero:
            return "It is narrow: the interval, made in another way than p, still reaches 0; repeat it on new cases."
        if self.is_decided or holds_zero:
            return ""
        if self.family > 1 and p <= 1 - self.level:
            return f"Alone it would count ({p_words(p)}); among {self.family} arms chance brings such a gap too often."
        return "The interval leaves out 0, but p, which assumes less, does not bear it out."

    @property
    def outlook(self) -> str:
        """How small a gap these cases can show, and how many cases the gap seen would need."""
        found = self.comparison
        parts = []
        be = "is" if found.n == 1 else "are"
        if (self.clusters or found.n) < self._fewest:
            of = "groups of cases" if self.clusters is not None else "cases"
            parts.append(f"{self.cases} {be} too few to see any gap: it takes {self._fewest} {of} or more")
        elif found.smallest_gap is not None and self.is_share and found.smallest_gap >= 1:
            parts.append(f"{self.cases} {be} too few to see any but the widest gap")
        elif found.smallest_gap is not None:
            gap = amount(found.smallest_gap, self.is_share).lstrip("+") + (" points" if self.is_share else "")
            parts.append(f"with {counted(found.n, 'case')} only a gap of about {gap} or more is likely to be seen")
        needed = found.rows_needed
        if needed is not None and needed > max(found.n, self._fewest):
            parts.append(f"a gap of the size seen needs about {needed:,} cases")
            if self.chance_doubled is not None:
                parts.append(f"as many again show it with a chance of about {percent(self.chance_doubled)}")
        if parts and self.family > 1:
            parts.append(f"to correct for {self.family} arms asks for more still")
        return "; ".join(parts)

    @property
    def chance_doubled(self) -> float | None:
        """Chance that as many cases again show the gap seen, if it is there; `None` when it cannot be told."""
        found = self.comparison
        if found.smallest_gap is None or not found.delta or not found.is_paired:
            return None
        alpha = 1 - self.level
        # The spread of one case, back from the gap that these cases show.
        variance = found.n * (found.smallest_gap / smallest_gap(1, variance=1.0, alpha=alpha)) ** 2
        return chance_to_see(found.delta, 2 * found.n, variance=variance, alpha=alpha / max(1, self.family))

    @property
    def _fewest(self) -> int:
        """Cases, or groups of them, below which nothing is decided though all of them were won."""
        if not self.comparison.is_paired:
            return 0
        halvings = math.log2(max(1, self.family) / (1 - self.level))
        return math.ceil(halvings if self.comparison.is_binary else halvings + 1)

    @property
    def diff_call(self) -> str:
        """The call that shows case by case what changed from the baseline to the arm."""
        return f"results.diff({self.baseline!r}, {self.arm!r}, score={self.score!r})"

    @property
    def sentence(self) -> str:
        """The comparison in one sentence, and what to do next."""
        found = self.comparison
        if not found.is_paired:
            return _sentence_of_calls(self)
        if found.n == 0:
            return (
                f"Not comparable: no case is scored in both {self.arm} and {self.baseline}. "
                "Next: results.summary() shows which has no answers or no scores."
            )
        if found.wins == found.losses == 0:
            cases = f"{'each of ' if found.n > 1 else ''}{counted(found.n, 'case')}"
            return f"{self.arm} has the same {self.score} as {self.baseline} in {cases}. Next: {self.advice_on_ties}."
        count = f"won {self.wins}, lost {self.losses}, tied {found.ties}"
        if self.is_decided:
            word = "better" if self.is_better else "worse"
            lost = f"read the {counted(self.losses, 'case')} lost: {self.diff_call}.worse"
            price = "results.compare('cost_usd') has the price of it"
            return (
                f"{self.arm} is {word} than {self.baseline} on {self.on_score}: {self.gap}, {count}. "
                f"{self._told_caution}Next: {lost if self.losses else price}."
            )
        outlook = f": {self.outlook}" if self.outlook else ", or decide by cost"
        return (
            f"{self.arm} against {self.baseline} is undecided on {self.on_score}: {self.gap}, {count}. "
            f"{self._told_caution}Next: add cases{outlook}."
        )

    @property
    def advice_on_ties(self) -> str:
        """What to do where no case tells the two apart."""
        if (self.clusters or self.comparison.n) < self._fewest:
            return "add cases"
        cheaper = "take the cheaper of the two: results.compare('cost_usd')"
        if self.is_share and self.mean == 1:
            return f"{cheaper}, or add harder cases: all of these are right"
        if self.is_share and self.mean == 0:
            return "read some answers in results.wide(): none is right, so the scorer or the cases may be at fault"
        return cheaper

    @property
    def _told_caution(self) -> str:
        return f"{self.caution} " if self.caution else ""


def gap_words(delta: float | None, parts: Sequence[str], in_points: bool) -> str:
    """Returns a difference with its unit, and behind it in brackets what is known of it."""
    told = f" ({'; '.join(parts)})" if parts else ""
    return f"{amount(delta or 0.0, in_points)}{' points' if in_points else ''}{told}"


def span_words(interval: Interval | None, in_points: bool) -> list[str]:
    """Returns an interval with its level as one part of `gap_words`; none where there is no interval."""
    if interval is None:
        return []
    ends = (interval.low, interval.high)
    if in_points:
        # No share is off by more than all of it, whatever the formula gives.
        ends = (max(-1.0, ends[0]), min(1.0, ends[1]))
    low, high = (amount(end, in_points) for end in ends)
    return [f"{interval.level * 100:.4g} % interval {low} to {high}"]


def _sentence_of_calls(one: ArmComparison) -> str:
    """Returns the comparison in one sentence, and what to do next."""
    found = one.comparison
    if not found.n_a or not found.n_b:
        lacking = one.baseline if found.n_a else one.arm
        return (
            f"Not comparable: no call of {lacking} has a score {one.score}. "
            "Next: results.summary() shows which has no answers or no scores."
        )
    if one.is_decided:
        word = "better" if one.is_better else "worse"
        return (
            f"{one.arm} is {word} than {one.baseline} on {one.on_score}: {one.gap}. Next: each answered calls of its "
            "own, so unless it was drawn by chance who answers which, sweep both over the same cases before you decide."
        )
    told = f"{one.arm} against {one.baseline} is undecided on {one.on_score}: {one.gap}"
    more = ""
    if found.rows_needed is not None and found.rows_needed > found.n:
        more = f": a gap of the size seen needs about {found.rows_needed:,} calls of both together"
    return f"{told}. Next: sweep both over the same cases, which takes far fewer, or wait for more calls{more}."
