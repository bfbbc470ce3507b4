"""The static grid: what a saved notebook shows of answers, and how a person marks one."""

from __future__ import annotations

import math

import pytest

from tests.results import runs
from tests.results.test_security import read
from toolkit.errors import UnknownNameError
from toolkit.results import CaseGrid, Results, grid_html, word_gap


def page(*args, **fields):
    """Returns the static grid of a run."""
    return str(grid_html(CaseGrid(runs.run(*args, **fields))))


def test_words_are_marked_against_the_baseline():
    """Words that the baseline has not are inserted, those that are lost deleted, whichever arm the baseline is."""
    answers = [["in five days"], ["in three days"]]
    assert read(page(answers)).text.index("five ") < read(page(answers)).text.index("three ")
    assert ">five </del>" in page(answers)
    assert ">three </ins>" in page(answers)
    assert ">five </ins>" in page(answers, baseline=1)


def test_the_first_twenty_cases_are_shown():
    """Twenty cases are shown and the others are counted."""
    shown = page([[f"answer {n}." for n in range(23)]])
    assert "answer 19." in shown
    assert "answer 20." not in shown
    assert "3 more cases; see .grid() or .wide()." in shown


def test_the_baseline_is_among_the_arms_that_are_shown():
    """Of more than eight arms the baseline is shown, wherever it stands."""
    shown = page([[f"arm{n}."] for n in range(12)], baseline=11)
    assert "arm11." in shown
    assert "arm6." in shown
    assert "arm7." not in shown
    assert "4 more arms" in shown


def test_large_grids_are_cut_to_be_saved():
    """Twenty cases by eight arms of long answers, each with many changes, stay below 0.1 MB."""
    first = " ".join(f"word{n}" for n in range(400))
    other = " ".join(f"word{n if n % 6 else -n}" for n in range(400))
    assert len(page([[first] * 30] + [[other] * 30] * 7)) < 100_000


def test_chips_have_words_and_signs():
    """Below an answer its scores stand with a sign and the gap, then tokens, seconds and USD."""
    shown = "".join(read(page([["a"], ["b"]], scores={"right": [[1], [0]]})).text)
    assert "▼ right 0 (-1) · 2 tok · 0.5 s · $0.01" in shown


def test_columns_are_headed_by_what_they_came_to():
    """Under an arm's label stand its mean score, its answers, the mean cost of one and the median time."""
    shown = "".join(read(page([["a", "b"], ["c", runs.failure()]], scores={"right": [[1, 0], [1, None]]})).text)
    assert "reply@1 (baseline)right 0.50 · 2/2 · $0.01 each · 0.5 s" in shown
    assert "reply@2right 1.00 · 1/2 · $0.01 each · 0.5 s" in shown


@pytest.mark.parametrize(
    ("a", "b", "gap"),
    [
        ("", "", 0.0),
        ("a b", "a b", 0.0),
        ("a b", "b a", 0.01),
        ("a", "a ", 0.01),
        ("a", "b", 1.0),
        ("a b c", "a b d", 0.5),
    ],
)
def test_word_gap(a, b, gap):
    """The gap is 0 for equal texts, 1 without a shared word, and a little where only order or space differ."""
    assert word_gap(a, b) == pytest.approx(gap)


def test_a_person_s_mark_is_a_score():
    """A mark is kept like any score, with its note, and is taken off by `None`."""
    results = Results(runs.run([["a", "b"]]))
    assert results.mark("t-0-1", 3, note="curt") is results
    frame = results.df
    assert frame["score.human"].tolist()[1] == 3.0
    assert frame["reason.human"].tolist()[1] == "curt"
    results.mark("t-0-1", None)
    assert math.isnan(results.view.scores["t-0-1"][0].value)


def test_a_mark_is_kept_where_scores_are_kept():
    """What saves scores gets the mark before the results show it."""
    saved = []
    results = Results(runs.run([["a"]]), save_scores=lambda run_id, pairs: saved.append((run_id, pairs)))
    results.mark("t-0-0", 1, name="star")
    ((run_id, ((trial_id, score),)),) = saved
    assert (run_id, trial_id, score.name, score.value, score.scorer) == ("run-1", "t-0-0", "star", 1, "by hand")


def test_a_mark_on_nothing_is_refused():
    """A trial that the run has not cannot be marked."""
    with pytest.raises(UnknownNameError, match="no trial 't-9'"):
        Results(runs.run([["a"]])).mark("t-9", 1)
