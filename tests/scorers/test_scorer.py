"""How functions become scorers, and how one answer is scored without ever raising."""

from __future__ import annotations

import asyncio
import functools
import math
import threading

import numpy as np
import pytest

from tests.results import runs
from toolkit import _sync
from toolkit._records import EMPTY, Case, Response, Score
from toolkit.errors import UnknownNameError, UsageError
from toolkit.scorers import (
    as_scorer,
    as_scorers,
    contains,
    exact,
    known_scorers,
    latency,
    load_scorer,
    numeric,
    rebuilt_scorer,
    regex,
    score_outcome,
)

CASE = Case(index=0, variables=EMPTY, expected="hello")


def scores(scorer, answer="hello", *, timeout_s=5.0):
    """Returns what a scorer or function says of one answer."""
    return _sync.run(score_outcome(as_scorer(scorer), runs.outcome("t", answer), CASE, timeout_s=timeout_s))


def one(scorer, answer="hello", **options):
    """Returns the only score."""
    (score,) = scores(scorer, answer, **options)
    return score


def gives(found):
    """Returns a scorer that gives `found` whatever it is asked."""

    def given(outcome, case):
        return found

    return given


@pytest.mark.parametrize(
    ("found", "value"),
    [
        (0.25, 0.25),
        (3, 3.0),
        (True, 1.0),
        (False, 0.0),
        (np.float32(0.5), 0.5),
        (np.bool_(True), 1.0),
        ("0.8", 0.8),
        (" Yes ", 1.0),
        ("fail", 0.0),
        (Score(name="", value=0.4), 0.4),
    ],
)
def test_what_counts_as_a_score(found, value):
    """Numbers, truth values, text that says either, and scores are scores."""
    score = one(gives(found))
    assert (score.name, score.value, score.explanation) == ("given", pytest.approx(value), None)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "the scorer returned None"),
        ("quite good", "the scorer returned 'quite good', which is not a number"),
        ([1], "the scorer returned list, which is not a number"),
        (object, "the scorer returned type, which is not a number"),
        (math.nan, "the scorer returned NaN"),
        (math.inf, "inf is not a score"),
        (10**400, "the scorer returned 1000"),
        ({}, "the scorer returned None"),
        (Score(name="x", value="much"), "the scorer returned 'much', which is not a number"),
    ],
)
def test_what_does_not(found, reason):
    """Everything else is "not scored", with the reason."""
    score = one(gives(found))
    assert math.isnan(score.value)
    assert score.explanation.startswith(reason)


def test_several_scores():
    """A mapping is several scores, named after the scorer and the key; each is read on its own."""
    found = scores(gives({"polite": True, "short": "hm"}))
    assert [(score.name, score.is_scored) for score in found] == [("given.polite", True), ("given.short", False)]


def test_named_score():
    """A score that has a name of its own keeps it."""
    assert one(gives(Score(name="tone", value=1.0))).name == "tone"


def test_scorer_that_raises():
    """A scorer that raises leaves "not scored" and says what was raised, credentials masked."""

    def broken(outcome, case):
        raise KeyError("sk-abcdefgh12345")

    score = one(broken)
    assert math.isnan(score.value)
    assert score.explanation == "the scorer raised KeyError: '****'"


@pytest.mark.parametrize("raised", [StopIteration("end"), TimeoutError("mine"), SystemExit(3)], ids=repr)
def test_scorer_that_raises_what_loops_understand(raised):
    """What would stop an event loop, or look like our own time limit, is the scorer's error like any other."""

    def broken(outcome, case):
        raise raised

    explanation = one(broken).explanation
    assert type(raised).__name__ in explanation
    assert "took longer" not in explanation


def test_plain_scorer_that_hangs():
    """A plain scorer that does not come back in time is "not scored", and holds nobody up."""
    release = threading.Event()

    def hanging(outcome, case):
        release.wait()

    score = one(hanging, timeout_s=0.05)
    release.set()
    assert score.explanation == "the scorer took longer than 0.05 s"


def test_async_scorer_that_hangs():
    """An async scorer that does not come back in time is cancelled."""
    cancelled = []

    async def hanging(outcome, case):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    assert one(hanging, timeout_s=0.05).explanation == "the scorer took longer than 0.05 s"
    assert cancelled == [True]


def test_async_scorer():
    """A scorer may be async, and a plain one may return an awaitable."""

    async def later(outcome, case):
        await asyncio.sleep(0)
        return 0.5

    def soon(outcome, case):
        return later(outcome, case)

    assert (one(later).value, one(soon).value) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (runs.failure("timeout"), "no answer: timeout"),
        (Response(text="I cannot", finish_reason="stop", refusal="I cannot"), "refused"),
        (Response(text="", finish_reason="content_filter"), "refused"),
    ],
    ids=["failed", "refused", "filtered"],
)
def test_no_answer_is_not_scored(answer, reason):
    """A trial without an answer, and a refusal, is "not scored", and the scorer is not called."""
    called = []
    score = one(lambda outcome, case: called.append(outcome), answer)
    assert (math.isnan(score.value), score.explanation, called) == (True, reason, [])


def test_scorer_that_asks_for_failures():
    """A scorer with `scores_failures` is called for trials without an answer too."""

    class Answered:
        name, version, spec, scores_failures = "answered", "1", "Answered()", True

        def __call__(self, outcome, case):
            return outcome.response is not None

    assert (one(Answered()).value, one(Answered(), runs.failure()).value) == (1.0, 0.0)


def _of_text(text):
    return len(text)


def _of_expected(expected, text):
    return text == expected


def _of_outcome(o):
    return len(o.text)


def _with_default(text, most=3):
    return len(text) > most


def _of_anything(*args):
    return len(args)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (_of_text, 5),
        (_of_expected, 1),
        (_of_outcome, 5),
        (_with_default, 1),
        (_of_anything, 2),
        (lambda o, c: c.expected == o.text, 1),
        (functools.partial(_with_default, most=9), 0),
    ],
)
def test_function_gets_what_it_asks_for(function, value):
    """A function gets what its parameters are called, or the outcome and the case."""
    assert one(function).value == value


@pytest.mark.parametrize("function", [lambda: 1, lambda a, b, c: 1, lambda a, *, needed: 1, 5])
def test_not_a_scorer(function):
    """What cannot be called with an outcome and a case is refused at once."""
    with pytest.raises(UsageError):
        as_scorer(function)


def test_function_says_where_it_is():
    """A function's score carries the name, the place and the version of the function."""
    scorer = as_scorer(_of_text, name="length", version="2")
    assert (scorer.name, scorer.version, scorer.spec) == ("length", "2", "tests.scorers.test_scorer:_of_text")
    assert (one(scorer).scorer, one(scorer).scorer_version) == ("tests.scorers.test_scorer:_of_text", "2")


def test_scorer_by_name():
    """A scorer can be asked for by name, with options."""
    assert load_scorer("contains", expected="x", whole_word=True) == contains("x", whole_word=True)
    assert {"contains", "exact", "regex"} <= set(known_scorers())


def test_unknown_scorer():
    """An unknown name is answered with the nearest."""
    with pytest.raises(UnknownNameError, match="Did you mean 'contains'"):
        load_scorer("contain")


def test_unknown_option():
    """An option that a scorer does not have is refused with its name."""
    with pytest.raises(UsageError, match="'regex' cannot be made"):
        load_scorer("regex", whole_word=True)


def test_one_name_for_two():
    """Two scorers with one name are refused, because one would replace the other's scores."""
    with pytest.raises(UsageError, match="Two scorers are called 'lambda'"):
        as_scorers([lambda o: 1, lambda o: 2])


@pytest.mark.parametrize(
    "scorer",
    [contains(), contains("refund", ignore_case=False), exact(name="mine"), numeric(tol=0.5), regex("a+"), latency()],
    ids=lambda scorer: scorer.spec,
)
def test_what_is_kept_with_a_score_makes_its_scorer_again(scorer):
    """A score has the call that made its scorer: the same name, the same options, the same version."""
    score = Score(name=scorer.name, value=1.0, scorer=scorer.spec, scorer_version=scorer.version)
    made = rebuilt_scorer(score)
    assert (made.name, made.spec, made.version) == (scorer.name, scorer.spec, scorer.version)


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("module:function", "1"),
        ("by hand", "1"),
        ("nothing(such=1)", "1"),
        ("exact(ignore_case=False, strip=True)", "0"),
        ("exact(ignore_case=print(), strip=True)", "1"),
        ("contains(ignore_case=True, whole_word=Fal… #a1b2", "1"),
    ],
)
def test_what_cannot_be_made_again_is_none(spec, version):
    """A function, a person, an unknown or changed scorer and a call that would run something are not made again."""
    assert rebuilt_scorer(Score(name="x", value=1.0, scorer=spec, scorer_version=version)) is None
