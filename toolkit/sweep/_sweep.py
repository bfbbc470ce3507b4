"""The public calls: plan a grid, run it, open it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit import _sync
from toolkit.engine import DEFAULT_TIMEOUT_S, Engine, default_engine
from toolkit.prompts import AnyPrompt
from toolkit.results import Results
from toolkit.sweep._cases import Variables
from toolkit.sweep._plan import Grid, Plan, make_plan
from toolkit.sweep._progress import Painter, ProgressChoice, Tally, painter_for
from toolkit.sweep._runner import Limits, run_plan

_STOPPED = "stopped; what has finished is kept, the same call goes on from there"


def plan(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    allow_identical_arms: bool = False,
    engine: Engine | None = None,
) -> Plan:
    """Returns what `sweep` with the same arguments would send; sends nothing to a provider.

    Prompts are fetched, resolved and pinned, everything is checked, and the run store is asked what it has.
    Arguments and errors are those of `sweep`.

    Example:
        >>> plan(["reply@*"], ["openai/gpt-4o-mini"], "cases.csv").new    # doctest: +SKIP
        32
    """
    grid = Grid(
        prompts=prompts,
        models=models,
        variables=variables,
        params=params,
        repeats=repeats,
        baseline=baseline,
        expected=expected,
        allow_identical_arms=allow_identical_arms,
    )
    return _sync.run(make_plan(engine or default_engine(), grid))


def sweep(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    concurrency: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow_identical_arms: bool = False,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> Results:
    """Sends every combination of prompt version, model, params and case, and returns one row for each.

    Blocks with live progress; works in a script, in a notebook cell and inside a running event loop. What has an
    answer in the run store already is not sent again. Every planned trial is a row: a failure is a row with a status.
    Interrupting keeps what has finished; the same call goes on from there.

    Args:
        prompts: References `[source:]name[@version|@label|@*|@3..7]`, or prompts as `prompt()` gives them; labels are
            pinned to versions here.
        models: `provider/name`, such as `openai/gpt-4o-mini`; `None` = each prompt's own.
        variables: One case a row: DataFrame, list of dicts, dict of lists, or a path to CSV, JSON, JSON Lines or
            Parquet; `None` = one case without variables.
        params: Sampling and output parameters by their OpenAI names, or several sets of them as a further axis; they
            go before the prompt's own, and a value of `None` takes the prompt's own away. `None` = the prompt's own.
        repeats: Times that each trial is sent.
        baseline: Arm that the others are compared with: a prompt reference or a model; `None` = the first.
        expected: Column of the expected answers, which is not sent; `None` = the column `expected` where there is one.
        concurrency: Most calls in flight; `None` = 8.
        timeout_s: Seconds for one attempt, from connecting to the last byte.
        allow_identical_arms: Sends arms that would send identical requests, to measure the noise between them.
        prices: USD per million tokens by model, such as `{"acme/m": {"input": 1.0, "output": 2.0}}`; they go before the
            dated table that the package brings. `None` = that table alone.
        progress: `auto` = a line in a notebook, a bar in a terminal, nothing elsewhere; `off` = nothing.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the grid is empty or an argument is wrong; nothing was sent.
        MissingVariablesError: If a prompt needs a variable that a row does not have; nothing was sent.
        PromptError: If a prompt cannot be resolved; nothing was sent.
        StoreError: If something cannot be recorded; what had finished is kept.

    Example:
        >>> results = sweep(["reply@*"], ["openai/gpt-4o-mini"], "cases.csv")    # doctest: +SKIP
        >>> results.df.groupby(["prompt", "prompt_version", "model"]).size()    # doctest: +SKIP
    """
    grid = Grid(
        prompts=prompts,
        models=models,
        variables=variables,
        params=params,
        repeats=repeats,
        baseline=baseline,
        expected=expected,
        allow_identical_arms=allow_identical_arms,
    )
    limits = Limits(concurrency=concurrency, timeout_s=timeout_s, prices=prices)
    run = _Run(engine or default_engine(), grid, limits, progress)
    try:
        _sync.run(run.work(), on_tick=run.paint)
    except KeyboardInterrupt:
        run.tally.note = _STOPPED
        raise
    finally:
        run.close()
    return run.results()


async def asweep(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    concurrency: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow_identical_arms: bool = False,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> Results:
    """As `sweep`, awaited: the caller's event loop stays free meanwhile."""
    grid = Grid(
        prompts=prompts,
        models=models,
        variables=variables,
        params=params,
        repeats=repeats,
        baseline=baseline,
        expected=expected,
        allow_identical_arms=allow_identical_arms,
    )
    limits = Limits(concurrency=concurrency, timeout_s=timeout_s, prices=prices)
    run = _Run(engine or default_engine(), grid, limits, progress)
    try:
        await _sync.bridge(run.work(), on_tick=run.paint)
    except asyncio.CancelledError:
        run.tally.note = _STOPPED
        raise
    finally:
        run.close()
    return await asyncio.to_thread(run.results)


def open_run(run_id: str, *, engine: Engine | None = None) -> Results:
    """Returns the results of a run in the store; sends nothing.

    Args:
        run_id: As `results.run_id` or `runs()` gives it.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        RunNotFoundError: If the store has no such run; the message lists the newest.
    """
    return _results(engine or default_engine(), run_id, sent=0)


def runs(*, engine: Engine | None = None) -> list[str]:
    """Returns the ids of every run in the store, oldest first."""
    return [run_id for run_id, _ in (engine or default_engine()).store.runs()]


class _Run:
    """One execution of a grid, with its progress line."""

    def __init__(self, engine: Engine, grid: Grid, limits: Limits, progress: ProgressChoice) -> None:
        self._engine = engine
        self._grid = grid
        self._limits = limits
        self._painter: Painter = painter_for(progress)
        self._sent = 0
        self.tally = Tally()

    async def work(self) -> None:
        made = await make_plan(self._engine, self._grid)
        self._sent = await run_plan(made, self._engine, self._limits, listener=self.tally.hear)

    def paint(self) -> None:
        """Paints once something is planned; before that there is nothing to count."""
        if self.tally.trials:
            self._painter.paint(self.tally)

    def close(self) -> None:
        if self.tally.trials:
            self._painter.close(self.tally)

    def results(self) -> Results:
        return _results(self._engine, self.tally.run_id, sent=self._sent)


def _results(engine: Engine, run_id: str, *, sent: int) -> Results:
    store = engine.store
    return Results(
        store.load_run(run_id), reload=lambda: store.load_run(run_id), save_scores=store.save_scores, sent=sent
    )
