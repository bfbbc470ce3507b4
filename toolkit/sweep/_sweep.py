"""The public calls that plan a grid and run it: at once, awaited, or in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit import _sync
from toolkit.engine import DEFAULT_TIMEOUT_S, Engine, Offline, default_engine
from toolkit.prompts import AnyPrompt
from toolkit.results import Results
from toolkit.sweep._cases import OnNan, Variables
from toolkit.sweep._early import StopEarly
from toolkit.sweep._live import How, Run, Unknown, prepare_run
from toolkit.sweep._oversize import OnOversize
from toolkit.sweep._plan import Grid, Plan, make_plan
from toolkit.sweep._preflight import Caps
from toolkit.sweep._progress import ProgressChoice, painter_for
from toolkit.sweep._pushing import check_langfuse
from toolkit.sweep._runner import Limits


def plan(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    labels: Sequence[str] = (),
    allow_identical_arms: bool = False,
    budget_usd: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    stop_early: StopEarly | None = None,
    on_oversize: OnOversize = "error",
    on_nan: OnNan = "error",
    concurrency: int | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    offline: Offline = "error",
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
        labels=labels,
        allow_identical_arms=allow_identical_arms,
        caps=Caps(budget_usd=budget_usd, max_calls=max_calls, max_tokens=max_tokens),
        stop_early=stop_early,
        on_oversize=on_oversize,
        on_nan=on_nan,
        prices=prices,
        concurrency=concurrency,
        offline=offline,
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
    labels: Sequence[str] = (),
    concurrency: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow_identical_arms: bool = False,
    budget_usd: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    stop_early: StopEarly | None = None,
    on_oversize: OnOversize = "error",
    on_nan: OnNan = "error",
    prices: Mapping[str, Mapping[str, float]] | None = None,
    unknown: Unknown = "resend",
    take_over: bool = False,
    offline: Offline = "error",
    langfuse: bool | str = False,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> Results:
    """Sends every combination of prompt version, model, params and case, and returns one row for each.

    Blocks with live progress; works in a script, in a notebook cell and inside a running event loop. What has an
    answer in the run store already is not sent again. Every planned trial is a row: a failure is a row with a status.
    An interrupt (Ctrl-C, the notebook's stop button) gives control back within a second, with the results so far:
    calls in flight that answer in that moment are kept, the others are cut. The same call goes on from there. A second
    interrupt cuts at once and is raised as KeyboardInterrupt; `last_results()` has the results then.

    When another process is at work on the same run, this one sends nothing, shows how far the other one is, and
    returns the results when it is through.

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
        labels: Columns that no prompt reads and that are wanted all the same, for scorers, judges or exports: they are
            variables of the case and are not sent. `human`, `id` and `cluster` need no naming.
        concurrency: Most calls in flight in all; `None` = up to 64 for each model. Within that, how many and how fast
            is learned from the answers, beginning with 8 for each model.
        timeout_s: Seconds for one attempt, from connecting to the last byte.
        allow_identical_arms: Sends arms that would send identical requests, to measure the noise between them.
        budget_usd: Most USD that the run may come to, earlier executions of it included. The worst case of every
            attempt is set aside before it is sent; what does not fit is a row of the status `over_budget`,
            and the same call with a higher budget goes on there. `None` = no limit.
        max_calls: Most requests that the run may send, retries included; `None` = no limit.
        max_tokens: Most tokens that the run may take, input and output together; `None` = no limit.
        stop_early: The scorer, or its name, that ends an arm's comparison with the baseline once it is settled, such as
            `exact()`: a score from 0 to 1 of which more is better, given at once by no model. Cases are then sent in
            random order, and what is left of the arm becomes rows `stopped_early`. An arm that is not better is called
            so in at most 5 runs of 100. Smaller gaps are found less often than by all cases. The same sweep without
            it sends the rest. `None` = all cases are sent.
        on_oversize: What becomes of requests that are estimated to be longer than their model reads: `error` refuses
            the sweep and lists them, `skip` leaves them out as rows, `send` tries all the same.
        on_nan: What an empty value (NaN, NA, NaT) of a variable is: `error`, or `empty` = an empty text.
        prices: USD per million tokens by model, such as `{"acme/m": {"input": 1.0, "output": 2.0}}`; they go before the
            dated table that the package brings. `None` = that table alone.
        unknown: What becomes of trials that were sent by a process that is gone, with no outcome on record: `resend`,
            or `skip`, which leaves them as rows `unknown`. They count as possibly billed in either case.
        take_over: Whether to go on with a run whose process has not been heard of for a while and cannot be shown to
            be gone, such as one on another machine.
        offline: `snapshot` = when a prompt source cannot be reached, its prompts are taken as the run store last saw
            them, and every row says so in `prompt_source`; `error` = the sweep is refused.
        langfuse: Whether the answers are pushed to Langfuse as they come, as `results.to_langfuse` does it; a text is
            the name that they are pushed under. It slows nothing down and fails nothing: what Langfuse does not take is
            told in one warning, and `results.to_langfuse()` brings it later. The end waits for it at most five seconds.
        progress: `auto` = a line in a notebook, a bar in a terminal, nothing elsewhere; `off` = nothing.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the grid is empty or an argument is wrong; nothing was sent.
        MissingVariablesError: If a prompt needs a variable that a row does not have; nothing was sent.
        PromptError: If a prompt cannot be resolved; nothing was sent.
        MissingKeyError: If `langfuse` is asked for and its keys are not set; nothing was sent.
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
        labels=labels,
        allow_identical_arms=allow_identical_arms,
        caps=Caps(budget_usd=budget_usd, max_calls=max_calls, max_tokens=max_tokens),
        stop_early=stop_early,
        on_oversize=on_oversize,
        on_nan=on_nan,
        prices=prices,
        concurrency=concurrency,
        offline=offline,
    )
    limits = Limits(concurrency=concurrency, timeout_s=timeout_s, prices=prices)
    how = How(unknown=unknown, take_over=take_over, langfuse=langfuse)
    return _sync.run(_prepare(engine, grid, limits, how, progress)).attend()


async def asweep(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    labels: Sequence[str] = (),
    concurrency: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow_identical_arms: bool = False,
    budget_usd: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    stop_early: StopEarly | None = None,
    on_oversize: OnOversize = "error",
    on_nan: OnNan = "error",
    prices: Mapping[str, Mapping[str, float]] | None = None,
    unknown: Unknown = "resend",
    take_over: bool = False,
    offline: Offline = "error",
    langfuse: bool | str = False,
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
        labels=labels,
        allow_identical_arms=allow_identical_arms,
        caps=Caps(budget_usd=budget_usd, max_calls=max_calls, max_tokens=max_tokens),
        stop_early=stop_early,
        on_oversize=on_oversize,
        on_nan=on_nan,
        prices=prices,
        concurrency=concurrency,
        offline=offline,
    )
    limits = Limits(concurrency=concurrency, timeout_s=timeout_s, prices=prices)
    how = How(unknown=unknown, take_over=take_over, langfuse=langfuse)
    run = await _sync.bridge(_prepare(engine, grid, limits, how, progress))
    return await run.attended()


def start_sweep(
    prompts: AnyPrompt | Sequence[AnyPrompt],
    models: str | Sequence[str] | None = None,
    variables: Variables = None,
    *,
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    repeats: int = 1,
    baseline: str | None = None,
    expected: str | None = None,
    labels: Sequence[str] = (),
    concurrency: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    allow_identical_arms: bool = False,
    budget_usd: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    stop_early: StopEarly | None = None,
    on_oversize: OnOversize = "error",
    on_nan: OnNan = "error",
    prices: Mapping[str, Mapping[str, float]] | None = None,
    unknown: Unknown = "resend",
    take_over: bool = False,
    offline: Offline = "error",
    langfuse: bool | str = False,
    progress: ProgressChoice = "auto",
    engine: Engine | None = None,
) -> Run:
    """As `sweep`, in the background: returns a live run as soon as the plan is made, and the notebook stays free.

    `run.progress` and `run.df` say how far it is, `run.stop()` ends it, `run.wait()` or `await run` gives the results.
    What is wrong with the arguments is raised here; what ends the run later comes out of `wait`.

    Example:
        >>> run = start_sweep(["reply@*"], ["openai/gpt-4o-mini"], "cases.csv")    # doctest: +SKIP
        >>> run.progress.done, run.df["latency_s"].median()    # doctest: +SKIP
        >>> results = run.wait()    # doctest: +SKIP
    """
    grid = Grid(
        prompts=prompts,
        models=models,
        variables=variables,
        params=params,
        repeats=repeats,
        baseline=baseline,
        expected=expected,
        labels=labels,
        allow_identical_arms=allow_identical_arms,
        caps=Caps(budget_usd=budget_usd, max_calls=max_calls, max_tokens=max_tokens),
        stop_early=stop_early,
        on_oversize=on_oversize,
        on_nan=on_nan,
        prices=prices,
        concurrency=concurrency,
        offline=offline,
    )
    limits = Limits(concurrency=concurrency, timeout_s=timeout_s, prices=prices)
    how = How(unknown=unknown, take_over=take_over, langfuse=langfuse)
    return _sync.run(_prepare(engine, grid, limits, how, progress)).begin()


async def _prepare(engine: Engine | None, grid: Grid, limits: Limits, how: How, progress: ProgressChoice) -> Run:
    """Plans, puts the plan on record, and returns its run, which is not begun yet."""
    how.check()
    painter = painter_for(progress)
    engine = engine or default_engine()
    check_langfuse(how.langfuse, engine)
    return await prepare_run(await make_plan(engine, grid), engine, limits, how, painter)
