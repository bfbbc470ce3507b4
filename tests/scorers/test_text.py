"""What exact, contains and regex count as right."""

from __future__ import annotations

import math
import re

import pytest

from tests.results import runs
from toolkit._records import EMPTY, Case
from toolkit.errors import UsageError
from toolkit.scorers import contains, exact, regex


def value(scorer, text, expected=None):
    """Returns the number that a scorer gives one answer."""
    case = Case(index=0, variables=EMPTY, expected=expected)
    return scorer(runs.outcome("t", text), case).value


@pytest.mark.parametrize(
    ("scorer", "text", "right"),
    [
        (exact("yes"), "yes", 1),
        (exact("yes"), "  yes\n", 1),
        (exact("yes", strip=False), "yes\n", 0),
        (exact("yes"), "Yes", 0),
        (exact("yes", ignore_case=True), "YES", 1),
        (exact("straße", ignore_case=True), "STRASSE", 1),
        (exact("yes"), "yes.", 0),
        (exact("caf\u00e9"), "cafe\u0301", 1),
        (exact(4), "4", 1),
        (exact(4.0), "4", 1),
        (exact(["yes", "no"]), "no", 1),
        (exact(["yes", "no"]), "maybe", 0),
        (exact(""), "", 1),
    ],
)
def test_exact(scorer, text, right):
    """The whole answer has to be the expected one, apart from the white space around it and the Unicode form."""
    assert value(scorer, text) == right


@pytest.mark.parametrize(
    ("scorer", "text", "right"),
    [
        (contains("refund"), "Your REFUND is on its way", 1),
        (contains("refund", ignore_case=False), "Your Refund", 0),
        (contains("money back"), "your money\n  back", 1),
        (contains("art"), "a party", 1),
        (contains("art", whole_word=True), "a party", 0),
        (contains("art", whole_word=True), "Art.", 1),
        (contains("c++", whole_word=True), "in C++ only", 1),
        (contains(["a1", "b2"]), "is b2", 1),
        (contains("positive"), "not positive", 1),
        (contains("na\u00efve"), "nai\u0308ve", 1),
        (contains("x"), "", 0),
    ],
)
def test_contains(scorer, text, right):
    """The expected text has to stand somewhere, whatever the case, white space and Unicode form."""
    assert value(scorer, text) == right


@pytest.mark.parametrize(
    ("scorer", "text", "right"),
    [
        (regex(r"\d+ EUR"), "it is 20 EUR", 1),
        (regex(r"\d+ EUR"), "it is 20 eur", 0),
        (regex(r"\d+ eur", flags=re.IGNORECASE), "it is 20 EUR", 1),
        (regex(r"^b", flags=re.MULTILINE), "a\nb", 1),
    ],
)
def test_regex(scorer, text, right):
    """The pattern has to match somewhere, with the flags given and no others."""
    assert value(scorer, text) == right


@pytest.mark.parametrize("scorer", [exact(), contains(), regex()], ids=["exact", "contains", "regex"])
def test_case_has_the_answer(scorer):
    """Without an argument each case's own expected answer counts."""
    assert (value(scorer, "blue", expected="blue"), value(scorer, "blue", expected="red")) == (1, 0)


@pytest.mark.parametrize("scorer", [exact(), contains(), regex()], ids=["exact", "contains", "regex"])
@pytest.mark.parametrize("missing", [None, math.nan, []], ids=["None", "NaN", "empty list"])
def test_no_expected_answer(scorer, missing):
    """A case without an expected answer is not scored, which is neither right nor wrong."""
    score = scorer(runs.outcome("t", "blue"), Case(index=0, variables=EMPTY, expected=missing))
    assert math.isnan(score.value)
    assert score.explanation == "no expected answer"


def test_empty_text_is_contained_in_everything():
    """An expected text that is empty scores nothing, because every answer contains it."""
    assert math.isnan(value(contains(), "blue", expected=" "))


def test_whole_number_from_a_float_column():
    """An expected 4 that a table with a gap keeps as 4.0 is found as 4."""
    assert value(contains(whole_word=True), "The answer is 4", expected=4.0) == 1


def test_case_lists_several_answers():
    """Any of a case's expected answers counts."""
    assert value(exact(), "no", expected=("yes", "no")) == 1


def test_explanation():
    """A wrong answer is told with what was looked for."""
    score = contains("refund")(runs.outcome("t", "no"), Case(index=0, variables=EMPTY))
    assert score.explanation == "the answer does not contain 'refund'"


@pytest.mark.parametrize(
    "make",
    [lambda: contains(""), lambda: contains(["a", ""]), lambda: exact([]), lambda: exact(object()), lambda: regex("(")],
)
def test_refused_when_made(make):
    """What cannot be looked for is refused when the scorer is made, before anything is scored."""
    with pytest.raises(UsageError):
        make()


def test_names_tell_scorers_apart():
    """Two scorers of one kind that look for different texts have different names."""
    assert contains("refund").name == "contains(refund)"
    assert contains(["sorry", "apolog"]).name == "contains(sorry|apolog)"
    assert contains("refund", name="refund").name == "refund"
    assert contains().name == "contains"


def test_spec_rebuilds():
    """The spec is the call that makes an equal scorer."""
    scorer = contains(["a", "b"], whole_word=True)
    assert scorer.spec == "contains(['a', 'b'], ignore_case=True, whole_word=True)"
