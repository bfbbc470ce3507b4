"""Places among the calls in flight: how many, how fast, and when to pause, for each model of each endpoint and key.

The rules are in `_limits_level` (how many) and `_limits_pace` (how fast); here they meet the event loop.
"""

from __future__ import annotations

import asyncio
import collections
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from toolkit._records import Request, Response
from toolkit.engine._clock import Clock
from toolkit.engine._limits_gate import Gate, tokens_of
from toolkit.engine._limits_level import CEILING, Verdict
from toolkit.errors import FailureKind, ProviderError
from toolkit.providers import Provider

_SLEPT_S = 30.0
"""The time of day runs on while a machine sleeps; seconds that it must gain on the monotonic clock to tell so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """A limit that was found, raised or lowered."""

    at_s: float
    """Seconds of the run's clock."""
    origin: str
    """Provider, with its address where that is not the usual one."""
    model: str
    limit: int
    """Calls that may be in flight."""
    per_s: float | None
    """Calls a second; `None` = as many as there are places."""
    why: str


FATAL_KINDS = frozenset({FailureKind.AUTH, FailureKind.QUOTA, FailureKind.NOT_FOUND, FailureKind.TLS})
"""Failures that no later call of the model may be able to get around: nothing leaves until that is decided."""


class Place:
    """One place: `async with` waits for it and gives it back."""

    __slots__ = (
        "_gate",
        "_is_held",
        "_is_refused",
        "_request",
        "_slots",
        "is_denied",
        "is_retry",
        "met",
        "sent_at",
        "waited_s",
    )

    def __init__(self, slots: Slots, gate: Gate, request: Request | None) -> None:
        self._slots = slots
        self._gate = gate
        self._request = request
        self._is_held = False
        self._is_refused = False
        self.waited_s = 0.0
        """Seconds waited for it."""
        self.sent_at = 0.0
        self.met = 0
        """Calls of the same model that were in flight when this one was sent."""
        self.is_retry = False
        self.is_denied = False
        """True for another try when the model was suspended meanwhile, or the run is to end: there is no place."""

    async def __aenter__(self) -> Place:
        if not self._is_held:
            await self._slots._take(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def report(self, result: Response | ProviderError, *, was_sent: bool = True) -> None:
        """Tells what came of the call, once; limits are learned from it, unless it was never sent."""
        if was_sent:
            self._slots._report(self, result)

    def release(self) -> None:
        """Gives the place back; a second time does nothing."""
        if self._is_held:
            self._is_held = False
            self._slots._release(self)


class Slots:
    """Places among the calls in flight. Made and used on one event loop.

    Args:
        concurrency: Most calls in flight in all; `None` = up to 64 for each model.
        clock: Measures and waits.
        adaptive: Learns from the answers how many calls a model takes and how fast; False = only what is said counts.
        max_wait_s: A provider that asks for a longer wait than this suspends its model.
        on_change: Hears of every limit that changes.
    """

    def __init__(
        self,
        concurrency: int | None,
        *,
        clock: Clock,
        adaptive: bool = True,
        max_wait_s: float = 120.0,
        on_change: Callable[[LimitChange], None] | None = None,
    ) -> None:
        self.on_room: Callable[[], None] | None = None
        """Called when a place may have become free. Who sets it says of every fatal failure when it is `decided`."""
        self.resting = 0
        """Calls that hold no place: between two tries, or waiting for a place."""
        self._clock, self.now = clock, clock.monotonic
        self._most = concurrency
        self._is_adaptive = adaptive
        self._max_wait_s = max_wait_s
        self._on_change = on_change
        # One provider object is one address with one key.
        self._gates: dict[tuple[int, str], Gate] = {}
        self._in_flight = 0
        self._waiting: collections.deque[tuple[Place, asyncio.Future[None]]] = collections.deque()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = math.inf
        self._timers: set[asyncio.Task[None]] = set()
        self._drift_s: float | None = None
        self._is_due = self._is_draining = False
        self._sleepers: set[asyncio.Task[None]] = set()

    @property
    def most(self) -> int:
        """Most calls in flight that there can be."""
        return self._most or CEILING * max(1, len(self._gates))

    def limit(
        self,
        provider: Provider,
        model: str,
        *,
        at_most: int | None = None,
        rpm: float | None = None,
        tpm: float | None = None,
    ) -> None:
        """Says what a model takes at most; of two sayings the smaller counts.

        Args:
            provider: Who answers.
            model: Provider-side name.
            at_most: Calls in flight.
            rpm: Calls a minute.
            tpm: Tokens a minute, by estimate before a call and by its usage after it.
        """
        self._gate(provider, model).cap(at_most=at_most, rpm=rpm, tpm=tpm)

    def place(self, provider: Provider, model: str, *, request: Request | None = None, is_retry: bool = False) -> Place:
        """Returns a place to wait for with `async with`; who comes back after a failure goes before what is new.

        Args:
            provider: Who answers.
            model: Provider-side name.
            request: What is to be sent, where its tokens count.
            is_retry: It has been sent before: when the model is suspended it gets no place, others wait.
        """
        place = Place(self, self._gate(provider, model), request)
        place.is_retry = is_retry
        return place

    def wait_s(self, provider: Provider, model: str) -> float:
        """Returns the seconds until a call of the model may leave: 0 = now, infinity = when a place comes free."""
        gate = self._gate(provider, model)
        if self._is_due and self._waiting:
            self._serve()
        if not self._has_room():
            return math.inf
        return gate.wait_s(self._clock.monotonic())

    def reserve(self, provider: Provider, model: str, *, request: Request | None = None) -> Place:
        """Returns a place that is held already; to be asked only when `wait_s` gives 0."""
        place = Place(self, self._gate(provider, model), request)
        self._grant(place, self._clock.monotonic())
        return place

    async def rest(self, seconds: float) -> None:
        """Waits between two tries, without a place; not at all once the run is to end."""
        if self._is_draining:
            return
        sleeper = asyncio.get_running_loop().create_task(self._clock.sleep(seconds))
        self._sleepers.add(sleeper)
        self.resting += 1
        try:
            # A sleeper that is cancelled ends the waiting; who waits may be cancelled itself.
            await asyncio.wait([sleeper])
        finally:
            self.resting -= 1
            self._sleepers.discard(sleeper)
            sleeper.cancel()

    def drain(self) -> None:
        """Lets no trial be tried again: those between two tries end with what came of the last one."""
        self._is_draining = True
        for sleeper in self._sleepers:
            sleeper.cancel()
        self._changed()

    def resumes_in_s(self, provider: Provider, model: str) -> float | None:
        """Returns the seconds until a model that asked for a longer wait than is taken may be asked again."""
        gate, now = self._gate(provider, model), self._clock.monotonic()
        return gate.resumes_at - now if gate.is_suspended(now) else None

    def decided(self, provider: Provider, model: str) -> None:
        """Lets calls leave again that were held back for a fatal failure, now that its trial has ended."""
        gate = self._gate(provider, model)
        gate.doubts = max(0, gate.doubts - 1)
        self._changed()

    def wake_in(self, seconds: float) -> None:
        """Has `on_room` called after so many seconds, or sooner."""
        self._wake_at(self._clock.monotonic() + seconds)

    def close(self) -> None:
        """Ends what was left waiting for a time."""
        self.on_room = None
        for task in (self._alarm, *self._timers):
            if task is not None:
                task.cancel()

    def _gate(self, provider: Provider, model: str) -> Gate:
        key = (id(provider), model)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = Gate(provider, model, most=self._most, adaptive=self._is_adaptive)
        return gate

    async def _take(self, place: Place) -> None:
        asked_at = self._clock.monotonic()
        gate = place._gate
        if place.is_retry and (self._is_draining or gate.is_suspended(asked_at)):
            place.is_denied = True
            return
        if self._has_room() and gate.wait_s(asked_at) <= 0:
            self._grant(place, asked_at)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        self.resting += 1
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            place.release()
            raise
        finally:
            self.resting -= 1
        place.waited_s = self._clock.monotonic() - asked_at

    def _has_room(self) -> bool:
        return self._most is None or self._in_flight < self._most

    def _grant(self, place: Place, now: float) -> None:
        gate = place._gate
        place._is_held, place.sent_at, place.met = True, now, gate.in_flight - gate.held
        self._in_flight += 1
        gate.send(now, 0 if place._request is None or gate.tpm is None else tokens_of(place._request))

    def _serve(self) -> None:
        """Gives places to who waits for one, first come first served, and sets the alarm for the rest."""
        now, soonest = self._clock.monotonic(), math.inf
        left: collections.deque[tuple[Place, asyncio.Future[None]]] = collections.deque()
        while self._waiting:
            place, turn = self._waiting.popleft()
            if turn.done():
                continue
            gate = place._gate
            if place.is_retry and (self._is_draining or gate.is_suspended(now)):
                place.is_denied = True
                turn.set_result(None)
                continue
            wait_s = gate.wait_s(now) if self._has_room() else math.inf
            if wait_s <= 0:
                self._grant(place, now)
                turn.set_result(None)
            else:
                soonest = min(soonest, wait_s)
                left.append((place, turn))
        self._waiting = left
        if soonest < math.inf:
            self._wake_at(now + soonest)

    def _release(self, place: Place) -> None:
        gate, now = place._gate, self._clock.monotonic()
        held_s = place.sent_at + gate.usual_s - now if place._is_refused else 0.0
        if held_s > 0:
            # Refused calls come back at once. Without this a place would run through the whole plan, refused each time.
            timer = asyncio.get_running_loop().create_task(self._release_later(gate, held_s))
            gate.held += 1
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)
            return
        self._free(gate)

    async def _release_later(self, gate: Gate, seconds: float) -> None:
        await self._clock.sleep(seconds)
        gate.held -= 1
        self._free(gate)

    def _free(self, gate: Gate) -> None:
        gate.in_flight -= 1
        self._in_flight -= 1
        self._changed()

    def _changed(self) -> None:
        # Soon, not at once: whoever gave a place back first says what it has to say, and one look serves many.
        if not self._is_due and (self._waiting or self.on_room is not None):
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._is_due = False
        if self._waiting:
            self._serve()
        if self.on_room is not None:
            self.on_room()

    def _wake_at(self, at: float) -> None:
        if self._alarm is not None and not self._alarm.done():
            if at >= self._alarm_at:
                return
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().create_task(self._ring(at))

    async def _ring(self, at: float) -> None:
        await self._clock.sleep(max(0.0, at - self._clock.monotonic()))
        self._alarm, self._alarm_at = None, math.inf
        self._changed()

    def _report(self, place: Place, result: Response | ProviderError) -> None:
        gate, now = place._gate, self._clock.monotonic()
        if gate.tpm is not None and place._request is not None and isinstance(result, Response):
            gate.correct_tokens(place._request, result)
        if not self._is_adaptive:
            return
        self._notice_sleep(now)
        if isinstance(result, Response):
            gate.answered(sent_at=place.sent_at, met=place.met, now=now)
            if self._on_change is not None and gate.is_news:
                self._tell(gate, "every answer was clean")
            return
        if result.kind != FailureKind.RATE_LIMIT:
            gate.failed()
            gate.doubts += self.on_room is not None and not result.retryable and result.kind in FATAL_KINDS
            return
        place._is_refused = True
        asked_s: float | None = getattr(result, "retry_after_s", None)
        if asked_s is not None and asked_s > self._max_wait_s:
            gate.resumes_at = now + asked_s
            self._tell(gate, f"it asked to wait {asked_s:g} s")
            self._changed()
            return
        verdict = gate.refused(sent_at=place.sent_at, met=place.met, asked_s=asked_s, now=now)
        if verdict is Verdict.EPISODE:
            place._is_refused = False
            self._tell(gate, "it was rate-limited")
        elif gate.is_news:
            self._tell(gate, "a call was refused")

    def _notice_sleep(self, now: float) -> None:
        """After a sleep of the machine every model starts again with one call: connections are dead, limits unknown.

        A time of day that was set ahead looks the same, and does no harm: the limits are found again in seconds.
        """
        drift_s = self._clock.now().timestamp() - now
        if self._drift_s is not None and drift_s > self._drift_s + _SLEPT_S:
            for gate in self._gates.values():
                gate.restart(now)
                self._tell(gate, "the machine slept")
        self._drift_s = drift_s

    def _tell(self, gate: Gate, why: str) -> None:
        gate.told()
        if self._on_change is not None:
            self._on_change(
                LimitChange(
                    at_s=self._clock.monotonic(),
                    origin=gate.origin,
                    model=gate.model,
                    limit=gate.level.limit,
                    per_s=gate.pace.per_s,
                    why=why,
                )
            )
