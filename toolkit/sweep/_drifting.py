"""Asks a sample of a stored run again, today, and tells whether models still answer as they did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from toolkit import _sync
from toolkit._records import Case, RunView, Score
from toolkit.engine import Engine, default_engine
from toolkit.errors import UsageError
from toolkit.results import DriftReport, Results, drift_report
from toolkit.scorers import AskingScorer, Scorer, as_scorers, rebuilt_scorer
from toolkit.sweep._live import How, Run, prepare_run
from toolkit.sweep._plan import Grid, plan_of
from toolkit.sweep._preflight import Caps
from toolkit.sweep._progress import ProgressChoice, painter_for
from toolkit.sweep._resume import routes_of
from toolkit.sweep._runner import Limits


def drift(
    run: str | Results,
    *,
    sample: int = 20,
    seed: int = 0,
    repeats: int | None = None,
    scorers: Sequence[Scorer | Callable[..., Any] | str] | None = None,
    budget_usd: float | None = None,
    concurrency: int | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> DriftReport:
    """Sends a sample of a run's cases again and tells what has changed beyond the noise between repeats.

    Prompts are those of the run, word for word, and models are asked for by the same names: what has changed is what
    answers. (Whether prompts have moved at their source is another question: `results.check_drift()`.) The new answers
    are a run of their own. It is the same one for the whole day (UTC): asked twice on one day, the second call takes
    the answers of the first.

    - Answers: are old and new ones more often different from each other than repeats are among themselves? Within each
      case the answers are dealt anew between old and new; p is the share of deals with a gap as large. Without repeats
      on either side nothing is claimed.
    - Scores: new against old, case by case, as `results.compare()` does.
    - `model_served`: an arm that another model answers for than any that did before, by the provider's word.

    All p values of a report are corrected together, so that a report without a change in the answers or scores calls
    one in at most 5 of 100.

    Args:
        run: The run's id, or its results.
        sample: Cases to ask again, drawn at random; all of them when there are fewer.
        seed: Seed of the draw.
        repeats: Times that each is asked; `None` = as often as in the run, and at least twice.
        scorers: What gives the scores anew; `None` = those of the run that can be made again from what is stored with
            their scores, which functions, judges and embedding models are not.
        budget_usd: As for `sweep`.
        concurrency: As for `sweep`.
        prices: As for `sweep`.
        progress: As for `sweep`.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        RunNotFoundError: If the store has no such run; the message lists the newest.
        UsageError: If an argument makes no sense, the run has no answers, or a model leads elsewhere now.
        StoreError: If something cannot be recorded; what had finished is kept.

    Example:
        >>> report = drift(runs()[-1], sample=10)    # doctest: +SKIP
        >>> if report: print(report)    # doctest: +SKIP
    """
    for name, value in (("sample", sample), ("repeats", repeats)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UsageError(f"`{name}` is a whole number of at least 1; got {value!r}.")
    if isinstance(scorers, str):
        raise UsageError(f"`scorers` is a list such as ['contains']; got {scorers!r}.")
    engine = engine or default_engine()
    view = run.view if isinstance(run, Results) else engine.store.load_run(run)
    chosen = _chosen(view, sample, seed)
    grid = Grid(
        prompts=(),
        repeats=repeats if repeats is not None else max(2, 1 + max(trial.repeat for trial in view.trials)),
        # Its noise is to be measured: equal requests are sent each by itself.
        allow_identical_arms=True,
        on_oversize="send",
        prices=prices,
        caps=Caps(budget_usd=budget_usd),
        concurrency=concurrency,
        again=f"drift {engine.clock.now():%Y-%m-%d}",
    )
    made = _sync.run(_prepare(engine, view, chosen, grid, progress))
    now = made.attend()
    again, unscored = _scorers(view, scorers)
    if again:
        now.score(*again)
    return drift_report(view, now.view, cases=[case.index for case in chosen], unscored=unscored)


async def _prepare(engine: Engine, view: RunView, chosen: Sequence[Case], grid: Grid, progress: ProgressChoice) -> Run:
    painter = painter_for(progress)
    routes = tuple(routes_of(arm, engine) for arm in view.arms)
    cases = tuple(replace(case, index=place) for place, case in enumerate(chosen))
    # Reading the store takes a while; the loop has other work.
    plan = await asyncio.to_thread(plan_of, engine, view.arms, routes, cases, grid, baseline=view.baseline)
    limits = Limits(concurrency=grid.concurrency, prices=grid.prices)
    return await prepare_run(plan, engine, limits, How(is_newest=False), painter)


def _chosen(view: RunView, sample: int, seed: int) -> list[Case]:
    """The cases to ask again, in the run's order: some of those that have an answer."""
    if not view.is_grid:
        raise UsageError(
            f"{view.run_id!r} holds live calls, each with its own case; sweep them (tk.from_traffic()) to have a run "
            "that can be asked again."
        )
    answered = {trial_id for trial_id, outcome in view.outcomes.items() if outcome.response is not None}
    cases = {trial.case.index: trial.case for trial in view.trials if trial.trial_id in answered}
    if not cases:
        raise UsageError(f"The run {view.run_id!r} has no answers, so that there is nothing to compare new ones with.")
    places = sorted(cases)
    if sample < len(places):
        places = sorted(Random(seed).sample(places, sample))  # noqa: S311  a sample, no secret
    return [cases[place] for place in places]


def _scorers(
    view: RunView, given: Sequence[Scorer | Callable[..., Any] | str] | None
) -> tuple[list[Scorer], list[str]]:
    """What gives the scores anew, and the names of the scores that nothing gives."""
    kept: dict[str, Score] = {score.name: score for scores in view.scores.values() for score in scores}
    if given is not None:
        made = as_scorers(given)
        strange = [scorer.name for scorer in made if not any(_is_of(name, scorer) for name in kept)]
        if strange:
            raise UsageError(
                f"The run {view.run_id!r} has no score {strange[0]!r} to compare with; give it one first: "
                f"tk.open_run({view.run_id!r}).score(...)."
            )
        return made, [name for name in kept if not any(_is_of(name, scorer) for scorer in made)]
    found = {name: rebuilt_scorer(score) for name, score in kept.items()}
    plain = {name: each for name, each in found.items() if each is not None and not isinstance(each, AskingScorer)}
    return list(plain.values()), [name for name in kept if name not in plain]


def _is_of(name: str, scorer: Scorer) -> bool:
    """True when a score is a scorer's own, or one of several that it gives."""
    return name == scorer.name or name.startswith(f"{scorer.name}.")
