"""Scorers that measure: length, latency, cost; as numbers of which less is better, or as limits that hold or do not."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, get_args

from toolkit._records import Case, Outcome
from toolkit.errors import UsageError
from toolkit.scorers._rule import RuleScorer, Verdict, rule_scorer

Unit = Literal["words", "characters", "lines", "tokens"]
"""What `length` counts."""


def length(
    unit: Unit = "words", *, at_least: float | None = None, at_most: float | None = None, name: str | None = None
) -> RuleScorer:
    """Returns a scorer that gives how long the answer is, of which less is better; with a limit, 1 when it holds.

    White space around the answer is not counted. A word is what white space parts; a character is a Unicode code
    point; a line is one that is not blank; tokens are the provider's own count of the answer.

    Args:
        unit: What is counted.
        at_least: Fewest that are right; `None` = no such limit.
        at_most: Most that are right; `None` = no such limit.
        name: Name of the score; `None` = `length`, with the limits behind it when there are some.

    An answer whose tokens the provider did not tell is not scored for them.

    Raises:
        UsageError: If the unit is none of these, or a limit is negative or not finite.

    Example:
        >>> length(at_most=50).name, length("characters").spec
        ('length(words <= 50)', "length(unit='characters', lower_is_better=True)")
    """
    if unit not in get_args(Unit):
        raise UsageError(f"`unit` of length() is one of {', '.join(map(repr, get_args(Unit)))}; got {unit!r}.")
    limits = _limits("length", at_least, at_most)
    measure = functools.partial(_length, unit=unit)
    return _measured("length", measure, {"unit": unit}, limits, name=name, what=unit)


def latency(*, at_most_s: float | None = None, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives the seconds of the successful attempt, of which less is better; with a limit, 1 or 0.

    It is the time that the call took when it was made: also for answers from the store, which the column `latency_s`
    leaves empty. Answers that another trial's call brought have none and are not scored.

    Args:
        at_most_s: Most seconds that are right; `None` = the seconds themselves.
        name: Name of the score; `None` = `latency`, with the limit behind it when there is one.

    Raises:
        UsageError: If the limit is negative or not finite.

    Example:
        >>> latency(at_most_s=2).name
        'latency(s <= 2)'
    """
    return _measured("latency", _latency_s, {}, _limits("latency", None, at_most_s, end="_s"), name=name, what="s")


def cost(*, at_most_usd: float | None = None, name: str | None = None) -> RuleScorer:
    """Returns a scorer that gives the price of the answer in USD, of which less is better; with a limit, 1 or 0.

    It is what the answer cost when it was made, whoever paid. An answer whose price is not known is not scored.

    Args:
        at_most_usd: Most USD that are right; `None` = the USD themselves.
        name: Name of the score; `None` = `cost`, with the limit behind it when there is one.

    Raises:
        UsageError: If the limit is negative or not finite.

    Example:
        >>> cost(at_most_usd=0.002).name
        'cost(USD <= 0.002)'
    """
    return _measured("cost", _cost_usd, {}, _limits("cost", None, at_most_usd, end="_usd"), name=name, what="USD")


Measure = Callable[[Outcome], "float | str"]


def _measured(
    kind: str, measure: Measure, options: dict[str, Any], limits: dict[str, float], *, name: str | None, what: str
) -> RuleScorer:
    low, high = limits.values()
    rule = functools.partial(_in_limits, measure=measure, limits=(low, high))
    given = {key: value for key, value in limits.items() if math.isfinite(value)}
    if not given:
        return rule_scorer(kind, rule, {**options, "lower_is_better": True}, name=name, label=None)
    label = (f"{low:g} <= " if math.isfinite(low) else "") + what + (f" <= {high:g}" if math.isfinite(high) else "")
    return rule_scorer(kind, rule, {**options, **given}, name=name, label=label)


def _limits(kind: str, low: float | None, high: float | None, *, end: str = "") -> dict[str, float]:
    found = {f"at_least{end}": -math.inf if low is None else low, f"at_most{end}": math.inf if high is None else high}
    for name, value, given in zip(found, found.values(), (low, high), strict=True):
        if given is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf
        ):
            raise UsageError(f"`{name}` of {kind}() is a finite number of at least 0; got {value!r}.")
    return found


def _in_limits(outcome: Outcome, case: Case, *, measure: Measure, limits: tuple[float, float]) -> Verdict:
    found = measure(outcome)
    if isinstance(found, str):
        return math.nan, found
    low, high = limits
    if math.isinf(low) and math.isinf(high):
        return float(found), None
    return (1.0, None) if low <= found <= high else (0.0, f"it is {found:g}")


def _length(outcome: Outcome, *, unit: Unit) -> float | str:
    text = outcome.text.strip()
    if unit == "tokens":
        tokens = outcome.response.usage.output_tokens if outcome.response is not None else None
        return "the provider did not tell its tokens" if tokens is None else tokens
    if unit == "words":
        return len(text.split())
    return len(text) if unit == "characters" else sum(bool(line.strip()) for line in text.splitlines())


def _latency_s(outcome: Outcome) -> float | str:
    latency_s = outcome.response.latency_s if outcome.response is not None else None
    return "its time was not measured" if latency_s is None else latency_s


def _cost_usd(outcome: Outcome) -> float | str:
    return "its price is not known" if outcome.cost_usd is None else outcome.cost_usd
