"""Places among the calls in flight, step by step: who gets one, who is denied one, and what is told of the limits."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.engine.held import ANSWER, PROVIDER, make, turns
from toolkit import _sync
from toolkit.errors import AuthenticationError, RateLimitError
from toolkit.testing import FakeProvider


def test_without_room_nobody_gets_a_place_although_the_model_is_free():
    """Two places in all are two calls in flight, of whatever models; the third waits and is counted as waiting."""

    async def play():
        slots, clock = make(2)
        held = [await slots.place(PROVIDER, model).__aenter__() for model in ("a", "b")]
        third = slots.place(PROVIDER, "c")
        waits = asyncio.ensure_future(third.__aenter__())
        await turns()
        assert (waits.done(), slots.resting, slots.wait_s(PROVIDER, "c")) == (False, 1, math.inf)
        clock.time_s = 103.0
        held[0].release()
        held[0].release()
        await turns()
        assert (waits.done(), third.waited_s, third.sent_at, slots.resting) == (True, 3.0, 103.0, 0)
        assert slots.wait_s(PROVIDER, "c") == math.inf
        slots.close()

    _sync.run(play())


def test_a_model_that_is_full_holds_up_no_other_that_waits_behind_it():
    """Who waits for a model without a place is passed by who waits for another one; each keeps its turn."""

    async def play():
        slots, _ = make(2)
        slots.limit(PROVIDER, "a", at_most=1)
        held = [await slots.place(PROVIDER, model).__aenter__() for model in ("a", "b")]
        waits = [asyncio.ensure_future(slots.place(PROVIDER, model).__aenter__()) for model in ("a", "a", "b")]
        await turns()
        held[1].release()
        await turns()
        assert [each.done() for each in waits] == [False, False, True]
        held[0].release()
        await turns()
        assert [each.done() for each in waits] == [True, False, True]
        waits[1].cancel()
        slots.close()

    _sync.run(play())


def test_a_call_leaves_when_its_time_has_come_and_not_before():
    """At 30 calls a minute the second leaves two seconds after the first, woken by the clock."""

    async def play():
        slots, clock = make()
        slots.limit(PROVIDER, "m", rpm=30)
        first = await slots.place(PROVIDER, "m").__aenter__()
        waits = asyncio.ensure_future(slots.place(PROVIDER, "m").__aenter__())
        await turns()
        clock.time_s = 101.5
        first.release()
        await turns()
        assert (waits.done(), slots.wait_s(PROVIDER, "m")) == (False, 0.5)
        clock.time_s = 102.0
        await turns()
        assert (waits.done(), slots.wait_s(PROVIDER, "m")) == (True, 2.0)
        slots.close()

    _sync.run(play())


@pytest.mark.parametrize("why", ["suspended", "draining"])
def test_another_try_is_denied_its_place_at_once(why):
    """A retry is denied a place where its model is suspended or the run is to end; what is new is not denied."""

    async def play():
        slots, _ = make(adaptive=why == "suspended", max_wait_s=10.0)
        if why == "suspended":
            slots.reserve(PROVIDER, "m").report(RateLimitError("slow", retry_after_s=60.0))
        else:
            slots.drain()
        again = await slots.place(PROVIDER, "m", is_retry=True).__aenter__()
        other = await slots.place(PROVIDER, "other", is_retry=why == "suspended").__aenter__()
        slots.close()
        return again.is_denied, other.is_denied

    assert _sync.run(play()) == (True, False)


def test_a_model_that_asks_for_a_long_wait_is_suspended_and_that_is_told():
    """A wait beyond what is taken suspends the model, and no other, until it is over; whoever listens hears why."""

    async def play():
        heard = []
        slots, clock = make(adaptive=True, max_wait_s=10.0, on_change=heard.append)
        slots.reserve(PROVIDER, "m").report(RateLimitError("slow", retry_after_s=60.0))
        seen = [slots.resumes_in_s(PROVIDER, model) for model in ("m", "other")]
        clock.time_s = 130.0
        seen.append(slots.resumes_in_s(PROVIDER, "m"))
        clock.time_s = 160.0
        seen.append(slots.resumes_in_s(PROVIDER, "m"))
        slots.close()
        return seen, [(each.at_s, each.origin, each.model, each.limit, each.per_s, each.why) for each in heard]

    assert _sync.run(play()) == (
        [60.0, None, 30.0, None],
        [(100.0, PROVIDER.identity, "m", 8, None, "it asked to wait 60 s")],
    )


def test_each_fatal_failure_is_decided_for_itself():
    """After two failures that may be the key's nothing leaves before both are decided; a third decision is harmless."""

    async def play():
        slots, _ = make(adaptive=True)
        slots.on_room = lambda: None
        for place in [slots.reserve(PROVIDER, "m") for _ in range(2)]:
            place.report(AuthenticationError("no"))
            place.release()
        seen = []
        for _ in range(3):
            seen.append(slots.wait_s(PROVIDER, "m"))
            slots.decided(PROVIDER, "m")
        slots.close()
        return [*seen, slots.wait_s(PROVIDER, "m")]

    assert _sync.run(play()) == [math.inf, math.inf, 0.0, 0.0]


def test_a_refused_place_is_given_back_when_an_answer_would_have_come():
    """A refused call holds its place for the 2 s that an answer takes, and no other call counts it as met."""

    async def play():
        slots, clock = make(adaptive=True)
        slots.limit(PROVIDER, "m", at_most=2)
        first = slots.reserve(PROVIDER, "m")
        clock.time_s = 102.0
        first.report(ANSWER)
        first.release()
        refused = slots.reserve(PROVIDER, "m")
        refused.report(RateLimitError("slow"))
        refused.release()
        second = slots.reserve(PROVIDER, "m")
        seen = [second.met, slots.wait_s(PROVIDER, "m")]
        for time_s in (103.9, 104.0):
            await turns()
            clock.time_s = time_s
            await turns()
            seen.append(slots.wait_s(PROVIDER, "m"))
        seen.append(slots.reserve(PROVIDER, "m").met)
        slots.close()
        return seen

    assert _sync.run(play()) == [0, math.inf, math.inf, 0.0, 1]


@pytest.mark.parametrize(("slept_s", "is_told"), [(30.0, False), (30.5, True)])
def test_after_a_sleep_of_more_than_thirty_seconds_every_model_begins_with_one_call(slept_s, is_told):
    """When the time of day has gained more than 30 s, all limits are forgotten, and that is told of each model."""

    async def play():
        heard = []
        slots, clock = make(adaptive=True, on_change=heard.append)
        places = [slots.reserve(PROVIDER, model) for model in ("a", "b")]
        places[0].report(ANSWER)
        clock.slept_s = slept_s
        places[1].report(ANSWER)
        slots.close()
        return [(each.model, each.limit) for each in heard if each.why == "the machine slept"]

    assert _sync.run(play()) == ([("a", 1), ("b", 1)] if is_told else [])


def test_who_rests_is_counted_until_its_time_is_over():
    """Between two tries a call is resting; two of them are two, and none are left when their time has come."""

    async def play():
        slots, clock = make()
        rests = [asyncio.ensure_future(slots.rest(seconds)) for seconds in (1.0, 2.0)]
        seen = []
        for time_s in (100.0, 101.0, 102.0):
            clock.time_s = time_s
            await turns()
            seen.append(slots.resting)
        await asyncio.gather(*rests)
        slots.close()
        return seen

    assert _sync.run(play()) == [2, 1, 0]


def test_room_is_told_when_its_time_has_come():
    """Who asks to be woken in two seconds is woken then, or sooner where somebody asked for less; each once."""

    async def play():
        slots, clock = make()
        woken = []
        slots.on_room = lambda: woken.append(clock.time_s)
        slots.wake_in(2.0)
        slots.wake_in(5.0)
        slots.wake_in(1.0)
        for time_s in (100.5, 101.0, 103.0):
            clock.time_s = time_s
            await turns()
        slots.close()
        return woken

    assert _sync.run(play()) == [101.0]


def test_there_are_sixty_four_places_for_each_model_unless_the_caller_says():
    """The most calls in flight are the caller's number, or 64 for each model that was asked for."""
    unbounded, _ = make()
    seen = [make(7)[0].most, unbounded.most]
    for model in ("a", "b"):
        unbounded.limit(PROVIDER, model, rpm=1)
        seen.append(unbounded.most)
    assert seen == [7, 64, 64, 128]


def test_a_rate_limited_model_is_told_once_with_its_new_limit():
    """Two refusals after one answer cut 8 calls to 5; whoever listens hears it, once."""

    async def play():
        heard = []
        slots, clock = make(adaptive=True, on_change=heard.append)
        for result in (ANSWER, RateLimitError("slow"), RateLimitError("slow")):
            place = slots.reserve(PROVIDER, "m")
            clock.time_s += 1.0
            place.report(result)
            place.release()
            await turns()
            clock.time_s += 5.0
            await turns()
        slots.close()
        return [(each.at_s, each.model, each.limit, each.per_s, each.why) for each in heard]

    assert _sync.run(play()) == [(113.0, "m", 5, None, "it was rate-limited")]


def test_models_of_one_name_at_two_providers_have_a_limit_each():
    """What is said of a model, and who is in flight, counts for its provider alone."""
    other = FakeProvider()
    slots, _ = make()
    slots.limit(PROVIDER, "m", at_most=1)
    slots.reserve(PROVIDER, "m")
    assert (slots.wait_s(PROVIDER, "m"), slots.wait_s(other, "m")) == (math.inf, 0.0)


@pytest.mark.parametrize(("most", "limit", "ceiling"), [(3, 3, 3), (200, 8, 200), (None, 8, 64)])
def test_a_model_may_use_all_the_places_that_the_caller_gives(most, limit, ceiling):
    """The limit of each model begins and ends at most at the caller's number, or at 64 where there is none."""
    level = make(most, adaptive=True)[0]._gate(PROVIDER, "m").level
    assert (level.limit, level.ceiling) == (limit, ceiling)
