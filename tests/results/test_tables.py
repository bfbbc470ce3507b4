"""What counts as a table of variables, and how a broken one is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import UsageError
from toolkit.results import read_table, rows_of


def written(folder, name, content):
    """Writes a file and returns its path."""
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "variables",
    [
        pd.DataFrame({"city": ["Bonn", "Kiel"], "n": [1, 2]}),
        pd.DataFrame({"city": ["Bonn", "Kiel"], "n": [1, 2]}, index=[7, 7]),
        [{"city": "Bonn", "n": 1}, {"city": "Kiel", "n": 2}],
        ({"city": "Bonn", "n": np.int64(1)}, {"city": "Kiel", "n": 2}),
        {"city": ["Bonn", "Kiel"], "n": (1, 2)},
        {"city": pd.Series(["Bonn", "Kiel"]), "n": np.array([1, 2])},
    ],
    ids=["frame", "frame with an odd index", "list", "tuple", "lists", "series and array"],
)
def test_forms(variables):
    """A DataFrame, a list of dicts and a dict of lists are the same table."""
    assert rows_of(variables) == [{"city": "Bonn", "n": 1}, {"city": "Kiel", "n": 2}]


def test_numbers_are_plain():
    """Numbers come out as Python's own, never as numpy's."""
    frame = pd.DataFrame({"i": [1], "f": [0.5], "b": [True], "I": pd.array([2], dtype="Int64")})
    (row,) = rows_of(frame)
    assert [type(value) for value in row.values()] == [int, float, bool, int]
    assert [type(value) for value in rows_of([{"a": np.float32(0.5), "b": np.array([1])}])[0].values()] == [float, list]


def test_none_is_one_case_without_variables():
    """No variables at all is one row without any."""
    assert rows_of(None) == [{}]


def test_nan_stays():
    """An empty cell stays NaN, for the plan to refuse by row and column."""
    assert math.isnan(rows_of(pd.DataFrame({"a": [1.5, None]}))[1]["a"])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "different lengths: 'a' has 2, 'b' has 1"),
        ({"a": "text"}, r"'a' holds 'text'.*single case"),
        ({"a": 3}, "'a' holds 3"),
        ([{"a": 1}, "b"], "Row 1 of `variables` is 'b'"),
        ([{1: "a"}], "name 1; names are text"),
        (pd.DataFrame({0: ["a"]}), "names are text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns called 'a'"),
        (42, "`variables` is a int"),
        (b"abc", "`variables` is a bytes"),
    ],
)
def test_refused_forms(variables, message):
    """What is no table is refused, with what is wrong and where."""
    with pytest.raises(UsageError, match=message):
        rows_of(variables)


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", "x,y\n1,two\n", [{"x": "1", "y": "two"}]),
        ("bom.csv", "\ufeffx\n1\n", [{"x": "1"}]),
        ("quoted.csv", 'x\r\n"a,""b""\nc"\r\n', [{"x": 'a,"b"\nc'}]),
        ("blank.csv", "\nx\n\n1\n\n", [{"x": "1"}]),
        ("words.csv", "x\nNA\n", [{"x": "NA"}]),
        ("long.csv", "x\n" + "a" * 300_000, [{"x": "a" * 300_000}]),
        ("UPPER.CSV", "x\n1", [{"x": "1"}]),
        ("a.jsonl", '{"x": 1}\n\n{"x": "\\ud800"}\r\n', [{"x": 1}, {"x": "\ud800"}]),
        ("separator.jsonl", '{"x": "a\u2028b"}\n', [{"x": "a\u2028b"}]),
        ("a.json", '[{"x": [1, 2]}]', [{"x": [1, 2]}]),
    ],
)
def test_files(tmp_path, name, content, rows):
    """A CSV file is text in every cell; JSON keeps its types."""
    assert read_table(written(tmp_path, name, content)) == rows
    assert rows_of(str(tmp_path / name)) == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv' is empty"),
        ("a.csv", "x,x\n1,2\n", "line 1: the column 'x' stands twice"),
        ("a.csv", "x,\n1,2\n", "line 1: column 2 has no name"),
        ("a.csv", "x,y\n1,2\n3\n", "line 3: 1 cells under a header of 2"),
        ("a.csv", "x\n1,2\n", "line 2: 2 cells under a header of 1"),
        ("a.csv", 'x\n"open\n', "line 2: not valid CSV"),
        ("a.csv", b"x\n\xff\xfe\n", "is not UTF-8"),
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", '{"x": 1}\n{"x": \n', "line 2: not valid JSON"),
        ("a.jsonl", "[1]\n", r"line 1: expected a JSON object, found \[1\]"),
        ("a.json", '{"x": 1}', "a table in JSON is a list of objects"),
        ("a.json", "[\n1\n]", "row 0: expected a JSON object"),
        ("a.json", "[" * 200_000, "not usable JSON"),
        ("a.parquet", "no", "not a Parquet file"),
        ("a.xls", "no", "can be read|these can: .csv, .jsonl, .json, .parquet"),
    ],
)
def test_refused_files(tmp_path, name, content, message):
    """A broken file is refused with its name, the line and what is wrong there."""
    with pytest.raises(UsageError, match=message) as caught:
        read_table(written(tmp_path, name, content))
    assert name in str(caught.value)


def test_missing_file(tmp_path):
    """A file that does not exist is refused with its name."""
    with pytest.raises(UsageError, match=r"There is no file .*gone\.csv"):
        rows_of(tmp_path / "gone.csv")


def test_folder_is_no_file(tmp_path):
    """A folder that is called like a table is refused."""
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_table(tmp_path / "a.csv")


def test_parquet(tmp_path):
    """A Parquet file keeps its types."""
    pd.DataFrame({"x": [1], "y": ["two"]}).to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet") == [{"x": 1, "y": "two"}]
