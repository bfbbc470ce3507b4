"""What blind votes say: ranking, agreement, consistency, counts and sentences, from votes written by hand."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import pytest

from tests.results import payloads, runs
from tests.results.test_security import read
from toolkit._records import Score
from toolkit._votes import Vote
from toolkit.results import Results


def vote(case, verdict, *, arms=(0, 1), voter="ana", **fields):
    """A vote on two arms' answers to a case, the first of them on the left."""
    left, right = (f"t-{arm}-{case}" for arm in arms)
    at = runs.START + dt.timedelta(seconds=fields.pop("after", case))
    return Vote(voter=voter, case=case, left=left, right=right, verdict=verdict, at=at, **fields)


def report(votes, *, cases=40, arms=2, **fields):
    """What votes on a run of some arms and cases say."""
    results = Results(runs.run([["a"] * cases for _ in range(arms)], **fields))
    return results.keep_votes(votes) or results.votes


def test_without_votes_it_says_how_to_cast_some():
    """Without a vote the tables are empty with their columns, and the one sentence names the call."""
    found = report([])
    assert str(found) == "Nobody has voted yet: results.vote() shows two answers at a time, without names."
    assert (len(found.df), len(found.ranking), len(found.voters), len(found.agreement)) == (0, 0, 0, 0)
    assert list(found.df.columns)[:7] == ["voter", "case", "repeat", "left", "right", "verdict", "winner"]


def test_a_vote_is_a_row():
    """The frame has the arms by their labels, who won whichever side it stood on, and when."""
    found = report([vote(3, "right", arms=(1, 0), seconds=2.5, note="kinder"), vote(4, "tie")]).df
    assert found.iloc[0].to_dict() == {
        "voter": "ana", "case": 3, "repeat": 0, "left": "reply@2", "right": "reply@1", "verdict": "right",
        "winner": "reply@1", "seconds": 2.5, "at": runs.START + dt.timedelta(seconds=3), "is_repeat": False,
        "note": "kinder", "left_trial": "t-1-3", "right_trial": "t-0-3",
    }  # fmt: skip
    assert found["winner"].isna().tolist() == [False, True]


def test_the_ranking_is_that_of_bradley_and_terry():
    """Nine wins to three with four ties are odds of 11 to 5: each arm lies half of ln 2.2 from the middle."""
    votes = [vote(case, "left") for case in range(9)] + [vote(case, "right") for case in range(9, 12)]
    votes += [vote(case, verdict) for case, verdict in enumerate(["tie", "both_bad", "same", "tie"], start=12)]
    found = report(votes).ranking
    assert found.index.tolist() == ["reply@1", "reply@2"]
    assert found["strength"].tolist() == pytest.approx([math.log(2.2) / 2, -math.log(2.2) / 2])
    assert found[["won", "tied", "lost"]].to_numpy().tolist() == [[9, 4, 3], [3, 4, 9]]
    assert found.loc["reply@1", "low"] < found.loc["reply@1", "strength"] < found.loc["reply@1", "high"]


def test_repeats_and_skips_do_not_rank():
    """Pairs that were shown again or skipped count neither as wins nor as ties."""
    votes = [vote(0, "left"), vote(1, "right"), vote(0, "right", is_repeat=True, after=9), vote(2, "skip")]
    found = report(votes).ranking
    assert found[["won", "tied", "lost"]].to_numpy().tolist() == [[1, 0, 1], [1, 0, 1]]


def test_an_arm_that_never_lost_is_lent_wins():
    """Where one arm won every time, 0.1 wins are lent: strengths are finite, drawn together, and it is said."""
    found = report([vote(case, "left") for case in range(5)])
    assert found.ranking["strength"].tolist() == pytest.approx([math.log(5.1 / 0.1) / 2, -math.log(5.1 / 0.1) / 2])
    assert "drawn together: 0.1 wins added for every pair in both directions" in str(found)


def test_a_clear_winner_is_named():
    """Where the first arm's interval lies above the second's, it is to be taken."""
    votes = [vote(case, "left" if case % 5 else "right") for case in range(40)]
    assert "reply@1 is preferred to reply@2: take it" in str(report(votes))


def test_an_open_vote_asks_for_more():
    """Where the intervals overlap nothing is decided, and more cases or another voter are asked for."""
    votes = [vote(case, "left" if case % 2 else "right") for case in range(20)]
    told = str(report(votes))
    assert "undecided: vote on more cases, or ask somebody else" in told
    assert "preferred" not in told


def test_cases_are_resampled_not_votes():
    """Ten voters on one case know no more of other cases than one does: there is no interval."""
    votes = [vote(0, "left", voter=f"voter {n}") for n in range(9)] + [vote(0, "right", voter="other")]
    found = report(votes)
    assert found.ranking["low"].isna().all()
    assert "One case alone cannot tell how sure this is: vote on more." in str(found)


def test_consistency_is_what_was_said_twice():
    """A pair shown again counts as the same when the same answer won, though on the other side."""
    votes = [vote(case, "left") for case in range(6)]
    votes += [vote(case, "right", arms=(1, 0), is_repeat=True, after=100 + case) for case in range(4)]
    votes += [vote(4, "left", arms=(1, 0), is_repeat=True, after=104)]
    found = report(votes).consistency
    assert (found.n, found.same, found.share) == (5, 4, 0.8)
    # Wilson's interval of 4 in 5.
    assert [found.interval.low, found.interval.high] == pytest.approx([0.3755, 0.9638], abs=1e-4)


@pytest.mark.parametrize(
    ("same", "again", "told"),
    [
        (0, 0, "No pair was shown twice yet"),
        (1, 2, "Of 2 pairs shown again, 1 got the same verdict (50 %, 95 % interval 9 % to 91 %); too few"),
        (
            3,
            6,
            "Of 6 pairs shown again, 3 got the same verdict (50 %, 95 % interval 19 % to 81 %): the verdicts",
        ),
        (6, 6, "Of 6 pairs shown again, 6 got the same verdict (100 %, 95 % interval 61 % to 100 %)."),
    ],
)
def test_steadiness_is_told(same, again, told):
    """How often verdicts were the same again is told with its interval, and wavering ones with what to do."""
    votes = [vote(case, "left") for case in range(12)]
    votes += [vote(case, "left" if case < same else "tie", is_repeat=True, after=99) for case in range(again)]
    assert told in str(report(votes))


def test_two_voters_who_saw_the_same_pairs_are_compared():
    """Agreement is over pairs that both judged, by which arm won; below 30 pairs there is no kappa."""
    mine = [vote(case, "left" if case % 2 else "right") for case in range(10)]
    # The other one saw the sides the other way round, and agrees on all but two.
    theirs = [vote(case, "right" if case % 2 else "left", arms=(1, 0), voter="bo") for case in range(2, 10)]
    theirs[0] = vote(2, "tie", voter="bo")
    theirs[1] = vote(3, "left", arms=(1, 0), voter="bo")
    found = report([*mine, *theirs])
    assert found.agreement.drop(columns=["kappa", "alpha"]).to_numpy().tolist() == [["ana", "bo", 8, 0.75]]
    assert found.agreement["kappa"].isna().all()
    assert "ana and bo agree on 75 % of 8 pairs; 30 are needed" in str(found)


def test_kappa_is_told_from_thirty_pairs_on():
    """Cohen's kappa of 40 pairs, 20 alike as first, 10 as second, 5 apart either way, is 0.4667."""
    said = [("left", "left")] * 20 + [("right", "right")] * 10 + [("left", "right")] * 5 + [("right", "left")] * 5
    votes = [vote(case, mine) for case, (mine, _) in enumerate(said)]
    votes += [vote(case, theirs, voter="bo") for case, (_, theirs) in enumerate(said)]
    found = report(votes)
    assert found.agreement["kappa"].tolist() == [pytest.approx(7 / 15)]
    assert "Kappa is below 0.6 for ana and bo: read the pairs where they differ" in str(found)


def test_kappa_does_not_depend_on_ids():
    """Labels are arms, in the run's order, however the ids of their trials are sorted: kappa is the same 0.4667."""
    view = runs.run([["a"] * 40, ["b"] * 40])
    names = {f"t-0-{case}": f"z-{case}" for case in range(1, 40, 2)}
    trials = tuple(replace(trial, trial_id=names.get(trial.trial_id, trial.trial_id)) for trial in view.trials)
    said = [("left", "left")] * 20 + [("right", "right")] * 10 + [("left", "right")] * 5 + [("right", "left")] * 5
    votes = []
    for case, verdicts in enumerate(said):
        for voter, verdict in zip(("ana", "bo"), verdicts, strict=True):
            one = vote(case, verdict, voter=voter)
            votes.append(replace(one, left=names.get(one.left, one.left)))
    results = Results(replace(view, trials=trials))
    results.keep_votes(votes)
    assert results.votes.agreement["kappa"].tolist() == [pytest.approx(7 / 15)]


def test_judges_and_people_s_scores_are_raters():
    """A judge's score, or a person's, says of a pair which answer has the better one; other scores are no raters."""
    results = Results(runs.run([["a"] * 3, ["b"] * 3], scores={"exact": [[1, 1, 1], [0, 0, 0]]}))
    judged = {"t-0-0": 1.0, "t-1-0": 0.5, "t-0-1": 0.0, "t-1-1": 1.0, "t-0-2": 1.0}
    results._keep([(key, Score(name="nice", value=value, scorer="judge('x')")) for key, value in judged.items()])
    results.mark("t-0-2", 2).mark("t-1-2", 2)
    results.keep_votes([vote(case, "left") for case in range(3)])
    found = results.votes.agreement
    assert found[["first", "second", "n", "share"]].to_numpy().tolist() == [
        ["ana", "nice", 2, 0.5],
        ["ana", "human", 1, 0.0],
    ]


def test_each_voter_has_a_row():
    """Votes, ties, both bad, skipped, equal texts, the left share, what was said again, and the median of seconds."""
    votes = [vote(0, "left", seconds=1), vote(1, "right", seconds=2), vote(2, "left", seconds=9), vote(3, "tie")]
    votes += [vote(4, "both_bad", seconds=3), vote(5, "skip", seconds=50), vote(6, "same"), vote(0, "left", voter="bo")]
    votes += [vote(0, "right", arms=(1, 0), is_repeat=True, after=99, seconds=4)]
    row = report(votes).voters.loc["ana"]
    assert row.to_dict() == {
        "votes": 5, "ties": 1, "both_bad": 1, "skipped": 1, "same_text": 1, "left_share": 0.5, "shown_again": 1,
        "said_again": 1, "seconds": 2.5,
    }  # fmt: skip


def test_the_first_sentence_counts():
    """Votes, cases, voters, ties, equal texts and skips are counted in words."""
    votes = [vote(0, "left"), vote(1, "tie"), vote(2, "both_bad"), vote(3, "same"), vote(4, "skip")]
    votes += [vote(0, "right", voter="bo")]
    assert report(votes).sentences[0] == (
        "4 blind votes on 3 cases (ana 3, bo 1); 1 tie; 1 both bad, which counts as a tie; 1 pair with the same text "
        "not shown and counted as a tie; 1 skipped."
    )


def test_a_voter_who_takes_one_side_is_told():
    """When one side wins far more often than the other, it is said what that does."""
    arms = [(0, 1), (1, 0)]
    votes = [vote(case, "left", arms=arms[case % 2]) for case in range(20)]
    assert "The answer on the left won 100 % of 20 decided pairs, where 50 % is fair." in str(report(votes))


def test_votes_on_trials_that_are_gone_do_not_count():
    """A vote on a trial that the run has no more is not among its votes."""
    assert len(report([vote(99, "left")], cases=2).df) == 0


def test_a_vote_said_anew_takes_the_place_of_the_old_one():
    """One voter has one vote on a pair; the new one stands last."""
    found = report([vote(0, "skip"), vote(1, "left"), vote(0, "right", arms=(1, 0), after=9)]).df
    assert found[["case", "verdict"]].to_numpy().tolist() == [[1, "left"], [0, "right"]]


def test_votes_stay_when_a_run_without_a_store_is_read_again():
    """Votes that were kept nowhere else are not lost by `refresh`; those of a store come from there."""
    view = runs.run([["a"], ["b"]])
    results = Results(view, reload=lambda: view)
    results.keep_votes([vote(0, "left")])
    assert len(results.refresh().votes.df) == 1
    results = Results(view, reload=lambda: view, ballots=Box())
    results.keep_votes([vote(0, "left")])
    assert len(results.refresh().votes.df) == 0


class Box:
    """Ballots that are full."""

    def __init__(self, full=False):
        self.full = full

    def save_votes(self, run_id, votes):
        if self.full:
            raise OSError("no space")

    def drop_votes(self, run_id, votes):
        if self.full:
            raise OSError("no space")


def test_a_vote_that_is_not_kept_is_not_shown():
    """A vote that the store could not take, or not give back, leaves the results as they were."""
    box = Box()
    results = Results(runs.run([["a"], ["b"]]), ballots=box)
    results.keep_votes([vote(0, "left")])
    box.full = True
    with pytest.raises(OSError, match="no space"):
        results.keep_votes([vote(0, "right")])
    with pytest.raises(OSError, match="no space"):
        results.drop_votes([vote(0, "left")])
    assert results.votes.df["verdict"].tolist() == ["left"]


def test_it_reads_well_as_text():
    """The text form has the counts, the ranking with intervals, and what to do."""
    lines = str(report([vote(case, "left" if case % 5 else "right") for case in range(40)])).splitlines()
    assert lines[0] == "40 blind votes on 40 cases (ana 40)."
    assert lines[1] == "Ranking by 40 pairs (Bradley-Terry):"
    assert lines[2].startswith("1. reply@1: strength +0.69 [+0.")
    assert lines[3].startswith("2. reply@2: strength -0.69 [-1.")
    assert lines[2].endswith("32 won, 0 tied, 8 lost")


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_no_markup_comes_from_names(payload):
    """The HTML form has the same elements whatever arms, voters and scores are called."""

    def shown(text):
        arms = [runs.arm(place, prompt=runs.prompt(text, str(place))) for place in range(2)]
        votes = [vote(case, "left", voter=f"{text}{n}", note=text) for case in range(3) for n in range(2)]
        results = Results(runs.run([["a"] * 3, ["b"] * 3], arms=arms))
        results.keep_votes(votes)
        return read(str(results.votes._repr_html_()))

    assert shown(payload).elements == shown("harmless").elements
    assert shown(payload).others == []
