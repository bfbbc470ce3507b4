"""What tests of places share: slots on a clock that is set by hand, and what comes back of a call."""

from __future__ import annotations

import asyncio
import datetime as dt

from toolkit._records import EMPTY, Response, Usage
from toolkit.engine import Slots
from toolkit.testing import FakeProvider

PROVIDER = FakeProvider()

ANSWER = Response(text="a", finish_reason="stop", raw=EMPTY)
COUNTED = Response(text="a", finish_reason="stop", usage=Usage(input_tokens=7, output_tokens=3), raw=EMPTY)


class HeldClock:
    """A clock whose time is set by hand, and whose sleepers wait until it is reached."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.slept_s = 0.0
        self.asked_s = []

    def monotonic(self):
        return self.time_s

    def now(self):
        return dt.datetime.fromtimestamp(self.time_s + self.slept_s, dt.UTC)

    async def sleep(self, seconds):
        self.asked_s.append(seconds)
        until_s = self.time_s + seconds
        while self.time_s < until_s:  # noqa: ASYNC110  the time is set between two turns of the loop
            await asyncio.sleep(0)


async def turns(count=8):
    """Lets the loop turn a few times, so that all that can go on has gone on."""
    for _ in range(count):
        await asyncio.sleep(0)


def make(most=None, **options):
    """Slots that learn nothing unless told otherwise, and their clock."""
    clock = HeldClock()
    return Slots(most, clock=clock, **{"adaptive": False, **options}), clock


def taken(slots, result, *, model="m", until_s=None):
    """A call that has a place at once, ends with this, at that time, and gives its place back."""
    place = slots.reserve(PROVIDER, model)
    if until_s is not None:
        slots._clock.time_s = until_s
    place.report(result)
    place.release()
    return place
