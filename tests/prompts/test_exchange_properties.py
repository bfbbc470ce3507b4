"""Whatever is written on both sides, pulling and pushing lose nothing, and doing either again changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.prompts.versions import history, version
from toolkit.prompts._pulling import plan_pull
from toolkit.prompts._pushing import plan_push

TEXTS = st.text(alphabet="ABCD", max_size=6)
MOVES = st.lists(st.sampled_from(["pull", "push", "there A", "there B", "here A", "here B", "here C"]), max_size=12)


def pulled(theirs, here):
    """The folder after a pull, and what was written and what was in the way."""
    steps = plan_pull("reply", [each.prompt.version for each in theirs], theirs, here)
    by_number = {each.prompt.version: each for each in theirs}
    written = [step for step in steps if step.action == "write"]
    for step in written:
        theirs_text = by_number[step.version].prompt.template
        here = [*here, version(int(step.number), theirs_text, source="folder", pulled_from=int(step.version))]
    return sorted(here, key=lambda each: int(each.prompt.version)), written, [step for step in steps if step.is_problem]


def pushed(here, theirs):
    """Langfuse after a push, and what the step was."""
    step = plan_push("reply", here, theirs)
    if step.action == "write":
        theirs = [*theirs, version(len(theirs) + 1, here[-1].prompt.template)]
    return theirs, step.action


def added(versions, text, source):
    """The history with one more version."""
    last = int(versions[-1].prompt.version) if versions else 0
    return [*versions, version(last + 1, text, source=source)]


def texts(versions):
    """The texts, by number."""
    return {each.prompt.version: each.prompt.template for each in versions}


@given(TEXTS)
def test_pull_into_an_empty_folder_then_push_changes_nothing(told):
    """An empty folder gets every version under its own number; after that there is nothing to pull or to push."""
    theirs = history(told)
    here, _, problems = pulled(theirs, [])
    assert texts(here) == texts(theirs)
    assert not problems
    assert pulled(theirs, here)[1:] == ([], [])
    if here:
        assert pushed(here, theirs)[1] == "same"


@given(TEXTS.filter(bool))
def test_push_to_where_nothing_is_then_pull_changes_nothing(told):
    """A prompt that Langfuse lacks gets one version there; after that there is nothing to push and nothing to pull."""
    here = history(told, source="folder")
    theirs, action = pushed(here, [])
    assert action == "write"
    assert pulled(theirs, here)[1:] == ([], [])
    assert pushed(here, theirs)[1] == "same"


@settings(max_examples=150)
@given(TEXTS, TEXTS, MOVES)
def test_any_order_of_work_loses_nothing(told, written, moves):
    """Whoever writes, pulls and pushes in whatever order: no version changes, and doing either again does nothing."""
    theirs, here = history(told), history(written, source="folder")
    for move in moves:
        before = (texts(theirs), texts(here))
        if move == "pull":
            here, _, problems = pulled(theirs, here)
            again, more, again_problems = pulled(theirs, here)
            assert (texts(again), more) == (texts(here), [])
            assert {step.version for step in again_problems} <= {step.version for step in problems}
        elif move == "push":
            if here:
                theirs, action = pushed(here, theirs)
                assert action in ("write", "same", "behind", "conflict")
                assert pushed(here, theirs)[1] == ("same" if action == "write" else action)
        elif move.startswith("there"):
            theirs = added(theirs, move[-1], "langfuse")
        else:
            here = added(here, move[-1], "folder")
        for was, now in zip(before, (texts(theirs), texts(here)), strict=True):
            assert was.items() <= now.items()


@settings(max_examples=150)
@given(TEXTS, TEXTS)
def test_a_pull_without_problems_leaves_nothing_to_pull_or_lose(told, written):
    """After a pull in which nothing was in the way, every text of Langfuse is in the folder, and a push loses none."""
    theirs, here = history(told), history(written, source="folder")
    here, _, problems = pulled(theirs, here)
    if not problems:
        assert {*texts(theirs).values()} <= {*texts(here).values()}
        if here:
            assert pushed(here, theirs)[1] != "conflict"


def test_the_second_pull_knows_what_the_first_one_renumbered():
    """A version that got another number than its own is there at the next pull, also from its file alone."""
    here, written, _ = pulled(history("CD"), history("ABC", source="folder"))
    assert [(step.version, step.number) for step in written] == [("2", "4")]
    assert pulled(history("CD"), here)[1:] == ([], [])
    forgotten = [replace(each, pulled_from=None) for each in here]
    assert pulled(history("CD"), forgotten)[1:] == ([], [])
