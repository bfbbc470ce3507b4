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
    limited_to,
    restarted,
    with_at_least,
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


def test_a_restart_keeps_nothing_but_the_ceiling():
    """After a sleep of the machine answers to calls sent before it say nothing, and the highest limit stays."""
    before = Level(limit=64, ceiling=300, is_doubling=False, proven=40, latest=5, answers=9, is_new=False)
    assert restarted(before, now=100.0) == Level(limit=1, ceiling=300, lowered_at=100.0)


USED = Level(
    limit=60, proven=50, clean=9, peak=40, refused=2, usual=3, latest=0b101, answers=30, is_new=False, is_doubling=False
)


@pytest.mark.parametrize(("number", "limit"), [(20, 20), (90, 60), (0, 1)])
def test_a_number_that_was_seen_to_be_the_limit_is_proven(number, limit):
    """A limit that was seen is taken and tried again from after 5 seconds; it never rises by that; answers stay."""
    assert limited_to(USED, number, now=7.0) == Level(
        limit=limit, proven=limit, lowered_at=7.0, hold_until=12.0, latest=0b101, answers=30, is_new=False,
        is_doubling=False,
    )  # fmt: skip


@pytest.mark.parametrize(("asked_for", "limit"), [(70, 70), (300, 80), (60, 60), (5, 60)])
def test_places_that_a_pace_needs_are_given_within_the_ceiling(asked_for, limit):
    """A limit rises to what is needed, never beyond its ceiling, and never falls by it."""
    assert with_at_least(replace(USED, ceiling=80), asked_for).limit == limit


def test_an_episode_begins_everything_anew():
    """After a cut nothing is proven and no answer counts; the next round begins 5 seconds later."""
    level, verdict = USED, Verdict.STRAY
    while verdict is not Verdict.EPISODE:
        level, verdict = refuse(level, at=7.0)
        level = replace(level, usual=9)
    assert level == Level(
        limit=42, lowered_at=7.0, is_cut=True, hold_until=12.0, is_new=False, is_doubling=False, usual=9
    )


def test_a_round_begins_with_nothing():
    """After a clean round its answers, its peak and its refusals are counted anew, and its refusals are the usual."""
    level = replace(USED, limit=10, clean=9, peak=8, proven=0)
    assert after_answer(level, sent_at=1.0, in_flight=8, now=2.0) == Level(
        limit=11, proven=10, usual=2, latest=0b1010, answers=31, is_new=False, is_doubling=False
    )


@pytest.mark.parametrize(("in_flight", "limit"), [(8, 11), (7, 10)])
def test_a_round_counts_from_four_fifths_of_the_limit(in_flight, limit):
    """With 8 of 10 places in use a clean round adds a call, with 7 it adds none and proves nothing."""
    level = after_answer(replace(USED, limit=10, clean=9, peak=0, proven=0), sent_at=1.0, in_flight=in_flight, now=2.0)
    assert (level.limit, level.proven, level.clean) == (limit, 10 if limit == 11 else 0, 0)


def test_the_most_that_a_round_met_counts():
    """A round in which one answer met enough calls counts, whatever the others met."""
    level = replace(USED, limit=10, clean=0, peak=0, proven=0)
    for in_flight in (1, 9, *[2] * 8):
        level = after_answer(level, sent_at=1.0, in_flight=in_flight, now=2.0)
    assert (level.limit, level.proven) == (11, 10)


@pytest.mark.parametrize(("sent_at", "now", "is_counted"), [(5.0, 12.0, True), (4.9, 12.0, False), (5.0, 11.9, False)])
def test_answers_count_from_the_end_of_the_hold(sent_at, now, is_counted):
    """An answer counts when its call was sent no sooner than the limit went down, and from the end of the hold on."""
    level = replace(USED, limit=10, clean=0, peak=0, lowered_at=5.0, hold_until=12.0)
    after = after_answer(level, sent_at=sent_at, in_flight=3, now=now)
    assert (after.clean, after.peak) == ((1, 3) if is_counted else (0, 0))
    assert (after.latest, after.answers) == (0b1010, 31)


@pytest.mark.parametrize(
    ("sent_at", "now", "verdict"),
    [
        (9.9, 20.0, Verdict.SAME_EPISODE),
        (10.0, 10.9, Verdict.SAME_EPISODE),
        (10.0, 11.0, Verdict.STRAY),
        (12.0, 12.5, Verdict.STRAY),
    ],
)
def test_an_episode_lasts_a_second_and_for_all_that_was_sent_before(sent_at, now, verdict):
    """A refusal belongs to an episode when its call was sent before the cut, or it comes within a second of it."""
    level = replace(USED, lowered_at=10.0, is_cut=True, hold_until=15.0, latest=0, answers=40)
    after, found = after_refusal(level, sent_at=sent_at, pending=0, asked_s=None, now=now)
    assert found is verdict
    if verdict is Verdict.SAME_EPISODE:
        assert after == replace(level, hold_until=max(15.0, now + 5.0))


def test_a_refusal_from_before_a_gentle_step_back_is_a_stray():
    """Where the limit went down without an episode, refusals of calls sent before that say nothing at all."""
    level = replace(USED, lowered_at=10.0)
    assert after_refusal(level, sent_at=9.9, pending=0, asked_s=None, now=10.5) == (level, Verdict.STRAY)
    assert after_refusal(level, sent_at=10.0, pending=0, asked_s=None, now=10.5)[0] != level


@pytest.mark.parametrize(("limit", "verdict"), [(4, Verdict.EPISODE), (5, Verdict.STRAY)])
def test_one_refusal_is_enough_where_four_calls_are_allowed(limit, verdict):
    """With a limit of 4 one refusal in three answers is an episode, with 5 it takes two."""
    level = Level(limit=limit, is_new=False, answers=2)
    assert refuse(level)[1] is verdict


def test_only_the_latest_hundred_answers_are_remembered():
    """However many answers there were, a hundred are kept, the newest last."""
    level = replace(USED, latest=1 << 99, answers=100)
    after = after_other_failure(level)
    assert (after.latest, after.answers, after.is_new) == (0, 100, False)


def test_a_step_back_by_share_counts_its_hundred_anew():
    """After six refusals in a hundred lowered the limit by 6 %, they do not lower it once more."""
    sixth = replace(USED, limit=100, ceiling=100, proven=0, latest=0b11111 << 50, answers=100)
    level, verdict = after_refusal(sixth, sent_at=1.0, pending=60, asked_s=9.0, now=2.0)
    assert verdict is Verdict.EASED
    assert level == Level(limit=94, ceiling=100, lowered_at=2.0, hold_until=11.0, is_new=False, is_doubling=False)


@pytest.mark.parametrize(("pending", "verdict"), [(2, Verdict.EPISODE), (3, Verdict.STRAY)])
def test_half_of_the_calls_on_their_way_count_as_answered(pending, verdict):
    """Two refusals out of nine answers are a fifth of ten, with two calls on their way, and less with three."""
    level = replace(USED, proven=0, latest=0b1, answers=8)
    assert refuse(level, at=5.0, pending=pending)[1] is verdict


def test_a_second_call_that_was_tried_out_is_taken_back():
    """A refusal at 2 calls where 1 is proven leaves 1, which stays proven, and begins the round anew."""
    level, verdict = refuse(replace(USED, limit=2, proven=1, usual=0, latest=0), at=7.0)
    assert verdict is Verdict.EASED
    assert level == Level(
        limit=1, proven=1, lowered_at=7.0, hold_until=12.0, latest=1, answers=31, is_new=False, is_doubling=False
    )


def test_a_proven_limit_is_not_taken_back():
    """A refusal at the limit that is proven is a stray one, and holds no growth back."""
    level, verdict = refuse(replace(USED, limit=50, proven=50, usual=0, latest=0), at=7.0)
    assert (verdict, level.limit, level.hold_until) == (Verdict.STRAY, 50, USED.hold_until)


@pytest.mark.parametrize(("in_flight", "limit"), [(8, 11), (7, 10)])
def test_while_doubling_four_fifths_of_the_limit_are_enough(in_flight, limit):
    """With 8 of 10 places in use an answer adds a call before the first episode, with 7 it adds none."""
    assert after_answer(Level(limit=10), sent_at=1.0, in_flight=in_flight, now=2.0).limit == limit
