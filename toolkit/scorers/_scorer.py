"""The Scorer protocol, and how a plain function becomes one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast, overload

from toolkit._records import Case, Outcome
from toolkit.errors import UsageError
from toolkit.scorers._fingerprint import function_version

# Response.finish_reason words by which providers say that their filter kept the answer back.
_REFUSING = frozenset({"content_filter", "refusal", "safety", "SAFETY"})

_LOWER = "lower_is_better=True"

# Arguments that a scoring function may ask for by name.
_BY_NAME: dict[str, Callable[[Outcome, Case], Any]] = {
    "outcome": lambda outcome, case: outcome,
    "case": lambda outcome, case: case,
    "text": lambda outcome, case: outcome.text,
    "expected": lambda outcome, case: case.expected,
    "variables": lambda outcome, case: case.variables,
}


class Scorer(Protocol):
    """A function that gives a number about one outcome, with what is needed to name and rebuild it.

    It may be plain or async. It may return a number, a truth value, text that says either ("0.8", "yes", "fail"), a
    `Score`, `None` for "not scored", or a mapping of names to any of these for several scores at once. An attribute
    `scores_failures = True` asks to be called for trials without an answer and for refusals too.
    """

    @property
    def name(self) -> str:
        """Name of the score: the frame's column is `score.NAME`."""
        ...

    @property
    def version(self) -> str:
        """Changes when equal answers would be scored differently."""
        ...

    @property
    def spec(self) -> str:
        """What rebuilds the scorer: `contains(ignore_case=True)`."""
        ...

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Returns what the scorer says of `outcome`, or an awaitable of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionScorer:
    """A plain function as a scorer."""

    name: str
    version: str
    spec: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    """Names from `outcome`, `case`, `text`, `expected`, `variables`, in the order of the function's parameters."""
    scores_failures: bool = False
    """Whether it is called for trials without an answer and for refusals too."""

    def __call__(self, outcome: Outcome, case: Case) -> Any:
        """Calls the function with the arguments it asks for."""
        return self.function(*(_BY_NAME[name](outcome, case) for name in self.arguments))


def as_scorer(
    scorer: Scorer | Callable[..., Any],
    *,
    name: str | None = None,
    version: str | None = None,
    scores_failures: bool = False,
    lower_is_better: bool = False,
) -> Scorer:
    """Returns a scorer as it is, and a function as a scorer.

    A function gets what its parameters are called: any of `outcome`, `case`, `text`, `expected`, `variables`. When they
    are called otherwise, the first gets the outcome and the second, if there is one, the case.

    Args:
        scorer: A scorer or a function, plain or async.
        name: Name of the score; `None` = the function's own.
        version: For a function: what tells its old scores from new ones; `None` = a hash of its code and of all it
            reads, where that can be compared, so that a changed function scores anew and the same one does not.
        scores_failures: For a function: whether it is called for trials without an answer and for refusals too.
        lower_is_better: For a function: whether the smaller number wins a comparison.

    Raises:
        UsageError: If it cannot be called with one or two arguments, or has no usable name.

    Example:
        >>> def short(text): return len(text) < 100
        >>> as_scorer(short).name
        'short'
    """
    if not callable(scorer):
        raise UsageError(f"A scorer is a function or a scorer object, not {scorer!r}.")
    if all(isinstance(getattr(scorer, field, None), str) for field in ("name", "version", "spec")):
        ready = cast("Scorer", scorer)
        if name is not None:
            raise UsageError(f"The scorer {ready.name!r} has its name already; give `name` where it is made.")
        return ready
    function = cast("Callable[..., Any]", scorer)
    inner = function.func if isinstance(function, functools.partial) else function
    own_name = getattr(inner, "__name__", type(inner).__name__)
    own_name = "lambda" if own_name == "<lambda>" else own_name
    where = f"{getattr(inner, '__module__', '?')}:{getattr(inner, '__qualname__', own_name)}"
    return FunctionScorer(
        name=name or own_name,
        version=version if version is not None else function_version(function),
        spec=f"{where}({_LOWER})" if lower_is_better else where,
        function=function,
        arguments=_arguments(function, own_name),
        scores_failures=scores_failures or bool(getattr(function, "scores_failures", False)),
    )


@overload
def scorer(function: Callable[..., Any], /) -> Scorer: ...


@overload
def scorer(
    *,
    name: str | None = None,
    version: str | None = None,
    scores_failures: bool = False,
    lower_is_better: bool = False,
) -> Callable[[Callable[..., Any]], Scorer]: ...


def scorer(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    scores_failures: bool = False,
    lower_is_better: bool = False,
) -> Scorer | Callable[[Callable[..., Any]], Scorer]:
    """Makes a scorer of the function below it; the arguments are those of `as_scorer`, and may be left out.

    Raises:
        UsageError: If the function cannot be called with one or two arguments.

    Example:
        >>> @scorer(name="brief")
        ... def is_brief(text): return len(text) <= 200
        >>> is_brief.name
        'brief'
    """

    def make(made_of: Callable[..., Any]) -> Scorer:
        return as_scorer(
            made_of, name=name, version=version, scores_failures=scores_failures, lower_is_better=lower_is_better
        )

    return make if function is None else make(function)


def is_lower_better(spec: str) -> bool:
    """Tells from what rebuilds a scorer whether the smaller of its numbers wins.

    Example:
        >>> is_lower_better("latency(lower_is_better=True)"), is_lower_better("exact()")
        (True, False)
    """
    return spec.endswith(f"{_LOWER})")


def is_refused(outcome: Outcome) -> bool:
    """True when there is an answer and it is a refusal, by the provider's word."""
    response = outcome.response
    return response is not None and (response.refusal is not None or response.finish_reason in _REFUSING)


def why_not(outcome: Outcome) -> str | None:
    """Returns why an outcome has nothing to score: no answer, or a refusal; `None` when it has."""
    if outcome.response is None:
        return f"no answer: {outcome.failure.kind if outcome.failure is not None else outcome.status}"
    return "refused" if is_refused(outcome) else None


def _arguments(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a few built-in functions tell no signature
        return ("outcome", "case")
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    wanted = [p for p in places if p.default is p.empty or p.name in _BY_NAME]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and len(wanted) < 2:
        return ("outcome", "case")
    if wanted and all(p.name in _BY_NAME for p in wanted) and wanted == places[: len(wanted)]:
        arguments = tuple(p.name for p in wanted)
    else:
        arguments = ("outcome", "case")[: len(wanted)]
    needs_more = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    if not arguments or len(arguments) < len(wanted) or needs_more:
        raise UsageError(
            f"The scorer {name!r} takes {inspect.signature(function)}; write it as (outcome, case), or with parameters "
            f"called {', '.join(_BY_NAME)}."
        )
    return arguments
