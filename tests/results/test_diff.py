"""What changed between two arms, case by case and word by word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results import payloads, runs
from tests.results.test_security import read
from toolkit.errors import UsageError
from toolkit.results import Results, word_diff


def a_diff():
    """Returns the difference of two arms over five cases: one worse, one better, two the same, one failed."""
    view = runs.run(
        [
            ["due in 3 days", "same", "no", "kept", "here"],
            ["due in 5 days", "same", "yes", "changed", runs.failure()],
        ],
        scores={"right": [[1, 1, 0, 1, 1], [0, 1, 1, 1, None]]},
    )
    return Results(view).diff("reply@1", "reply@2")


def test_each_case_is_worse_better_or_the_same():
    """A case is worse or better by its score, the same when the scores are equal, and unscored when one is missing."""
    found = a_diff()
    assert [(case.case, case.change) for case in found.worse] == [(0, "worse")]
    assert [(case.case, case.delta) for case in found.better] == [(2, 1.0)]
    assert sorted(case.case for case in found.same) == [1, 3]
    assert [case.case for case in found.cases if case.change == "unscored"] == [4]


def test_worst_comes_first():
    """Cases stand worst first: by the gap of the score, then a lost answer, then answers that differ."""
    assert a_diff().df["case"].tolist() == [0, 4, 3, 1, 2]


def test_the_headline_counts():
    """The first line has both arms, the score and how many cases went which way."""
    assert repr(a_diff()).splitlines()[0] == (
        "reply@1 -> reply@2, by right: 1 worse, 1 better, 2 the same, 1 without a score in one of the two; "
        "4 of 5 answers differ."
    )


def test_text_form_marks_words():
    """The text form shows what went as [-...-] and what came as {+...+}, and the status in place of a lost answer."""
    shown = repr(a_diff())
    assert "due in [-3 -]{+5 +}days" in shown
    assert "[-here-]{+(failed)+}" in shown
    assert "same" not in shown.splitlines()[2]


def test_without_a_score_nothing_is_worse():
    """Where nothing is scored, no case is better or worse, and those whose texts differ come first."""
    found = Results(runs.run([["a", "b"], ["a", "c"]])).diff(0, 1)
    assert (found.score, found.worse, found.better) == (None, [], [])
    assert [case.case for case in found.cases] == [1, 0]


@given(st.text(), st.text())
def test_pieces_join_to_both_texts(a, b):
    """What is kept and removed is the first text, what is kept and added is the second, letter by letter."""
    pieces = word_diff(a, b)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == a
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == b


@pytest.mark.parametrize(
    ("a", "b", "pieces"),
    [
        ("", "", []),
        ("same text", "same text", [("kept", "same text")]),
        ("a b c", "a x c", [("kept", "a "), ("removed", "b "), ("added", "x "), ("kept", "c")]),
        ("  lead", "lead", [("removed", "  "), ("kept", "lead")]),
        ("a", "a b", [("removed", "a"), ("added", "a b")]),
    ],
)
def test_words(a, b, pieces):
    """Texts are compared by words with the space behind them."""
    assert [(piece.kind, piece.text) for piece in word_diff(a, b)] == pieces


def test_texts_that_are_too_long_are_replaced_as_a_whole():
    """Beyond 20,000 words together two texts are shown as one replaced by the other, and equal ones as kept."""
    a, b = "word " * 10_001, "other " * 10_001
    assert [piece.kind for piece in word_diff(a, b)] == ["removed", "added"]
    assert [piece.kind for piece in word_diff(a, a)] == ["kept"]


@pytest.mark.parametrize("payload", payloads.HTML[::4], ids=range(len(payloads.HTML[::4])))
def test_the_page_is_inert(payload):
    """The notebook's form has only our elements, whatever the texts, and neither form drives a terminal."""
    view = runs.run([[payload], [f"{payload} \x1b[31m{payload}"]])
    found = Results(view).diff(0, 1)
    page = read(found._repr_html_())
    assert set(page.elements) <= {"div", "p", "strong", "ins", "del"}
    assert {name for name, _ in page.attributes} <= {"class", "style", "dir"}
    assert page.others == []
    assert "\x1b" not in repr(found) + found._repr_html_()


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("reply@9", 1, "'reply@9' is no arm"),
        (0, "reply@1", "the same arm"),
        (0, 7, "7 is no arm"),
        ("reply@1 ", 1, "is no arm"),
    ],
)
def test_arms_that_there_are_not(a, b, words):
    """An arm that there is not, or the same one twice, is refused with the labels that there are."""
    with pytest.raises(UsageError, match=words):
        Results(runs.run([["a"], ["b"]])).diff(a, b)


def test_a_prompt_on_two_models_does_not_say_which():
    """A prompt that stands on several arms is refused as a name for one, and its label is not."""
    arms = [runs.arm(0, model="fake/a"), runs.arm(1, model="fake/b"), runs.arm(2, version="2", model="fake/a")]
    results = Results(runs.run([["a"], ["b"], ["c"]], arms=arms))
    with pytest.raises(UsageError, match="fits 2 arms"):
        results.diff("reply@1", "reply@2")
    assert results.diff("reply@1 · b", "reply@2").b == "reply@2 · a"


def test_repeats_are_paired():
    """With repeats, each repeat of a case is compared with the same repeat of the other arm."""
    view = runs.run([["a", "b"], ["a", "c"]])
    from dataclasses import replace

    trials = tuple(replace(trial, case=replace(trial.case, index=0), repeat=trial.case.index) for trial in view.trials)
    found = Results(replace(view, trials=trials)).diff(0, 1)
    assert [(case.case, case.repeat, case.is_same_text) for case in found.cases] == [(0, 1, False), (0, 0, True)]


def test_of_seconds_the_smaller_are_better():
    """Of a score that counts down, such as seconds, the case with the smaller number is the better one."""
    view = runs.run([["a", "b"], ["c", "d"]], scores={"latency": [[1.0, 2.0], [3.0, 1.0]]})
    down = {
        trial_id: tuple(replace(score, scorer="latency(lower_is_better=True)") for score in scores)
        for trial_id, scores in view.scores.items()
    }
    found = Results(replace(view, scores=down)).diff(0, 1)
    assert [(case.case, case.change, case.delta) for case in found.cases] == [(0, "worse", 2.0), (1, "better", -1.0)]
