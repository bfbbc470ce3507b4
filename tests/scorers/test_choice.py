"""Scorers of short answers: one of several choices, and numbers within a tolerance."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results import runs
from toolkit._records import EMPTY, Case
from toolkit.errors import UsageError
from toolkit.scorers import numeric, one_of
from toolkit.scorers._choice import numbers_in


def score(scorer, text, expected=None):
    """The score of one answer."""
    return scorer(runs.outcome("t", text), Case(index=0, variables=EMPTY, expected=expected))


SENTIMENT = ["positive", "very positive", "negative"]


@pytest.mark.parametrize(
    ("text", "expected", "value"),
    [
        ("positive", "positive", 1),
        ("It is Positive.", "positive", 1),
        ("**NEGATIVE**", "negative", 1),
        ("very\n positive", "very positive", 1),
        ("very positive", "positive", 0),
        ("positive, not negative", "positive", 0),
        ("positive and positive", "positive", 1),
        ("nonpositive", "positive", 0),
        ("neutral", "positive", 0),
        ("", "positive", 0),
        ("negative", "positive", 0),
        ("negative", ["positive", "negative"], 1),
    ],
)
def test_one_choice(text, expected, value):
    """An answer is right when it names the expected choice as whole words and no other; the longer of two counts."""
    assert score(one_of(SENTIMENT), text, expected).value == value


def test_what_an_answer_names():
    """A wrong answer is told with the choices that it names."""
    assert score(one_of(SENTIMENT), "positive or negative", "negative").explanation == (
        "the answer names 'positive' and 'negative'"
    )


@pytest.mark.parametrize(("expected", "reason"), [(None, "no expected answer"), ("neutral", "is none of the choices")])
def test_choice_without_a_right_one(expected, reason):
    """A case whose expected answer is missing or no choice is not scored, which is neither right nor wrong."""
    found = score(one_of(SENTIMENT), "positive", expected)
    assert math.isnan(found.value)
    assert reason in found.explanation


@pytest.mark.parametrize("choices", ["yes", [], ["yes"], ["yes", " YES"], ["yes", ""], ["yes", 3]])
def test_choices_that_are_none(choices):
    """Choices that cannot be told apart are refused."""
    with pytest.raises(UsageError, match="one_of"):
        one_of(choices)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("4", ["4"]),
        ("The answer is 4.", ["4"]),
        ("1,234.50 EUR", ["1234.50"]),
        ("1,23", ["1", "23"]),
        ("-5 and \N{MINUS SIGN}5 and +5", ["-5", "-5", "5"]),
        ("-$5, $-5", ["-5", "-5"]),
        ("GPT-4 on 2024-01-02", ["4", "2024", "01", "02"]),
        ("3-4", ["3", "4"]),
        (".5 or 0.5", ["0.5", "0.5"]),
        ("45 %", ["45"]),
        ("1e3 or 2E-2", ["1E+3", "0.02"]),
        ("1e999999999", []),
        ("none", []),
    ],
)
def test_numbers(text, numbers):
    """Numbers are read as they are written in English, with signs, thousands, currency and exponents."""
    assert numbers_in(text) == [Decimal(number) for number in numbers]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_any_number_is_read_back(number):
    """A number that is written out, with or without commas, is read as itself."""
    assert numbers_in(f"It is {number}.") == [number]
    assert numbers_in(f"It is {number:,}.") == [number]


@pytest.mark.parametrize(
    ("scorer", "text", "expected", "value"),
    [
        (numeric(), "so 42", 42, 1),
        (numeric(), "so 42", "42", 1),
        (numeric(), "so 42", 42.0, 1),
        (numeric(), "41.999", 42, 0),
        (numeric(0.1), "1.1", 1, 1),
        (numeric(0.1), "1.11", 1, 0),
        (numeric(relative=0.01), "990", 1000, 1),
        (numeric(relative=0.01), "989", 1000, 0),
        (numeric(1, relative=0.0001), "999", 1000, 1),
        (numeric(), "2 + 2 = 4", 4, 1),
        (numeric(pick="first"), "2 + 2 = 4", 4, 0),
        (numeric(pick="only"), "2 + 2 = 4", 4, 0),
        (numeric(pick="only"), "4, yes 4.0", 4, 1),
        (numeric(), "no idea", 4, 0),
        (numeric(expected=7), "7", 4, 1),
        (numeric(), "7", [6, 7], 1),
    ],
)
def test_tolerance(scorer, text, expected, value):
    """The number picked is right within the larger of the two tolerances, in decimal."""
    assert score(scorer, text, expected).value == value


@pytest.mark.parametrize(("expected", "reason"), [(None, "no expected answer"), ("four", "is no number")])
def test_number_without_a_right_one(expected, reason):
    """A case without an expected number is not scored."""
    found = score(numeric(), "4", expected)
    assert math.isnan(found.value)
    assert reason in found.explanation


@pytest.mark.parametrize(
    "options", [{"tol": -1}, {"tol": math.nan}, {"relative": math.inf}, {"tol": True}, {"pick": "best"}]
)
def test_tolerances_that_are_none(options):
    """A tolerance that is negative or no number, and an unknown pick, is refused with what was given."""
    with pytest.raises(UsageError, match=r"numeric\(\)"):
        numeric(**options)
