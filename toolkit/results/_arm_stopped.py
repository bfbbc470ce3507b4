"""One arm against the baseline in a sweep that stopped early: numbers and words that hold however often one looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit._records import RunView
from toolkit.results._arm_comparison import ArmComparison, gap_words
from toolkit.results._early import STOPPED, Stopped, stopped_comparison
from toolkit.results._summary import CaseScores
from toolkit.stats import Interval
from toolkit.store import measures_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedComparison(ArmComparison):
    """One arm against the baseline, decided by evidence that may be looked at after every case."""

    stopped: Stopped
    unsent: int
    """Cases of which early stopping left something unsent in one of the two."""

    @property
    def is_decided(self) -> bool:
        """True when the evidence has shown one of the two to be better, at some look."""
        return self.is_better or self.is_worse

    @property
    def is_better(self) -> bool:
        """True when it is decided in favour of the arm."""
        return self.stopped.is_better

    @property
    def is_worse(self) -> bool:
        """True when it is decided in favour of the baseline."""
        return self.stopped.is_worse

    @property
    def gain_interval(self) -> Interval | None:
        """The interval of `gain`; for zeros and ones the side of 0 on which it is shown to lie, `None` = neither."""
        if self.stopped.interval is None or not self.stopped.course.is_binary:
            return self.stopped.interval
        if not self.is_decided:
            return None
        low, high = (0.0, 1.0) if self.is_better else (-1.0, 0.0)
        return Interval(low=low, high=high, level=self.level)

    @property
    def gap(self) -> str:
        """The difference and how far it came; p values and intervals of a fixed number of cases do not hold here."""
        span = self.stopped.span(level=self.level)
        told = gap_words(self.comparison.delta, [span] if span else [], self.is_share)
        return f"{told}, {self.stopped.after}"

    @property
    def plain_gap(self) -> str:
        """As `gap`, which has no p."""
        return self.gap

    @property
    def outlook(self) -> str:
        """Nothing: what is left unsent is the way to more evidence."""
        return ""

    @property
    def sentence(self) -> str:
        """The comparison in one sentence, and what to do next."""
        found, after = self.comparison, f"{self.stopped.after[0].upper()}{self.stopped.after[1:]}"
        if found.n == 0:
            return (
                f"Not comparable: no case is scored in both {self.arm} and {self.baseline}. "
                "Next: results.summary() shows which has no answers or no scores."
            )
        span = self.stopped.span(level=self.level)
        told = gap_words(found.delta, [span] if span else [], self.is_share)
        count = f"won {self.wins}, lost {self.losses}, tied {found.ties}"
        rest = "Next: the same sweep without stop_early sends the rest; then score it."
        if self.is_decided:
            word = "better" if self.is_better else "worse"
            lost = f"Next: read the cases lost: {self.diff_call}.worse." if self.losses else rest
            return f"{after}: {self.arm} is {word} than {self.baseline} on {self.on_score}: {told}, {count}. {lost}"
        if self.stopped.course.is_order_fixed and self.gain:
            place = "ahead of" if self.gain > 0 else "behind"
            return (
                f"{after}: {self.arm} is {place} {self.baseline} on {self.on_score}, and the rest of these cases "
                f"cannot change that; beyond them it is undecided: {told}, {count}. Next: add cases, or decide by cost."
            )
        return f"{after}: {self.arm} against {self.baseline} is undecided on {self.on_score}: {told}, {count}. {rest}"


def as_stopped(
    view: RunView, scores: CaseScores, compared: Sequence[ArmComparison], places: Sequence[int], base: int
) -> list[ArmComparison]:
    """Returns comparisons of a run that stopped early, with what does not hold there taken away.

    Args:
        view: The run.
        scores: The score that is compared, by arm and case.
        compared: Each other arm against the baseline.
        places: Of these arms.
        base: Of the baseline.
    """
    unsent = _unsent(view, scores.values.shape)
    made: list[ArmComparison] = []
    for one, place in zip(compared, places, strict=True):
        looked = stopped_comparison(
            view,
            scores,
            place,
            base,
            comparisons=len(places),
            level=one.level,
            sign=-1.0 if one.lower_is_better else 1.0,
        )
        gone = unsent[place] | unsent[base]
        missing = np.isnan(scores.values[place]) | np.isnan(scores.values[base])
        kept = {each.name: getattr(one, each.name) for each in fields(ArmComparison)}
        kept |= {"p_holm": None, "worst_case": None, "worst_p_holm": None, "family": len(places)}
        kept["comparison"] = replace(
            one.comparison,
            interval=None if looked.course.is_binary or one.lower_is_better else looked.interval,
            p_value=None,
            only_a=0,
            only_b=0,
            rows_needed=None,
            smallest_gap=None,
            caution=None,
            method="looked at after every case: " + ("wins and losses" if looked.course.is_binary else "betting"),
        )
        kept["left_out"] = int((missing & ~gone).sum())
        made.append(StoppedComparison(**kept, stopped=looked, unsent=int((gone & missing).sum())))
    return made


def stopped_columns(compared: Sequence[ArmComparison]) -> dict[str, tuple[Sequence[Any], str]]:
    """Returns the columns that only a sweep that stopped early has; none for any other.

    `stopped_after` (cases gone through when it was settled), `win_share`, `win_share_low`, `win_share_high` (of the
    cases on which the arms differ, valid at every look).
    """
    stopped = [one.stopped for one in compared if isinstance(one, StoppedComparison)]
    if not stopped:
        return {}
    spans = [each.interval if each.win_share is not None else None for each in stopped]
    return {
        "stopped_after": ([each.seen for each in stopped], "Int64"),
        "win_share": ([each.win_share for each in stopped], "Float64"),
        "win_share_low": ([span.low if span is not None else None for span in spans], "Float64"),
        "win_share_high": ([span.high if span is not None else None for span in spans], "Float64"),
    }


def _unsent(view: RunView, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Arms x cases: something of it was left unsent."""
    found = np.zeros(shape, dtype=np.bool_)
    arms = {arm.index: place for place, arm in enumerate(view.arms)}
    cases = {index: place for place, index in enumerate(dict.fromkeys(trial.case.index for trial in view.trials))}
    outcomes = measures_of(view.outcomes)
    for trial in view.trials:
        outcome = outcomes.get(trial.trial_id)
        if outcome is not None and outcome.status == STOPPED:
            found[arms[trial.arm.index], cases[trial.case.index]] = True
    return found
