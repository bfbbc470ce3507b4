"""Waiting for a place: who gives up, who is denied one, and what a run that is to end does not wait for any more."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.held import PROVIDER, make, turns
from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request, Response, Usage
from toolkit.engine import Slots
from toolkit.errors import RateLimitError
from toolkit.testing import FakeClock


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


def test_who_does_not_wait_has_waited_nothing():
    """A place that is taken at once was waited for 0 s, is no other try's, and is not denied."""

    async def play():
        slots, _ = make()
        return [
            (place.waited_s, place.is_retry, place.is_denied)
            for place in (slots.reserve(PROVIDER, "m"), await enter(slots))
        ]

    assert _sync.run(play()) == [(0.0, False, False)] * 2


def test_who_finds_room_goes_on_at_once():
    """A place that is free is taken without a turn of the loop."""

    async def play():
        slots, _ = make()
        with pytest.raises(StopIteration):
            slots.place(PROVIDER, "m").__aenter__().send(None)

    _sync.run(play())


def test_a_place_that_is_denied_was_never_sent():
    """Who is denied a place has neither waited nor sent, and met nobody."""

    async def play():
        slots, _ = make()
        slots.reserve(PROVIDER, "m")
        slots.drain()
        place = await enter(slots, is_retry=True)
        return place.is_denied, place.waited_s, place.sent_at, place.met

    assert _sync.run(play()) == (True, 0.0, 0.0, 0)


def test_what_is_new_waits_for_a_suspended_model():
    """A call that was not sent before is not denied a place: it waits until its model may be asked again."""

    async def play():
        slots, clock = make(adaptive=True, max_wait_s=10.0)
        slots.reserve(PROVIDER, "m").report(RateLimitError("later", retry_after_s=60.0))
        waits = asyncio.ensure_future(enter(slots))
        seen = []
        for time_s in (100.0, 159.0, 160.0):
            clock.time_s = time_s
            await turns()
            seen.append(waits.done())
        return seen, waits.result().is_denied, waits.result().waited_s

    assert _sync.run(play()) == ([False, False, True], False, 60.0)


def test_another_try_that_waits_gets_its_turn():
    """A retry whose model is not suspended waits like any other, and has the place that comes free."""

    async def play():
        slots, _ = make(1)
        held = await enter(slots)
        retry = asyncio.ensure_future(enter(slots, is_retry=True))
        await turns()
        waited = not retry.done()
        held.release()
        await turns()
        return waited, retry.result().is_denied

    assert _sync.run(play()) == (True, False)


def test_a_denied_place_keeps_nobody_behind_it_waiting():
    """Where retries of a suspended model are denied their places, the call of another model behind them goes on."""

    async def play():
        slots, _ = make(1, adaptive=True, max_wait_s=10.0)
        held = await enter(slots)
        retries = [asyncio.ensure_future(enter(slots, is_retry=True)) for _ in range(2)]
        other = asyncio.ensure_future(slots.place(PROVIDER, "other").__aenter__())
        await turns()
        held.report(RateLimitError("later", retry_after_s=60.0))
        held.release()
        await turns()
        return [each.done() and each.result().is_denied for each in (*retries, other)], other.done()

    assert _sync.run(play()) == ([True, True, False], True)


def test_half_a_second_is_waited_for():
    """At 120 calls a minute the second call leaves half a second after the first, not at once."""

    async def play():
        slots, clock = make()
        slots.limit(PROVIDER, "m", rpm=120)
        await enter(slots)
        waits = asyncio.ensure_future(enter(slots))
        seen = []
        for time_s in (100.0, 100.4, 100.5):
            clock.time_s = time_s
            await turns()
            seen.append(waits.done())
        return seen

    assert _sync.run(play()) == [False, False, True]


def test_who_waits_for_a_time_is_left_alone_until_then():
    """One alarm is set for the moment at which a call may leave, and nobody looks at the plan before it rings."""

    async def play():
        slots, clock = make()
        told = []
        slots.on_room = lambda: told.append(clock.time_s)
        slots.limit(PROVIDER, "m", rpm=30)
        await enter(slots)
        waits = asyncio.ensure_future(enter(slots))
        await turns(30)
        slots.wake_in(2.0)
        await turns(30)
        before = (list(told), list(clock.asked_s))
        clock.time_s = 102.0
        await turns()
        return before, waits.done()

    assert _sync.run(play()) == (([], [2.0]), True)


def test_a_run_that_is_to_end_wakes_who_rests():
    """Those between two tries stop waiting when the run is to end, however long they still had."""

    async def play():
        slots, _ = make()
        rests = [asyncio.ensure_future(slots.rest(60.0)) for _ in range(2)]
        await turns()
        slots.drain()
        await turns()
        return [each.done() for each in rests], slots.resting

    assert _sync.run(play()) == ([True, True], 0)
