"""Stopping a sweep early: scores each answer as it comes, and says which arms need nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

from toolkit._kinds import FailureKind
from toolkit._records import Arm, Case, Failure, Outcome, Score, Trial
from toolkit.errors import StoreError, UsageError
from toolkit.results import arm_labels, counted, looks
from toolkit.scorers import AskingScorer, Scorer, as_scorers, is_lower_better, load_scorer, score_outcome
from toolkit.stats import Course, follow
from toolkit.store import RunStore

ALPHA = 0.05
"""Chance that a sweep which stops early ever names an arm that is not better, over all comparisons and looks."""

StopEarly = Scorer | Callable[..., Any] | str
"""The scorer that decides when a comparison is settled, or its name."""


class Planned(Protocol):
    """What is read of a plan; the fields are described there."""

    @property
    def run_id(self) -> str: ...

    @property
    def arms(self) -> tuple[Arm, ...]: ...

    @property
    def cases(self) -> tuple[Case, ...]: ...

    @property
    def baseline(self) -> int: ...

    @property
    def grid(self) -> Sequence[Trial]: ...

    @property
    def stop_early(self) -> Scorer | None: ...


def stopping_scorer(stop_early: Any, arms: Sequence[Arm]) -> Scorer | None:
    """Returns the scorer that decides; `None` = nothing stops early.

    Raises:
        UsageError: If it asks a model, gives numbers of which less is better, or there is nothing to compare.
    """
    if stop_early is None:
        return None
    if isinstance(stop_early, bool) or not (isinstance(stop_early, str) or callable(stop_early)):
        raise UsageError(f"`stop_early` is the scorer that decides, such as tk.exact(); got {stop_early!r}.")
    (scorer,) = as_scorers([load_scorer(stop_early) if isinstance(stop_early, str) else stop_early])
    if isinstance(scorer, get_args(AskingScorer)):
        raise UsageError(
            f"`stop_early` is a scorer that decides at once, and {scorer.name!r} asks a model; give one that does not, "
            "such as tk.exact() or a function."
        )
    if is_lower_better(scorer.spec):
        raise UsageError(
            f"`stop_early` is a scorer from 0 to 1 of which more is better, and of {scorer.name!r} less is; give it a "
            "limit, so that it scores 1 or 0."
        )
    if len(arms) < 2:
        raise UsageError("`stop_early` compares arms, and there is one; add a prompt version or a model, or leave it.")
    return scorer


def early_note(scorer: Scorer, arms: int) -> str:
    """Returns what a plan says of early stopping."""
    others = arms - 1
    over = f", divided by {counted(others, 'comparison')}" if others > 1 else ""
    return (
        f"stop_early: this is the most that is sent. An arm's cases end once {scorer.name} settles its comparison with "
        f"the baseline (alpha {ALPHA:g}{over}); small gaps are decided less often than by all cases."
    )


@dataclass(slots=True, kw_only=True)
class _Cell:
    """The repeats of one arm on one case."""

    waiting: int = 0
    values: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values) if self.values else math.nan


@dataclass(slots=True, kw_only=True)
class _Match:
    """One arm against the baseline, as far as it was looked at."""

    differences: list[float] = field(default_factory=list)
    is_settled: bool = False


class Early:
    """What the answers so far say of each comparison.

    Cases are looked at in one random order: a case counts when it and all before it are settled, so that slow answers
    are not left out of what fast ones decide. A case without a score in one of the two decides nothing.

    Args:
        plan: What is to be sent.
        scorer: Decides; made by `stopping_scorer`.
        store: Where the scores are kept; `None` = nowhere.
    """

    def __init__(self, plan: Planned, scorer: Scorer, store: RunStore | None = None) -> None:
        self._store = store
        self._plan = plan
        self._scorer = scorer
        self._labels = dict(zip((arm.index for arm in plan.arms), arm_labels(plan.arms), strict=True))
        self._order = looks(plan.run_id, plan.arms, [case.variables for case in plan.cases])
        self._indexes = [case.index for case in plan.cases]
        self._cells: dict[tuple[int, int], _Cell] = {}
        self._trials: dict[str, list[Trial]] = {}
        self._places: dict[int, list[int]] = {}
        for place, trial in enumerate(plan.grid):
            self._cells.setdefault((trial.arm.index, trial.case.index), _Cell()).waiting += 1
            self._trials.setdefault(trial.trial_id, []).append(trial)
            self._places.setdefault(trial.case.index, []).append(place)
        self._matches = {arm.index: _Match() for arm in plan.arms if arm.index != plan.baseline}
        self.scores: list[tuple[str, Score]] = []
        """What the scorer said of each answer, by trial id."""
        self.dropped: dict[int, Failure] = {}
        """Arms of which nothing more is to be sent, by index, and why."""

    @classmethod
    async def begun(cls, plan: Planned, store: RunStore, *, left_alone: Iterable[str]) -> Early | None:
        """Returns what the answers that the store holds say already; `None` when nothing is to stop early.

        Args:
            plan: What is to be sent.
            store: Holds the plan's run.
            left_alone: Ids of trials that have no answer and are not going to be sent.
        """
        if plan.stop_early is None:
            return None
        early = cls(plan, plan.stop_early, store)
        view = await asyncio.to_thread(store.load_run, plan.run_id)
        for outcome in view.outcomes.values():
            if outcome.response is not None:
                await early.take(outcome)
        for trial_id in left_alone:
            early.settle(trial_id)
        return early

    def is_needless(self, trial: Trial) -> bool:
        """True of a trial that has no outcome and whose arm needs nothing more, as any other that shares it."""
        return all(each.arm.index in self.dropped for each in self._trials.get(trial.trial_id, (trial,)))

    def by_reason(self, trials: Iterable[Trial], *, at_once: int) -> Iterator[tuple[Failure, list[Trial]]]:
        """Yields needless trials with the reason why they are, `at_once` together at most."""
        by_arm: dict[int, list[Trial]] = {}
        for trial in trials:
            by_arm.setdefault(trial.arm.index, []).append(trial)
        for arm, some in by_arm.items():
            for start in range(0, len(some), at_once):
                yield self.dropped[arm], some[start : start + at_once]

    async def keep(self) -> None:
        """Keeps the scores with the run, so that its results have them."""
        if not self.scores or self._store is None:
            return
        # They cost nothing to make again, and what ended the run must not be hidden by their loss.
        with contextlib.suppress(StoreError):
            await asyncio.to_thread(self._store.save_scores, self._plan.run_id, self.scores)

    def turns(self) -> Iterator[int]:
        """Yields places of the plan in the order of sending: by case in random order, another arm first each time."""
        arms, block = len(self._plan.arms), 0
        for group in self._order:
            for place in group:
                places = self._places[self._indexes[place]]
                for start in range(0, len(places), arms):
                    some = places[start : start + arms]
                    first = block % len(some)
                    yield from (*some[first:], *some[:first])
                    block += 1

    async def take(self, outcome: Outcome) -> Mapping[int, Failure]:
        """Takes an outcome in, and returns the arms that need nothing more because of it, each with the reason."""
        trials = self._trials.get(outcome.trial_id, ())
        value = math.nan
        if trials:
            given = await score_outcome(self._scorer, outcome, trials[0].case)
            value = next((score.value for score in given if score.name == self._scorer.name), math.nan)
            if outcome.response is not None:
                self.scores += [(outcome.trial_id, score) for score in given]
        return self.settle(outcome.trial_id, value)

    def settle(self, trial_id: str, value: float = math.nan) -> Mapping[int, Failure]:
        """As `take`, of a trial whose score is known; NaN = it has none, and will have none in this run."""
        arms = set()
        for trial in self._trials.pop(trial_id, ()):
            cell = self._cells[trial.arm.index, trial.case.index]
            cell.waiting -= 1
            cell.values += [] if math.isnan(value) else [value]
            arms.add(trial.arm.index)
        return self._look(self._matches if self._plan.baseline in arms else arms)

    def _look(self, arms: Any) -> Mapping[int, Failure]:
        """Goes on with the comparisons of these arms."""
        dropped: dict[int, Failure] = {}
        for index in arms:
            match = self._matches.get(index)
            if match is None or match.is_settled or not self._go_on(index, match.differences):
                continue
            course = follow(match.differences, population=len(self._order), comparisons=len(self._matches), alpha=ALPHA)
            if course.is_settled and len(match.differences) < len(self._order):
                match.is_settled = True
                dropped[index] = self._reason(self._words(index, course, len(match.differences)))
        if dropped and all(match.is_settled for match in self._matches.values()):
            dropped[self._plan.baseline] = self._reason("every comparison with the baseline is settled")
        self.dropped |= dropped
        return dropped

    def _go_on(self, index: int, differences: list[float]) -> bool:
        """Adds the differences of the cases that are settled in their turn; True when there are any."""
        before = len(differences)
        for group in self._order[before:]:
            pairs = [
                (self._cells[index, self._indexes[place]], self._cells[self._plan.baseline, self._indexes[place]])
                for place in group
            ]
            if any(own.waiting or its.waiting for own, its in pairs):
                break
            gaps = [gap for own, its in pairs if not math.isnan(gap := own.mean - its.mean)]
            differences.append(sum(gaps) / len(gaps) if gaps else math.nan)
        return len(differences) > before

    def _words(self, index: int, course: Course, groups: int) -> str:
        seen = sum(len(group) for group in self._order[:groups])
        after = f"after {seen:,} of {counted(len(self._indexes), 'case')}"
        arm, base, name = self._labels[index], self._labels[self._plan.baseline], self._scorer.name
        if course.better is None:
            return f"{after} the rest cannot change whether {arm} or {base} is ahead on {name}"
        return f"{after} {arm} is {'better' if course.better == 'first' else 'worse'} than {base} on {name}"

    def _reason(self, words: str) -> Failure:
        return Failure(
            kind=FailureKind.STOPPED_EARLY,
            error_type="SweepError",
            message=f"Not sent: {words}. The same sweep without `stop_early` sends it.",
        )
