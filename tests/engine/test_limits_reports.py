"""What the end of a call does: its place goes to the next, limits are learned from it, and who listens is told."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.engine.held import ANSWER, COUNTED, PROVIDER, make, taken, turns
from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request
from toolkit.engine._limits_gate import tokens_of
from toolkit.engine._limits_pace import Pace
from toolkit.errors import (
    AuthenticationError,
    BadRequestError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
)

REQUEST = Request(
    provider="fake",
    model="m",
    messages=(Message(role="user", content="Where is my parcel?"),),
    params=FrozenDict({"max_tokens": 30}),
)


def test_a_place_is_free_the_moment_it_is_given_back():
    """A call that was not refused gives its place back at once, however much sooner than usual it ended."""

    async def play():
        slots, _ = make(adaptive=True)
        slots.limit(PROVIDER, "m", at_most=1)
        taken(slots, ANSWER, until_s=102.0)
        seen = []
        for result in (ANSWER, ProviderTimeoutError("late")):
            taken(slots, result)
            seen.append(slots.wait_s(PROVIDER, "m"))
        slots.reserve(PROVIDER, "m").release()
        return [*seen, slots.wait_s(PROVIDER, "m")]

    assert _sync.run(play()) == [0.0, 0.0, 0.0]


def test_a_short_time_holds_a_refused_place_too():
    """Where an answer takes half a second, a refused call holds its place for half a second."""

    async def play():
        slots, clock = make(adaptive=True)
        slots.limit(PROVIDER, "m", at_most=1)
        taken(slots, ANSWER, until_s=100.5)
        taken(slots, RateLimitError("slow"))
        seen = []
        for time_s in (100.5, 100.9, 101.0):
            await turns()
            clock.time_s = time_s
            await turns()
            seen.append(slots.wait_s(PROVIDER, "m"))
        slots.close()
        return seen

    assert _sync.run(play()) == [math.inf, math.inf, 0.0]


def test_no_call_counts_the_refused_ones_as_met():
    """Of two refused calls whose places are still held, and one in flight, the next has met one."""

    async def play():
        slots, clock = make(adaptive=True)
        places = [slots.reserve(PROVIDER, "m") for _ in range(20)]
        clock.time_s = 102.0
        for place in places:
            place.report(ANSWER)
            place.release()
        slots.reserve(PROVIDER, "m")
        for _ in range(2):
            taken(slots, RateLimitError("slow"))
        met = slots.reserve(PROVIDER, "m").met
        slots.close()
        return met

    assert _sync.run(play()) == 1


def test_the_refusal_that_begins_an_episode_holds_no_place():
    """In an episode the endpoint pauses: the place of the call that began it is free, that of a stray one is held."""

    async def play():
        slots, _ = make(adaptive=True)
        slots.limit(PROVIDER, "m", at_most=2)
        taken(slots, ANSWER, until_s=102.0)
        first, second = slots.reserve(PROVIDER, "m"), slots.reserve(PROVIDER, "m")
        seen = []
        for place in (first, second):
            place.report(RateLimitError("slow"))
            place.release()
            seen.append(slots.wait_s(PROVIDER, "m"))
        slots.close()
        return seen

    assert _sync.run(play()) == [math.inf, 0.5]


def test_many_places_given_back_at_once_are_one_look():
    """However many calls end in one turn of the loop, room is told once, and again for those that end later."""

    async def play():
        slots, _ = make()
        told = []
        slots.on_room = lambda: told.append(None)
        places = [slots.reserve(PROVIDER, "m") for _ in range(4)]
        seen = []
        for ending in (places[:3], places[3:]):
            for place in ending:
                place.release()
            await turns()
            seen.append(len(told))
        return seen

    assert _sync.run(play()) == [1, 2]


def test_a_place_that_is_held_counts_its_tokens():
    """A place that is taken without waiting counts the tokens of its request: at 60 a minute a second for each."""

    async def play():
        slots, _ = make()
        slots.limit(PROVIDER, "m", tpm=60)
        slots.reserve(PROVIDER, "m", request=REQUEST)
        return slots.wait_s(PROVIDER, "m")

    assert _sync.run(play()) == tokens_of(REQUEST)


@pytest.mark.parametrize(
    ("request_", "result"), [(None, COUNTED), (None, ANSWER), (REQUEST, ProviderTimeoutError("late"))]
)
def test_only_an_answer_to_a_known_request_corrects_tokens(request_, result):
    """The estimate of a call stays where it failed; where nobody said what was sent there is none."""

    async def play():
        slots, _ = make()
        slots.limit(PROVIDER, "m", tpm=60)
        slots.reserve(PROVIDER, "m", request=request_).report(result)
        return slots.wait_s(PROVIDER, "m")

    assert _sync.run(play()) == (0.0 if request_ is None else tokens_of(REQUEST))


def test_a_limit_that_has_doubled_is_told():
    """After eight answers to a full house sixteen calls may be in flight; whoever listens hears it, and why."""

    async def play():
        heard = []
        slots, _ = make(adaptive=True, on_change=heard.append)
        places = []
        for _ in range(8):
            while slots.wait_s(PROVIDER, "m") == 0:
                places.append(slots.reserve(PROVIDER, "m"))
            place = places.pop()
            place.report(ANSWER)
            place.release()
        return [(each.limit, each.per_s, each.why) for each in heard]

    assert _sync.run(play()) == [(16, None, "every answer was clean")]


def test_a_call_that_was_refused_for_the_number_in_flight_is_told():
    """Where a pace is known and a call met more others than any answer did, the new limit is told with the pace."""

    async def play():
        heard = []
        slots, _ = make(adaptive=True, on_change=heard.append)
        slots._gate(PROVIDER, "m").pace = Pace(per_s=5.0, known=5.0, since=0.0)
        for _ in range(5):
            taken(slots, ANSWER)
        last = [slots.reserve(PROVIDER, "m") for _ in range(3)][-1]
        last.report(RateLimitError("slow"))
        return [(each.model, each.limit, each.per_s, each.why) for each in heard]

    assert _sync.run(play()) == [
        ("m", 8, 5.0, "every answer was clean"),
        ("m", 2, 5.0, "a call was refused"),
    ]


@pytest.mark.parametrize(
    ("error", "is_decided_by_somebody", "wait_s"),
    [
        (AuthenticationError("no"), True, math.inf),
        (AuthenticationError("no"), False, 0.0),
        (AuthenticationError("no", retryable=True), True, 0.0),
        (BadRequestError("no"), True, 0.0),
        (ProviderTimeoutError("late"), True, 0.0),
    ],
)
def test_only_a_fatal_failure_that_somebody_decides_holds_calls_back(error, is_decided_by_somebody, wait_s):
    """Nothing leaves behind a failure that may concern the whole model, if there is who decides what it means."""

    async def play():
        slots, _ = make(adaptive=True)
        if is_decided_by_somebody:
            slots.on_room = lambda: None
        taken(slots, error)
        return slots.wait_s(PROVIDER, "m")

    assert _sync.run(play()) == wait_s


def test_a_rate_limit_is_known_by_its_kind():
    """An adapter's own error of kind rate_limit counts as a refusal that asks for no wait."""

    async def play():
        slots, clock = make(adaptive=True)
        taken(slots, ANSWER)
        for _ in range(2):
            taken(slots, ProviderConnectionError("slow", kind="rate_limit"))
            clock.time_s += 1.0
        return slots.wait_s(PROVIDER, "m"), slots._gate(PROVIDER, "m").level.limit

    # The pause of half a second is over; 8 places were cut to 5.
    assert _sync.run(play()) == (0.0, 5)


@pytest.mark.parametrize(
    ("said", "asked_s", "resumes_in_s"),
    [({"max_wait_s": 10.0}, 10.0, None), ({"max_wait_s": 10.0}, 10.5, 10.5), ({}, 120.0, None), ({}, 120.5, 120.5)],
)
def test_the_longest_wait_that_is_taken_suspends_nothing(said, asked_s, resumes_in_s):
    """Waits of two minutes are taken, or as the caller says; a provider that asks for more is not waited for."""

    async def play():
        slots, _ = make(adaptive=True, **said)
        taken(slots, RateLimitError("slow", retry_after_s=asked_s))
        return slots.resumes_in_s(PROVIDER, "m"), slots.wait_s(PROVIDER, "m")

    assert _sync.run(play()) == (resumes_in_s, asked_s)


def test_time_that_passes_is_no_sleep_of_the_machine():
    """A minute between two answers, on both clocks, forgets nothing."""

    async def play():
        heard = []
        slots, _ = make(adaptive=True, on_change=heard.append)
        for until_s in (101.0, 161.0, 221.0):
            taken(slots, ANSWER, until_s=until_s)
        return heard

    assert _sync.run(play()) == []


def test_nothing_is_left_of_what_was_waited_for():
    """Neither a rest that is over nor a refused place that was given back is kept."""

    async def play():
        slots, clock = make(adaptive=True)
        taken(slots, ANSWER, until_s=101.0)
        taken(slots, RateLimitError("slow"))
        rest = asyncio.ensure_future(slots.rest(1.0))
        await turns()
        before = (len(slots._timers), len(slots._sleepers))
        clock.time_s = 102.0
        await rest
        await turns()
        return before, slots._timers, slots._sleepers

    assert _sync.run(play()) == ((1, 1), set(), set())


def test_closing_leaves_nothing_waiting_and_calls_nobody():
    """After the end no alarm and no held place waits for its time, and a place that is given back tells nobody."""

    async def play():
        slots, _ = make(adaptive=True)
        told, mistakes = [], []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
        slots.on_room = lambda: told.append(None)
        taken(slots, ANSWER, until_s=101.0)
        taken(slots, RateLimitError("slow"))
        last = slots.reserve(PROVIDER, "m")
        slots.wake_in(60.0)
        await turns()
        told.clear()
        slots.close()
        last.release()
        await turns()
        return told, mistakes, len(asyncio.all_tasks())

    # What is left is this task itself.
    assert _sync.run(play()) == ([], [], 1)
