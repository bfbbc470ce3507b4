"""What is exported as a table is read back as the same frame."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import toolkit as tk
from tests.results import runs
from toolkit.errors import MissingDependencyError, UsageError
from toolkit.results import Results

TABLES = ["x.csv", "x.jsonl", "x.parquet"]

ODD = [
    "\ud800", "\udc00", "\x00", "\\x00", "\\\\x00", "\\ud800", "\\", "\u2028", "\u202e", "\u2066", "\ufeff", "\x1b[31m",
    "\x85", "\r", "\n", "\r\n", "\t", '"', "'", ",", "=1+1", "'=1", "''@x", "+", "-", "@SUM(A1)", "\uff1d1", "-5",
    "1e5", "NaN", "nan", "None", "NA", "<NA>", "True", "inf", "", " ", "|", "<b>", "_x0041_",
    "\U0001f468\u200d\U0001f469",
]  # fmt: skip

LETTERS = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=()), max_size=4)


def as_received(text):
    """The two halves of a letter beyond 16 bits are that letter, as in every JSON that comes from a wire."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXTS = st.lists(LETTERS, max_size=5).map("".join).map(as_received)
NUMBERS = st.floats(allow_nan=True, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.booleans() | st.none()


def a_run(texts, values=None):
    """Returns results whose answers, variables, expected answers, params and names are what is given."""
    values = values or texts
    arms = [runs.arm(0, params={"p": values[0], "q": 0.5}), runs.arm(1, version="2", params={"p": values[-1]})]
    variables = [
        {"v": value, "t": text, "n": place} for place, (value, text) in enumerate(zip(values, texts, strict=True))
    ]
    answers = [[*texts[:-1], runs.failure(message=texts[-1] or "x")], [*texts[1:], None]]
    scores = {"right": [[0.1] * len(texts), [None] * len(texts)]}
    return Results(runs.run(answers, arms=arms, variables=variables, expected=texts, scores=scores))


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, min_size=2, max_size=3))
def test_any_text_comes_back(tmp_path_factory, name, texts):
    """Every text comes back exactly: surrogates, NUL, bidi, quotes, formulas, words for nothing, and their escapes."""
    made = a_run(texts)
    path = made.export(tmp_path_factory.mktemp("x") / name)
    pd.testing.assert_frame_equal(tk.load_frame(path), made.df)


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=40, deadline=None)
@given(values=st.lists(NUMBERS, min_size=2, max_size=3))
def test_any_number_comes_back(tmp_path_factory, name, values):
    """Every number comes back with its dtype: whole, fractional, huge, true, missing, or mixed."""
    # Two columns take the first and the last; a column of nothing but NaN is one of nothing to a file of text.
    assume(all(value is None or value == value for value in (values[0], values[-1])))
    assume(
        set(map(type, values)) != {float, type(None)} or any(value == value and value is not None for value in values)
    )
    made = a_run(["a"] * len(values), values)
    path = made.export(tmp_path_factory.mktemp("x") / name)
    pd.testing.assert_frame_equal(tk.load_frame(path), made.df)


@pytest.mark.parametrize("name", TABLES)
def test_long_lines_come_back(tmp_path, name):
    """A line of one megabyte of quotes, line breaks and formulas comes back as it was."""
    made = a_run(['"\r\n=1' * 200_000, "=" + "x" * 1_000_000])
    pd.testing.assert_frame_equal(tk.load_frame(made.export(tmp_path / name)), made.df)


@pytest.mark.parametrize("name", TABLES)
def test_infinity_comes_back(tmp_path, name):
    """A score of infinity is infinity in every table, and JSON Lines stays JSON that strict readers take."""
    made = Results(runs.run([["a", "b"]], scores={"right": [[math.inf, -math.inf]]}))
    path = made.export(tmp_path / name)
    pd.testing.assert_frame_equal(tk.load_frame(path), made.df)
    if name == "x.jsonl":
        json.loads(path.read_text().splitlines()[0], parse_constant=lambda word: pytest.fail(word))


@pytest.mark.parametrize("name", TABLES)
def test_the_comparison_comes_back(tmp_path, name):
    """The table of arms comes back with its dtypes, and each arm has its gap to the baseline."""
    made = Results(runs.run([["a"] * 4, ["b"] * 4], scores={"right": [[0, 0, 1, 0], [1, 1, 1, 0]]}))
    found = tk.load_frame(made.export(tmp_path / name, view="summary"))
    assert found["arm"].tolist() == ["reply@1", "reply@2"]
    assert found["baseline"].tolist() == [True, False]
    assert (found["n"].dtype, found["refused"].tolist()) == (pd.Int64Dtype(), [0, 0])
    assert found["score.right"].tolist() == [0.25, 0.75]
    assert found["score.right.delta"].tolist() == [pd.NA, 0.5]
    assert found["score.right.delta.cases"].tolist() == [pd.NA, 4]
    assert found["score.right.delta.low"][1] < 0.5 < found["score.right.delta.high"][1]
    assert found["cost_usd"].dtype == found["latency_s"].dtype == pd.Float64Dtype()


def test_pandas_reads_a_csv_with_nothing_between_the_commas_for_what_is_unknown(tmp_path):
    """In CSV an unknown value is nothing between commas, an empty text stands in quotes, and pandas reads both."""
    path = Results(runs.run([["", None]])).export(tmp_path / "x.csv")
    first, second = path.read_text("utf-8").splitlines()[1:]
    assert '"",' in first
    assert '""' not in second
    assert len(pd.read_csv(path)) == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b'"a","b"\r\n1\r\n', "line 2 has 1 cells under a header of 2"),
        ("x.csv", b'"a","a"\r\n1,2\r\n', "a column stands twice"),
        ("x.csv", b'"a"x\r\n', "no cell begins at character 0"),
        ("x.csv", b"", "it is empty"),
        ("x.csv", b"\xff", "not a table"),
        ("x.jsonl", b'{"a": 1}\n{"b": 1}\n', "not objects with the same names"),
        ("x.jsonl", b"[1]\n", "not objects with the same names"),
        ("x.jsonl", b"{" * 5000, "not a table"),
        ("x.parquet", b"PAR1", "not a table"),
        ("x.xlsx", b"", "tk.load reads .sweep"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, words):
    """A file that is not one of our tables is refused with the file and what is wrong."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match="x\\." + name[2:]) as refused:
        tk.load_frame(tmp_path / name)
    assert words in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(UsageError, match=r"gone\.csv' cannot be read: No such file"):
        tk.load_frame(tmp_path / "gone.csv")


def test_view_that_there_is_not(tmp_path):
    """An unknown view is refused with those that there are, and a whole run has only one."""
    with pytest.raises(UsageError, match="'trials' or 'summary'"):
        a_run(["a", "b"]).export(tmp_path / "x.csv", view="arms")
    with pytest.raises(UsageError, match="whole run"):
        a_run(["a", "b"]).export(tmp_path / "x.sweep", view="summary")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("x.parquet", "pyarrow", "parquet"),
        ("x.sweep", "pyarrow", "parquet"),
        ("x.xlsx", "openpyxl", "excel"),
    ],
)
def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch, name, module, extra):
    """A kind whose package is not installed is refused with the pip command that brings it; nothing is written."""
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'promptsweep\[{extra}\]'"):
        a_run(["a", "b"]).export(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
