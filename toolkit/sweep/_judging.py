"""Has judges asked: their calls are a run of their own, over the engine, store, budget and retries of any sweep."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from toolkit import _sync
from toolkit._records import Arm, Case, Outcome, RunView, Score, Trial
from toolkit.engine import Engine, effective_params
from toolkit.errors import UsageError
from toolkit.prompts import placeholders
from toolkit.results import (
    Asked,
    Asking,
    Judging,
    Results,
    agreement_of,
    counted_reasons,
    find_arm,
    people_labels,
    relatives,
    to_score,
    unclear_score,
)
from toolkit.scorers import (
    UNREAD,
    AskingScorer,
    EmbeddingScorer,
    Judge,
    PairJudge,
    judge_score,
    judged_variables,
    read_judgement,
    why_not,
)
from toolkit.stats import BothOrders, JudgeReport, Verdict, judge_report
from toolkit.store import measures_of
from toolkit.sweep._embedding import EmbeddingAsking
from toolkit.sweep._marks import mark_key
from toolkit.sweep._plan import Grid, Plan, find_routes, plan_of
from toolkit.sweep._preflight import Caps
from toolkit.sweep._runner import Limits

# Its runs are told from sweeps by their ids.
PREFIX = "judge-"

_PLACES: dict[float | None, Verdict] = {1.0: "first", 0.0: "second", 0.5: "tie"}


class Attended(Protocol):
    """A run of calls that is waited for."""

    def attend(self) -> Results:
        """Sends what is to be sent and returns the results; an interrupt stops it."""
        ...

    async def attended(self) -> Results:
        """As `attend`, awaited."""
        ...


Prepare: TypeAlias = Callable[[Plan, Engine, Limits], Coroutine[Any, Any, Attended]]
"""Puts a plan on record and returns its run."""


def ask_about(engine: Engine, view: RunView, scorer: AskingScorer, *, prepare: Prepare, again: bool) -> Asking:
    """Returns the asking of a judge or an embedding model about a run.

    Args:
        engine: Providers and the run store.
        view: The run whose answers are scored.
        scorer: A judge or an embedding model.
        prepare: Makes the run of a judge's calls.
        again: Whether scores that are kept are made again; a judge's calls are found in the store in any case.
    """
    if isinstance(scorer, EmbeddingScorer):
        return EmbeddingAsking(engine, view, scorer, again=again)
    return JudgeAsking(engine, view, scorer, prepare)


@dataclass(slots=True, kw_only=True)
class _Sheet:
    """What a judge is to be asked, and what is settled without asking."""

    cases: list[Case] = field(default_factory=list)
    """One a call; its index is its place."""
    calls: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """For each trial that is judged, its calls: one, or two for a pair (the trial's answer first, then second)."""
    settled: list[tuple[str, Score]] = field(default_factory=list)
    shown: dict[str, Trial] = field(default_factory=dict)
    """The trials of `calls`."""

    def add(self, trial: Trial, variables: Sequence[Mapping[str, Any]]) -> None:
        """Adds the calls about one trial."""
        first = len(self.cases)
        self.cases += [
            Case(index=first + place, variables=each)  # type: ignore[arg-type]  # made frozen where it is made
            for place, each in enumerate(variables)
        ]
        self.calls[trial.trial_id] = tuple(range(first, len(self.cases)))
        self.shown[trial.trial_id] = trial


class JudgeAsking:
    """One judge and one run.

    Args:
        engine: Providers and the run store.
        view: The run whose answers are judged.
        judge: Who is asked.
        prepare: Makes the run of the calls.
    """

    def __init__(self, engine: Engine, view: RunView, judge: Judge | PairJudge, prepare: Prepare) -> None:
        self._engine = engine
        self._view = view
        self._judge = judge
        self._prepare = prepare

    def attend(self) -> Asked:
        """Asks what is not in the store and returns the scores; an interrupt keeps what has come in."""
        sheet = self._sheet()
        if not sheet.cases:
            return self._read(sheet, None, 0)
        run, plan = _sync.run(self._begin(sheet))
        return self._read(sheet, run.attend(), plan.stored)

    async def attended(self) -> Asked:
        """As `attend`, awaited."""
        sheet = self._sheet()
        if not sheet.cases:
            return self._read(sheet, None, 0)
        run, plan = await _sync.bridge(self._begin(sheet))
        return self._read(sheet, await run.attended(), plan.stored)

    def _sheet(self) -> _Sheet:
        judge, sheet = self._judge, _Sheet()
        key = mark_key(self._engine.settings.home)
        # The same for every arm, so that a prompt that reads more does not show in what the judge sees.
        names = frozenset(name for arm in self._view.arms for name in placeholders(arm.prompt))
        cases, unclear = to_score(self._view)
        trials = {trial.trial_id: trial for trial in reversed(self._view.trials) if trial.trial_id in cases}
        base = _baseline_trials(self._view, judge) if isinstance(judge, PairJudge) else {}
        measures = measures_of(self._view.outcomes)
        for trial_id in cases:
            trial, reason = trials[trial_id], why_not(measures[trial_id])
            if trial_id in unclear:
                sheet.settled.append((trial_id, unclear_score(judge)))
            elif reason is not None:
                sheet.settled.append((trial_id, judge_score(judge, None, reason)))
            elif isinstance(judge, Judge):
                sheet.add(trial, [judged_variables(judge, trial, [self._text(trial_id)], names=names, key=key)])
            else:
                self._add_pair(sheet, judge, trial, base.get((trial.case.index, trial.repeat)), names, key)
        return sheet

    def _add_pair(
        self,
        sheet: _Sheet,
        judge: PairJudge,
        trial: Trial,
        other: Trial | None,
        names: frozenset[str],
        key: bytes,
    ) -> None:
        """Adds both orders of a trial and the baseline's, or settles what needs no judge."""
        measures = measures_of(self._view.outcomes)
        if other is not None and other.trial_id == trial.trial_id:
            sheet.settled.append((trial.trial_id, judge_score(judge, 0.5, "the baseline itself")))
            return
        outcome = measures.get(other.trial_id) if other is not None else None
        reason = "not sent yet" if outcome is None else why_not(outcome)
        if other is None or reason is not None:
            score = judge_score(judge, None, f"the baseline has nothing to compare with: {reason}")
            sheet.settled.append((trial.trial_id, score))
            return
        ours, theirs = self._text(trial.trial_id), self._text(other.trial_id)
        if ours == theirs:
            sheet.settled.append((trial.trial_id, judge_score(judge, 0.5, "word for word the baseline's answer")))
            return
        orders = ([ours, theirs], [theirs, ours])
        sheet.add(trial, [judged_variables(judge, trial, order, names=names, key=key) for order in orders])

    def _text(self, trial_id: str) -> str:
        return self._view.outcomes[trial_id].text

    async def _begin(self, sheet: _Sheet) -> tuple[Attended, Plan]:
        """Plans the calls, checks that they can be paid for, and starts them."""
        judge, engine = self._judge, self._engine
        routes = find_routes(engine, judge.model)
        way = routes.ways[0]
        arm = Arm(
            index=0,
            prompt=judge.prompt,
            model=judge.model,
            model_source="alias" if way.is_alias else "caller",
            provider=way.provider.identity,
            model_sent=way.model,
            params=effective_params(judge.prompt, judge.params, way.params),
        )
        caps = Caps(budget_usd=judge.budget_usd)
        grid = Grid(prompts=(), caps=caps, concurrency=judge.concurrency, on_oversize="skip")
        plan = plan_of(engine, (arm,), (routes,), tuple(sheet.cases), grid, baseline=0)
        plan = replace(plan, run_id=PREFIX + plan.run_id.removeprefix("run-"))
        return await self._prepare(plan, engine, Limits(concurrency=judge.concurrency)), plan

    def _read(self, sheet: _Sheet, results: Results | None, stored: int) -> Asked:
        judge = self._judge
        judged = results.view if results is not None else None
        outcomes: Mapping[str, Outcome] = judged.outcomes if judged is not None else {}
        ids = {trial.case.index: trial.trial_id for trial in judged.trials} if judged is not None else {}
        scores = list(sheet.settled)
        pairs: list[BothOrders] = []
        for trial_id, calls in sheet.calls.items():
            found = [read_judgement(judge, outcomes.get(ids[call])) for call in calls]
            values = [value for value, _ in found]
            problem = next((read.problem for _, read in found if read.problem is not None), None)
            if len(calls) == 1:
                value, told = values[0], found[0][1].reason
            else:
                pair = BothOrders(case=trial_id, a_first=_verdict(values[0]), b_first=_verdict(values[1]))
                pairs.append(pair)
                value, told = pair.score, _told(pair, [read.reason for _, read in found])
            scores.append((trial_id, judge_score(judge, value, problem if value is None else told)))
        report = judge_report(pairs) if isinstance(judge, PairJudge) else None
        return Asked(scores=scores, judging=self._judging(scores, judged, stored, report))

    def _judging(
        self, scores: Sequence[tuple[str, Score]], judged: RunView | None, stored: int, report: JudgeReport | None
    ) -> Judging:
        judge, view = self._judge, self._view
        base = _baseline_ids(view, judge) if isinstance(judge, PairJudge) else frozenset()
        counted = [(trial_id, score) for trial_id, score in scores if trial_id not in base]
        gaps = [score.explanation for _, score in counted if not score.is_scored]
        answers = list(measures_of(judged.outcomes).values()) if judged is not None else []
        answers = [outcome for outcome in answers if outcome.response is not None]
        costs = [outcome.cost_usd for outcome in answers]
        people, labels = people_labels(view, judge)
        values = {trial_id: score.value if score.is_scored else None for trial_id, score in counted}
        return Judging(
            score=judge.name,
            model=judge.model,
            run_id=judged.run_id if judged is not None else None,
            answers=len(counted),
            scored=len(counted) - len(gaps),
            unread=sum((reason or "").startswith(UNREAD) for reason in gaps),
            reasons=counted_reasons(gaps),
            calls=len(answers),
            sent=max(len(answers) - stored, 0),
            cost_usd=None if any(cost is None for cost in costs) else sum(cost for cost in costs if cost is not None),
            pairs=report,
            agreement=agreement_of(values, labels),
            people=people,
            relatives=relatives(judge.model, view.arms),
        )


def _verdict(value: float | None) -> Verdict | None:
    return None if value is None else _PLACES[value]


def _told(pair: BothOrders, reasons: Sequence[str | None]) -> str:
    """The judge's words in both orders, and whether they agree."""
    head = "both orders agree" if pair.is_consistent else f"the orders disagree ({pair.a_first}, {pair.b_first}): a tie"
    words = [reason for reason in reasons if reason]
    return f"{head}. {' / '.join(words)}" if words else head


def _baseline_trials(view: RunView, judge: PairJudge) -> dict[tuple[int, int], Trial]:
    """The baseline's trials by case and repeat.

    Raises:
        UsageError: If there is no such arm, or no other.
    """
    if len(view.arms) < 2:
        raise UsageError("judge_pairs() compares arms with a baseline, and this run has one arm; use judge().")
    base = view.baseline if judge.baseline is None else view.arms[find_arm(view, judge.baseline)].index
    return {(trial.case.index, trial.repeat): trial for trial in view.trials if trial.arm.index == base}


def _baseline_ids(view: RunView, judge: PairJudge) -> frozenset[str]:
    return frozenset(trial.trial_id for trial in _baseline_trials(view, judge).values())
