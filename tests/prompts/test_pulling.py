"""What pulling prompts into a folder writes, passes over, and refuses: decided by contents and numbers alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.prompts.versions import history, version
from toolkit.prompts._pulling import plan_pull


def planned(theirs, here):
    """What is done with each version, in short: `write 2`, `same 1`, `conflict 2`."""
    steps = plan_pull("reply", [each.prompt.version for each in theirs], theirs, here)
    return [f"{step.action} {step.number}" for step in steps]


@pytest.mark.parametrize(
    ("theirs", "here", "done"),
    [
        ("", "", []),
        ("AB", "", ["write 1", "write 2"]),
        ("AB", "AB", ["same 1", "same 2"]),
        ("ABC", "AB", ["same 1", "same 2", "write 3"]),
        # The folder has gone on by itself.
        ("AB", "ABC", ["same 1", "same 2"]),
        # Both have gone on: nothing is written over.
        ("ABC", "ABX", ["same 1", "same 2", "conflict 3"]),
        ("X", "A", ["conflict 1"]),
        # A version that came back is a version of its own.
        ("ABA", "", ["write 1", "write 2", "write 3"]),
        ("ABA", "AB", ["same 1", "same 2", "write 3"]),
        # Only the newest of the folder was pushed once: it is there under its own number.
        ("C", "ABC", ["same 3"]),
        # The numbers have parted, and the folder has nothing of its own behind: the next free number.
        ("CD", "ABC", ["same 3", "write 4"]),
        ("BACD", "AB", ["same 2", "same 1", "write 3", "write 4"]),
        ("ACDE", "ABCD", ["same 1", "same 3", "same 4", "write 5"]),
        # They have parted, and the folder has: that is a person's to decide.
        ("CD", "ABCX", ["same 3", "conflict 2"]),
        # A file that was edited in the middle of the history.
        ("ABC", "XBC", ["conflict 1", "same 2", "same 3"]),
    ],
)
def test_a_folder_gets_what_it_lacks(theirs, here, done):
    """A version that the folder lacks gets its number, or the next free one; a number with work of its own is kept."""
    assert planned(history(theirs), history(here, source="folder")) == done


def test_pulling_the_newest_first_and_the_others_later_gives_the_same_folder():
    """A text that came back is written under both its numbers, whichever was pulled first."""
    theirs = history("ABA")
    here = [version(3, "A", source="folder", pulled_from=3)]
    assert planned(theirs, here) == ["write 1", "write 2", "same 3"]
    assert planned(theirs[:1], here) == ["write 1"]


@pytest.mark.parametrize(
    ("here", "says"),
    [
        (version(1, "X", source="folder"), "version 1 of the folder is another text or config"),
        (version(1, "X", source="folder", pulled_from=1), "is not what langfuse has as 1 now"),
        (
            replace(version(1, "X", source="folder"), pulled_from=version(1, "A", pulled_from=1).pulled_from),
            "was changed here since it was pulled",
        ),
    ],
)
def test_a_conflict_says_who_changed_it(here, says):
    """A conflict tells a file that was edited from one that never was the same, and how to look at both."""
    (step,) = plan_pull("reply", ["1"], history("A"), [here])
    assert step.action == "conflict"
    assert says in step.reason
    assert "toolkit prompts diff folder:reply@1 langfuse:reply@1" in step.reason


def test_config_and_kind_are_content():
    """Two versions of one text with different configs are different versions."""
    (one,) = history("A")
    other = replace(one, prompt=replace(one.prompt, config=replace_model(one)))
    assert planned([one], [other]) == ["conflict 1"]


def replace_model(one):
    """Another config than that of `one`."""
    return type(one.prompt.config)({"model": "other"})


def test_labels_tags_and_messages_are_not_content():
    """A label, a tag or a commit message makes no version different."""
    (one,) = history("A")
    other = replace(one, prompt=replace(one.prompt, labels=("staging",)), tags=("x",), message="why")
    assert planned([one], [other]) == ["same 1"]
