"""Waiting for a place: who gives up, who is denied one, and what a run that is to end does not wait for any more."""

from __future__ import annotations

import asyncio

import pytest

from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request, Response, Usage
from toolkit.engine import Slots
from toolkit.errors import RateLimitError
from toolkit.testing import FakeClock, FakeProvider

PROVIDER = FakeProvider()


async def turns(count=5):
    """Lets the loop turn a few times, so that all that can go on has gone on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def enter(slots, **options):
    """Waits for a place and returns it, held."""
    place = slots.place(PROVIDER, "m", **options)
    return await place.__aenter__()


def test_who_gives_up_waiting_is_passed_over():
    """A call that is cancelled while it waits leaves its turn to the next."""

    async def play():
        slots = Slots(1, clock=FakeClock())
        held = await enter(slots)
        gives_up, stays = asyncio.ensure_future(enter(slots)), asyncio.ensure_future(enter(slots))
        await turns()
        gives_up.cancel()
        held.release()
        await turns()
        return gives_up.cancelled(), stays.done(), slots.wait_s(PROVIDER, "m"), slots.resting

    assert _sync.run(play()) == (True, True, float("inf"), 0)


def test_a_place_that_came_too_late_goes_back():
    """A call that is cancelled just as its place came gives the place back."""

    async def play():
        slots = Slots(1, clock=FakeClock())
        held = await enter(slots)
        waits = asyncio.ensure_future(enter(slots))
        await turns()
        held.release()
        # The place is given in the next turn; the call itself would go on in the one behind it.
        asyncio.get_running_loop().call_soon(waits.cancel)
        await asyncio.gather(waits, return_exceptions=True)
        return waits.cancelled(), slots.wait_s(PROVIDER, "m")

    assert _sync.run(play()) == (True, 0.0)


@pytest.mark.parametrize("why", ["the model is suspended", "the run is to end"])
def test_another_try_that_waits_is_denied_its_place(why):
    """A retry that waits for a place gets none once its model asks for a long wait, or the run is to end."""

    async def play():
        slots = Slots(1, clock=FakeClock())
        held = await enter(slots)
        retry = asyncio.ensure_future(enter(slots, is_retry=True))
        await turns()
        if why == "the run is to end":
            slots.drain()
        else:
            held.report(RateLimitError("later", provider="fake", model="m", retry_after_s=9000))
        await turns()
        return retry.done() and retry.result().is_denied

    assert _sync.run(play()) is True


def test_a_run_that_is_to_end_does_not_rest():
    """Once a run is to end, nothing waits between two tries."""

    async def play():
        clock = FakeClock()
        slots = Slots(1, clock=clock)
        slots.drain()
        await slots.rest(60)
        return clock.slept

    assert _sync.run(play()) == []


@pytest.mark.parametrize(
    ("usage", "wait_s"),
    [
        # 60 tokens a minute: a token a second. The estimate is 30 of output and those of "hi".
        (Usage(), "as estimated"),
        (Usage(input_tokens=4, output_tokens=None), "as estimated"),
        (Usage(input_tokens=4, output_tokens=3), 7.0),
    ],
)
def test_the_estimate_stands_where_no_tokens_were_counted(usage, wait_s):
    """What a call took replaces its estimate in the tokens a minute; without a count the estimate stays."""
    request = Request(
        provider="fake",
        model="m",
        messages=(Message(role="user", content="hi"),),
        params=FrozenDict({"max_tokens": 30}),
    )

    async def play():
        slots = Slots(None, clock=FakeClock())
        slots.limit(PROVIDER, "m", tpm=60)
        async with slots.place(PROVIDER, "m", request=request) as place:
            estimated_s = slots.wait_s(PROVIDER, "m")
            place.report(Response(text="ok", finish_reason="stop", usage=usage))
        return estimated_s, slots.wait_s(PROVIDER, "m")

    estimated_s, then_s = _sync.run(play())
    assert 30 < estimated_s < 60
    assert then_s == pytest.approx(estimated_s if wait_s == "as estimated" else wait_s)
