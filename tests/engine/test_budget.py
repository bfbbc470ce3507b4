"""A budget: the worst case is set aside before each attempt, and no cap is ever passed, whatever is in flight."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import _sync
from toolkit.engine import Budget, Spend
from toolkit.errors import UsageError


def asked(budget, worst):
    """What one reservation gives, waited for."""
    return _sync.run(budget.reserve(worst))


def within(budget):
    """Whether spent and reserved together are within every cap, with an allowance of 1e-9 USD for reading as floats."""
    spent, reserved = budget.spent, budget.reserved
    return (
        (budget.usd is None or spent.usd + reserved.usd <= budget.usd + 1e-9)
        and (budget.max_calls is None or spent.calls + reserved.calls <= budget.max_calls)
        and (budget.max_tokens is None or spent.tokens + reserved.tokens <= budget.max_tokens)
    )


WORST = st.tuples(st.floats(0, 0.5), st.integers(0, 400))
SHARE = st.one_of(st.none(), st.floats(0, 1))


@settings(max_examples=300, deadline=None)
@given(
    attempts=st.lists(st.tuples(WORST, SHARE, st.integers(0, 6)), max_size=40),
    usd=st.one_of(st.none(), st.floats(0, 3)),
    max_calls=st.one_of(st.none(), st.integers(0, 30)),
    max_tokens=st.one_of(st.none(), st.integers(0, 3000)),
    workers=st.integers(1, 16),
)
def test_no_interleaving_passes_a_cap(attempts, usd, max_calls, max_tokens, workers):
    """Whatever the order in which attempts start and end, spent and reserved stay within the caps, and nobody hangs."""

    async def play():
        budget = Budget(usd=usd, max_calls=max_calls, max_tokens=max_tokens)
        queue = iter(attempts)
        sent = [0.0, 0, 0]

        async def work():
            for (worst_usd, worst_tokens), share, turns in queue:
                reservation = await budget.reserve(Spend(usd=worst_usd, calls=1, tokens=worst_tokens))
                assert within(budget)
                if reservation is None:
                    continue
                for _ in range(turns):
                    await asyncio.sleep(0)
                actual = None
                if share is not None:
                    actual = Spend(usd=worst_usd * share, calls=1, tokens=int(worst_tokens * share))
                budget.settle(reservation, actual)
                sent[0] += worst_usd if share is None else worst_usd * share
                sent[1] += 1
                sent[2] += worst_tokens if share is None else int(worst_tokens * share)
                assert within(budget)

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())
        spent = budget.spent
        assert budget.reserved == Spend()
        assert math.isclose(spent.usd, sent[0], abs_tol=1e-9)
        assert [spent.calls, spent.tokens] == sent[1:]

    _sync.run(play())


@pytest.mark.parametrize(
    ("caps", "fits", "is_taken"),
    [
        ({"usd": 0.3}, Spend(usd=0.3, calls=1), True),
        ({"usd": 0.3}, Spend(usd=0.300001, calls=1), False),
        ({"max_calls": 1}, Spend(calls=1), True),
        ({"max_calls": 0}, Spend(calls=1), False),
        ({"max_tokens": 10}, Spend(tokens=10, calls=1), True),
        ({"max_tokens": 10}, Spend(tokens=11, calls=1), False),
        ({}, Spend(usd=1e9, calls=1, tokens=10**12), True),
        ({"usd": 0}, Spend(usd=0.0, calls=1), True),
        ({"usd": 100.0}, Spend(usd=None, calls=1), False),
        ({"max_tokens": 100}, Spend(tokens=None, calls=1), False),
        ({"max_calls": 5}, Spend(usd=None, tokens=None, calls=1), True),
    ],
)
def test_a_cap_is_kept_to_the_last_cent(caps, fits, is_taken):
    """What reaches a cap exactly is taken, what passes it is not, and what is unknown passes any cap on it."""
    assert (asked(Budget(**caps), fits) is not None) is is_taken


def test_many_small_sums_meet_the_cap_exactly():
    """Three hundred times 0.001 USD fit into 0.30 USD, and not one more: sums are not rounded."""

    async def play():
        budget = Budget(usd=0.30)
        taken = 0
        while (reservation := await budget.reserve(Spend(usd=0.001, calls=1))) is not None:
            budget.settle(reservation, Spend(usd=0.001, calls=1))
            taken += 1
        return taken

    assert _sync.run(play()) == 300


def test_what_was_spent_before_counts():
    """A budget that begins with 0.90 of 1 USD spent has room for 0.10."""
    budget = Budget(usd=1.0, spent=Spend(usd=0.90, calls=3, tokens=50))
    assert asked(budget, Spend(usd=0.11, calls=1)) is None
    assert asked(budget, Spend(usd=0.10, calls=1)) is not None


def test_an_attempt_of_unknown_cost_keeps_its_worst_case():
    """An attempt that may have been billed counts with all that was set aside for it."""
    budget = Budget(usd=1.0)
    budget.settle(asked(budget, Spend(usd=0.6, calls=1)), None)
    assert budget.spent.usd == 0.6
    assert asked(budget, Spend(usd=0.5, calls=1)) is None


def test_an_answer_of_unknown_price_keeps_the_worst_price():
    """Of an answer whose price or tokens are not known, that part counts with its worst case, and the other as told."""
    budget = Budget(usd=1.0)
    budget.settle(asked(budget, Spend(usd=0.6, calls=1, tokens=90)), Spend(usd=None, calls=1, tokens=5))
    budget.settle(asked(budget, Spend(usd=0.2, calls=1, tokens=70)), Spend(usd=0.1, calls=1, tokens=None))
    assert budget.spent == Spend(usd=0.7, calls=2, tokens=75)


def test_the_room_that_a_cheap_answer_leaves_is_given_to_who_waits():
    """Where only attempts in flight stand in the way, the next waits for them, and goes on once they cost little."""

    async def play():
        budget = Budget(usd=1.0)
        first = await budget.reserve(Spend(usd=0.8, calls=1))
        second = asyncio.ensure_future(budget.reserve(Spend(usd=0.8, calls=1)))
        await asyncio.sleep(0)
        waited = not second.done()
        budget.settle(first, Spend(usd=0.1, calls=1))
        return waited, (await second) is not None

    assert _sync.run(play()) == (True, True)


def test_who_waits_is_refused_once_nothing_in_flight_can_make_room():
    """When what was in flight turns out to cost too much, those that wait are given up, each in its turn."""

    async def play():
        budget = Budget(usd=1.0)
        first = await budget.reserve(Spend(usd=0.8, calls=1))
        waiting = [asyncio.ensure_future(budget.reserve(Spend(usd=usd, calls=1))) for usd in (0.8, 0.3, 0.2)]
        await asyncio.sleep(0)
        budget.settle(first, Spend(usd=0.75, calls=1))
        return [(await each) is not None for each in waiting]

    assert _sync.run(play()) == [False, False, True]


def test_first_come_first_served():
    """A small attempt that fits does not overtake a larger one that waits: the order is that of asking."""

    async def play():
        budget = Budget(usd=1.0)
        first = await budget.reserve(Spend(usd=0.5, calls=1))
        large = asyncio.ensure_future(budget.reserve(Spend(usd=0.9, calls=1)))
        await asyncio.sleep(0)
        small = asyncio.ensure_future(budget.reserve(Spend(usd=0.1, calls=1)))
        await asyncio.sleep(0)
        states = (large.done(), small.done())
        budget.settle(first, Spend(calls=1))
        return states, (await large) is not None, (await small) is not None

    assert _sync.run(play()) == ((False, False), True, True)


def test_a_call_in_flight_stays_a_call():
    """No one waits for a call in flight to become none: with max_calls reached, the next is refused at once."""

    async def play():
        budget = Budget(max_calls=1)
        await budget.reserve(Spend(calls=1))
        async with asyncio.timeout(5):
            return await budget.reserve(Spend(calls=1))

    assert _sync.run(play()) is None


@pytest.mark.parametrize("is_served", [False, True])
def test_who_gives_up_waiting_leaves_nothing_behind(is_served):
    """A wait that is cancelled, even in the moment in which its turn came, holds no room and lets the next one go."""

    async def play():
        budget = Budget(usd=1.0)
        first = await budget.reserve(Spend(usd=1.0, calls=1))
        given_up = asyncio.ensure_future(budget.reserve(Spend(usd=1.0, calls=1)))
        behind = asyncio.ensure_future(budget.reserve(Spend(usd=0.4, calls=1)))
        await asyncio.sleep(0)
        if is_served:
            budget.settle(first, Spend(calls=1))
            given_up.cancel()
        else:
            given_up.cancel()
            await asyncio.sleep(0)
            budget.settle(first, Spend(calls=1))
        async with asyncio.timeout(5):
            return (await behind) is not None, budget.reserved.usd

    assert _sync.run(play()) == (True, 0.4)


def test_settling_twice_counts_once():
    """The second settlement of one reservation changes nothing."""
    budget = Budget(usd=1.0)
    reservation = asked(budget, Spend(usd=0.5, calls=1))
    budget.settle(reservation, Spend(usd=0.2, calls=1, tokens=7))
    budget.settle(reservation, None)
    assert (budget.spent, reservation.is_open) == (Spend(usd=0.2, calls=1, tokens=7), False)


def test_what_costs_more_than_its_worst_case_is_counted_in_full():
    """An attempt that was billed beyond its worst case is not hidden: the rest of the budget is what is really left."""
    budget = Budget(usd=1.0)
    budget.settle(asked(budget, Spend(usd=0.2, calls=1)), Spend(usd=0.9, calls=1))
    assert asked(budget, Spend(usd=0.2, calls=1)) is None


def test_a_refusal_says_what_it_could_cost_and_what_was_left():
    """The row of an attempt that was not sent tells its worst case, what was left of each cap, and what to do."""
    budget = Budget(usd=0.5, max_calls=10, max_tokens=5000, spent=Spend(usd=0.49, calls=9, tokens=4000))
    failure = budget.refusal(Spend(usd=0.0312, calls=1, tokens=1500))
    assert (failure.kind, failure.retryable, failure.possibly_billed) == ("over_budget", False, False)
    assert failure.message == (
        "Not sent: it could cost up to $0.031, $0.010 of budget_usd=0.5 was left; 1 of max_calls=10 were left; it "
        "could take up to 1,500 tokens, 1,000 of max_tokens=5000 were left. Raise the budget and run again: it "
        "goes on from here. What one answer may come to at most is set by `max_tokens` in its params."
    )


@pytest.mark.parametrize(
    ("caps", "message"),
    [
        ({"usd": -1}, "`budget_usd` is a number of USD of at least 0, or None; got -1"),
        ({"usd": math.nan}, "got nan"),
        ({"usd": math.inf}, "got inf"),
        ({"usd": "2"}, "got '2'"),
        ({"usd": True}, "got True"),
        ({"max_calls": 1.5}, "`max_calls` is a whole number of at least 0, or None; got 1.5"),
        ({"max_tokens": -1}, "`max_tokens` is a whole number of at least 0, or None; got -1"),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused(caps, message):
    """A cap is a number of at least 0; the message shows what it was."""
    with pytest.raises(UsageError, match=message):
        Budget(**caps)


def test_a_refusal_names_what_is_not_known():
    """The row of an attempt of unknown price and length says so, of each cap."""
    failure = Budget(usd=0.5, max_tokens=5000).refusal(Spend(usd=None, calls=1, tokens=None))
    assert "it could cost an unknown sum, $0.50 of budget_usd=0.5 was left" in failure.message
    assert "it could take an unknown number of tokens, 5,000 of max_tokens=5000 were left" in failure.message
    assert failure.error_type == "SweepError"


def test_a_cap_that_was_passed_has_nothing_left():
    """Where an attempt was billed beyond its worst case, what is left of each cap is nothing, never less."""
    spent = Spend(usd=0.9, calls=9, tokens=9000)
    failure = Budget(usd=0.5, max_calls=5, max_tokens=5000, spent=spent).refusal(Spend(usd=0.1, calls=1, tokens=10))
    assert "$0 of budget_usd=0.5 was left" in failure.message
    assert "0 of max_calls=5 were left" in failure.message
    assert ", 0 of max_tokens=5000 were left" in failure.message


def test_only_what_is_capped_is_told():
    """The refusal of a budget with one cap speaks of that one."""
    message = Budget(max_calls=5).refusal(Spend(usd=0.1, calls=1, tokens=10)).message
    assert message.startswith("Not sent: 5 of max_calls=5 were left. ")


def test_what_is_given_back_leaves_no_trace():
    """A reservation that was never sent costs no money, no call and no token, and its room is there for who waits."""

    async def play():
        budget = Budget(usd=1.0, max_calls=2, max_tokens=10)
        first = await budget.reserve(Spend(usd=0.8, calls=1, tokens=8))
        waiting = asyncio.ensure_future(budget.reserve(Spend(usd=0.9, calls=1, tokens=9)))
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.release(first)
        async with asyncio.timeout(5):
            second = await waiting
        return budget.spent, budget.reserved, second.worst

    assert _sync.run(play()) == (Spend(), Spend(usd=0.9, calls=1, tokens=9), Spend(usd=0.9, calls=1, tokens=9))


def test_who_gives_up_lets_the_next_one_go_at_once():
    """When a large attempt that waits is cancelled, the small one behind it that fits is served without more ado."""

    async def play():
        budget = Budget(usd=1.0)
        await budget.reserve(Spend(usd=0.5, calls=1))
        large = asyncio.ensure_future(budget.reserve(Spend(usd=0.9, calls=1)))
        small = asyncio.ensure_future(budget.reserve(Spend(usd=0.3, calls=1)))
        await asyncio.sleep(0)
        large.cancel()
        async with asyncio.timeout(5):
            return (await small).worst, budget.reserved.usd

    assert _sync.run(play()) == (Spend(usd=0.3, calls=1), 0.8)


def test_a_reservation_tells_the_worst_case_that_it_is_for():
    """What was set aside at once is told by the reservation, as it was asked for."""
    assert asked(Budget(usd=1.0), Spend(usd=0.3, calls=1)).worst == Spend(usd=0.3, calls=1)


def test_once_abandoned_nobody_waits():
    """After `abandon` who waited is cancelled, who would have to wait is too, and what fits is still given."""

    async def play():
        budget = Budget(max_tokens=10)
        held = await budget.reserve(Spend(tokens=8))
        waiting = asyncio.ensure_future(budget.reserve(Spend(tokens=8)))
        await asyncio.sleep(0)
        budget.abandon()
        later = asyncio.ensure_future(budget.reserve(Spend(tokens=8)))
        await asyncio.wait({waiting, later})
        budget.release(held)
        return waiting.cancelled(), later.cancelled(), budget.reserved.tokens, await budget.reserve(Spend(tokens=8))

    *cancelled, reserved, given = _sync.run(play())
    assert (cancelled, reserved) == ([True, True], 0)
    assert given is not None


@pytest.mark.parametrize(
    ("caps", "worst"),
    [
        ({"usd": 0.3}, Spend(usd=0.3, calls=1)),
        ({"max_tokens": 10}, Spend(calls=1, tokens=10)),
    ],
)
def test_what_would_reach_a_cap_exactly_is_waited_for(caps, worst):
    """Where attempts in flight may come to nothing, one that then reaches the cap to the last unit waits for them."""

    async def play():
        budget = Budget(**caps)
        first = await budget.reserve(worst)
        second = asyncio.ensure_future(budget.reserve(worst))
        await asyncio.sleep(0)
        waited = not second.done()
        budget.settle(first, Spend(calls=1))
        async with asyncio.timeout(1):
            return waited, (await second) is not None

    assert _sync.run(play()) == (True, True)
