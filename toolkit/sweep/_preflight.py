"""What a sweep is likely to take: tokens, money and time by arm, from estimates and from what the store has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit._records import Arm, Case, Request, Usage
from toolkit.engine import (
    Budget,
    Route,
    Spend,
    build_request,
    check_caps,
    input_estimate,
    usd_words,
    worst_case,
)
from toolkit.errors import UsageError
from toolkit.providers import Estimate, Prices, most_output_tokens
from toolkit.store import Habits

# Rendering and weighing one request takes about 0.1 ms; of a larger grid every so many-th row is weighed.
_MOST_WEIGHED = 1_000

# Calls in flight that the time is reckoned with when nobody says how many there may be.
_USUAL_IN_FLIGHT = 8

_NO_TOKENS = Usage(input_tokens=0, output_tokens=0)

# What an answer is taken to be while the store has none of its model; the plan says so wherever it counts.
ASSUMED_OUTPUT_TOKENS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What a sweep may take at most; the arguments are described at `sweep`."""

    budget_usd: float | None = None
    max_calls: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        check_caps(self.budget_usd, self.max_calls, self.max_tokens)

    @property
    def is_limited(self) -> bool:
        """True when there is any cap."""
        return not (self.budget_usd is None and self.max_calls is None and self.max_tokens is None)

    def budget(self, spent: Spend) -> Budget | None:
        """Returns the budget that keeps a run within these caps; `None` when there is none.

        Args:
            spent: What earlier executions of the run have taken.
        """
        if not self.is_limited:
            return None
        return Budget(usd=self.budget_usd, max_calls=self.max_calls, max_tokens=self.max_tokens, spent=spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRange:
    """USD; `None` = not known."""

    low: float | None
    expected: float | None
    worst: float | None
    """With every answer as long as it can get; `None` also where nothing limits it."""

    def __add__(self, other: CostRange) -> CostRange:
        return CostRange(
            low=_sum(self.low, other.low),
            expected=_sum(self.expected, other.expected),
            worst=_sum(self.worst, other.worst),
        )


NO_COST = CostRange(low=0.0, expected=0.0, worst=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEstimate:
    """What one arm is likely to take."""

    arm: int
    """Index of the arm."""
    trials: int
    new: int
    """Requests to send: trials without an answer, each content once."""
    input_tokens: Estimate
    """Of the requests to send."""
    cost_usd: CostRange
    """Of the requests to send."""
    output_tokens: float
    """Expected of one answer."""
    seconds: float | None
    """Expected for all its calls, one after the other; `None` = no answer of this model is stored yet."""
    answers_seen: int
    """Stored answers that the expectations come from; 0 = the length of an answer is assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What a plan is likely to take, by arm and in all."""

    arms: tuple[ArmEstimate, ...]
    weighed_every: int
    """1 = every row was weighed, 20 = every 20th."""
    concurrency: int

    @property
    def input_tokens(self) -> Estimate:
        """Of all requests to send."""
        return sum((arm.input_tokens for arm in self.arms), start=Estimate(low=0, expected=0, high=0))

    @property
    def cost_usd(self) -> CostRange:
        """Of all requests to send."""
        return sum((arm.cost_usd for arm in self.arms), start=NO_COST)

    @property
    def seconds(self) -> float | None:
        """Expected until the last answer; `None` = not known for one of the models."""
        found = [arm.seconds for arm in self.arms if arm.new]
        known = [seconds for seconds in found if seconds is not None]
        return sum(known) / self.concurrency if len(known) == len(found) else None


def weigh(
    arms: Sequence[Arm],
    ways: Sequence[Route],
    cases: Sequence[Case],
    repeats: int,
    *,
    new: Sequence[int],
    prices: Prices,
    habits: Mapping[str, Habits],
    concurrency: int | None = None,
) -> Preflight:
    """Estimates what the requests to send take.

    Args:
        arms: What is compared.
        ways: Who answers for each arm.
        cases: Rows of the variables.
        repeats: Times that each is sent.
        new: Requests to send of each arm.
        prices: The caller's own, and the table.
        habits: What the store has seen of each model.
        concurrency: Most calls in flight; `None` = reckoned with 8.
    """
    every = max(1, math.ceil(len(arms) * len(cases) / _MOST_WEIGHED))
    sample = cases[::every]
    made = []
    for arm, way, left in zip(arms, ways, new, strict=True):
        seen = habits.get(way.model)
        weighed = [_weigh_one(_request(arm, way, case), prices, seen) for case in sample] if left else []
        share = left / len(weighed) if weighed else 0.0
        tokens = sum((one[0] for one in weighed), start=Estimate(low=0, expected=0, high=0))
        cost = sum((one[1] for one in weighed), start=NO_COST)
        made.append(
            ArmEstimate(
                arm=arm.index,
                trials=len(cases) * repeats,
                new=left,
                input_tokens=_scaled(tokens, share),
                cost_usd=CostRange(
                    low=_times(cost.low, share), expected=_times(cost.expected, share), worst=_times(cost.worst, share)
                ),
                output_tokens=weighed[0][2] if weighed else 0.0,
                seconds=None if seen is None or seen.latency_s is None else left * seen.latency_s,
                answers_seen=seen.answers if seen is not None else 0,
            )
        )
    return Preflight(arms=tuple(made), weighed_every=every, concurrency=concurrency or _USUAL_IN_FLIGHT)


def check_affordable(
    caps: Caps,
    arms: Sequence[Arm],
    ways: Sequence[Sequence[Route]],
    cases: Sequence[Case],
    *,
    new: Sequence[int],
    prices: Prices,
) -> None:
    """Refuses a cap on what cannot be known beforehand.

    Raises:
        UsageError: If a model's price or the length of its answers is not known while a cap needs it; names the models.
    """
    if caps.budget_usd is None and caps.max_tokens is None:
        return
    unpriced: dict[str, None] = {}
    endless: dict[str, None] = {}
    for arm, led, left in zip(arms, ways, new, strict=True):
        for way in led if left else ():
            worst = worst_case(_request(arm, way, cases[0]), prices=prices)
            has_price = worst.usd is not None or prices.price(way.provider.name, way.model, _NO_TOKENS) is not None
            if not has_price and caps.budget_usd is not None:
                unpriced.setdefault(arm.model)
            elif worst.tokens is None:
                endless.setdefault(arm.model)
    if unpriced:
        first = next(iter(unpriced))
        raise UsageError(
            f"`budget_usd` needs a price, and there is none for {_listed(unpriced)}. Give it in USD per million "
            f"tokens, such as prices={{{first!r}: {{'input': 0.5, 'output': 1.5}}}}, or leave `budget_usd` out."
        )
    if endless:
        needed = "budget_usd" if caps.budget_usd is not None else "max_tokens"
        raise UsageError(
            f"`{needed}` needs to know how long an answer can get, and nothing limits those of {_listed(endless)}. "
            "Say it, such as params={'max_tokens': 500}."
        )


def cost_words(cost: CostRange) -> str:
    """Returns `about $0.12 ($0.05 to at most $1.30)`, with what is not known said so."""
    if cost.expected is None:
        return "cost unknown"
    if cost.worst == 0:
        return "$0"
    if cost.worst is None:
        low = usd_words(cost.low or 0.0)
        return f"about {usd_words(cost.expected)} ({low} or more, no limit known without `max_tokens`)"
    return f"about {usd_words(cost.expected)} ({usd_words(cost.low or 0.0)} to at most {usd_words(cost.worst)})"


def time_words(seconds: float | None) -> str:
    """Returns `about 40 s`, `about 5 min`, `about 2.5 h` or `time unknown`.

    Example:
        >>> time_words(0.3), time_words(330), time_words(9000), time_words(None)
        ('about 1 s', 'about 6 min', 'about 2.5 h', 'time unknown')
    """
    if seconds is None:
        return "time unknown"
    if seconds < 90:
        return f"about {max(1, math.ceil(seconds))} s"
    return f"about {math.ceil(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _request(arm: Arm, way: Route, case: Case) -> Request:
    return build_request(arm.prompt, case.variables, provider=way.provider.identity, model=way.model, params=arm.params)


def _weigh_one(request: Request, prices: Prices, seen: Habits | None) -> tuple[Estimate, CostRange, float]:
    """Input tokens, cost and expected output tokens of one request."""
    provider = request.provider.partition("@")[0]
    tokens = input_estimate(request.messages, request.params)
    most = most_output_tokens(provider, request.model, request.params, input_tokens=tokens.low)
    usual = seen.output_tokens if seen is not None and seen.output_tokens is not None else ASSUMED_OUTPUT_TOKENS
    output = usual if most is None else min(usual, most)
    if provider == "local":
        return tokens, NO_COST, output

    def cost(read: int, written: float) -> float | None:
        found = prices.price(provider, request.model, Usage(input_tokens=read, output_tokens=math.ceil(written)))
        return found[0] if found is not None else None

    return (
        tokens,
        CostRange(
            low=cost(tokens.low, min(1, output)),
            expected=cost(tokens.expected, output),
            worst=worst_case(request, prices=prices).usd,
        ),
        output,
    )


def _scaled(tokens: Estimate, share: float) -> Estimate:
    return Estimate(
        low=math.floor(tokens.low * share), expected=round(tokens.expected * share), high=math.ceil(tokens.high * share)
    )


def _times(usd: float | None, share: float) -> float | None:
    return None if usd is None else usd * share


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _listed(names: Mapping[str, None]) -> str:
    return ", ".join(repr(name) for name in names)
