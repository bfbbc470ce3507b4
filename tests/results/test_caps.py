"""Files from anyone: what would fill the memory is refused by what a file says of itself, or while it is read."""

from __future__ import annotations

import os
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toolkit as tk
from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results, _caps, read_table

TABLES = ["x.csv", "x.jsonl", "x.parquet"]


@pytest.fixture
def exported(tmp_path):
    """Writes a run of three rows as a table of the kind that a name has."""
    return lambda name: Results(runs.run([["a", "b", "c"]])).export(tmp_path / name)


@pytest.mark.parametrize("name", TABLES)
def test_too_many_bytes(exported, monkeypatch, name):
    """A file that is larger than the cap is refused before it is read, with its size."""
    path = exported(name)
    monkeypatch.setattr(_caps, "MOST_FILE_BYTES", 100)
    with pytest.raises(UsageError, match=r"it has [\d,]+ bytes, and the most is 100; read it in parts"):
        tk.load_frame(path)


@pytest.mark.parametrize("read", [tk.load_frame, read_table])
@pytest.mark.parametrize("name", TABLES)
def test_too_many_rows(exported, monkeypatch, name, read):
    """A table of more rows than the cap is refused, whether it is a frame or holds variables."""
    path = exported(name)
    monkeypatch.setattr(_caps, "MOST_ROWS", 2)
    with pytest.raises(UsageError, match=r"rows"):
        read(path)


@pytest.mark.parametrize("name", TABLES)
def test_too_many_cells(exported, monkeypatch, name):
    """A table of more cells than the cap is refused: rows may be few and columns many."""
    path = exported(name)
    monkeypatch.setattr(_caps, "MOST_CELLS", 50)
    with pytest.raises(UsageError, match="50 cells"):
        tk.load_frame(path)


def test_what_is_within_the_caps_is_read(exported, monkeypatch):
    """As many rows as the cap allows are no reason to refuse a table."""
    monkeypatch.setattr(_caps, "MOST_ROWS", 4)
    for name in TABLES:
        assert len(tk.load_frame(exported(name))) == 3


@pytest.mark.parametrize("name", TABLES)
def test_a_file_without_an_end_is_not_read(tmp_path, name):
    """A pipe, which has no end, is refused instead of waited for."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="not a regular file"):
        tk.load_frame(tmp_path / name)


def test_parquet_that_says_that_it_unpacks_to_too_much(tmp_path, monkeypatch):
    """Zeros that are packed to a few bytes are refused by what the file says of itself."""
    pq.write_table(pa.table({"text": ["\0" * 5_000_000]}), tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    monkeypatch.setattr(_caps, "MOST_BYTES", 1_000_000)
    with pytest.raises(UsageError, match=r"would unpack to 5,0\d\d,\d{3} bytes"):
        tk.load_frame(tmp_path / "x.parquet")


@pytest.mark.parametrize("read", [tk.load_frame, read_table])
def test_parquet_that_repeats_one_value(tmp_path, monkeypatch, read):
    """A text that is written once and repeated in every row is refused while it is read, before it fills the memory."""
    repeated = pa.array(["x" * 100_000] * 2_000).dictionary_encode()
    pq.write_table(pa.table({"text": repeated.cast(pa.string())}), tmp_path / "x.parquet", use_dictionary=True)
    assert (tmp_path / "x.parquet").stat().st_size < 50_000
    monkeypatch.setattr(_caps, "MOST_BYTES", 50_000_000)
    with pytest.raises(UsageError, match=r"grows beyond 50,000,000 bytes"):
        read(tmp_path / "x.parquet")


def test_a_frame_has_no_nested_columns(tmp_path):
    """Columns of lists, which no frame has and which may hide very many values, are refused."""
    pq.write_table(pa.table({"a": [[1, 2]], "b": [{"c": 1, "d": 2}]}), tmp_path / "x.parquet")
    with pytest.raises(UsageError, match="lists or structs"):
        tk.load_frame(tmp_path / "x.parquet")


def test_variables_may_be_nested(tmp_path):
    """Variables in Parquet may be lists and maps, texts that repeat and texts that are missing."""
    frame = pd.DataFrame({"tags": [["a", "b"], []], "who": [{"n": 1}, {"n": 2}], "text": ["same", None]})
    frame.to_parquet(tmp_path / "x.parquet")
    rows = read_table(tmp_path / "x.parquet")
    assert [list(row["tags"]) for row in rows] == [["a", "b"], []]
    assert (rows[0]["who"], rows[0]["text"], pd.isna(rows[1]["text"])) == ({"n": 1}, "same", True)


def test_a_run_s_table_of_contents_is_small(tmp_path):
    """A `.sweep` file whose table of contents lists very many parts is refused before the list is read."""
    path = tmp_path / "x.sweep"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(12_000):
            file.writestr(f"{number:080}", b"")
    with pytest.raises(UsageError, match="table of contents is larger than a megabyte"):
        tk.load(path)
