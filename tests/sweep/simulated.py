"""A sweep in made-up time: an event loop whose clock jumps to the next thing to do, a provider with limits, a ledger.

Nothing waits, so that an hour of sweeping takes milliseconds; what would never end is an error instead.
"""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.builders import make_arm, make_prompt
from toolkit._records import Case, FrozenDict, Outcome, Request, Response, Trial, Usage
from toolkit.engine import Budget, InFlight, RetryPolicy, Route
from toolkit.errors import ProviderError, RateLimitError
from toolkit.providers import Capabilities
from toolkit.sweep._plan import Plan, Routes
from toolkit.sweep._runner import Limits, run_plan


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's clock on."""

    loop: JumpingLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Returns what is ready; with nothing ready and no timer set, nothing will ever happen."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise AssertionError("everything waits and nothing is going to happen")
            self.loop.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in made-up time."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """The made-up time."""
        return self.now


class LoopClock:
    """The clock of the running loop; the time of day can be set to something else."""

    def __init__(self) -> None:
        self.set_ahead_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> dt.datetime:
        moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        return moment + dt.timedelta(seconds=self.monotonic() + self.set_ahead_s)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(kw_only=True)
class Rules:
    """What a simulated provider allows, and how it behaves."""

    per_s: float | None = None
    """Calls in any second."""
    bucket: float | None = None
    """A token bucket of this size in place of the second."""
    in_flight: Callable[[float], float] = lambda now: float("inf")
    """Most calls at once, by the time."""
    stray: float = 0.0
    """Share of calls that are refused for no reason."""
    failing: float = 0.0
    """Share of calls that end with a server error."""
    retry_after_s: float | None = 1.0
    median_s: float = 0.2
    sigma: float = 0.5
    refusal_s: float = 0.002
    """How long a refusal takes."""


class SimulatedProvider:
    """A provider that keeps to its rules and writes down what it saw."""

    def __init__(self, rules: Rules, *, seed: int, name: str = "sim") -> None:
        self.name = self.identity = name
        self.capabilities = Capabilities()
        self.rules = rules
        self.sent_at: list[float] = []
        self.refused_at: list[float] = []
        self.answered_at: list[float] = []
        self.busy_s = 0.0
        self.in_flight = self.most = 0
        self._rng = Random(seed)
        self._taken: collections.deque[float] = collections.deque()
        self._tokens, self._filled_at = rules.bucket or 0.0, 0.0

    def check(self, model: str) -> None:
        pass

    async def prepare(self, model: str) -> None:
        pass

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        rules, now = self.rules, asyncio.get_running_loop().time()
        self.sent_at.append(now)
        if self._rng.random() < rules.stray or not self._takes(now):
            await asyncio.sleep(rules.refusal_s)
            self.refused_at.append(asyncio.get_running_loop().time())
            raise RateLimitError("slow down", retry_after_s=rules.retry_after_s)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        latency_s = rules.median_s * self._rng.lognormvariate(0, rules.sigma)
        self.busy_s += latency_s
        await asyncio.sleep(latency_s)
        self.in_flight -= 1
        if self._rng.random() < rules.failing:
            raise ProviderError("boom", kind="server", retryable=True)
        self.answered_at.append(asyncio.get_running_loop().time())
        return Response(text="ok", finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1))

    def _takes(self, now: float) -> bool:
        rules = self.rules
        if self.in_flight >= rules.in_flight(now):
            return False
        if rules.per_s is None:
            return True
        if rules.bucket is not None:
            self._tokens = min(rules.bucket, self._tokens + (now - self._filled_at) * rules.per_s)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= rules.per_s:
            return False
        self._taken.append(now)
        return True


@dataclass
class MemoryLedger:
    """Attempts and outcomes, in memory."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    attempts: int = 0
    changes: list[Any] = field(default_factory=list)

    async def save_run(self, **_: object) -> None:
        pass

    async def begin_attempt(self, **_: object) -> int:
        self.attempts += 1
        return self.attempts

    async def fail_attempt(self, attempt_id: int, **_: object) -> None:
        pass

    async def finish(self, outcome: Outcome, **_: object) -> None:
        assert outcome.trial_id not in self.outcomes, "a trial ended twice"
        self.outcomes[outcome.trial_id] = outcome

    async def note_limits(self, run_id: str, changes: list[Any]) -> None:
        self.changes += changes

    def answered(self, trial_ids: list[str]) -> set[str]:
        return set()

    def unknown(self, run_id: str) -> list[Any]:
        return []


@dataclass
class Ended:
    """How a simulated sweep went."""

    ledger: MemoryLedger
    wall_s: float
    events: list[Any]
    sent: int

    @property
    def statuses(self) -> collections.Counter[str]:
        return collections.Counter(outcome.status for outcome in self.ledger.outcomes.values())


def simulate(
    providers: list[Any],
    trials: int,
    *,
    seed: int = 0,
    concurrency: int | None = None,
    policy: RetryPolicy | None = None,
    clock: LoopClock | None = None,
    route: dict[str, Any] | None = None,
    stop: Any = None,
    during: Callable[[], Any] | None = None,
    budget: Budget | None = None,
    params: dict[str, Any] | None = None,
) -> Ended:
    """Runs a sweep of `trials` cases on each provider in made-up time, by the runner itself."""
    clock = clock or LoopClock()
    prompt = make_prompt()
    arms = tuple(
        make_arm(
            index,
            prompt=prompt,
            model=f"{each.name}/m",
            provider=each.identity,
            model_sent="m",
            params=FrozenDict(params or {}),
        )
        for index, each in enumerate(providers)
    )
    cases = [Case(index=index, variables=FrozenDict({"word": f"w{index}"})) for index in range(trials)]
    grid = [
        Trial(trial_id=f"t1:{case.index}:{arm.index}", arm=arm, case=case, repeat=0) for case in cases for arm in arms
    ]
    ways = [Routes(weights=(1.0,), ways=(Route(provider=each, model="m", **(route or {})),)) for each in providers]
    plan = Plan(
        run_id="run-1", arms=arms, cases=tuple(cases), repeats=1, baseline=0, grid=grid, distinct=len(grid), stored=0,
        routes=tuple(ways), shares_answers=False,
    )  # fmt: skip
    ledger, events = MemoryLedger(), []
    engine: Any = SimpleNamespace(store=ledger, config=None, in_flight=InFlight())

    async def work() -> tuple[int, float]:
        beside = asyncio.ensure_future(during()) if during is not None else None
        sent = await run_plan(
            plan, engine, Limits(concurrency=concurrency, timeout_s=600), listener=events.append, clock=clock,
            rng=Random(seed), policy=policy, stop=stop, budget=budget,
        )  # fmt: skip
        wall_s = asyncio.get_running_loop().time()
        if beside is not None:
            beside.cancel()
        return sent, wall_s

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        sent, wall_s = runner.run(work())
    return Ended(ledger=ledger, wall_s=wall_s, events=events, sent=sent)
