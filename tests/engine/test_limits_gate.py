"""What one model's gate learns and when it lets the next call leave: made-up seconds in, values out."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from toolkit._records import EMPTY, FrozenDict, Message, Request, Response, Usage
from toolkit.engine._limits_gate import Gate, tokens_of
from toolkit.engine._limits_level import Verdict
from toolkit.engine._limits_pace import Pace
from toolkit.providers import estimate_tokens

NEVER = float("inf")


def make_gate(*, most=None, adaptive=True, max_concurrency=None):
    """The gate of a provider that says of itself only how many calls it takes."""
    capabilities = SimpleNamespace(max_concurrency=max_concurrency)
    return Gate(SimpleNamespace(identity="acme", capabilities=capabilities), "m", most=most, adaptive=adaptive)


def answer(gate, *, at=0.0, took_s=2.0, met=0):
    """A call that is sent and answered, and gives its place back."""
    gate.send(at, 0)
    gate.answered(sent_at=at, met=met, now=at + took_s)
    gate.in_flight -= 1


def refuse(gate, *, at, sent_at=None, met=0, asked_s=None):
    """A call that is sent and refused, and gives its place back; what the refusal means."""
    sent_at = at if sent_at is None else sent_at
    gate.send(sent_at, 0)
    verdict = gate.refused(sent_at=sent_at, met=met, asked_s=asked_s, now=at)
    gate.in_flight -= 1
    return verdict


def limited(*, asked_s=None):
    """A gate whose first episode is at 10 s; an answer takes 2 s, and 5 calls may be in flight."""
    gate = make_gate()
    answer(gate)
    assert [refuse(gate, at=10.0, asked_s=asked_s) for _ in range(2)] == [Verdict.STRAY, Verdict.EPISODE]
    assert gate.level.limit == 5
    return gate


def paced():
    """A gate whose second episode is at 20 s: since the first 28 of 30 calls were taken, and half a second paused."""
    gate = limited()
    for _ in range(28):
        gate.send(15.0, 0)
    gate.in_flight = 0
    assert [refuse(gate, at=20.0, sent_at=15.0) for _ in range(2)] == [Verdict.STRAY, Verdict.EPISODE]
    return gate


# 28 calls in 10 s of which 9.5 s without a pause, less 4 %.
PER_S = 28 / (10 * 9.5) ** 0.5 * 0.96


@pytest.mark.parametrize(
    ("said", "taken"), [((None, 3), 3), ((5, None), 5), ((5, 3), 3), ((3, 5), 3), ((None, None), 8)]
)
def test_of_two_numbers_of_calls_the_smaller_counts(said, taken):
    """A model takes as many calls as its provider, the configuration and what was learned allow, each at most."""
    gate = make_gate(max_concurrency=said[0])
    gate.cap(at_most=said[1], rpm=None, tpm=None)
    for _ in range(taken):
        assert gate.wait_s(0.0) == 0.0
        gate.send(0.0, 0)
    assert gate.wait_s(0.0) == NEVER


def test_without_learning_only_what_is_said_counts():
    """A gate that does not learn has no end where nobody said one."""
    gate = make_gate(adaptive=False)
    for _ in range(500):
        gate.send(0.0, 0)
    assert gate.wait_s(0.0) == 0.0
    gate.cap(at_most=500, rpm=None, tpm=None)
    assert gate.wait_s(0.0) == NEVER


@pytest.mark.parametrize("rpms", [(60,), (60, 120), (120, 60)])
def test_calls_a_minute_leave_evenly(rpms):
    """At 60 a minute a second passes between two calls; of two sayings the slower counts; time unused is lost."""
    gate = make_gate()
    for rpm in rpms:
        gate.cap(at_most=None, rpm=rpm, tpm=None)
    gate.send(10.0, 0)
    assert [gate.wait_s(10.0), gate.wait_s(10.25), gate.wait_s(11.0)] == [1.0, 0.75, 0.0]
    gate.send(10.5, 0)
    assert gate.wait_s(10.5) == 1.5
    gate.send(30.0, 0)
    assert gate.wait_s(30.0) == 1.0


@pytest.mark.parametrize("tpms", [(120,), (120, 600), (600, 120)])
def test_tokens_a_minute_leave_evenly(tpms):
    """At 120 a minute a call of 20 tokens is followed by 10 seconds; of two sayings the slower counts."""
    gate = make_gate()
    for tpm in tpms:
        gate.cap(at_most=None, rpm=None, tpm=tpm)
    gate.send(10.0, 20)
    assert gate.wait_s(10.0) == 10.0
    gate.send(15.0, 4)
    assert gate.wait_s(15.0) == 7.0
    gate.send(50.0, 4)
    assert gate.wait_s(50.0) == 2.0


def request(**params):
    """One short message."""
    message = Message(role="user", content="Where is my parcel?")
    return Request(provider="acme", model="m", messages=(message,), params=FrozenDict(params))


READ = estimate_tokens([{"role": "user", "content": "Where is my parcel?"}]).expected


@pytest.mark.parametrize(
    ("params", "written"),
    [({}, 0), ({"max_tokens": 9}, 9), ({"max_completion_tokens": 7, "max_tokens": 9}, 7), ({"max_tokens": "9"}, 0)],
)
def test_a_call_is_expected_to_take_its_input_and_all_the_output_that_it_may_give(params, written):
    """The tokens of a call are the estimate of its messages and the longest answer that it asks for."""
    assert tokens_of(request(**params)) == READ + written


@pytest.mark.parametrize(("usage", "wait_s"), [(Usage(input_tokens=30, output_tokens=50), 40.0), (Usage(), 60.0)])
def test_tokens_are_corrected_by_what_was_counted(usage, wait_s):
    """A call that was expected to take 120 tokens and took 80 gives a third of its time back, if it was counted."""
    gate = make_gate()
    gate.cap(at_most=None, rpm=None, tpm=120)
    asked = request(max_tokens=120 - READ)
    gate.send(10.0, tokens_of(asked))
    gate.correct_tokens(asked, Response(text="a", finish_reason="stop", usage=usage, raw=EMPTY))
    assert gate.wait_s(10.0) == wait_s


def test_half_a_count_corrects_nothing():
    """Where a provider counts only one side of a call, or nobody limits tokens, the estimate stays."""
    asked = request(max_tokens=120 - READ)
    for counted in (Usage(input_tokens=1), Usage(output_tokens=1)):
        gate = make_gate()
        gate.cap(at_most=None, rpm=None, tpm=120)
        gate.send(10.0, tokens_of(asked))
        gate.correct_tokens(asked, Response(text="a", finish_reason="stop", usage=counted, raw=EMPTY))
        assert gate.wait_s(10.0) == 60.0


def test_how_long_an_answer_usually_takes_follows_slowly():
    """The first answer says how long one takes; each later one moves that by a tenth."""
    gate = make_gate()
    answer(gate, took_s=2.0)
    answer(gate, took_s=4.0)
    assert gate.usual_s == pytest.approx(2.2)


def test_nothing_leaves_while_a_fatal_failure_is_undecided():
    """A model whose key may be wrong sends nothing until that is decided."""
    gate = make_gate()
    gate.doubts = 1
    assert gate.wait_s(0.0) == NEVER


def test_a_suspended_model_waits_until_it_may_be_asked_again():
    """A model that asked to be left alone until 50 s is suspended before, and not from then on."""
    gate = make_gate()
    gate.resumes_at = 50.0
    assert (gate.is_suspended(49.5), gate.wait_s(49.5)) == (True, 0.5)
    assert (gate.is_suspended(50.0), gate.wait_s(50.0)) == (False, 0.0)


@pytest.mark.parametrize(("asked_s", "wait_s"), [(None, 0.0), (3.0, 3.0)])
def test_a_first_refusal_pauses_as_long_as_it_asks(asked_s, wait_s):
    """When the first answer of all is a refusal, the model pauses if it was asked to, and is not cut."""
    gate = make_gate()
    assert refuse(gate, at=1.0, asked_s=asked_s) is Verdict.FIRST
    assert (gate.wait_s(1.0), gate.level.limit) == (wait_s, 8)


@pytest.mark.parametrize(("asked_s", "pause_s"), [(None, 0.5), (3.0, 3.0)])
def test_after_a_pause_calls_leave_spread_over_an_answer_s_time(asked_s, pause_s):
    """An episode pauses half a second, or as long as is asked; for 2 s then 5 calls leave 0.4 s apart."""
    gate = limited(asked_s=asked_s)
    until = 10.0 + pause_s
    assert gate.wait_s(10.0) == pause_s
    assert gate.wait_s(until) == 0.0
    gate.send(until, 0)
    assert gate.wait_s(until) == pytest.approx(0.4)
    gate.send(until + 1.0, 0)
    assert gate.wait_s(until + 1.0) == pytest.approx(0.4)
    gate.send(until + 2.0, 0)
    assert gate.wait_s(until + 2.0) == 0.0


def test_refusals_of_one_episode_extend_its_pause():
    """A later refusal of the same episode pauses from then on, and a shorter one ends no longer pause."""
    gate = limited(asked_s=3.0)
    assert refuse(gate, at=10.5, sent_at=9.0, asked_s=9.0) is Verdict.SAME_EPISODE
    assert gate.wait_s(10.5) == 9.0
    assert refuse(gate, at=10.75, sent_at=9.0, asked_s=1.0) is Verdict.SAME_EPISODE
    assert gate.wait_s(10.75) == 8.75
    assert gate.level.limit == 5


def test_the_second_episode_teaches_a_pace_and_places_enough_for_it():
    """Calls then leave at the pace that was taken, and one and a half times the places that it needs are given."""
    gate = paced()
    assert gate.pace.per_s == pytest.approx(PER_S)
    # 2.76 calls a second of 2 s each, one and a half times: 8.3, and one.
    assert gate.level.limit == 10
    gate.send(20.5, 0)
    assert gate.wait_s(20.5) == pytest.approx(1 / PER_S)
    assert gate.wait_s(20.5 + 1 / PER_S - 0.0039) == 0.0
    assert gate.wait_s(20.5 + 1 / PER_S - 0.0041) == pytest.approx(0.0041)


@pytest.mark.parametrize(("is_held_up", "more"), [(True, 1.03), (False, 1.0)])
def test_a_higher_pace_is_tried_only_where_the_pace_holds_calls_up(is_held_up, more):
    """Two seconds after an episode 3 % more is tried, if a call had to wait for the pace; the wait counts once."""
    gate = paced()
    gate.send(20.5, 0)
    if is_held_up:
        gate.wait_s(20.5)
    gate.send(30.0, 0)
    gate.send(40.0, 0)
    assert gate.pace.per_s == pytest.approx(PER_S * more)


@pytest.mark.parametrize(
    ("answers", "met", "verdict", "limit"),
    [
        (5, 7, Verdict.EASED, 7),
        (5, 4, Verdict.EASED, 4),
        (5, 3, Verdict.STRAY, 10),
        (4, 7, Verdict.STRAY, 10),
        (5, 30, Verdict.EASED, 10),
    ],
)
def test_a_refusal_that_met_more_calls_than_any_answer_lowers_their_number(answers, met, verdict, limit):
    """After five answers that met 3 others at most, a refusal that met 7 limits calls to 7, and the pace stays."""
    gate = paced()
    for _ in range(answers):
        answer(gate, at=21.0, met=3)
    assert refuse(gate, at=25.0, sent_at=21.0, met=met) is verdict
    assert gate.level.limit == limit
    assert gate.pace.per_s == pytest.approx(PER_S * (0.97 if verdict is Verdict.STRAY else 1))


def test_one_refusal_that_met_few_says_that_it_is_the_pace():
    """When a refusal met no more calls than an answer did, later ones lower the pace, however many they met."""
    gate = paced()
    for _ in range(15):
        answer(gate, at=21.0, met=3)
    assert [refuse(gate, at=25.0, sent_at=21.0, met=met) for met in (3, 7)] == [Verdict.STRAY, Verdict.STRAY]
    assert gate.level.limit == 10


def test_where_a_pace_is_learned_the_limit_is_not_taken_back():
    """A refusal that would take a limit back to the proven one lowers a learned pace by 3 % instead."""
    gate = paced()
    for _ in range(5):
        answer(gate, at=21.0, met=3)
    gate.level = replace(gate.level, limit=21, proven=20)
    assert refuse(gate, at=26.0, sent_at=22.0, met=3) is Verdict.STRAY
    # The refusal itself is noted: one of the six that came back since the cut.
    assert (gate.level.limit, gate.level.latest, gate.level.answers) == (21, 1, 6)
    assert gate.pace.per_s == pytest.approx(PER_S * 0.97)


def test_a_restart_forgets_what_was_learned():
    """After a sleep of the machine there is no pause and no pace, and one call goes first."""
    gate = paced()
    gate.restart(20.1)
    assert (gate.pace, gate.level.limit, gate.wait_s(20.1)) == (Pace(), 1, 0.0)


@pytest.mark.parametrize(
    ("limit", "per_s", "is_news"),
    [(8, None, False), (15, None, False), (16, None, True), (7, None, True), (64, None, True), (8, 2.0, True)],
)
def test_a_limit_is_news_when_it_fell_doubled_or_found_its_end(limit, per_s, is_news):
    """Limits are told when they went down or have doubled, when the pace changed, and not for each call more."""
    gate = make_gate()
    gate.level, gate.pace = replace(gate.level, limit=limit), Pace(per_s=per_s)
    assert gate.is_news is is_news
    gate.told()
    assert gate.is_news is False


def test_reaching_the_highest_limit_is_news_once():
    """A limit that rises to what the caller allows is told although it has not doubled."""
    gate = make_gate(most=10)
    gate.level = replace(gate.level, limit=10)
    assert gate.is_news
    gate.told()
    assert not gate.is_news


def test_without_a_pace_a_refusal_that_met_many_is_a_stray():
    """Where no pace was learned, one refusal lowers nothing, however many more calls it met than any answer."""
    gate = make_gate()
    for _ in range(6):
        answer(gate, met=1)
    assert refuse(gate, at=5.0, met=7) is Verdict.STRAY
    assert gate.level.limit == 8


def test_one_other_in_flight_is_more_than_none():
    """After five answers that met nobody, a refusal that met one other allows one call at a time."""
    gate = paced()
    for _ in range(5):
        answer(gate, at=21.0, met=0)
    assert refuse(gate, at=25.0, sent_at=21.0, met=1) is Verdict.EASED
    assert gate.level.limit == 1


def test_what_leaves_at_the_moment_of_an_episode_comes_after_it():
    """Calls sent at the very second of an episode count among those since: their answers, and their refusals."""
    gate = limited()
    for _ in range(28):
        gate.send(10.0, 0)
    gate.in_flight = 0
    assert [refuse(gate, at=20.0, sent_at=10.0) for _ in range(2)] == [Verdict.STRAY, Verdict.EPISODE]
    assert gate.pace.per_s == pytest.approx(PER_S)
    for _ in range(5):
        answer(gate, at=20.0, met=3)
    assert refuse(gate, at=25.0, sent_at=20.0, met=7) is Verdict.EASED
    assert gate.level.limit == 7


def test_all_pauses_since_the_last_episode_count():
    """A pause that was extended by half a second counts with a second: 28 calls in 10 s of which 9 s without pause."""
    gate = limited()
    assert gate.refused(sent_at=9.0, met=0, asked_s=None, now=10.5) is Verdict.SAME_EPISODE
    for _ in range(28):
        gate.send(15.0, 0)
    gate.in_flight = 0
    assert [refuse(gate, at=20.0, sent_at=15.0) for _ in range(2)] == [Verdict.STRAY, Verdict.EPISODE]
    assert gate.pace.per_s == pytest.approx(28 / (10 * 9.0) ** 0.5 * 0.96)


def test_a_pause_lasts_to_its_end():
    """Nothing leaves in the last two milliseconds of a pause either."""
    assert limited().wait_s(10.498) == pytest.approx(0.002)


def test_calls_due_within_four_milliseconds_leave_together():
    """At 250 calls a second the next one need not wait, at 240 it waits."""
    waits_s = []
    for per_s in (250.0, 240.0):
        gate = make_gate()
        gate.pace = Pace(per_s=per_s)
        gate.send(0.0, 0)
        waits_s.append(gate.wait_s(0.0))
    assert waits_s == [0.0, 1 / 240]


def test_a_new_pace_is_not_tried_higher_before_it_held_a_call_up():
    """The first call at a pace that was just learned leaves at that pace, however late it is."""
    gate = paced()
    gate.send(30.0, 0)
    assert gate.pace.per_s == pytest.approx(PER_S)


def test_a_long_wait_that_is_asked_for_holds_growth_back():
    """After an episode with a wait of 9 s no limit grows for 9 s."""
    assert limited(asked_s=9.0).level.hold_until == 19.0


@pytest.mark.parametrize(("others", "verdict"), [(2, Verdict.EPISODE), (3, Verdict.STRAY)])
def test_calls_on_their_way_are_those_that_were_neither_answered_nor_refused(others, verdict):
    """Two refusals in nine answers are a fifth with two more on their way; held places are on no way."""
    gate = make_gate()
    for _ in range(7):
        answer(gate)
    assert refuse(gate, at=5.0) is Verdict.STRAY
    gate.held = 3
    gate.in_flight = gate.held + others
    assert refuse(gate, at=5.0) is verdict
