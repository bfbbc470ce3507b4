"""Votes on a real run: cast in the store, seen by another object of the same run, and gone on with."""

from __future__ import annotations

from tests.widgets.worlds import CASES, make_engine
from toolkit.sweep import open_run, sweep
from toolkit.testing import FakeProvider
from toolkit.widgets import BlindVote


def cast(vote, verdict):
    """Looks at a vote, says a verdict, and returns the pair that is shown then."""
    got = []
    vote.send = lambda content, buffers=None: got.append(content)
    vote._handle_custom_msg({"ask": "look"}, [])
    vote._handle_custom_msg({"ask": "vote", "turn": got[-1]["turn"], "verdict": verdict}, [])
    return got[-1].get("pair")


def test_votes_on_a_run_are_there_when_it_is_opened_again(tmp_path):
    """What was voted on a sweep is in its run when it is opened again, and the vote goes on with the next pair."""
    echo = FakeProvider(lambda request: request.messages[-1].content)
    engine = make_engine(tmp_path, provider=echo)
    results = sweep(prompts=["reply@1", "reply@2"], variables=CASES, engine=engine, progress="off")
    after = cast(BlindVote(results, voter="ana"), "left")
    opened = open_run(results.run_id, engine=engine)
    assert opened.votes.df["verdict"].tolist() == ["left"]
    got = []
    again = BlindVote(opened, voter="ana")
    again.send = lambda content, buffers=None: got.append(content)
    again._handle_custom_msg({"ask": "look"}, [])
    assert got[-1]["pair"] == after
    again._handle_custom_msg({"ask": "undo", "turn": got[-1]["turn"]}, [])
    assert results.refresh().votes.df["verdict"].tolist() == []
