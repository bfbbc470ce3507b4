"""The grid as an ordered list of trials with stable ids; everything is checked here, before a call is made."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit._canonical import canonical_json, content_hash
from toolkit._records import Arm, Case, Failure, FrozenDict, Prompt, Request, Trial
from toolkit.engine import (
    Engine,
    Offline,
    Route,
    config_model,
    effective_params,
    find_route,
    takeable,
    targets,
)
from toolkit.errors import UnusedVariableWarning, UsageError
from toolkit.providers import LIST_PRICES, Estimate, Prices
from toolkit.scorers import Scorer
from toolkit.sweep._bill import bill_html, bill_line, bill_text
from toolkit.sweep._cases import EXPECTED, OnNan, read_cases
from toolkit.sweep._checks import (
    as_labels,
    check_duplicates,
    check_labels,
    check_variables,
    find_baseline,
    names_read,
    refuse_identical,
    unused,
)
from toolkit.sweep._early import early_note, stopping_scorer
from toolkit.sweep._known import look_up
from toolkit.sweep._oversize import OnOversize, Oversize, find_oversize, oversize_note, suspect
from toolkit.sweep._preflight import Caps, Preflight, check_affordable, weigh
from toolkit.sweep._trials import Trials, asked_anew, trial_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Who may answer for an arm: one, or the weighted deployments of one name in config.yaml."""

    weights: tuple[float, ...]
    ways: tuple[Route, ...]

    def of(self, case: int, repeat: int) -> Route:
        """Returns who answers a trial: drawn by weight, and the same on any day."""
        if len(self.ways) == 1:
            return self.ways[0]
        digest = hashlib.sha256(f"{case}/{repeat}".encode()).digest()
        mark = int.from_bytes(digest[:8], "big") / 2**64 * sum(self.weights)
        for weight, way in zip(self.weights, self.ways, strict=True):
            mark -= weight
            if mark < 0:
                return way
        return self.ways[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sweep would send: made and checked before anything leaves.

    Its text form is the block that a person reads before spending money.
    """

    run_id: str
    """Identity of the plan by content: the same plan has the same id on any day."""
    arms: tuple[Arm, ...]
    cases: tuple[Case, ...]
    repeats: int
    baseline: int
    """Index of the arm that the others are compared with."""
    grid: Sequence[Trial]
    """Every trial in the order of sending."""
    distinct: int
    """Trials of distinct content."""
    stored: int
    """Trials that have an answer in the run store already; they are not sent again."""
    routes: tuple[Routes, ...]
    """Who may answer for each arm."""
    preflight: Preflight | None = None
    """What the requests to send are likely to take, by arm; `None` for a run that is resumed."""
    caps: Caps = field(default_factory=Caps)
    """What they may take at most."""
    shares_answers: bool = True
    """Whether trials that send identical requests take one answer; not where their noise is to be measured."""
    oversize: Mapping[tuple[int, int], Oversize] = field(default_factory=dict)
    """Requests that are left out for their length, by the indexes of arm and case."""
    stop_early: Scorer | None = None
    """Decides when an arm's comparison is settled and the rest of it is left unsent; `None` = nothing does."""
    notes: tuple[str, ...] = ()
    """What a careful reader would want to know: unused variables, duplicate rows."""

    def route(self, trial: Trial) -> Route:
        """Returns who answers a trial."""
        return self.routes[trial.arm.index].of(trial.case.index, trial.repeat)

    def sharing_key(self, trial: Trial, request: Request) -> str:
        """Returns what trials have in common that may take one answer: the request and the repeat."""
        return f"{request.key}/{trial.repeat}" if self.shares_answers else trial.trial_id

    def refusal(self, trial: Trial) -> Failure | None:
        """Returns why a trial is not to be sent at all; `None` when it is."""
        found = self.oversize.get((trial.arm.index, trial.case.index)) if self.oversize else None
        if found is None:
            return None
        return Failure(
            kind="context_length",
            error_type="ContextLengthError",
            message=f"Not sent: about {found.tokens:,} tokens, and {trial.arm.model!r} reads {found.limit:,}; "
            "shorten the row, or pass on_oversize='send' to try all the same.",
        )

    @property
    def trials(self) -> int:
        """Number of trials, and of rows in the frame."""
        return len(self.grid)

    @property
    def new(self) -> int:
        """Number of requests that would be sent: trials without an answer, each content once."""
        return self.distinct - self.stored

    @property
    def input_tokens(self) -> Estimate:
        """Estimated input tokens of the requests to send; the band is that of `toolkit.estimate_tokens`."""
        return self.preflight.input_tokens if self.preflight is not None else Estimate(low=0, expected=0, high=0)

    @property
    def line(self) -> str:
        """The plan in one line: what is sent, what it may cost, how long it may take."""
        return bill_line(self)

    def __repr__(self) -> str:
        return bill_text(self)

    def _repr_html_(self) -> str:
        return bill_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What the caller of `sweep` asked for, unchecked; the arguments are described there."""

    prompts: Any
    models: Any = None
    variables: Any = None
    params: Any = None
    repeats: int = 1
    baseline: str | None = None
    expected: str | None = None
    labels: Sequence[str] = ()
    allow_identical_arms: bool = False
    on_nan: OnNan = "error"
    on_oversize: OnOversize = "error"
    prices: Mapping[str, Mapping[str, float]] | None = None
    caps: Caps = field(default_factory=Caps)
    concurrency: int | None = None
    offline: Offline = "error"
    stop_early: Any = None
    again: str = ""
    """Names an occasion on which everything is asked anew: answers of other occasions do not serve."""


@contextlib.contextmanager
def notes_alone() -> Iterator[None]:
    """Within it a plan's notes stand in the plan alone and are no warnings besides: for whoever shows them.

    Example:
        >>> with notes_alone():
        ...     made = plan("reply", variables="cases.csv")    # doctest: +SKIP
        >>> made.notes    # doctest: +SKIP
        ("No prompt of this sweep reads 'colour'; not sent. ...",)
    """
    token = _warns.set(False)
    try:
        yield
    finally:
        _warns.reset(token)


_warns = contextvars.ContextVar("_warns", default=True)


async def make_plan(engine: Engine, grid: Grid) -> Plan:
    """Resolves and pins the prompts, checks everything that can be checked, and lays out the trials.

    Raises:
        UsageError: If an axis is empty, an argument has the wrong form, two arms would send identical requests, or a
            prompt has no model while none is given.
        MissingVariablesError: If a prompt needs a variable that a row does not have.
        PromptError: If a prompt cannot be resolved.
    """
    if not isinstance(engine, Engine):
        raise UsageError(f"`engine` is an Engine, as tk.configure(...) gives it, or None; got {engine!r}.")
    prompts = _as_list(grid.prompts, "prompts")
    models = None if grid.models is None else _as_list(grid.models, "models")
    params = [{}] if grid.params is None else _as_list(grid.params, "params")
    _check_shape(params, grid)
    labels = as_labels(grid.labels)
    cases = read_cases(grid.variables, expected=grid.expected, on_nan=grid.on_nan, labels=labels)
    check_labels(grid.labels, cases, expected=grid.expected or EXPECTED)
    duplicate_notes = check_duplicates(cases)
    pinned = [prompt for reference in prompts for prompt in await engine.resolve(reference, offline=grid.offline)]
    arms, routes = _make_arms(engine, pinned, models, params)
    if not grid.allow_identical_arms:
        refuse_identical(arms)
    baseline = find_baseline(arms, grid.baseline)
    read = names_read(arms)
    if labels & read:
        # One that a prompt reads after all is no label: its empty values would be sent.
        read_cases(grid.variables, expected=grid.expected, on_nan=grid.on_nan, labels=labels - read)
    check_variables(arms, cases)
    unused_notes = unused(arms, cases, labels=labels)
    for note in unused_notes if _warns.get() else ():
        # It is made on the background loop, whose frames say nothing to a reader.
        warnings.warn_explicit(note, UnusedVariableWarning, filename="promptsweep", lineno=1)
    return plan_of(engine, arms, routes, cases, grid, baseline=baseline, notes=(*unused_notes, *duplicate_notes))


def plan_of(
    engine: Engine,
    arms: tuple[Arm, ...],
    routes: tuple[Routes, ...],
    cases: tuple[Case, ...],
    grid: Grid,
    *,
    baseline: int,
    notes: tuple[str, ...] = (),
) -> Plan:
    """Lays out the trials of arms and cases that are known, as `make_plan` does; of `grid` only the limits count."""
    trials, oversize, oversize_notes = _lay_out(arms, routes, cases, grid)
    ways = tuple(led.ways[0] for led in routes)
    run_id = _run_id(trials, baseline)
    early = stopping_scorer(grid.stop_early, arms)
    early_notes = () if early is None else (early_note(early, len(arms)),)
    known = look_up(trials, engine.store, run_id, may_overlap=any(len(led.ways) > 1 for led in routes))
    prices = LIST_PRICES if grid.prices is None else Prices(grid.prices)
    check_affordable(grid.caps, arms, [led.ways for led in routes], cases, new=known.new, prices=prices)
    habits = engine.store.habits(way.model for way in ways)
    return Plan(
        run_id=run_id,
        arms=arms,
        cases=cases,
        repeats=grid.repeats,
        baseline=baseline,
        grid=known.trials,
        distinct=known.distinct,
        stored=known.stored,
        routes=routes,
        preflight=weigh(
            arms, ways, cases, grid.repeats, new=known.new, prices=prices, habits=habits, concurrency=grid.concurrency
        ),
        caps=grid.caps,
        shares_answers=not grid.allow_identical_arms,
        oversize=oversize,
        stop_early=early,
        notes=(*notes, *oversize_notes, *early_notes),
    )


def _lay_out(
    arms: tuple[Arm, ...], routes: Sequence[Routes], cases: tuple[Case, ...], grid: Grid
) -> tuple[Trials, Mapping[tuple[int, int], Oversize], tuple[str, ...]]:
    """The trials, those requests that are left out for their length, and what there is to say about it.

    Raises:
        UsageError: If a request is too long and nobody said what to do about it.
    """
    ways = [led.ways[0] for led in routes]
    suspects, on_length = suspect(ways)
    ids = trial_ids(arms, routes, cases, grid.repeats, on_length=on_length)
    trials = Trials(arms=arms, cases=cases, repeats=grid.repeats, ids=asked_anew(ids, grid.again))
    found = find_oversize(arms, ways, cases, suspects)
    if not found:
        return trials, {}, ()
    note = oversize_note(found, arms, grid.on_oversize)
    if grid.on_oversize == "error":
        raise UsageError(note)
    return trials, found if grid.on_oversize == "skip" else {}, (note,)


def _as_list(value: Any, name: str) -> list[Any]:
    """Returns a list of one or more; one prompt, model or mapping may be given bare."""
    if isinstance(value, str | bytes | Mapping | Prompt) or not isinstance(value, Iterable):
        value = [value]
    found = list(value)
    if not found:
        raise UsageError(f"`{name}` is empty, so there is nothing to compare; give at least one.")
    return found


def _check_shape(params: list[Any], grid: Grid) -> None:
    repeats = grid.repeats
    for name, value, known in (
        ("on_oversize", grid.on_oversize, ("error", "skip", "send")),
        ("on_nan", grid.on_nan, ("error", "empty")),
        ("offline", grid.offline, ("error", "snapshot")),
    ):
        if value not in known:
            raise UsageError(f"`{name}` is one of {', '.join(map(repr, known))}; got {value!r}.")
    flying = grid.concurrency
    if flying is not None and (not isinstance(flying, int) or isinstance(flying, bool) or flying < 1):
        raise UsageError(f"`concurrency` is a whole number of at least 1, or None; got {flying!r}.")
    for entry in params:
        if not isinstance(entry, Mapping):
            raise UsageError(
                f"`params` is a mapping or a list of mappings such as {{'temperature': 0}}; got {entry!r}."
            )
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        raise UsageError(f"`repeats` is a whole number of at least 1; got {repeats!r}.")


def _make_arms(
    engine: Engine, prompts: Sequence[Prompt], models: list[Any] | None, params: list[Mapping[str, Any]]
) -> tuple[tuple[Arm, ...], tuple[Routes, ...]]:
    arms: list[Arm] = []
    routes: list[Routes] = []
    for prompt in prompts:
        for model in models if models is not None else [_own_model(prompt)]:
            found = find_routes(engine, model)
            way = found.ways[0]
            drops = engine.config is not None and engine.config.drop_params
            for asked in params:
                effective = effective_params(prompt, asked, way.params)
                arms.append(
                    Arm(
                        index=len(arms),
                        prompt=prompt,
                        model=model,
                        model_source="alias" if way.is_alias else "prompt" if models is None else "caller",
                        provider=way.provider.identity,
                        model_sent=way.model,
                        params=_checked_params(takeable(effective, way.provider.capabilities) if drops else effective),
                    )
                )
                routes.append(found)
    return tuple(arms), tuple(routes)


def _own_model(prompt: Prompt) -> str:
    model = config_model(prompt)
    if model is None:
        raise UsageError(
            f"The prompt {prompt.reference!r} names no model in its config and `models` is not given; "
            "give `models=[...]`, such as 'openai/gpt-4o-mini'."
        )
    return model


def find_routes(engine: Engine, model: Any) -> Routes:
    if not isinstance(model, str):
        raise UsageError(f"A model is text such as 'openai/gpt-4o-mini'; got {model!r}.")
    led = targets(model, engine.config)
    ways = tuple(find_route(target, engine.providers) for _, target in led)
    if any(way.params != ways[0].params for way in ways):
        raise UsageError(
            f"The deployments of {model!r} in config.yaml differ in their params, and an arm has one set of them; "
            "give the deployments names of their own."
        )
    return Routes(weights=tuple(weight for weight, _ in led), ways=ways)


def _checked_params(params: FrozenDict) -> FrozenDict:
    try:
        canonical_json(params)
    except (TypeError, ValueError) as error:
        raise UsageError(f"`params` must be plain JSON values; {dict(params)!r} is not: {error}") from error
    return params


def _run_id(trials: Trials, baseline: int) -> str:
    """Identity by content: what is sent, what is expected, what it is compared with; not the order of sending."""
    content = hashlib.sha256(trials.digest())
    for case in trials.cases:
        content.update(canonical_json(case.expected).encode("ascii") + b"\n")
    shape: list[Any] = [len(trials.arms), len(trials.cases), trials.repeats, baseline]
    # A run on snapshots is a run of its own: its rows say so, and those of the run that it resembles do not.
    shape += [arm.prompt.snapshot_at for arm in trials.arms if arm.prompt.snapshot_at is not None]
    return "run-" + content_hash("n2", {"grid": content.hexdigest(), "shape": shape}).removeprefix("n2:")[:12]
