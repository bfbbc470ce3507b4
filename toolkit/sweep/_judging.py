"""Has judges asked: their calls are a run of their own, over the engine, store, budget and retries of any sweep."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit import _sync
from toolkit._records import Arm, Case, Outcome, RunView, Score, Trial
from toolkit.engine import Engine, effective_params
from toolkit.errors import UsageError
from toolkit.prompts import placeholders
from toolkit.results import (
    Asked,
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
    Judge,
    PairJudge,
    ReadVerdict,
    judge_score,
    judged_variables,
    read_judgement,
    why_not,
)
from toolkit.stats import BothOrders, JudgeReport, Ranking, Verdict, judge_report
from toolkit.store import measures_of
from toolkit.sweep._asking import Attended, Prepare
from toolkit.sweep._marks import mark_key
from toolkit.sweep._plan import Grid, Plan, find_routes, plan_of
from toolkit.sweep._preflight import Caps
from toolkit.sweep._runner import Limits

# Its runs are told from sweeps by their ids.
PREFIX = "judge-"

_PLACES: dict[float | None, Verdict] = {1.0: "first", 0.0: "second", 0.5: "tie"}


@dataclass(slots=True, kw_only=True)
class Sheet:
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
        self.engine = engine
        self.view = view
        self.judge = judge
        self._prepare = prepare

    def attend(self) -> Asked:
        """Asks what is not in the store and returns the scores; an interrupt keeps what has come in."""
        sheet = self.sheet()
        if not sheet.cases:
            return self.read(sheet, None, 0)
        run, plan = _sync.run(self._begin(sheet))
        return self.read(sheet, run.attend(), plan.stored)

    async def attended(self) -> Asked:
        """As `attend`, awaited."""
        sheet = self.sheet()
        if not sheet.cases:
            return self.read(sheet, None, 0)
        run, plan = await _sync.bridge(self._begin(sheet))
        return self.read(sheet, await run.attended(), plan.stored)

    def sheet(self) -> Sheet:
        """Returns what is to be asked, and what is settled without asking."""
        judge, sheet = self.judge, Sheet()
        key = mark_key(self.engine.settings.home)
        # The same for every arm, so that a prompt that reads more does not show in what the judge sees.
        names = frozenset(name for arm in self.view.arms for name in placeholders(arm.prompt))
        cases, unclear = to_score(self.view)
        trials = {trial.trial_id: trial for trial in reversed(self.view.trials) if trial.trial_id in cases}
        base = _baseline_trials(self.view, judge) if isinstance(judge, PairJudge) else {}
        measures = measures_of(self.view.outcomes)
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
        sheet: Sheet,
        judge: PairJudge,
        trial: Trial,
        other: Trial | None,
        names: frozenset[str],
        key: bytes,
    ) -> None:
        """Adds both orders of a trial and the baseline's, or settles what needs no judge."""
        measures = measures_of(self.view.outcomes)
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
        return self.view.outcomes[trial_id].text

    async def _begin(self, sheet: Sheet) -> tuple[Attended, Plan]:
        """Plans the calls, checks that they can be paid for, and starts them."""
        judge, engine = self.judge, self.engine
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
        prices = judge.prices or None
        grid = Grid(prompts=(), caps=caps, concurrency=judge.concurrency, prices=prices, on_oversize="skip")
        plan = plan_of(engine, (arm,), (routes,), tuple(sheet.cases), grid, baseline=0)
        plan = replace(plan, run_id=PREFIX + plan.run_id.removeprefix("run-"))
        return await self._prepare(plan, engine, Limits(concurrency=judge.concurrency, prices=prices)), plan

    def read(self, sheet: Sheet, results: Results | None, stored: int) -> Asked:
        """Returns the scores, from what came of the calls."""
        judge = self.judge
        judged = results.view if results is not None else None
        said = said_by(judge, judged)
        scores = list(sheet.settled)
        pairs: list[BothOrders] = []
        for trial_id, calls in sheet.calls.items():
            found = [said(call) for call in calls]
            values = [value for value, _ in found]
            problem = next((read.problem for _, read in found if read.problem is not None), None)
            if len(calls) == 1:
                value, told = values[0], found[0][1].reason
            else:
                pair = both_orders(trial_id, values)
                pairs.append(pair)
                value, told = pair.score, pair_told(pair, [read.reason for _, read in found])
            scores.append((trial_id, judge_score(judge, value, problem if value is None else told)))
        report = judge_report(pairs) if isinstance(judge, PairJudge) else None
        return self.asked(scores, judged, stored, report)

    def asked(
        self,
        scores: Sequence[tuple[str, Score]],
        judged: RunView | None,
        stored: int,
        report: JudgeReport | None,
        *,
        ranking: Ranking | None = None,
    ) -> Asked:
        """Returns the scores with what is to be known about the judging; those of the judge's own family say so.

        Args:
            scores: One for each trial.
            judged: The run of the judge's calls; `None` = there was nothing to ask.
            stored: Its calls that were in the store before.
            report: How a judge of pairs behaved.
            ranking: Of all arms, where every pair was judged.
        """
        judge, view = self.judge, self.view
        sent = {arm.model_sent for arm in judged.arms} if judged is not None else set()
        related = relatives({judge.model, *sent}, view.arms)
        own = {trial.trial_id for trial in view.trials if trial.arm in related} if related else set()
        told = [(trial_id, _of_own_family(score) if trial_id in own else score) for trial_id, score in scores]
        names = tuple(dict.fromkeys(arm.model for arm in related))
        judging = self._judging(scores, judged, stored, report, ranking=ranking, related=names)
        return Asked(scores=told, judging=judging)

    def _judging(
        self,
        scores: Sequence[tuple[str, Score]],
        judged: RunView | None,
        stored: int,
        report: JudgeReport | None,
        *,
        ranking: Ranking | None,
        related: tuple[str, ...],
    ) -> Judging:
        judge, view = self.judge, self.view
        base: frozenset[str] = frozenset()
        if isinstance(judge, PairJudge) and judge.pairs == "baseline":
            base = _baseline_ids(view, judge)
        # Shares of several pairs are not on the scale of people's verdicts on one.
        is_of_pairs = ranking is not None and len(ranking.arms) > 2
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
            agreement=None if is_of_pairs else agreement_of(values, labels),
            people=people,
            relatives=related,
            ranking=ranking,
        )


def said_by(judge: Judge | PairJudge, judged: RunView | None) -> Callable[[int], tuple[float | None, ReadVerdict]]:
    """Returns what reads the verdict of a call, given by its index.

    Args:
        judge: Who was asked.
        judged: The run of the calls; `None` = there were none.
    """
    outcomes: Mapping[str, Outcome] = judged.outcomes if judged is not None else {}
    ids = {trial.case.index: trial.trial_id for trial in judged.trials} if judged is not None else {}
    return lambda call: read_judgement(judge, outcomes.get(ids[call]))


def both_orders(case: Hashable, values: Sequence[float | None]) -> BothOrders:
    """Returns a pair's verdicts: the one with its first answer in front, and the other."""
    return BothOrders(case=case, a_first=_verdict(values[0]), b_first=_verdict(values[1]))


def _of_own_family(score: Score) -> Score:
    if not score.is_scored:
        return score
    told = "judged by a model of its own family"
    return replace(score, explanation=told if score.explanation is None else f"{score.explanation} ({told})")


def _verdict(value: float | None) -> Verdict | None:
    return None if value is None else _PLACES[value]


def pair_told(pair: BothOrders, reasons: Sequence[str | None]) -> str:
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
