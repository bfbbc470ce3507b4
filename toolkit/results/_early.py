"""Sweeps that stopped early: the order in which cases were looked at, and what the looks say of each comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

import numpy as np

from toolkit._records import Arm, RunView
from toolkit.results._summary import CaseScores, clusters_of
from toolkit.results._words import amount, counted
from toolkit.stats import Course, Interval, course_interval, follow
from toolkit.store import measures_of

STOPPED: Literal["stopped_early"] = "stopped_early"
"""Status of a trial that was not sent because its arm's comparison was settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What is known of a comparison in a sweep that stopped early; valid however often it was looked at."""

    course: Course
    """Up to the look that settled it, else to the last; answers that came in later are not in it."""
    interval: Interval | None
    """At the look that settled it, else at the last.

    Zeros and ones: of the share of wins among the cases on which the arms differ. Else of the mean difference.
    """
    seen: int
    """Cases gone through when it was settled; all that were gone through when it was not."""
    planned: int
    """Cases of the plan."""

    @property
    def is_better(self) -> bool:
        """True when the arm is shown to be better than the baseline."""
        return self.course.better == "first"

    @property
    def is_worse(self) -> bool:
        """True when the arm is shown to be worse than the baseline."""
        return self.course.better == "second"

    @property
    def win_share(self) -> float | None:
        """Share of wins among the cases on which the arms differ; `None` when there is none, or scores are graded."""
        differ = self.course.wins + self.course.losses
        return self.course.wins / differ if differ and self.course.is_binary else None

    def span(self, *, level: float) -> str:
        """Returns the interval in words; empty where there is none."""
        if self.interval is None:
            return ""
        low, high, said = self.interval.low, self.interval.high, f"{level * 100:.4g} % interval, valid at every look"
        if not self.course.is_binary:
            return f"{said} {amount(low, False)} to {amount(high, False)}"
        if self.win_share is None:
            return ""
        when = "by then" if self.course.better is not None else "so far"
        share = f"{when} {self.win_share * 100:.0f} % of the cases on which they differ are won"
        return f"{share}, {said} {low * 100:.0f} to {high * 100:.0f} %"

    @property
    def after(self) -> str:
        """How far it came: `stopped after 71 of 200 cases`."""
        if self.seen >= self.planned:
            return f"after all {counted(self.planned, 'case')}"
        return f"stopped after {self.seen:,} of {counted(self.planned, 'case')}"


def is_stopped_early(view: RunView) -> bool:
    """True when a trial of the run was left unsent because a comparison was settled.

    Ordinary p values and intervals do not hold for such a run, in none of its comparisons.
    """
    return view.is_grid and any(outcome.status == STOPPED for outcome in measures_of(view.outcomes).values())


def looks(run_id: str, arms: Sequence[Arm], variables: Sequence[Mapping[str, Any]]) -> list[tuple[int, ...]]:
    """Returns the places of the cases in the order in which a sweep that may stop looks at them.

    The order is random and the same on any day. Cases that may share something (`clusters_of`) come together and count
    as one, because a second case of the kind adds less than a first.

    Args:
        run_id: What the order is drawn from.
        arms: The arms of the run.
        variables: Those of each case.
    """
    shared = clusters_of(arms, variables)
    groups: dict[Any, list[int]] = {}
    for place in range(len(variables)):
        groups.setdefault(place if shared is None else shared[place], []).append(place)
    order = [tuple(group) for group in groups.values()]
    Random(run_id).shuffle(order)  # noqa: S311  an order, not a secret
    return order


def stopped_comparison(
    view: RunView, scores: CaseScores, place: int, base: int, *, comparisons: int, level: float, sign: float = 1.0
) -> Stopped:
    """Returns what the looks say of one arm against another.

    Args:
        view: The run.
        scores: One score by arm and case.
        place: Of the arm.
        base: Of the arm that it is compared with.
        comparisons: Arms that are compared with it.
        level: 1 - `level` is the error rate over all comparisons and looks.
        sign: -1 where less of the score is better.
    """
    cases = {trial.case.index: trial.case.variables for trial in view.trials}
    order = looks(view.run_id, view.arms, list(cases.values()))
    gaps = sign * (scores.values[place] - scores.values[base])
    differences = [_mean(gaps[list(group)]) for group in order]
    last = max((at for at, gap in enumerate(differences) if not np.isnan(gap)), default=-1)
    seen = differences[: last + 1]
    alpha = 1 - level
    course = follow(seen, population=len(order), comparisons=comparisons, alpha=alpha)
    if course.decided_at is not None:
        seen = seen[: course.decided_at]
        course = follow(seen, population=len(order), comparisons=comparisons, alpha=alpha)
    return Stopped(
        course=course,
        interval=course_interval(seen, population=len(order), comparisons=comparisons, alpha=alpha),
        seen=sum(len(group) for group in order[: len(seen)]),
        planned=len(cases),
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
