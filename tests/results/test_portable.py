"""The portable run file: opened elsewhere it is the same run, it holds no key, and a crafted one does no harm."""

from __future__ import annotations

import hashlib
import io
import json
import math
import subprocess
import sys
import zipfile
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit as tk
from tests.results import runs
from tests.results.test_export_round_trip import ODD, TEXTS
from toolkit._records import FrozenDict, Outcome, Score
from toolkit._redact import Secret
from toolkit._votes import Vote
from toolkit.errors import UsageError
from toolkit.results import Results, _portable

ANSWER = runs.response(
    "hello",
    refusal="no",
    tool_calls=(FrozenDict({"id": "1", "function": {"arguments": "{}"}}),),
    flags=("encoding_repaired",),
    first_token_s=0.25,
    raw=FrozenDict({"choices": [{"text": "hello"}], "n": 1.0}),
)


def a_run(texts=("hello", "\x00\ud800=1")):
    """Returns results with everything that a run can hold, with these texts in every place that takes one."""
    first, last = texts[0], texts[-1]
    config = {"model": "fake/m", "temperature": 1.0, "n": 1, "note": last}
    prompt = replace(runs.prompt(config=FrozenDict(config), labels=("production",)), label="production")
    chat = replace(prompt, kind="chat", template=(FrozenDict({"role": "user", "content": last}),), version="2")
    arms = [
        runs.arm(0, prompt=prompt, params={"stop": [first, last]}),
        runs.arm(1, prompt=chat, params={"temperature": 0}),
    ]
    answers = [
        [ANSWER, runs.failure(message=last or "x"), None],
        [first, last, runs.response(last, finish_reason=first)],
    ]
    view = runs.run(
        answers,
        arms=arms,
        variables=[{"q": last, "n": 1.0, "many": [1, {"deep": None}]}] * 3,
        expected=[last, None, FrozenDict({"a": [1]})],
        scores={"right": [[0.25, math.nan, None], [1.0, 0.0, 1.0]]},
        attempted=frozenset({"t-0-2"}),
        baseline=1,
    )
    scores = {**view.scores, "t-1-0": (*view.scores["t-1-0"], Score(name=last, explanation=first, scorer="x()"))}
    return Results(replace(view, scores=scores))


def shapes(results):
    """Returns everything that the results show."""
    return {
        "df": results.df,
        "summary": results.summary(),
        "wide": results.wide(),
        "compare": results.compare("right"),
        "arms": results.arms,
        "failures": results.failures,
    }


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(TEXTS, min_size=2, max_size=2))
def test_a_run_is_the_same_elsewhere(tmp_path_factory, texts):
    """An opened file gives the same frame, tables, verdict, page and raw answers, whatever texts are in the run."""
    made = a_run(texts)
    opened = tk.load(made.export(tmp_path_factory.mktemp("x") / "run.sweep"))
    for name, frame in shapes(made).items():
        pd.testing.assert_frame_equal(shapes(opened)[name], frame, obj=name)
    assert (opened.verdict, repr(opened), opened._repr_html_()) == (made.verdict, repr(made), made._repr_html_())
    # By their text: what is not scored is NaN, which equals nothing.
    assert repr([opened.raw(trial) for trial in made.view.outcomes]) == repr(
        [made.raw(trial) for trial in made.view.outcomes]
    )
    assert opened.audit().ok == made.audit().ok


def test_records_keep_their_kinds(tmp_path):
    """Arms, trials, outcomes and what was attempted come back equal and of the same types, 1.0 as 1.0."""
    made = a_run()
    opened = tk.load(made.export(tmp_path / "run.sweep")).view
    assert (opened.arms, opened.trials, opened.outcomes) == (made.view.arms, made.view.trials, made.view.outcomes)
    assert repr(opened.arms) == repr(made.view.arms)
    assert (opened.attempted, opened.baseline, opened.is_grid) == (frozenset({"t-0-2"}), 1, True)


def test_a_long_answer_and_many_rows(tmp_path):
    """An answer of a megabyte and more rows than are read at a time come back."""
    made = Results(runs.run([["x" * 1_000_000, *(ODD[place % len(ODD)] for place in range(2_500))]]))
    pd.testing.assert_frame_equal(tk.load(made.export(tmp_path / "run.sweep")).df, made.df)


def test_one_run_is_one_file(tmp_path):
    """The same run gives the same bytes, on any day."""
    assert a_run().export(tmp_path / "a.sweep").read_bytes() == a_run().export(tmp_path / "b.sweep").read_bytes()


def test_it_is_opened_without_a_store_a_key_or_a_network(tmp_path):
    """In a process with an empty environment, in an empty folder, a file is opened and nothing is made there."""
    path = a_run().export(tmp_path / "run.sweep")
    (tmp_path / "empty").mkdir()
    code = f"""
import socket
socket.socket.connect = socket.getaddrinfo = None
import toolkit as tk
results = tk.load({str(path)!r})
print(len(results.df), results.audit().ok)
"""
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "empty", env={}, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "6 True\n"
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("key", ['kE7-"quote\\slash-9931', "plain-credential-4412", "s\u00e4cret-\u20ac-7731"])
def test_no_credential_is_in_it(tmp_path, monkeypatch, key):
    """A credential of the process or the environment is in no byte of a file, wherever in the run it stood."""
    if key.startswith("plain"):
        monkeypatch.setenv("SOME_SERVICE_API_KEY", key)
    else:
        Secret(key)
    failure = replace(runs.failure(message=f"wrong key {key}"), partial=key)
    response = runs.response(f"you said {key}", raw=FrozenDict({key: [key]}))
    arm = runs.arm(params={"user": key}, prompt=runs.prompt(config=FrozenDict({"note": key})))
    view = runs.run(
        [[failure, response]], arms=[arm], variables=[{"q": key}] * 2, expected=[key, key], run_id=f"r {key}"
    )
    path = Results(view).export(tmp_path / "run.sweep")
    with zipfile.ZipFile(path) as file:
        content = b"".join(file.read(name) for name in file.namelist())
    for form in (key, json.dumps(key)[1:-1], json.dumps(json.dumps(key)[1:-1])[1:-1]):
        assert form.encode() not in content
    assert tk.load(path).df["text"].tolist() == [pd.NA, "you said ****"]


def remade(path, *, without=(), compression=zipfile.ZIP_DEFLATED, **parts):
    """Writes the file anew with other parts, their hashes corrected unless the manifest is given."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist() if name not in without}
    content |= {name.replace("__", "."): value for name, value in parts.items()}
    if "manifest__json" not in parts:
        manifest = json.loads(content["manifest.json"])
        for name in manifest["tables"]:
            if f"{name}.parquet" in content:
                manifest["tables"][name]["sha256"] = hashlib.sha256(content[f"{name}.parquet"]).hexdigest()
        content["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, value in content.items():
            file.writestr(name, value)
    return path


def table(rows, columns=("trial_id", "record"), **options):
    """Returns a table of texts as Parquet."""
    made = io.BytesIO()
    arrays = [pa.array(values, pa.large_string()) for values in zip(*rows, strict=True)]
    settings = {"compression": "none", "use_dictionary": False} | options
    pq.write_table(pa.table(dict(zip(columns, arrays, strict=True))), made, **settings)
    return made.getvalue()


def manifest_of(path, **changes):
    """Returns the manifest with some entries changed."""
    with zipfile.ZipFile(path) as file:
        return json.dumps(json.loads(file.read("manifest.json")) | changes).encode()


def with_changed(content):
    """Returns the content with some bytes in the middle changed."""
    middle = len(content) // 2
    return content[:middle] + bytes(255 - byte for byte in content[middle : middle + 8]) + content[middle + 8 :]


RECORD = {"trial_id": "t-0-0", "request_key": "r", "status": "ok"}

CRAFTED = {
    "no zip": (lambda path: path.write_bytes(b"PK no"), "not a zip file"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-400]), "not a whole .sweep file"),
    "bytes changed": (lambda path: path.write_bytes(with_changed(path.read_bytes())), "not a whole"),
    "a part too many": (lambda path: remade(path, **{"../../evil__py": b"x"}), "8 parts"),
    "a part missing": (lambda path: remade(path, without=["scores.parquet"]), "6 parts"),
    "another format": (lambda path: remade(path, manifest__json=manifest_of(path, format="x")), "does not say"),
    "a newer format": (lambda path: remade(path, manifest__json=manifest_of(path, format_version=2)), "version 2"),
    "a wrong hash": (
        lambda path: remade(path, manifest__json=manifest_of(path), outcomes__parquet=table([("t-0-0", "{}")])),
        "not the one that was written",
    ),
    "a time without a zone": (
        lambda path: remade(path, manifest__json=manifest_of(path, created_at="2026-01-01T00:00:00")),
        "no time zone",
    ),
    "a baseline of text": (lambda path: remade(path, manifest__json=manifest_of(path, baseline="<b>")), "baseline"),
    "no manifest": (lambda path: remade(path, manifest__json=b"[" * 100_000), "not a whole"),
    "a huge manifest": (lambda path: remade(path, manifest__json=b" " * 2_000_000), "larger than a megabyte"),
    "a pickle": (lambda path: remade(path, outcomes__parquet=b"\x80\x04cos\nsystem\n."), "not a whole"),
    "other columns": (lambda path: remade(path, outcomes__parquet=table([("a", "b")], ("x", "y"))), "other columns"),
    "compressed inside": (
        lambda path: remade(path, outcomes__parquet=table([("a", "b")], compression="gzip")),
        "compressed in a way",
    ),
    "a dictionary": (
        lambda path: remade(path, outcomes__parquet=table([("a", "b" * 9999)] * 999, use_dictionary=True)),
        "compressed in a way",
    ),
    "a wrong type": (
        lambda path: remade(path, outcomes__parquet=table([("t-0-0", json.dumps(RECORD | {"attempts": "many"}))])),
        "Outcome.attempts is a str",
    ),
    "markup for a text": (
        lambda path: remade(
            path,
            outcomes__parquet=table(
                [("t-0-0", json.dumps(RECORD | {"response": {"text": ["<b>"], "finish_reason": None}}))]
            ),
        ),
        "Response.text is a list",
    ),
    "an unknown status": (
        lambda path: remade(path, outcomes__parquet=table([("t-0-0", json.dumps(RECORD | {"status": "<b>"}))])),
        "Outcome.status",
    ),
    "deep nesting": (lambda path: remade(path, outcomes__parquet=table([("t-0-0", "[" * 100_000)])), "not a whole"),
    "no record": (lambda path: remade(path, outcomes__parquet=table([("t-0-0", "[]")])), "record Outcome is a list"),
    "a field missing": (lambda path: remade(path, outcomes__parquet=table([("t-0-0", "{}")])), "not a whole"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_file_is_refused(tmp_path, name):
    """A file that is damaged, crafted or of another kind is refused with the reason, and nothing is unpacked."""
    path = a_run().export(tmp_path / "run.sweep")
    craft, words = CRAFTED[name]
    craft(path)
    with pytest.raises(UsageError, match=r"run\.sweep' is not a whole \.sweep file: ") as refused:
        tk.load(path)
    assert words in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["run.sweep"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """A file that would unpack to far more than it is, or beyond the cap, is refused from its table of contents."""
    path = a_run().export(tmp_path / "run.sweep")
    remade(path, scores__parquet=b"\x00" * 70_000_000)
    with pytest.raises(UsageError, match="would grow"):
        tk.load(path)
    monkeypatch.setattr(_portable, "MOST_BYTES", 1_000_000)
    with pytest.raises(UsageError, match=r"would unpack to 70,\d{3},\d{3} bytes"):
        tk.load(path)


def test_fields_of_a_later_version_are_left_out(tmp_path):
    """A field that this version does not know is no reason to refuse a file of the same format."""
    path = a_run().export(tmp_path / "run.sweep")
    remade(path, outcomes__parquet=table([("t-0-0", json.dumps(RECORD | {"mood": "good"}))]))
    assert tk.load(path).view.outcomes == {"t-0-0": Outcome(trial_id="t-0-0", request_key="r", status="ok")}


def test_a_table_is_not_a_run(tmp_path):
    """A table given to `load` is refused with the call that reads it; a missing file is named."""
    with pytest.raises(UsageError, match=r"tk\.load_frame"):
        tk.load(a_run().export(tmp_path / "x.csv"))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        tk.load(tmp_path / "gone.sweep")


def test_an_opened_run_is_scored_and_exported_again(tmp_path):
    """An opened run can be scored, and goes on with the new score in a new file."""
    opened = tk.load(Results(runs.run([["hello"]], expected=["hello"])).export(tmp_path / "a.sweep"))
    opened.score(tk.exact())
    assert tk.load(opened.export(tmp_path / "b.sweep")).df["score.exact"].tolist() == [1.0]


def test_votes_travel_with_the_run(tmp_path):
    """Votes are in the file as they were cast, and a file without votes is one of before there were any."""
    view = runs.run([["a"], ["b"]])
    bare = Results(view).export(tmp_path / "bare.sweep").read_bytes()
    cast = Vote(voter="ana", case=0, left="t-0-0", right="t-1-0", verdict="left", seconds=2.5, at=runs.START, note="n")
    results = Results(view)
    results.keep_votes([cast])
    loaded = tk.load(results.export(tmp_path / "voted.sweep"))
    assert loaded.view.votes == (cast,)
    assert loaded.votes.voters.index.tolist() == ["ana"]
    results.drop_votes([cast])
    assert results.export(tmp_path / "bare.sweep").read_bytes() == bare
    with zipfile.ZipFile(tmp_path / "bare.sweep") as file:
        assert "votes.parquet" not in file.namelist()
