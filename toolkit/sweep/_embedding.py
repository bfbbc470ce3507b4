"""Has a service embed the texts that a scorer compares: a run of its own, over engine, store, budget and retries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from toolkit import _sync
from toolkit._records import Arm, Case, FrozenDict, Outcome, Prompt, RunView, Score
from toolkit.engine import Engine, Route, find_route, targets, usd_words
from toolkit.errors import UsageError
from toolkit.providers import EMBEDDING_PARAMS, Embedder
from toolkit.results import Asked, Results, kept_trials, to_score, unclear_score
from toolkit.scorers import EmbeddingScorer, why_not
from toolkit.store import measures_of
from toolkit.sweep._asking import Attended, Prepare
from toolkit.sweep._batching import BatchingProvider, unpacked
from toolkit.sweep._plan import Grid, Plan, Routes, plan_of
from toolkit.sweep._preflight import Caps
from toolkit.sweep._runner import Limits

PREFIX = "embed-"
"""How the ids of these runs begin; their calls are no completions."""

_EMBED = Prompt(prompt_id="embed", version="1", kind="text", source="semantic", template="{{text}}")

_TIMEOUT_S = 60.0


@dataclass(slots=True)
class _Sheet:
    """What is settled without asking, and what is not."""

    settled: list[tuple[str, Score]] = field(default_factory=list)
    wanted: dict[str, Case] = field(default_factory=dict)
    """Case by trial id."""
    texts: dict[str, int] = field(default_factory=dict)
    """Each text once, with the index of its call."""


class EmbeddingAsking:
    """One embedding model and one run.

    Args:
        engine: Providers and the run store.
        view: The run whose answers are compared.
        scorer: What is compared, and by which model.
        prepare: Makes the run of the calls.
        again: Whether answers that are scored already are scored again; a text is not embedded twice in any case.
    """

    def __init__(
        self, engine: Engine, view: RunView, scorer: EmbeddingScorer, prepare: Prepare, *, again: bool
    ) -> None:
        self._engine = engine
        self._view = view
        self._scorer = scorer
        self._prepare = prepare
        self._again = again

    def attend(self) -> Asked:
        """Embeds what is not in the store and returns the scores; an interrupt keeps what has come in."""
        sheet = self._sheet()
        if not sheet.texts:
            return self._read(sheet, None, 0)
        run, plan = _sync.run(self._begin(sheet))
        return self._read(sheet, run.attend(), plan.stored)

    async def attended(self) -> Asked:
        """As `attend`, awaited."""
        sheet = self._sheet()
        if not sheet.texts:
            return self._read(sheet, None, 0)
        run, plan = await _sync.bridge(self._begin(sheet))
        return self._read(sheet, await run.attended(), plan.stored)

    def _sheet(self) -> _Sheet:
        view, scorer, sheet = self._view, self._scorer, _Sheet()
        cases, unclear = to_score(view)
        measures = measures_of(view.outcomes)
        kept = frozenset() if self._again else kept_trials(view, scorer)
        for trial_id, case in cases.items():
            reason = why_not(measures[trial_id])
            if trial_id in unclear:
                sheet.settled.append((trial_id, unclear_score(scorer)))
            elif reason is not None:
                sheet.settled.append((trial_id, scorer.score(math.nan, reason)))
            elif trial_id not in kept:
                sheet.wanted[trial_id] = case
                answer, expected = scorer.texts_of(view.outcomes[trial_id], case)
                for text in [answer, *expected] if answer and expected else ():
                    sheet.texts.setdefault(text, len(sheet.texts))
        return sheet

    async def _begin(self, sheet: _Sheet) -> tuple[Attended, Plan]:
        """Plans the calls, checks that they can be paid for, and starts them."""
        scorer, engine = self._scorer, self._engine
        way = self._route()
        arm = Arm(
            index=0,
            prompt=_EMBED,
            model=scorer.model,
            model_source="alias" if way.is_alias else "caller",
            provider=way.provider.identity,
            model_sent=way.model,
            params=EMBEDDING_PARAMS,
        )
        cases = tuple(Case(index=place, variables=FrozenDict({"text": text})) for text, place in sheet.texts.items())
        grid = Grid(
            prompts=(), caps=Caps(budget_usd=scorer.budget_usd), prices=scorer.prices or None, on_oversize="skip"
        )
        plan = plan_of(engine, (arm,), (Routes(weights=(1.0,), ways=(way,)),), cases, grid, baseline=0)
        plan = replace(plan, run_id=PREFIX + plan.run_id.removeprefix("run-"))
        return await self._prepare(plan, engine, Limits(timeout_s=_TIMEOUT_S, prices=grid.prices)), plan

    def _route(self) -> Route:
        """Returns who embeds: always the first deployment of a name, because vectors of two models do not compare."""
        model = self._scorer.model
        route = find_route(targets(model, self._engine.config)[0][1], self._engine.providers)
        if not isinstance(route.provider, Embedder):
            raise UsageError(
                f"The provider of {model!r} has no embeddings that this package can ask for; give an OpenAI-compatible "
                "one, or leave `model` out."
            )
        return replace(route, provider=BatchingProvider(route.provider))

    def _read(self, sheet: _Sheet, results: Results | None, stored: int) -> Asked:
        view, scorer = self._view, self._scorer
        vectors: dict[str, Sequence[float]] = {}
        problems: dict[str, str] = {}
        if results is not None:
            ids = {trial.case.index: trial.trial_id for trial in results.view.trials}
            for text, place in sheet.texts.items():
                outcome = results.view.outcomes.get(ids[place])
                problem = _problem(outcome)
                if outcome is None or problem is not None:
                    problems[text] = problem or "no embedding: not asked for yet"
                else:
                    vectors[text] = unpacked(outcome.text)
        scores = list(sheet.settled)
        for trial_id, case in sheet.wanted.items():
            outcome = view.outcomes[trial_id]
            answer, expected = scorer.texts_of(outcome, case)
            missing = next((problems[text] for text in [answer, *expected] if text in problems), None)
            if missing is not None:
                scores.append((trial_id, scorer.score(math.nan, missing)))
            else:
                scores.append((trial_id, scorer.score_with(outcome, case, vectors.__getitem__)))
        return Asked(scores=scores, note=None if results is None else self._note(results.view, stored))

    def _note(self, embedded: RunView, stored: int) -> str:
        """What was asked, and what it cost."""
        answers = [each for each in measures_of(embedded.outcomes).values() if each.response is not None]
        told = f"{self._scorer.name} by {self._scorer.model}: {_texts(len(answers))} embedded"
        if len(answers) < len(embedded.trials):
            told += f", {len(embedded.trials) - len(answers):,} not: the column 'reason.{self._scorer.name}' says why"
        costs = [each.cost_usd for each in answers]
        known = [cost for cost in costs if cost is not None]
        cost = usd_words(sum(known)) if len(known) == len(costs) else "an unknown sum"
        sent = max(len(answers) - stored, 0)
        return f"{told}. They cost {cost}, {sent:,} of them sent now. The calls are the run {embedded.run_id!r}."


def refuse_resuming(run_id: str) -> None:
    """Refuses to go on with a run of embeddings as if it were one of completions.

    Raises:
        UsageError: If it is one.
    """
    if run_id.startswith(PREFIX):
        raise UsageError(
            f"The run {run_id!r} embeds texts for a scorer; score the results once more, and it goes on there."
        )


def _problem(outcome: Outcome | None) -> str | None:
    """Why a text has no vector; `None` when it has one."""
    if outcome is None:
        return "no embedding: not asked for yet"
    if outcome.response is None:
        failure = outcome.failure
        return f"no embedding: {failure.kind}: {failure.message}" if failure is not None else "no embedding"
    return None


def _texts(n: int) -> str:
    return f"{n:,} text" if n == 1 else f"{n:,} texts"
