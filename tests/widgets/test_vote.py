"""The blind vote as a widget: what a page gets and may send, what is kept when, and what is left in a notebook."""

from __future__ import annotations

import datetime as dt
import getpass
import json

import pytest

from tests.builders import NOON
from tests.results import runs
from tests.widgets.answers import some_results
from tests.widgets.ballots import Box, Page, plain_results
from toolkit import BlindVote
from toolkit.errors import UsageError
from toolkit.results import Results


def test_a_page_gets_two_texts_and_counts():
    """What travels for a pair: two texts, the case's variables, a turn and counts, and nothing else."""
    (answer,) = Page(plain_results()).send(ask="look")
    assert set(answer) == {"turn", "pair"}
    pair = answer["pair"]
    assert set(pair) == {"left", "right", "variables", "done", "all", "skipped", "same", "can_undo"}
    number = pair["left"].split()[1]
    assert sorted([pair["left"], pair["right"]]) == [f"no {number}", f"yes {number}"]
    assert pair["variables"] == [["q", f"word {number}"]]
    assert (pair["done"], pair["all"], pair["can_undo"]) == (0, 13, False)


def test_no_name_travels_before_the_end():
    """Neither state nor messages name an arm, a model, a prompt, a trial, a score or the run, whatever is asked."""
    results = some_results(40)
    page = Page(results, voter="ana")
    told = [json.dumps({name: value for name, value in page.vote.get_state().items() if name not in ("_esm", "_css")})]
    while "pair" in page.shown and len(told) < 60:
        told.append(json.dumps(page.send(ask="look") + page.say("left") + page.press("undo") + page.say("tie")))
    whole = "\n".join(told)
    for name in ("support/delivery", "@5", "@6", "@7", "fake", "small", "t-0-", "t-1-", "polite", "run-1", "Be polite"):
        assert name not in whole, name


def test_the_case_can_be_hidden():
    """Without `show_case` the two texts stand alone."""
    assert Page(plain_results(), show_case=False).shown["pair"]["variables"] == []


def test_a_vote_is_kept_before_the_next_pair_is_shown():
    """When a page gets the next pair, the vote on the last one is in the store already."""
    box = Box()
    page = Page(plain_results(ballots=box))
    page.vote.send = lambda content: seen.append(len(box.votes))
    seen = []
    page.say("left")
    assert seen == [1]


def test_what_is_kept_of_a_vote():
    """A vote has the case, both trials by side, the verdict, the seconds since it was shown, the time and the note."""
    results = plain_results()
    page = Page(results)
    page.clock = 4.25
    left, right = page.shown["pair"]["left"], page.shown["pair"]["right"]
    page.say("right", note=" shorter ")
    (vote,) = results.view.votes
    texts = {trial_id: outcome.text for trial_id, outcome in results.view.outcomes.items()}
    assert (texts[vote.left], texts[vote.right]) == (left, right)
    assert (vote.voter, vote.verdict, vote.seconds, vote.note) == ("ana", "right", 4.25, "shorter")
    assert vote.case == int(left.split()[1])
    assert vote.at == NOON + dt.timedelta(seconds=1)


def test_a_doubled_press_is_one_vote():
    """A second message about a pair that is gone changes nothing, and is answered by the pair that is there."""
    results = plain_results()
    page = Page(results)
    turn = page.shown["turn"]
    page.send(ask="vote", turn=turn, verdict="left")
    after = page.shown
    assert page.send(ask="vote", turn=turn, verdict="left") == [after]
    assert page.send(ask="undo", turn=turn) == [after]
    assert len(results.view.votes) == 1


@pytest.mark.parametrize("verdict", ["same", "LEFT", "", None, 1, ["left"]])
def test_only_verdicts_are_votes(verdict):
    """What is no verdict of a person keeps nothing, and the pair stays."""
    results = plain_results()
    page = Page(results)
    before = page.shown
    assert page.say(verdict) == [before]
    assert results.view.votes == ()


@pytest.mark.parametrize("content", [{}, {"ask": "run"}, {"ask": None}, "vote", None])
def test_a_message_without_meaning_has_no_answer(content):
    """What the vote does not know it does not do."""
    page = Page(plain_results())
    page.got.clear()
    page.vote._handle_custom_msg(content, [])
    assert page.got == []


def test_a_note_is_text_of_some_length():
    """A note that is no text is none; a very long one is cut."""
    results = plain_results()
    page = Page(results)
    page.say("left", note=7)
    page.say("left", note="x" * 9_000)
    assert [len(vote.note or "") for vote in results.view.votes] == [0, 2_000]


def test_a_vote_that_cannot_be_kept_is_told():
    """When the store takes no vote, the page is told in words, the pair stays, and the same press works later."""
    box = Box()
    results = plain_results(ballots=box)
    page = Page(results)
    before, box.full = page.shown, True
    (told,) = page.say("left")
    assert told["failed"] is True
    assert told["said"] == "OSError: no space"
    assert told["turn"] == before["turn"]
    box.full = False
    page.say("left")
    assert (len(box.votes), page.shown["pair"]["done"]) == (1, 1)


def test_undo_takes_the_vote_out_of_the_store():
    """Undo brings the pair back as it stood, and the vote is in no store any more."""
    box = Box()
    page = Page(plain_results(ballots=box))
    first = page.shown["pair"]
    page.say("left")
    page.press("undo")
    assert page.shown["pair"] == first
    assert box.votes == {}
    page.press("undo")
    assert page.shown["pair"] == first


def test_another_widget_goes_on():
    """A widget that is made anew shows what the last one showed, and counts what was said."""
    results = plain_results()
    page = Page(results)
    for verdict in ("left", "skip", "tie", "right"):
        page.say(verdict)
    again = Page(results)
    assert again.shown["pair"] == page.shown["pair"]
    assert (again.shown["pair"]["done"], again.shown["pair"]["skipped"]) == (3, 1)


def test_voters_see_the_same_cases_in_the_same_order():
    """Two voters judge the same pairs first, so that they can be compared, each starting from nothing."""
    results = plain_results(30)
    pages = [Page(results, voter=voter) for voter in ("ana", "bo")]
    for _ in range(6):
        ours, theirs = ({page.shown["pair"]["left"], page.shown["pair"]["right"]} for page in pages)
        assert ours == theirs
        for page in pages:
            page.say("left")
    assert results.votes.agreement["n"].tolist() == [6]


def test_same_texts_are_ties_that_nobody_sees():
    """Pairs with the same text but for white space around are not shown, count as ties, and are told."""
    results = Results(runs.run([["a", "b", "c", "d"], ["a\n", "B", "c", "D"]]))
    page = Page(results)
    assert page.shown["pair"]["same"] == 2
    assert results.view.votes == ()
    page.say("left")
    page.say("left")
    assert sorted(vote.verdict for vote in results.view.votes) == ["left", "left", "same", "same"]
    page.finish()
    assert page.shown["report"]["sentences"][0].endswith("2 pairs with the same text not shown and counted as ties.")


def test_undo_takes_same_texts_back_too():
    """Pairs with the same text that were kept with a vote go with it."""
    # Two pairs that differ stay open on either side, wherever the same ones stand in the order.
    results = Results(runs.run([[f"{case}" for case in range(20)], ["x", "y", *map(str, range(2, 20))]]))
    page = Page(results)
    page.say("left")
    kept = [vote.verdict for vote in results.view.votes]
    assert kept.count("left") == 1
    assert kept.count("same") > 0
    page.press("undo")
    assert results.view.votes == ()


def test_when_all_texts_are_the_same_there_is_nothing_to_judge():
    """A run whose arms answer the same is finished when it is opened: all ties."""
    results = Results(runs.run([["a", "b"], ["a", "b"]]))
    page = Page(results)
    assert page.shown["report"]["sentences"][0] == (
        "0 blind votes on 0 cases; 2 pairs with the same text not shown and counted as ties."
    )
    assert results.votes.ranking["tied"].tolist() == [2, 2]


def test_only_chosen_arms_meet():
    """With `arms` only these are compared; the answers of others are not shown."""
    results = Results(runs.run([[f"{word} {case}" for case in range(5)] for word in ("one", "two", "three")]))
    page = Page(results, arms=["reply@1", 2])
    while "pair" in page.shown:
        assert {page.shown["pair"][side].split()[0] for side in ("left", "right")} == {"one", "three"}
        page.say("tie")
    assert results.votes.ranking.index.tolist() == ["reply@1", "reply@3"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"arms": ["reply@1"]}, "names 1"),
        ({"arms": ["reply@1", 0]}, "names 1"),
        ({"arms": "reply@1"}, "list of labels"),
        ({"arms": ["reply@1", "reply@9"]}, "'reply@9' is no arm"),
        ({"voter": "  "}, "`voter` is a name"),
        ({"voter": 7}, "`voter` is a name"),
    ],
)
def test_what_cannot_be_voted_on_is_said(fields, told):
    """Arms that are none, a single arm, and a voter without a name are refused in words."""
    with pytest.raises(UsageError, match=told):
        BlindVote(plain_results(), **{"voter": "ana", **fields})


def test_a_run_without_two_answers_is_refused():
    """Where no case has answers of two arms there is nothing to vote on."""
    with pytest.raises(UsageError, match="No case of run 'run-1' has answers of two"):
        BlindVote(Results(runs.run([["a", None], [None, "b"]])), voter="ana")


def test_only_answers_are_shown():
    """Failures and trials that were not sent are in no pair."""
    results = Results(runs.run([["a", "b", "c"], ["A", runs.failure(), None]]))
    page = Page(results)
    assert page.shown["pair"]["all"] == 1
    assert sorted([page.shown["pair"]["left"], page.shown["pair"]["right"]]) == ["A", "a"]


def test_the_voter_is_the_user_of_the_machine(monkeypatch):
    """Without a name the operating system's is taken, and `me` where it has none."""
    assert getpass.getuser() in BlindVote(plain_results()).static_text()

    def nobody():
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert "Blind vote by me " in BlindVote(plain_results()).static_text()
