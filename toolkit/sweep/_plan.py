"""The grid as an ordered list of trials with stable ids; everything is checked here, before a call is made."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._canonical import canonical_json, content_hash
from toolkit._records import Arm, Case, FrozenDict, Prompt, Trial
from toolkit.engine import (
    Engine,
    Route,
    build_request,
    config_model,
    effective_params,
    find_route,
    takeable,
    targets,
)
from toolkit.errors import MissingVariablesError, PromptError, UnusedVariableWarning, UsageError
from toolkit.prompts import placeholders, render
from toolkit.providers import Estimate, estimate_tokens
from toolkit.sweep._cases import read_cases, rows_in_words

# Estimating renders every request: half a second for these, too long to print a plan of a million.
_MOST_ESTIMATED = 5_000


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
    grid: tuple[Trial, ...]
    """Every trial in the order of sending."""
    stored: int
    """Trials that have an answer in the run store already; they are not sent again."""
    routes: tuple[Routes, ...]
    """Who may answer for each arm."""
    notes: tuple[str, ...] = ()
    """What a careful reader would want to know: unused variables, duplicate rows."""

    def route(self, trial: Trial) -> Route:
        """Returns who answers a trial."""
        return self.routes[trial.arm.index].of(trial.case.index, trial.repeat)

    @property
    def trials(self) -> int:
        """Number of trials, and of rows in the frame."""
        return len(self.grid)

    @property
    def new(self) -> int:
        """Number of requests that would be sent: trials without an answer, each content once."""
        return len({trial.trial_id for trial in self.grid}) - self.stored

    @property
    def input_tokens(self) -> Estimate:
        """Estimated input tokens of the requests that would be sent were nothing stored, each content once.

        The band is that of `toolkit.estimate_tokens`, which says what it was measured on. Renders every request.
        """
        total = Estimate(low=0, expected=0, high=0)
        for trial in {trial.trial_id: trial for trial in self.grid}.values():
            total += estimate_tokens(render(trial.arm.prompt, trial.case.variables))
        return total

    def __repr__(self) -> str:
        lines = [
            f"{self.trials} trials = {len(self.arms)} arms x {len(self.cases)} cases x {self.repeats} repeats; "
            f"{self.stored} stored, {self.new} to send  ({self.run_id})"
        ]
        for arm in self.arms:
            mark = "  (baseline)" if arm.index == self.baseline else ""
            params = ", ".join(f"{name}={value!r}" for name, value in arm.params.items())
            label = f" [{arm.prompt.label}]" if arm.prompt.label else ""
            lines.append(f"  {arm.prompt.reference}{label} · {arm.model}{' · ' + params if params else ''}{mark}")
        if self.trials <= _MOST_ESTIMATED:
            tokens = self.input_tokens
            lines.append(f"  about {tokens.expected:,} input tokens in all ({tokens.low:,} to {tokens.high:,})")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


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
    allow_identical_arms: bool = False


async def make_plan(engine: Engine, grid: Grid) -> Plan:
    """Resolves and pins the prompts, checks everything that can be checked, and lays out the trials.

    Raises:
        UsageError: If an axis is empty, an argument has the wrong form, two arms would send identical requests, or a
            prompt has no model while none is given.
        MissingVariablesError: If a prompt needs a variable that a row does not have.
        PromptError: If a prompt cannot be resolved.
    """
    prompts = _as_list(grid.prompts, "prompts")
    models = None if grid.models is None else _as_list(grid.models, "models")
    params = [{}] if grid.params is None else _as_list(grid.params, "params")
    _check_shape(params, grid.repeats)
    cases = read_cases(grid.variables, expected=grid.expected)
    duplicate_notes = _check_duplicates(cases)
    pinned = [prompt for reference in prompts for prompt in await engine.resolve(reference)]
    arms, routes = _make_arms(engine, pinned, models, params)
    if not grid.allow_identical_arms:
        _refuse_identical(arms)
    baseline = find_baseline(arms, grid.baseline)
    _check_variables(arms, cases)
    unused_notes = _unused(arms, cases)
    for note in unused_notes:
        warnings.warn(note, UnusedVariableWarning, stacklevel=2)
    trials = tuple(_make_trials(arms, routes, cases, grid.repeats))
    return Plan(
        run_id=_run_id(trials, baseline),
        arms=arms,
        cases=cases,
        repeats=grid.repeats,
        baseline=baseline,
        grid=trials,
        routes=routes,
        stored=len(engine.store.answered({trial.trial_id for trial in trials})),
        notes=(*unused_notes, *duplicate_notes),
    )


def _as_list(value: Any, name: str) -> list[Any]:
    """Returns a list of one or more; one prompt, model or mapping may be given bare."""
    if isinstance(value, str | Mapping | Prompt) or not isinstance(value, Iterable):
        value = [value]
    found = list(value)
    if not found:
        raise UsageError(f"`{name}` is empty, so there is nothing to compare; give at least one.")
    return found


def _check_shape(params: list[Any], repeats: int) -> None:
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
        for model in models if models is not None else [config_model(prompt)]:
            if model is None:
                raise UsageError(
                    f"The prompt {prompt.reference!r} names no model in its config and `models` is not given; "
                    "give `models=[...]`, such as 'openai/gpt-4o-mini'."
                )
            found = _find_routes(engine, model)
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


def _find_routes(engine: Engine, model: Any) -> Routes:
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


def _refuse_identical(arms: Sequence[Arm]) -> None:
    """Two arms that send the same bytes compare nothing, and cost twice."""
    seen: dict[str, Arm] = {}
    for arm in arms:
        prompt = arm.prompt
        sent = canonical_json(
            [prompt.kind, prompt.template, prompt.template_format, arm.provider, arm.model_sent, arm.params]
        )
        if sent in seen:
            first = seen[sent]
            raise UsageError(
                f"Two arms would send identical requests: {_describe(first)} and {_describe(arm)}. "
                "Take one away, or pass allow_identical_arms=True to measure the noise between them."
            )
        seen[sent] = arm


def _describe(arm: Arm) -> str:
    asked = f" (asked as @{arm.prompt.label})" if arm.prompt.label else ""
    return f"{arm.prompt.reference!r}{asked} on {arm.model!r} with {dict(arm.params)!r}"


def _check_variables(arms: Sequence[Arm], cases: Sequence[Case]) -> None:
    """Every prompt must find every variable in every row; all gaps are told at once."""
    gaps: list[str] = []
    missing_names: set[str] = set()
    for prompt in {arm.prompt.reference: arm.prompt for arm in arms}.values():
        # A Jinja template may do without a name that it mentions; rendering it for each row, below, is what tells.
        for name in placeholders(prompt) if prompt.template_format != "jinja2" else ():
            rows = [case.index for case in cases if name not in case.variables]
            if rows:
                where = "every row" if len(rows) == len(cases) else rows_in_words(rows)
                gaps.append(f"{prompt.reference!r} needs {name!r}, missing in {where}")
                missing_names.add(name)
    if gaps:
        given = sorted({name for case in cases for name in case.variables})
        raise MissingVariablesError(
            f"Nothing was sent: {'; '.join(gaps)}. `variables` has: {', '.join(given) or 'none'}. "
            "Add the missing columns or rename the ones you have.",
            missing=sorted(missing_names),
            given=given,
        )


def _unused(arms: Sequence[Arm], cases: Sequence[Case]) -> tuple[str, ...]:
    read = {name for arm in arms for name in placeholders(arm.prompt)}
    unused = sorted({name for case in cases for name in case.variables} - read)
    if not unused:
        return ()
    return (f"No prompt of this sweep reads {', '.join(repr(name) for name in unused)}; not sent.",)


def _check_duplicates(cases: Sequence[Case]) -> tuple[str, ...]:
    """Rows of equal variables are one trial; with different expected answers they contradict each other."""
    first: dict[str, Case] = {}
    copies: list[int] = []
    for case in cases:
        key = canonical_json(case.variables)
        known = first.setdefault(key, case)
        if known is case:
            continue
        copies.append(case.index)
        if known.expected != case.expected:
            raise UsageError(
                f"Rows {known.index} and {case.index} of `variables` are equal and expect different answers: "
                f"{known.expected!r} and {case.expected!r}. Keep the right one."
            )
    if not copies:
        return ()
    return (f"{rows_in_words(copies)} repeat earlier rows: sent once, shown in each. For more samples use `repeats`.",)


def _make_trials(arms: Sequence[Arm], routes: Sequence[Routes], cases: Sequence[Case], repeats: int) -> Iterable[Trial]:
    """Yields the trials, arms innermost, so that the time of day favours no arm."""
    for repeat in range(repeats):
        for case in cases:
            for arm, ways in zip(arms, routes, strict=True):
                trial_id = _trial_id(arm, ways.of(case.index, repeat), case, repeat)
                yield Trial(trial_id=trial_id, arm=arm, case=case, repeat=repeat)


def _trial_id(arm: Arm, way: Route, case: Case, repeat: int) -> str:
    prompt = arm.prompt
    try:
        request = build_request(
            prompt, case.variables, provider=way.provider.identity, model=way.model, params=arm.params
        )
    except PromptError as error:
        error.args = (f"Row {case.index}: {error}",)
        raise
    return content_hash(
        "t1",
        {
            "source": prompt.source,
            "prompt": prompt.prompt_id,
            "version": prompt.version,
            "request": request.key,
            "repeat": repeat,
        },
    )


def find_baseline(arms: Sequence[Arm], baseline: str | None) -> int:
    """Returns the index of the arm that `baseline` names; the first arm when it is `None`.

    Args:
        arms: The plan's arms.
        baseline: A prompt reference by version or by a label that stands on it (`reply@3`, `reply@production`), or a
            model; the first arm that fits.

    Raises:
        UsageError: If no arm fits; the message lists what would.
    """
    if baseline is None:
        return 0
    for arm in arms:
        prompt = arm.prompt
        names = {prompt.reference, f"{prompt.prompt_id}@{prompt.version}", prompt.prompt_id, arm.model}
        for label in prompt.labels:
            names |= {f"{prompt.prompt_id}@{label}", f"{prompt.source}:{prompt.prompt_id}@{label}"}
        if baseline in names:
            return arm.index
    known = ", ".join(dict.fromkeys(f"{arm.prompt.prompt_id}@{arm.prompt.version}" for arm in arms))
    raise UsageError(f"No arm fits baseline={baseline!r}; name one of: {known}, or a model.")


def _run_id(trials: Sequence[Trial], baseline: int) -> str:
    content = [[trial.trial_id, trial.case.expected] for trial in trials]
    return "run-" + content_hash("n1", {"grid": content, "baseline": baseline}).removeprefix("n1:")[:12]
