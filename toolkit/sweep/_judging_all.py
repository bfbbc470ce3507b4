"""Has a judge compare every arm with every other, and ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from toolkit._records import Case, RunView, Score, Trial
from toolkit.engine import Engine
from toolkit.errors import UsageError
from toolkit.prompts import placeholders
from toolkit.results import Asked, Results, arm_labels, to_score, unclear_score
from toolkit.scorers import PairJudge, judge_score, judged_variables, why_not
from toolkit.stats import BothOrders, Preference, Ranking, judge_report, rank_arms
from toolkit.store import measures_of
from toolkit.sweep._asking import Prepare
from toolkit.sweep._judging import JudgeAsking, Sheet, both_orders, said_by
from toolkit.sweep._marks import mark_key

# Wins lent to every pair in both directions where an arm never lost or never won.
_LENT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    first: Trial
    second: Trial
    calls: tuple[int, int] | None
    """Both orders; `None` where the answers are the same word for word, which is a tie."""


class AllPairsAsking(JudgeAsking):
    """One judge, one run, and every pair of answers to the same case and repeat.

    Args:
        engine: Providers and the run store.
        view: The run whose answers are judged.
        judge: Who is asked.
        prepare: Makes the run of the calls.

    Raises:
        UsageError: If the run has one arm.
    """

    def __init__(self, engine: Engine, view: RunView, judge: PairJudge, prepare: Prepare) -> None:
        super().__init__(engine, view, judge, prepare)
        if len(view.arms) < 2:
            raise UsageError("judge_pairs() compares arms with each other, and this run has one arm; use judge().")
        self._pairs: list[_Pair] = []
        self._judged: list[str] = []

    def sheet(self) -> Sheet:
        """Returns what is to be asked, and what is settled without asking."""
        view, sheet = self.view, Sheet()
        cases, unclear = to_score(view)
        measures = measures_of(view.outcomes)
        for trial_id in cases:
            reason = why_not(measures[trial_id])
            if trial_id in unclear:
                sheet.settled.append((trial_id, unclear_score(self.judge)))
            elif reason is not None:
                sheet.settled.append((trial_id, judge_score(self.judge, None, reason)))
            else:
                self._judged.append(trial_id)
        key = mark_key(self.engine.settings.home)
        names = frozenset(name for arm in view.arms for name in placeholders(arm.prompt))
        for first, second in _pairs_of(view, frozenset(self._judged)):
            ours, theirs = view.outcomes[first.trial_id].text, view.outcomes[second.trial_id].text
            calls = None
            if ours != theirs:
                calls = len(sheet.cases), len(sheet.cases) + 1
                for place, order in zip(calls, ([ours, theirs], [theirs, ours]), strict=True):
                    shown = judged_variables(self.judge, first, order, names=names, key=key)
                    sheet.cases.append(Case(index=place, variables=shown))
            self._pairs.append(_Pair(first=first, second=second, calls=calls))
        return sheet

    def read(self, sheet: Sheet, results: Results | None, stored: int) -> Asked:
        """Returns the scores, from what came of the calls."""
        judged = results.view if results is not None else None
        said = said_by(self.judge, judged)
        labels = dict(zip((arm.index for arm in self.view.arms), arm_labels(self.view.arms), strict=True))
        points: dict[str, list[float | None]] = {trial_id: [] for trial_id in self._judged}
        problems: dict[str, str] = {}
        orders: list[BothOrders] = []
        votes: list[Preference] = []
        for pair in self._pairs:
            value: float | None = 0.5
            if pair.calls is not None:
                found = [said(call) for call in pair.calls]
                orders.append(both_orders(pair.first.case.index, [each for each, _ in found]))
                value = orders[-1].score
                problem = next((read.problem for _, read in found if read.problem is not None), None)
                if problem is not None:
                    problems[pair.first.trial_id] = problems[pair.second.trial_id] = problem
            points[pair.first.trial_id].append(value)
            points[pair.second.trial_id].append(None if value is None else 1 - value)
            if value is not None:
                one, other = labels[pair.first.arm.index], labels[pair.second.arm.index]
                votes.append(Preference(case=pair.first.case.index, first=one, second=other, score=value))
        scores = list(sheet.settled)
        scores += [(trial_id, self._score(given, problems.get(trial_id))) for trial_id, given in points.items()]
        return self.asked(scores, judged, stored, judge_report(orders), ranking=_ranked(votes))

    def _score(self, points: Sequence[float | None], problem: str | None) -> Score:
        """The share of its pairs that an answer won, a tie counting half."""
        known = [point for point in points if point is not None]
        if not known:
            reason = problem or "no other arm has an answer to compare with"
            return judge_score(self.judge, None, reason)
        told = f"won {known.count(1.0)}, tied {known.count(0.5)}, lost {known.count(0.0)} of {len(known)} pairs"
        if len(known) < len(points):
            told += f"; {len(points) - len(known)} without a verdict: {problem}"
        return judge_score(self.judge, sum(known) / len(known), told)


def _pairs_of(view: RunView, judged: frozenset[str]) -> list[tuple[Trial, Trial]]:
    """Every two trials of one case and repeat, each content once."""
    places = {arm.index: place for place, arm in enumerate(view.arms)}
    groups: dict[tuple[int, int], list[Trial]] = {}
    for trial in view.trials:
        if trial.trial_id in judged:
            groups.setdefault((trial.case.index, trial.repeat), []).append(trial)
    pairs: dict[tuple[str, str], tuple[Trial, Trial]] = {}
    for group in groups.values():
        for first, second in combinations(sorted(group, key=lambda trial: places[trial.arm.index]), 2):
            pairs.setdefault((first.trial_id, second.trial_id), (first, second))
    return list(pairs.values())


def _ranked(votes: Sequence[Preference]) -> Ranking | None:
    """The arms by the Bradley-Terry model; drawn together a little where some never lost or never won."""
    if not votes:
        return None
    try:
        return rank_arms(votes)
    except ValueError:
        return rank_arms(votes, pseudo_wins=_LENT)
