"""Scorers of wording: edits, ROUGE-L, BLEU."""

from __future__ import annotations

import math

import pytest

from tests.results import runs
from toolkit import _optional
from toolkit._records import EMPTY, Case
from toolkit.errors import MissingDependencyError, UsageError
from toolkit.scorers import bleu, edit_similarity, rouge_l

ALL = [edit_similarity, rouge_l, bleu]


def value(scorer, text, expected=None):
    """The number for one answer."""
    return scorer(runs.outcome("t", text), Case(index=0, variables=EMPTY, expected=expected)).value


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("sitting", "kitten", 1 - 3 / 7),
        ("kitten", "kitten", 1.0),
        ("", "kitten", 0.0),
        ("  kit\nten ", "kit ten", 1.0),
        ("cafe\u0301", "caf\u00e9", 1.0),
        ("Kitten", "kitten", 1 - 1 / 6),
        ("kitten", ["dog", "kitty"], 1 - 2 / 6),
    ],
)
def test_edits(text, expected, found):
    """Similarity is 1 less the edits over the longer length, after normalising; the nearest expected answer counts."""
    assert value(edit_similarity(), text, expected) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        # Lin 2004: "police killed the gunman" against three candidates; F1 instead of his recall.
        ("police kill the gunman", "police killed the gunman", 0.75),
        ("the gunman kill police", "police killed the gunman", 0.5),
        ("the gunman police killed", "police killed the gunman", 0.5),
        ("The gunman!", "the gunman", 1.0),
        ("a b c d e f", "a c e", 2 * 3 / 9),
        ("", "a", 0.0),
        ("да нет", "да", 2 / 3),
    ],
)
def test_rouge_l(text, expected, found):
    """ROUGE-L is F1 over the longest common subsequence of words, in any script.

    Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", ACL 2004, section 3.
    """
    assert value(rouge_l(), text, expected) == pytest.approx(found)


def test_bleu_by_hand():
    """BLEU is the geometric mean of the precisions of 1 to 4 words in a row, times the brevity penalty."""
    # Candidate of 7 words, reference of 8: 7 of 7 words, 5 of 6 pairs, 4 of 5 triples, 3 of 4 fours.
    text, expected = "the cat sat on the mat today", "the cat sat on the mat it today"
    by_hand = math.exp(1 - 8 / 7) * (7 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** 0.25
    assert value(bleu(), text, expected) == pytest.approx(by_hand)


def test_bleu_of_equal_texts():
    """Equal texts have 1, also short ones."""
    assert value(bleu(), "yes", "yes") == pytest.approx(1.0)
    assert value(bleu(), "yes", "no") == 0.0


@pytest.mark.parametrize("make", ALL)
def test_wording_without_an_expected_answer(make):
    """A case without an expected answer is not scored; one that is given serves every case."""
    assert math.isnan(value(make(), "a"))
    assert value(make("a b c d"), "a b c d") == pytest.approx(1.0)
    assert make("refund").name == f"{make.__name__}(refund)"


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("expected", ["", [], ["a", " "]])
def test_empty_wording(make, expected):
    """An expected answer that is empty is refused when the scorer is made."""
    with pytest.raises(UsageError, match="empty"):
        make(expected)


def test_an_expected_answer_without_words():
    """ROUGE-L does not score an expected answer that has no words."""
    assert math.isnan(value(rouge_l(), "a", "?!"))


@pytest.mark.parametrize("make", ALL)
def test_a_missing_package_is_named(make, monkeypatch):
    """Without the extra, making the scorer says what to install."""

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(_optional.importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"promptsweep\[text\]"):
        make()
