"""How fast calls may leave: the rules as values, without a clock or a loop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit.engine._limits_pace import Pace, after_episode, after_stray, tried_higher

PACED = Pace(per_s=30.0, known=30.0, since=0.0, lowered_at=0.0, grow_at=2.0)


def test_the_first_episode_teaches_no_pace():
    """One episode starts the count and slows nothing down."""
    pace = after_episode(Pace(), accepted=60, paused_s=0.0, now=5.0)
    assert (pace.per_s, pace.since) == (None, 5.0)


def test_the_second_episode_teaches_the_pace():
    """60 calls taken in 2 seconds without a pause are 30 a second, and calls then leave at 96 % of that."""
    pace = after_episode(Pace(since=5.0), accepted=60, paused_s=0.0, now=7.0)
    assert pace.per_s == pytest.approx(28.8)


def test_a_pause_counts_by_half():
    """30 calls in 4 seconds, of which 3 were a pause, are between 7.5 and 30 a second: 15."""
    pace = after_episode(Pace(since=1.0), accepted=30, paused_s=3.0, now=5.0)
    assert pace.per_s == pytest.approx(15 * 0.96)


@pytest.mark.parametrize(("now", "per_s"), [(5.9, None), (20.1, None)])
def test_episodes_too_near_or_too_far_apart_teach_nothing(now, per_s):
    """Episodes less than a second or more than 15 seconds apart are no matter of a pace."""
    assert after_episode(Pace(since=5.0), accepted=60, paused_s=0.0, now=now).per_s is per_s


def test_a_known_pace_falls_by_a_fifth_at_most():
    """A further episode lowers the pace at least by 5 % and at most by 20 %, whatever was measured."""
    assert after_episode(PACED, accepted=1, paused_s=0.0, now=10.0).per_s == pytest.approx(24.0)
    assert after_episode(PACED, accepted=9_999, paused_s=0.0, now=10.0).per_s == pytest.approx(28.5)


def test_a_provider_that_takes_nothing_is_still_asked():
    """However little was taken, the pace stays above nothing."""
    pace = Pace(since=0.0)
    for episode in range(1, 200):
        pace = after_episode(pace, accepted=0, paused_s=10.0, now=10.0 * episode)
    assert pace.per_s is not None
    assert pace.per_s > 0


def test_a_single_refusal_lowers_a_learned_pace():
    """Without a higher try before it, a refusal takes 3 %; without a learned pace it takes nothing."""
    assert after_stray(PACED, sent_at=9.0, now=10.0).per_s == pytest.approx(29.1)
    assert after_stray(Pace(), sent_at=9.0, now=10.0) == Pace()


def test_a_refusal_sent_before_the_pace_could_show_says_nothing():
    """Calls sent within a quarter of a second of the last change do not lower the pace again."""
    assert after_stray(PACED, sent_at=0.2, now=10.0) == PACED


def test_a_higher_pace_is_tried_in_growing_steps():
    """After 2 seconds without a refusal 3 % more is tried, then each second half as much again."""
    pace, seen, now = PACED, [], 2.0
    for _ in range(3):
        pace = tried_higher(pace, now=now)
        seen.append(pace.per_s)
        now += 1.0
    assert seen == pytest.approx([30.9, 30.9 * 1.045, 30.9 * 1.045 * 1.0675])
    assert tried_higher(PACED, now=1.9) is PACED


def test_a_try_that_fails_goes_back_between_and_rests_longer():
    """A refusal after higher tries goes half way back to what was kept; the next try comes after 3 seconds, not 2."""
    higher = Pace(per_s=40.0, known=30.0, lowered_at=0.0, grow_at=5.0, step=0.1)
    back = after_stray(higher, sent_at=4.0, now=4.0)
    assert (back.per_s, back.grow_at) == (pytest.approx(35 * 0.97), 7.0)


def test_a_try_that_fails_never_goes_below_what_was_kept():
    """A refusal of a pace a little higher than the one that was kept goes back to that one."""
    higher = Pace(per_s=30.5, known=30.0, lowered_at=0.0, grow_at=5.0, step=0.1)
    assert after_stray(higher, sent_at=4.0, now=4.0).per_s == 30.0


def test_an_episode_begins_everything_anew():
    """After an episode the new pace is the known one, calls are counted from then, and 3 % more is tried in 2 s."""
    tried = replace(PACED, known=20.0, step=0.1)
    assert after_episode(tried, accepted=1, paused_s=0.0, now=10.0) == Pace(
        per_s=24.0, known=24.0, since=10.0, lowered_at=10.0, grow_at=12.0, step=0.03, rest_s=2.0
    )


@pytest.mark.parametrize(("now", "since"), [(0.9, 0.0), (15.1, 15.1)])
def test_an_episode_that_teaches_nothing_still_slows_down(now, since):
    """A known pace falls by 5 %; the count goes on where the last episode was less than a second ago."""
    pace = after_episode(PACED, accepted=1, paused_s=0.0, now=now)
    assert (pace.per_s, pace.since) == (pytest.approx(28.5), since)


@pytest.mark.parametrize(("now", "per_s"), [(1.0, 57.6), (15.0, 3.84)])
def test_from_one_to_fifteen_seconds_are_measured_both_included(now, per_s):
    """60 calls in exactly one second are 60 a second, in exactly fifteen they are 4, less 4 %."""
    assert after_episode(Pace(since=0.0), accepted=60, paused_s=0.0, now=now).per_s == pytest.approx(per_s)


@pytest.mark.parametrize(("accepted", "per_s"), [(0, 0.303579), (100, 30.3579)])
def test_of_nothing_but_pauses_a_tenth_counts(accepted, per_s):
    """However long the pauses, a tenth of the time counts: 100 calls in 10 s are 31.6 a second, less 4 %."""
    pace = after_episode(Pace(since=0.0), accepted=accepted, paused_s=10.0, now=10.0)
    assert pace.per_s == pytest.approx(per_s, rel=1e-5)


def test_a_single_refusal_begins_the_tries_anew():
    """After a stray refusal what is known is no more than the pace, and the next try is a small one after 3 s."""
    pace = after_stray(replace(PACED, step=0.1), sent_at=0.25, now=10.0)
    assert pace == Pace(
        per_s=pytest.approx(29.1), known=pace.per_s, since=0.0, lowered_at=10.0, grow_at=13.0, step=0.03, rest_s=3.0
    )


@pytest.mark.parametrize(("step", "known", "next_step"), [(0.03, 40.0, 0.045), (0.1, 35.0, 0.15), (0.9, 35.0, 1.0)])
def test_what_was_kept_before_a_higher_try_is_known(step, known, next_step):
    """The first try knows the pace so far; a later one half of what it added; no step more than doubles the pace."""
    tried = tried_higher(Pace(per_s=40.0, known=30.0, grow_at=5.0, step=step), now=5.0)
    assert (tried.known, tried.step) == (known, pytest.approx(next_step))


def test_a_higher_pace_is_kept_for_a_second():
    """After a higher pace was tried the next one is tried a second later, not before."""
    tried = tried_higher(PACED, now=2.0)
    assert tried_higher(tried, now=2.9) is tried
    assert tried_higher(tried, now=3.0).per_s == pytest.approx(30.9 * 1.045)
