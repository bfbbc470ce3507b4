"""Exports: what each format keeps, and that a file is whole or not there."""

from __future__ import annotations

import json
import math
import os
import stat

import pandas as pd
import pytest

from tests.results import runs
from toolkit.errors import UsageError
from toolkit.results import Results

ODD = "line one\r\nline two\rthree\nfour, \"five\" | six\\ \u2028 \u200d \U0001f600 'seven'"


def results(text="hello"):
    """Returns results of a good answer, a failure and a trial that was not sent."""
    return Results(
        runs.run(
            [[text, runs.failure(), None]],
            arms=[runs.arm(params={"temperature": 0.5})],
            scores={"right": [[0.25, math.nan, None]]},
        )
    )


def test_csv_round_trip(tmp_path):
    """`pandas.read_csv` reads an exported file back with the same columns, rows, texts, numbers and gaps."""
    made = results(ODD)
    frame, back = made.df, pd.read_csv(made.export(tmp_path / "x.csv"), dtype={"prompt_version": "string"})
    assert list(back.columns) == list(frame.columns)
    for name in frame.columns:
        expected = [None if value is pd.NA or value is pd.NaT else value for value in frame[name].tolist()]
        found = [None if pd.isna(value) else value for value in back[name].tolist()]
        if name == "started_at":
            found = [None if value is None else pd.Timestamp(value) for value in found]
        assert found == expected, name


def test_jsonl(tmp_path):
    """JSON Lines has one object a trial, `null` for what is unknown, and every text exactly, odd ones too."""
    text = "a\x00b\ud800c\u2028d"
    lines = results(text).export(tmp_path / "x.jsonl").read_text("ascii").splitlines()
    first, second, third = (json.loads(line) for line in lines)
    assert (first["text"], first["score.right"], first["param.temperature"]) == (text, 0.25, 0.5)
    assert first["started_at"] == "2026-01-02T03:04:05+00:00"
    assert (second["failure"], second["text"], second["score.right"]) == ("rate_limit", None, None)
    assert third["status"] == "skipped"


def test_parquet(tmp_path):
    """Parquet keeps names, values and gaps."""
    made = results(ODD)
    back = pd.read_parquet(made.export(tmp_path / "x.parquet"))
    assert back["text"].tolist()[0] == ODD
    assert back["input_tokens"].tolist() == made.df["input_tokens"].tolist()
    assert list(back.columns) == list(made.df.columns)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_what_utf8_cannot_hold(tmp_path, name):
    """NUL and lone surrogates are written as visible escapes where the format cannot hold them."""
    path = results("a\x00b\ud800c").export(tmp_path / name)
    back = pd.read_csv(path) if name == "x.csv" else pd.read_parquet(path)
    assert back["text"][0] == "a\\x00b\\ud800c"


def test_markdown(tmp_path):
    """A Markdown report has the run, one row an arm, and the answers with their line breaks and bars escaped."""
    report = results("1e5 | two\nthree").export(tmp_path / "x.md").read_text("utf-8")
    assert "# Run run-1" in report
    assert "1e5 \\| two<br>three" in report
    assert "(failed)" in report
    assert "(skipped)" in report


@pytest.mark.parametrize("text", ["1e5", "1234567.0", "007", "nan", "", "0x10"])
def test_markdown_keeps_numbers_as_text(tmp_path, text):
    """An answer that looks like a number stays the text it is."""
    report = results(text).export(tmp_path / "x.md").read_text("utf-8")
    cells = [line.split("|")[2].strip() for line in report.splitlines() if line.startswith("| 0 ")]
    assert cells == [text]


@pytest.mark.parametrize("name", ["x.xls", "x.pdf", "x.pickle", "x", "x.CSVX"])
def test_unknown_kind(tmp_path, name):
    """A kind that cannot be written is refused with those that can."""
    with pytest.raises(UsageError, match=r"\.csv, \.html, \.jsonl, \.md, \.parquet, \.sweep, \.tex, \.xlsx"):
        results().export(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_kind_in_capitals(tmp_path):
    """The kind may be written in capitals."""
    assert results().export(tmp_path / "X.CSV").exists()


def test_missing_folder(tmp_path):
    """A folder that does not exist is refused, not made."""
    with pytest.raises(UsageError, match="does not exist"):
        results().export(tmp_path / "gone" / "x.csv")


def test_earlier_file_is_replaced(tmp_path):
    """An earlier file of the name is replaced as a whole, and nothing is left beside it."""
    path = tmp_path / "x.jsonl"
    path.write_text("earlier content" * 10_000)
    results().export(path)
    assert "earlier content" not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    """When the disk fails at the last moment, the earlier file stays and nothing is left beside it."""
    path = tmp_path / "x.csv"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"x\.csv' cannot be written: No space left on device"):
        results().export(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_target_is_a_folder(tmp_path):
    """A name that is a folder's is refused, and the folder stays."""
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        results().export(tmp_path / "x.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_permissions_are_the_users_own(tmp_path):
    """A file has the permissions that the user's mask gives every new file."""
    (tmp_path / "plain").touch()
    path = results().export(tmp_path / "x.csv")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_large_line(tmp_path):
    """An answer of one megabyte in one line survives in every format."""
    text = "x" * 1_000_000
    made = results(text)
    assert pd.read_csv(made.export(tmp_path / "x.csv"))["text"][0] == text
    assert json.loads(made.export(tmp_path / "x.jsonl").read_text().splitlines()[0])["text"] == text
    assert pd.read_parquet(made.export(tmp_path / "x.parquet"))["text"][0] == text
    assert text in made.export(tmp_path / "x.md").read_text()
