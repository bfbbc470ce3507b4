"""How fast calls may leave: the rules as values, without a clock or a loop."""

from __future__ import annotations

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
