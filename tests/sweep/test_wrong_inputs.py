"""Wrong arguments of the public calls: one error of ours that names the argument, before anything is sent."""

from __future__ import annotations

import collections
import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import toolkit as tk
from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results
from toolkit.testing import FakeProvider

WORDS = [{"word": "a"}]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"baseline": ["greet@1"]}, "`baseline` is a prompt reference or a model, which is text; got ['greet@1']."),
        ({"baseline": 0}, "`baseline` is a prompt reference or a model, which is text; got 0."),
        ({"expected": ["word"]}, "`expected` is the name of a column, which is text; got ['word']."),
        ({"prices": 5}, "`prices` is a map such as {'acme/m': {'input': 1.0, 'output': 2.0}}; got 5."),
        ({"prices": {"fake/m": 1}}, "`prices` has a map of prices for each model, such as"),
        ({"prices": {5: {"input": 1, "output": 1}}}, "got 5: {'input': 1, 'output': 1}."),
        ({"engine": "x"}, "`engine` is an Engine, as tk.configure(...) gives it, or None; got 'x'."),
        ({"offline": "yes"}, "`offline` is one of 'error', 'snapshot'; got 'yes'."),
        ({"concurrency": 0}, "`concurrency` is a whole number of at least 1, or None; got 0."),
        ({"concurrency": "3"}, "`concurrency` is a whole number of at least 1, or None; got '3'."),
        ({"concurrency": True}, "`concurrency` is a whole number of at least 1, or None; got True."),
        ({"models": b"fake/m"}, "A model is text such as 'openai/gpt-4o-mini'; got b'fake/m'."),
        ({"models": [None]}, "A model is text such as 'openai/gpt-4o-mini'; got None."),
        ({"prompts": b"greet"}, "got b'greet'."),
    ],
    ids=str,
)
def test_a_plan_names_the_argument_that_is_wrong(make_engine, wrong, told):
    """An argument of the wrong kind is refused with its name, what it may be, and what it was."""
    grid = {"prompts": "fake:greet@2", "models": "fake/m", "variables": WORDS, "engine": make_engine()}
    with pytest.raises(UsageError) as caught:
        tk.plan(**(grid | wrong))
    assert told in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0, -1, "x", None, True, float("nan")], ids=str)
def test_a_timeout_is_a_positive_number(make_engine, timeout_s):
    """Seconds that are none are refused before anything is sent."""
    provider = FakeProvider()
    with pytest.raises(UsageError, match="`timeout_s` is a positive number of seconds; got"):
        tk.sweep("fake:greet@2", "fake/m", WORDS, timeout_s=timeout_s, engine=make_engine(provider), progress="off")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"abc", "has a bytes in column 'word' of row 1, which has no text of its own; decode it"),
        (
            {"b", "a"},
            "has a set in column 'word' of row 1, which has no text of its own; a set has no order, so give a",
        ),
        (object(), "has a object in column 'word' of row 1"),
        (len, "has a builtin_function_or_method in column 'word' of row 1"),
        (iter("ab"), "in column 'word' of row 1"),
        ([1, {"deep": b"abc"}], "has a list in column 'word' of row 1"),
    ],
    ids=["bytes", "set", "object", "function", "iterator", "nested"],
)
def test_a_value_without_words_is_refused(make_engine, value, told):
    """A value whose text is an address, an order of the day or Python's notation is refused with row and column."""
    with pytest.raises(UsageError) as caught:
        tk.plan("fake:greet@2", "fake/m", [{"word": "a"}, {"word": value}], engine=make_engine())
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(3), "3"),
        (np.float32(1.5), "1.5"),
        (np.datetime64("2026-01-01"), "2026-01-01"),
        (pd.Timestamp("2026-01-01"), "2026-01-01 00:00:00"),
        (dt.date(2026, 1, 1), "2026-01-01"),
        (Decimal("1.10"), "1.10"),
        (10**30, "1" + "0" * 30),
        (None, ""),
    ],
    ids=str,
)
def test_a_value_with_words_is_sent_as_they_are(make_engine, value, text):
    """Numbers of numpy, dates and decimals are sent as their text."""
    provider = FakeProvider()
    tk.sweep("fake:greet@2", "fake/m", [{"word": value}], engine=make_engine(provider), progress="off")
    assert provider.requests[0].messages[0].content == f"Please say {text}."


@pytest.mark.parametrize(
    "variables",
    [
        pd.DataFrame({"word": ["a", "b"]}, index=[5, 5]),
        pd.DataFrame({"word": pd.Categorical(["a", "b"])}, index=pd.date_range("2026-01-01", periods=2)),
        {"word": pd.Series(["a", "b"], index=[9, 3])},
        {"word": np.array(["a", "b"])},
        {"word": (letter for letter in "ab")},
        collections.OrderedDict(word=("a", "b")),
    ],
    ids=["doubled index", "dates as index", "series", "array", "generator", "tuple"],
)
def test_an_odd_index_changes_nothing(make_engine, variables):
    """Rows are taken in their order, whatever their index says."""
    plan = tk.plan("fake:greet@2", "fake/m", variables, engine=make_engine())
    assert [case.variables["word"] for case in plan.cases] == ["a", "b"]


RESULTS = Results(runs.run([["a"] * 6] * 2, scores={"right": [[0, 1] * 3, [1, 1] * 3]}))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: RESULTS.compare(5), "There is no score 5; there are: right."),
        (lambda: RESULTS.compare(["right"]), "There is no score ['right']; there are: right."),
        (lambda: RESULTS.compare(level=95), "`level` is a confidence between 0 and 1, such as 0.95; got 95."),
        (lambda: RESULTS.compare("latency_s", level="x"), "`level` is a confidence between 0 and 1"),
        (lambda: RESULTS.summary(0), "`level` is a confidence between 0 and 1, such as 0.95; got 0."),
        (lambda: RESULTS.summary(float("nan")), "`level` is a confidence between 0 and 1, such as 0.95; got nan."),
        (
            lambda: RESULTS.cheapest(None),
            "`margin` is the loss that you would accept, above 0, such as 0.02; got None.",
        ),
        (lambda: RESULTS.cheapest("x"), "`margin` is the loss that you would accept"),
        (lambda: RESULTS.cheapest(True), "`margin` is the loss that you would accept"),
        (lambda: RESULTS.diff(0, 1, score=5), "There is no score 5"),
        (lambda: RESULTS.variance(5), "There is no score 5"),
        (lambda: RESULTS.score(), "No scorer is given; name one or more, such as results.score(tk.contains())."),
        (lambda: RESULTS.score(tk.contains), "contains makes a scorer and is none itself; call it: tk.contains(...)."),
        (lambda: RESULTS.score(tk.exact(), timeout_s=-1), "`timeout_s` is a positive number of seconds; got -1."),
        (lambda: RESULTS.score(tk.exact(), timeout_s="x"), "`timeout_s` is a positive number of seconds; got 'x'."),
        (lambda: RESULTS.export(None), "Where to export to is a path, as text or a Path; got a NoneType: None."),
        (lambda: RESULTS.export(b"x.csv"), "Where to export to is a path, as text or a Path; got a bytes: b'x.csv'."),
        (lambda: RESULTS.export("a\x00.csv"), "Where to export to is a path without NUL characters; got 'a\\x00.csv'."),
        (lambda: RESULTS.raw(RESULTS.df["trial_id"]), "A trial is named by its id, which is text; got a Series."),
        (lambda: RESULTS.explain(RESULTS.df), "A trial is named by its id, or by one row of df; got a DataFrame."),
        (lambda: tk.load(5), "What to load is a path, as text or a Path; got a int: 5."),
        (lambda: tk.configure(5), "`config` is the path of a config.yaml, or None; got 5."),
        (lambda: tk.estimate_tokens(5), "Tokens are estimated of a text or of a list of messages; got 5."),
        (lambda: tk.estimate_tokens([5]), "A message is a record or a map such as {'role': 'user', ...}; got 5."),
        (lambda: tk.one_of(None), "one_of() takes a list of texts that are not empty; got None."),
        (
            lambda: tk.bisect("greet", good="1", bad=2, case={}, check=tk.exact()),
            "`good` is the number of a version; got '1'.",
        ),
        (lambda: tk.bisect("greet", good=1, bad=2, case=5, check=tk.exact()), "`case` is a map of names and values"),
    ],
)
def test_a_call_on_results_names_what_is_wrong(call, told):
    """A wrong argument of any call gives one error of ours that says what it is, what it was, and what it may be."""
    with pytest.raises(UsageError) as caught:
        call()
    assert told in str(caught.value)


def test_a_completion_refuses_numbers_that_json_has_not(make_engine):
    """NaN as a parameter is refused before anything is sent."""
    provider = FakeProvider()
    messages = [{"role": "user", "content": "a"}]
    with pytest.raises(UsageError, match="`temperature` must be plain JSON, and nan is not"):
        tk.completion("fake/m", messages=messages, temperature=float("nan"), engine=make_engine(provider))
    assert provider.requests == []


def test_an_unused_variable_is_warned_of_without_frames(make_engine):
    """The warning about a variable that no prompt reads shows no line of the background loop."""
    with pytest.warns(UserWarning, match="reads 'note'") as caught:
        tk.plan("fake:greet@2", "fake/m", [{"word": "a", "note": "b"}], engine=make_engine())
    assert {each.filename for each in caught} == {"promptsweep"}
