"""How many calls may be in flight: the rules as values, without a clock or a loop."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.engine._limits_level import (
    Level,
    Verdict,
    after_answer,
    after_other_failure,
    after_refusal,
    first_level,
    restarted,
)


def answers(level, count, *, at=0.0, in_flight=None, sent_at=None):
    """The level after so many answers, met by a full house unless told otherwise."""
    for _ in range(count):
        met = level.limit if in_flight is None else in_flight
        level = after_answer(level, sent_at=at if sent_at is None else sent_at, in_flight=met, now=at)
    return level


def refuse(level, *, at=0.0, sent_at=None, pending=0, asked_s=None):
    """The level after one refusal, and what it meant."""
    return after_refusal(level, sent_at=at if sent_at is None else sent_at, pending=pending, asked_s=asked_s, now=at)


def cut(level, *, at=0.0, asked_s=None):
    """The level after an episode."""
    level = replace(level, is_new=False)
    verdict = None
    while verdict is not Verdict.EPISODE:
        level, verdict = refuse(level, at=at, asked_s=asked_s)
    return level


@pytest.mark.parametrize(("most", "limit", "ceiling"), [(None, 8, 64), (3, 3, 3), (64, 8, 64), (256, 8, 256)])
def test_a_model_starts_with_eight_calls(most, limit, ceiling):
    """The first limit is 8, or what the caller allows; the highest is 64, or what the caller says."""
    level = first_level(most)
    assert (level.limit, level.ceiling) == (limit, ceiling)


def test_a_clean_round_doubles_the_limit_until_the_first_episode():
    """8 answers make 16, 16 more make 32, 32 more make 64, and there it stays."""
    level, seen = first_level(None), []
    for count in (8, 16, 32, 64):
        level = answers(level, count)
        seen.append(level.limit)
    assert seen == [16, 32, 64, 64]


def test_a_limit_that_is_not_used_does_not_grow():
    """With less than 80 % of the limit in flight, a round raises nothing, before an episode and after it."""
    assert answers(first_level(None), 80, in_flight=6).limit == 8
    calm = answers(cut(Level(limit=50)), 100, at=10.0, in_flight=27)
    assert calm.limit == 35


def test_an_episode_cuts_to_seven_tenths_once():
    """Two refusals out of few answers cut 20 to 14; refusals of calls sent before that cut nothing further."""
    level = cut(Level(limit=20), at=3.0)
    assert (level.limit, level.is_doubling) == (14, False)
    for _ in range(30):
        level, verdict = refuse(level, at=8.0, sent_at=2.9)
        assert verdict is Verdict.SAME_EPISODE
    assert level.limit == 14


def test_the_limit_never_falls_below_one():
    """However many episodes there are, one call may be in flight."""
    level = Level(limit=8)
    for episode in range(20):
        level = cut(level, at=10.0 * episode)
    assert level.limit == 1


@pytest.mark.parametrize(("asked_s", "cooldown_s"), [(None, 5.0), (1.0, 5.0), (9.0, 9.0)])
def test_nothing_grows_during_the_cooldown(asked_s, cooldown_s):
    """For 5 seconds after a cut, or as long as the provider asks, answers raise nothing; then a round adds 5 %."""
    level = cut(Level(limit=60), at=0.0, asked_s=asked_s)
    assert answers(level, 200, at=cooldown_s - 0.1).limit == 42
    assert answers(level, 42, at=cooldown_s + 0.1).limit == 44


def test_growth_after_an_episode_is_at_least_one_call():
    """At a limit of 5 a clean round adds one call."""
    assert answers(cut(Level(limit=8)), 5, at=6.0).limit == 6


def test_a_stray_refusal_changes_nothing():
    """One refusal among twenty answers, with 64 calls allowed, leaves limit and doubling as they are."""
    level = answers(Level(limit=64), 19)
    after, verdict = refuse(level, pending=40)
    assert (verdict, after.limit, after.is_doubling) == (Verdict.STRAY, 64, True)


def test_the_first_answer_ever_pauses_and_cuts_nothing():
    """When nothing is known of an endpoint but one refusal, it pauses with its limit as it was."""
    level, verdict = refuse(first_level(None), pending=7)
    assert (verdict, level.limit, level.is_doubling) == (Verdict.FIRST, 8, True)


def test_with_one_call_in_flight_a_single_refusal_is_an_episode():
    """Where at most 4 calls may be in flight, one refusal out of five answers makes the endpoint pause."""
    assert refuse(answers(Level(limit=1, ceiling=1), 4))[1] is Verdict.EPISODE
    assert refuse(answers(Level(limit=1, ceiling=1), 5))[1] is Verdict.STRAY


def test_calls_whose_answers_are_to_come_count_half():
    """Four refusals out of 20 are an episode when nothing is in flight, and none with 60 calls on their way."""
    level = answers(Level(limit=64), 17)
    for _ in range(3):
        level, verdict = refuse(level, pending=60)
        assert verdict is Verdict.STRAY
    assert refuse(level, pending=60)[1] is Verdict.STRAY
    assert refuse(level, pending=0)[1] is Verdict.EPISODE


def test_a_limit_that_was_tried_out_goes_back_to_the_proven_one():
    """A refusal at 21 calls, after a whole round at 20, leaves 20 and waits 5 seconds before 21 is tried again."""
    level = answers(replace(cut(Level(limit=29)), limit=20), 20, at=6.0)
    assert (level.limit, level.proven) == (21, 20)
    level, verdict = refuse(level, at=6.5)
    assert (verdict, level.limit) == (Verdict.EASED, 20)
    assert answers(level, 100, at=11.4).limit == 20
    assert answers(level, 20, at=11.6).limit == 21


def test_refusals_as_usual_do_not_hold_a_limit_back():
    """When refusals come at any limit, as many as usual in a round say nothing about it, and one more does."""
    level = replace(answers(replace(cut(Level(limit=29)), limit=20), 20, at=6.0), usual=1)
    level, verdict = refuse(level, at=6.5)
    assert (verdict, level.limit) == (Verdict.STRAY, 21)
    assert refuse(level, at=6.6)[1] is Verdict.EASED


def test_more_than_five_refusals_in_a_hundred_lower_the_limit_by_their_share():
    """Six refusals out of the latest hundred answers take 64 to 60."""
    level = Level(limit=64)
    for _ in range(5):
        level, verdict = refuse(answers(level, 19), pending=60)
        assert verdict is Verdict.STRAY
    level, verdict = refuse(level, pending=60)
    assert (verdict, level.limit) == (Verdict.EASED, 60)


def test_a_server_error_neither_raises_nor_cuts():
    """A 5xx or a broken connection leaves the limit as it is."""
    level = Level(limit=20)
    for _ in range(100):
        level = after_other_failure(level)
    assert (level.limit, level.is_doubling, level.clean) == (20, True, 0)


def test_a_restart_begins_with_one_call_and_doubles():
    """After a sleep of the machine one call is sent, then two, then four."""
    level = restarted(Level(limit=64, is_doubling=False), now=100.0)
    seen = [level.limit]
    for count in (1, 2, 4):
        level = answers(level, count, at=101.0)
        seen.append(level.limit)
    assert seen == [1, 2, 4, 8]


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**9), most=st.integers(1, 300))
def test_whatever_comes_back_the_limit_keeps_its_bounds(seed, most):
    """After any answers, refusals and failures in any order, the limit is between 1 and its ceiling."""
    rng, now, level = Random(seed), 0.0, first_level(most)
    for _ in range(150):
        now += rng.expovariate(5)
        what, sent_at = rng.random(), now - rng.expovariate(2)
        if what < 0.6:
            level = after_answer(level, sent_at=sent_at, in_flight=rng.randint(1, level.limit), now=now)
        elif what < 0.9:
            asked_s = rng.choice([None, 0.0, 1.0, 60.0])
            level, _ = after_refusal(level, sent_at=sent_at, pending=rng.randint(0, 64), asked_s=asked_s, now=now)
        else:
            level = after_other_failure(level)
        assert 1 <= level.limit <= level.ceiling == most
