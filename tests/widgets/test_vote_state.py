"""Which pair comes next: order, sides, pairs shown again, undo and skip, from pairs and votes alone."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter

import pytest

from tests.builders import NOON
from toolkit._votes import Vote
from toolkit.widgets._vote_state import VoteState, plan_duels


def answers(cases, arms=2, *, repeats=1):
    """Every arm's answer to every case."""
    return {
        (case, repeat): {arm: f"t-{arm}-{case}-{repeat}" for arm in range(arms)}
        for case in range(cases)
        for repeat in range(repeats)
    }


def arms_of(duel):
    """The places of the arms that a pair is of."""
    return tuple(sorted(int(trial_id.split("-")[1]) for trial_id in duel.pair))


class Voter:
    """Somebody who votes on what is shown, and what was shown to them."""

    def __init__(self, duels, *, same=(), seed="s", votes=()):
        self.state = VoteState(duels, same=same, votes=votes, seed=seed)
        self.seen = []

    def vote(self, verdict="left"):
        shown = self.state.shown()
        at = NOON + dt.timedelta(seconds=len(self.seen))
        duel = shown.duel
        fields = {"case": duel.case, "repeat": duel.repeat, "left": shown.left, "right": shown.right}
        vote = Vote(voter="ana", verdict=verdict, at=at, is_repeat=shown.is_repeat, **fields)
        self.seen.append(shown)
        self.state.add([vote])
        return vote

    def vote_all(self, verdict="left"):
        while self.state.shown() is not None:
            self.vote(verdict)
        return self


def test_one_seed_gives_one_order():
    """The same seed gives the same order of cases in any process, another seed another one."""
    order = [duel.case for duel in plan_duels(answers(6), seed="run-1 0")]
    assert order == [duel.case for duel in plan_duels(answers(6), seed="run-1 0")]
    assert sorted(order) == [0, 1, 2, 3, 4, 5]
    assert len({tuple(duel.case for duel in plan_duels(answers(6), seed=f"{n}")) for n in range(20)}) > 15


def test_stopping_early_is_balanced():
    """With three arms each case shows one pair before any shows a second, and the pairs of arms take turns."""
    duels = plan_duels(answers(30, 3), seed="s")
    assert len(duels) == 90
    first = duels[:30]
    assert len({duel.case for duel in first}) == 30
    assert Counter(map(arms_of, first)) == {(0, 1): 10, (0, 2): 10, (1, 2): 10}
    for start in range(0, 27):
        assert len({arms_of(duel) for duel in duels[start : start + 3]}) == 3
    assert len({(duel.case, arms_of(duel)) for duel in duels}) == 90


def test_only_answered_pairs_are_planned():
    """An arm without an answer to a case is not shown in it; the case shows the arms that have one."""
    held = answers(2, 3)
    del held[(0, 0)][2]
    held[(1, 0)] = {1: "t-1-1-0"}
    assert [duel.pair for duel in plan_duels(held, seed="s")] == [("t-0-0-0", "t-1-0-0")]


def test_shared_answers_meet_once():
    """Cases that share their answers are shown once, and an answer never meets itself."""
    held = {(0, 0): {0: "a", 1: "b"}, (1, 0): {0: "a", 1: "b"}, (2, 0): {0: "c", 1: "c"}}
    assert [duel.pair for duel in plan_duels(held, seed="s")] == [("a", "b")]


def test_every_pair_is_judged_once():
    """Whoever votes to the end has judged each pair once, repeats of a case apart."""
    voter = Voter(plan_duels(answers(20, 2, repeats=2), seed="s")).vote_all()
    new = [(shown.duel.case, shown.duel.repeat) for shown in voter.seen if not shown.is_repeat]
    assert sorted(new) == [(case, repeat) for case in range(20) for repeat in range(2)]


def test_sides_are_drawn_for_each_pair():
    """An arm stands on either side about equally often, another voter has other sides, and the same one the same."""

    def lefts(seed):
        voter = Voter(plan_duels(answers(200), seed="s"), seed=seed).vote_all()
        return [shown.left.split("-")[1] for shown in voter.seen if not shown.is_repeat]

    assert 80 < lefts("ana").count("0") < 120
    assert lefts("ana") == lefts("ana")
    assert lefts("ana") != lefts("bo")


def test_about_every_tenth_pair_is_shown_again():
    """Of 100 pairs about eleven are shown again, once each, with the sides changed and five others or more between."""
    voter = Voter(plan_duels(answers(100), seed="s")).vote_all()
    again = [(place, shown) for place, shown in enumerate(voter.seen) if shown.is_repeat]
    assert 10 <= len(again) <= 11
    assert len({shown.duel for _, shown in again}) == len(again)
    for place, shown in again:
        before = [n for n, each in enumerate(voter.seen[:place]) if each.duel == shown.duel]
        assert len(before) == 1
        assert place - before[0] > 5
        first = voter.seen[before[0]]
        assert (shown.left, shown.right) == (first.right, first.left)
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(again)]
    assert all(6 <= gap <= 14 for gap in gaps)


def test_the_count_does_not_tell_which_pair_is_shown_again():
    """Pairs shown again are counted among all from the start: one step a vote, up to the last."""
    voter = Voter(plan_duels(answers(40), seed="s"))
    seen = []
    while voter.state.shown() is not None:
        seen.append(voter.state.counts())
        voter.vote()
    assert [each.done for each in seen] == list(range(len(seen)))
    assert {each.all for each in seen} == {len(seen)}
    assert len(seen) > 40


def test_a_skipped_pair_comes_at_the_end():
    """A pair that is skipped comes again once no new one is left; skipped again, behind the others."""
    voter = Voter(plan_duels(answers(4), seed="s"))
    order = [duel.case for duel in plan_duels(answers(4), seed="s")]
    voter.vote("skip")
    voter.vote("skip")
    voter.vote()
    voter.vote()
    assert voter.state.counts().skipped == 2
    voter.vote("skip")
    voter.vote()
    voter.vote()
    assert [shown.duel.case for shown in voter.seen] == [*order, order[0], order[1], order[0]]
    assert voter.state.shown() is None
    assert voter.state.counts().skipped == 0


def test_undo_goes_back_one_pair_at_a_time():
    """Taking the last vote back shows its pair again, on the same sides, through repeats and skips to the first."""
    voter = Voter(plan_duels(answers(14), seed="s"))
    verdicts = ["left", "skip", *["right"] * 11, "skip", "tie"]
    for verdict in verdicts:
        voter.vote(verdict)
    assert any(shown.is_repeat for shown in voter.seen)
    for shown in reversed(voter.seen):
        voter.state.remove(voter.state.last())
        assert voter.state.shown() == shown
    assert voter.state.last() == []


def test_what_was_voted_is_not_shown_again_in_another_session():
    """From the votes alone, a new session shows the pair that the old one would have shown."""
    duels = plan_duels(answers(30), seed="s")
    voter = Voter(duels)
    for number in range(35):
        voter.vote("skip" if number % 5 == 1 else "left")
        resumed = VoteState(duels, same=(), votes=voter.state.votes, seed="s")
        assert resumed.shown() == voter.state.shown()
        if voter.state.shown() is None:
            break


def test_votes_on_other_pairs_do_not_matter():
    """Votes on arms that are not compared now neither count nor are taken back."""
    other = Vote(voter="ana", case=0, left="t-0-0-0", right="t-2-0-0", verdict="left", at=NOON)
    state = VoteState(plan_duels(answers(3), seed="s"), same=(), votes=[other], seed="s")
    assert state.counts().done == 0
    assert state.last() == []


def test_pairs_with_the_same_text_are_not_shown():
    """Of pairs with the same text none is shown, and none is among those to judge."""
    duels = plan_duels(answers(10), seed="s")
    voter = Voter(duels, same=duels[::2]).vote_all()
    assert {shown.duel for shown in voter.seen} == set(duels[1::2])
    assert (voter.state.counts().all, voter.state.counts().same) == (5, 5)


def test_same_texts_count_as_far_as_the_voter_came():
    """Pairs with the same text count once the voter has come past them, so that stopping early gives them no weight."""
    duels = plan_duels(answers(6), seed="s")
    voter = Voter(duels, same=[duels[1], duels[2], duels[4]])
    assert voter.state.passed() == []
    first = voter.vote()
    assert voter.state.passed() == [duels[1], duels[2]]
    voter.state.remove([first])
    assert voter.state.passed(first) == [duels[1], duels[2]]


@pytest.mark.parametrize("count", [1, 6, 11, 47])
def test_a_vote_of_any_length_ends(count):
    """However many pairs there are, the last vote ends it, and all that was announced was shown."""
    voter = Voter(plan_duels(answers(count), seed=str(count)), seed=str(count)).vote_all("both_bad")
    assert voter.state.counts().done == voter.state.counts().all == len(voter.seen)
