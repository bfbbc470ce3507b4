"""Texts of a run's answers: read ahead in groups that fit into memory, in whatever order they are asked for."""

from __future__ import annotations

import pytest

from tests.builders import make_outcome
from toolkit.store import StoredOutcomes, _outcomes


class Answers:
    """Reads answers of so many characters, and notes how many are asked for at a time."""

    def __init__(self, *, characters=1, body=b"{}") -> None:
        self.characters = characters
        self.body = body
        self.groups = []

    def read(self, trial_ids):
        self.groups.append(len(trial_ids))
        return {each: (each, each.ljust(self.characters), "[]", self.body) for each in trial_ids}


def make(count, answers):
    """So many answered trials."""
    return StoredOutcomes({f"t1:{number}": make_outcome(f"t1:{number}", "") for number in range(count)}, answers.read)


@pytest.mark.parametrize("step", [1, -1], ids=["forwards", "backwards"])
def test_each_text_is_that_of_its_own_trial(step):
    """Whoever reads a run from its beginning or from its end gets each answer's own text."""
    outcomes = make(32, Answers())
    ids = [f"t1:{number}" for number in range(32)][::step]
    assert [outcomes.texts(trial_id).text for trial_id in ids] == ids


@pytest.mark.parametrize(
    ("characters", "body", "groups"),
    [
        # 4,194,304 bytes at 60,000 each are 69 answers.
        (40_000, b"x" * 20_000, [16, 69, 69, 46]),
        (10, b"{}", [16, 184]),
    ],
)
def test_as_many_are_read_ahead_as_four_megabytes_hold(characters, body, groups):
    """Sixteen answers are read first, then as many as such answers leave room for, their bodies counted."""
    answers = Answers(characters=characters, body=body)
    outcomes = make(200, answers)
    for trial_id in outcomes:
        outcomes.texts(trial_id)
    assert answers.groups == groups


def test_no_more_than_a_thousand_are_read_ahead():
    """However short the answers are, a thousand are read at a time."""
    answers = Answers()
    outcomes = make(1_020, answers)
    for trial_id in outcomes:
        outcomes.texts(trial_id)
    assert answers.groups == [16, 1_000, 4]


@pytest.mark.parametrize(
    ("most_bytes", "count", "groups"),
    [(100, 19, [16, 1, 1, 1]), (16 * 202, 32, [16, 16]), (16 * 202, 48, [16, 16, 16])],
)
def test_answers_of_any_length_are_read(monkeypatch, most_bytes, count, groups):
    """Answers are read as far as they fit into memory, and one by one where each is longer than that."""
    monkeypatch.setattr(_outcomes, "_MOST_BYTES", most_bytes)
    answers = Answers(characters=200)
    outcomes = make(count, answers)
    for trial_id in outcomes:
        outcomes.texts(trial_id)
    assert answers.groups == groups
