"""Which trial is sent next: the earliest of the plan whose model has room, models that are stuck left aside."""

from __future__ import annotations

import asyncio
import collections
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from toolkit._records import Failure, Request, Trial
from toolkit.engine import Place, Route, Slots, build_request

_WORKERS_A_PLACE = 2
"""Workers for each place: those without one wait for the store, and answers that are not on record must not pile up."""


class Group:
    """The trials of one model at one endpoint with one key that have not been sent.

    Args:
        route: Who answers.
        asked_as: The model as it was asked for.
        grid: The plan's trials.
    """

    def __init__(self, route: Route, *, asked_as: str, grid: Sequence[Trial]) -> None:
        self.route = route
        self.asked_as = asked_as
        self.is_ready = False
        """True once the model is made ready."""
        self.suspended: Failure | None = None
        """Why nothing more is sent; `None` = it goes on."""
        self.next_since: float | None = None
        """When the next trial became the next, in the clock's seconds; `None` before the first has left."""
        self._grid = grid
        # Turns and places of a million trials are 8 bytes each; the trials are made when their turn comes.
        self._turns, self._places, self._next = array("L"), array("L"), 0

    def __len__(self) -> int:
        return len(self._places) - self._next

    def add(self, turn: int, place: int) -> None:
        """Appends a trial.

        Args:
            turn: When it is sent, among all groups.
            place: Where it stands in the plan.
        """
        self._turns.append(turn)
        self._places.append(place)

    @property
    def turn(self) -> int:
        """When the next trial is sent, among all groups."""
        return self._turns[self._next]

    def pop(self) -> Trial:
        """Takes the next trial."""
        self._next += 1
        return self._grid[self._places[self._next - 1]]

    def take_where(self, is_taken: Callable[[Trial], bool]) -> list[Trial]:
        """Takes those of the trials that are left for which `is_taken` is true."""
        taken: list[Trial] = []
        turns, places = array("L"), array("L")
        for turn, place in zip(self._turns[self._next :], self._places[self._next :], strict=True):
            trial = self._grid[place]
            if is_taken(trial):
                taken.append(trial)
            else:
                turns.append(turn)
                places.append(place)
        self._turns, self._places, self._next = turns, places, 0
        return taken

    def take_rest(self) -> Iterator[Trial]:
        """Takes all trials that are left."""
        while len(self):
            yield self.pop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trial with a place to send it from."""

    group: Group
    trial: Trial
    request: Request
    place: Place


def request_of(trial: Trial, route: Route) -> Request:
    """Returns what is sent for a trial."""
    arm = trial.arm
    return build_request(
        arm.prompt, trial.case.variables, provider=route.provider.identity, model=route.model, params=arm.params
    )


def turns(count: int, arms: int) -> Iterator[int]:
    """Yields places of the plan in the order of sending: by case, each case beginning with another arm.

    In the plan the arms of a case stand side by side. Beginning each case with the next arm keeps any of them from
    being always the first, so that neither the time of day nor a warm cache favours one.

    Args:
        count: Trials of the plan.
        arms: Arms of the plan.

    Example:
        >>> list(turns(6, 2))
        [0, 1, 3, 2, 4, 5]
    """
    for block, start in enumerate(range(0, count, arms)):
        size = min(arms, count - start)
        for step in range(size):
            yield start + (step + block) % size


class Queue:
    """Hands trials to workers, and has new workers started while there is room for more.

    A worker that ends a call takes the next trial; while it waits for the store, or for its next try, another one uses
    the place. There are never more tasks than places, twice, and tries waiting.

    Args:
        groups: What is to be sent.
        slots: Places among the calls in flight.
        start: Starts a worker with its first job.
    """

    def __init__(self, groups: Sequence[Group], slots: Slots, *, start: Callable[[Job], None]) -> None:
        self._groups = list(groups)
        self._slots = slots
        self._start = start
        self._idle: collections.deque[asyncio.Future[Job | None]] = collections.deque()
        self._workers = 0
        self._is_closed = False
        slots.on_room = self.pump

    def pump(self) -> None:
        """Starts or wakes a worker for every trial that may leave now."""
        while not self._is_closed:
            if not self._idle and self._workers >= self._most_workers():
                return
            job = self._pick()
            if job is None:
                break
            while self._idle and self._idle[0].done():
                self._idle.popleft()
            if self._idle:
                self._idle.popleft().set_result(job)
            else:
                self._workers += 1
                self._start(job)
        if self._is_closed or not any(self._groups):
            self._dismiss()

    @property
    def is_closed(self) -> bool:
        """True once it hands out nothing more."""
        return self._is_closed

    async def next(self) -> Job | None:
        """Returns a worker's next job; `None` when nothing is left for it to do."""
        job = self._pick()
        if job is None and not self._is_closed and any(self._groups):
            waiting: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
            self._idle.append(waiting)
            job = await waiting
        if job is None:
            self._workers -= 1
        return job

    def close(self) -> None:
        """Hands out nothing more."""
        self._is_closed = True
        self._dismiss()

    def _dismiss(self) -> None:
        while self._idle:
            waiting = self._idle.popleft()
            if not waiting.done():
                waiting.set_result(None)

    def _most_workers(self) -> int:
        return _WORKERS_A_PLACE * self._slots.most + self._slots.resting

    def _pick(self) -> Job | None:
        """The earliest trial whose model may send now; else the alarm is set for when one may."""
        while not self._is_closed:
            best: Group | None = None
            soonest = math.inf
            for group in self._groups:
                if group.is_ready and len(group) and (best is None or group.turn < best.turn):
                    wait_s = self._slots.wait_s(group.route.provider, group.route.model)
                    if wait_s <= 0:
                        best = group
                    else:
                        soonest = min(soonest, wait_s)
            if best is None:
                if soonest < math.inf:
                    self._slots.wake_in(soonest)
                return None
            return self._job(best)
        return None

    def _job(self, group: Group) -> Job:
        route, trial = group.route, group.pop()
        request = request_of(trial, route)
        place = self._slots.reserve(route.provider, route.model, request=request)
        # A trial waits from when it is the next of its model: before that it is merely planned.
        now = self._slots.now()
        place.waited_s = now - (now if group.next_since is None else group.next_since)
        group.next_since = now
        return Job(group=group, trial=trial, request=request, place=place)
