"""What would settle a comparison: cases, chance and cost, by the run as a pilot."""

from __future__ import annotations

import pytest

from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results

BASE = [1, 0, 0, 1, 0, 1, 0, 0, 1, 0] * 2
OTHER = [1, 1, 0, 1, 0, 0, 1, 0, 1, 0] * 2


def scored(*lines):
    """Results with one arm a line of scores called `right`."""
    return Results(runs.run([["a"] * len(line) for line in lines], scores={"right": lines}))


def test_cases_needed_for_a_gap():
    """The cases that a gap needs are (1.960 + 0.842)^2 times the variance of the differences over the gap squared."""
    row = scored(BASE, OTHER).outlook(gap=0.2).df.loc["reply@2"]
    # Differences: 4 wins, 2 losses in 20 cases; variance (6 - 20 * .1^2) / 19 = .305263; 7.8489 * .305263 / .04 = 59.9.
    assert (row["cases"], row["cases_needed"], row["more_cases"]) == (20, 60, 40)
    assert (row["trials"], row["seen"]) == (80, pytest.approx(0.1))


def test_chance_that_more_cases_decide():
    """The chance with n more cases is that of the gap over its error to pass the bar."""
    row = scored(BASE, OTHER).outlook(gap=0.2, more=40).df.loc["reply@2"]
    assert (row["added"], row["chance"]) == (40, pytest.approx(0.801, abs=0.002))


def test_the_cost_comes_from_the_answers():
    """What the cases would cost is what answers of the two arms cost in this run, times the trials."""
    results = scored(BASE, OTHER)
    frame = results.df
    costs = [frame.loc[frame["prompt_version"] == version, "cost_usd"].mean() for version in ("1", "2")]
    assert results.outlook(gap=0.2).df["cost_usd"].tolist() == [pytest.approx(40 * sum(costs))]


def test_the_sentence_says_what_to_send():
    """The sentence has the gap, the cases, the chance, and how many to add."""
    told = scored(BASE, OTHER).outlook(gap=0.2, more=20).sentence
    assert told.startswith(
        "reply@2 against reply@1 on right: a gap of 20.0 points takes about 60 cases x 1 repeat in all"
    )
    assert "20 cases more would show it with a chance of" in told
    assert "Next: add 40 cases, 80 trials of the two" in told


def test_no_gap_seen():
    """Arms with the same mean need to be told which gap matters."""
    assert "say with gap= which one matters" in scored([1, 0, 1, 0], [0, 1, 1, 0]).outlook().sentence


@pytest.mark.parametrize("options", [{"gap": 0}, {"gap": -0.1}, {"more": -1}, {"repeats": 0}])
def test_numbers_that_make_no_sense_are_refused(options):
    """A gap that is not above 0, fewer than no cases, and no repeat are refused."""
    with pytest.raises(UsageError):
        scored(BASE, OTHER).outlook(**options)


def test_undecided_comparison_tells_the_chance():
    """An undecided comparison says with which chance as many cases again would show the gap seen, also in its frame."""
    row = scored(BASE, OTHER).compare().loc["reply@2"]
    assert 0.05 < row["chance_doubled"] < 0.8
    assert "as many again show it with a chance of about" in row["verdict"]
