"""Scorers that measure: length, latency, cost."""

from __future__ import annotations

import math

import pytest

from tests.results import runs
from toolkit._records import EMPTY, Case, Usage
from toolkit.errors import UsageError
from toolkit.results import Results
from toolkit.scorers import as_scorer, contains, cost, is_lower_better, latency, length, scorer

CASE = Case(index=0, variables=EMPTY)


def score(made, answer="hello", **fields):
    """The score of one answer."""
    return made(runs.outcome("t", answer, **fields), CASE)


@pytest.mark.parametrize(("unit", "found"), [("words", 4), ("characters", 17), ("lines", 2), ("tokens", 9)])
def test_length(unit, found):
    """Length counts words, code points, lines that are not blank, or the provider's own tokens."""
    answer = runs.response(" one two\n\nthree 4\u00b2 \n", usage=Usage(output_tokens=9))
    assert score(length(unit), answer).value == found


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (length(at_most=2), 1),
        (length(at_most=1), 0),
        (length(at_least=3), 0),
        (length(at_least=2, at_most=2), 1),
        (latency(), 0.5),
        (latency(at_most_s=0.5), 1),
        (latency(at_most_s=0.4), 0),
        (cost(), 0.01),
        (cost(at_most_usd=0.005), 0),
    ],
)
def test_measures_and_limits(made, value):
    """Without a limit the score is the measure; with one it is 1 when the limit holds, the limit included."""
    assert score(made, "two words").value == value


@pytest.mark.parametrize(
    ("made", "answer", "fields"),
    [
        (length("tokens"), runs.response(usage=Usage()), {}),
        (latency(), runs.response(latency_s=None), {}),
        (cost(), "a", {"cost_usd": None}),
        (cost(at_most_usd=1), "a", {"cost_usd": None}),
    ],
)
def test_unknown_is_unknown(made, answer, fields):
    """What was not measured is not scored, and the reason says so; it is never 0."""
    found = score(made, answer, **fields)
    assert math.isnan(found.value)
    assert found.explanation


@pytest.mark.parametrize(
    "make",
    [
        lambda: length("pages"),
        lambda: length(at_most=-1),
        lambda: latency(at_most_s=math.nan),
        lambda: cost(at_most_usd="1"),
    ],
)
def test_limits_that_are_none(make):
    """A limit that is negative or no number, and an unknown unit, is refused with what was given."""
    with pytest.raises(UsageError, match="got"):
        make()


def test_less_is_better_for_measures():
    """Measures count downwards, limits and other scores upwards; a function says so for itself."""
    down = [length(), latency(), cost(), as_scorer(len, name="n", version="1", lower_is_better=True)]
    up = [length(at_most=3), latency(at_most_s=1), contains("a"), scorer(lambda text: 1)]
    assert [is_lower_better(each.spec) for each in [*down, *up]] == [True] * 4 + [False] * 4


def test_the_shorter_arm_wins():
    """The arm with the smaller numbers is the better one, its cases are wins, and the gap is told as it is."""
    answers = [["a b c"] * 10, ["a"] * 10]
    results = Results(runs.run(answers)).score(length())
    row = results.compare().iloc[0]
    assert (row["delta"], row["wins"], row["losses"]) == (-2.0, 10, 0)
    assert " is better than " in row["verdict"]
    assert " beats the baseline " in results.verdict


def test_the_longer_arm_loses():
    """The arm with the larger numbers is worse, and no worst case is made up for answers that are missing."""
    answers = [["a"] * 10, ["a b c"] * 9 + [runs.failure()]]
    row = Results(runs.run(answers)).score(length()).compare().iloc[0]
    assert " is worse than " in row["verdict"]
    assert row["delta_failures_as_0"] is not row["delta"]
    assert math.isnan(float(row.fillna(math.nan)["delta_failures_as_0"]))
