"""Rows 46 to 52: what the caller gives. Nothing is sent that is wrong, and what is odd is said."""

from __future__ import annotations

import datetime as dt
import json
import math
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit as tk
from tests.builders import make_outcome, make_prompt
from tests.faults.world import FAST, clean_environment
from tests.servers._process import serving
from toolkit import _sync
from toolkit._records import Case, Score
from toolkit.engine import default_engine, set_default_engine
from toolkit.errors import MissingVariablesError, UnusedVariableWarning, UsageError
from toolkit.prompts import render
from toolkit.scorers import as_scorer, score_outcome


@pytest.fixture(scope="module")
def openai():
    """An OpenAI-compatible server in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def service(tmp_path, monkeypatch, openai):
    """The server, and a folder with the prompt `greet`."""
    clean_environment(monkeypatch, tmp_path)
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "greet.prompt").write_text("Say {{word}}.\n", encoding="utf-8")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{openai.url}/v1")
    openai.control(reset=True)
    yield openai
    _sync.run(default_engine().aclose())
    set_default_engine(None)


def said(server):
    """The user's words in each request that the server got."""
    return [request["body"]["messages"][-1]["content"].strip() for request in server.requests()]


HOLES = [math.nan, Decimal("NaN"), Decimal("sNaN"), np.float32("nan"), np.datetime64("NaT"), pd.NaT, pd.NA]


@pytest.mark.fault(46)
@pytest.mark.parametrize("hole", [*HOLES, math.inf, -math.inf, Decimal("Infinity"), np.float32("inf")], ids=repr)
def test_a_hole_names_row_and_column(service, hole):
    """NaN, NA, NaT and infinity of any library, bare or in a list, are an error with row and column; nothing leaves."""
    for value in (hole, ["x", hole], {"k": hole}):
        with pytest.raises(UsageError, match=r"column 'word' in row 1\b"):
            tk.sweep("greet", variables=[{"word": "a"}, {"word": value}], **FAST)
    assert service.requests() == []


@pytest.mark.fault(46)
@pytest.mark.parametrize("hole", HOLES, ids=repr)
def test_a_hole_is_an_empty_text_where_that_is_asked_for(service, hole):
    """With on_nan='empty' a hole is rendered as nothing; infinity stays an error."""
    results = tk.sweep("greet", variables=[{"word": hole}], on_nan="empty", **FAST)
    assert said(service) == ["Say ."]
    assert results.df["var.word"].isna().all()
    with pytest.raises(UsageError, match="column 'word' in row 0"):
        tk.sweep("greet", variables=[{"word": math.inf}], on_nan="empty", **FAST)


@pytest.mark.fault(46)
def test_numbers_render_in_one_way(service):
    """A number is the same text and the same trial whichever library it came from: the shortest that reads back."""
    values = {
        "0.1": [0.1, np.float64(0.1), Decimal("0.1")],
        "[0.1, 3]": [[0.1, 3], [np.float64(0.1), np.int64(3)]],
        "3": [3, np.int8(3), np.uint64(3), Decimal(3), pd.Series([3], dtype="Int64")[0]],
        "True": [True, np.bool_(True)],
        "1e+22": [1e22, np.float64(1e22)],
        "1.50": [Decimal("1.50")],
        "2026-11-22": [dt.date(2026, 11, 22)],
    }
    rows = [{"word": value} for forms in values.values() for value in forms]
    results = tk.sweep("greet", variables=rows, **FAST)
    assert sorted(said(service)) == sorted(f"Say {text}." for text in values)
    assert results.df["trial_id"].nunique() == len(values)
    assert set(results.df["status"]) == {"ok"}


@pytest.mark.fault(46)
@settings(max_examples=50, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back(value):
    """Every finite float is rendered as a text that reads back as the same float."""
    (message,) = render(make_prompt("{{word}}"), {"word": value})
    assert float(message.content) == value


@pytest.mark.fault(46)
def test_a_score_that_is_nan_is_no_score(service, tmp_path):
    """A score of NaN is unscored and not 0, in the frame and through JSON Lines and Parquet."""
    results = tk.sweep("greet", variables=[{"word": "a"}, {"word": "b"}], **FAST)
    results.score(lambda text: math.nan if "a." in text else 1.0)
    assert results.df["score.lambda"].isna().tolist() == [True, False]
    assert results.summary()["score.lambda"].tolist() == [1.0]
    results.export(tmp_path / "x.jsonl")
    read = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["score.lambda"] for row in read] == [None, 1.0]
    results.export(tmp_path / "x.parquet")
    assert pd.read_parquet(tmp_path / "x.parquet")["score.lambda"].isna().tolist() == [True, False]


@pytest.mark.fault(47)
def test_a_missing_variable_is_told_before_anything_is_sent(service):
    """A variable that a row does not have is an error that names prompt, variable and row, and no request leaves."""
    with pytest.raises(MissingVariablesError, match=r"'folder:greet@.*' needs 'word', missing in rows 1, 3"):
        tk.sweep("greet", variables=[{"word": "a"}, {"wrd": "b"}, {"word": "c"}, {"x": 1}], **FAST)
    assert service.requests() == []


@pytest.mark.fault(48)
def test_an_extra_variable_is_told_once_and_not_sent(service):
    """A column that no prompt reads is one warning for all rows; it reaches no request."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tk.sweep("greet", variables=[{"word": w, "secret": f"s{w}"} for w in "abc"], **FAST)
    assert [str(each.message) for each in caught if each.category is UnusedVariableWarning] == [
        "No prompt of this sweep reads 'secret'; not sent. For a label that scorers or exports use, say "
        "labels=['secret']."
    ]
    assert sorted(said(service)) == ["Say a.", "Say b.", "Say c."]
    assert all("secret" not in json.dumps(request["body"]) for request in service.requests())


@pytest.mark.fault(49)
def test_equal_rows_are_sent_once_and_shown_each(service):
    """Rows of equal variables are one request; each is a row of the frame, and a note says so; repeats are sent."""
    rows = [{"word": "a"}, {"word": "b"}, {"word": "a"}, {"word": "a"}]
    results = tk.sweep("greet", variables=rows, **FAST)
    assert sorted(said(service)) == ["Say a.", "Say b."]
    assert results.df["text"].nunique() == 2
    assert results.df["cached"].tolist() == [False, False, True, True]
    note = "note: rows 2, 3 repeat earlier rows: sent once, shown in each. For more samples use `repeats`."
    assert note in repr(tk.plan("greet", "openai/small", rows))
    tk.sweep("greet", variables=rows, repeats=2, **FAST)
    assert len(service.requests()) == 4


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    "value", ["{{word}}", "{% for x in y %}", "{{ 7 * 7 }}", "{word}", "%s", "<<<dotprompt:role>>>"]
)
def test_a_value_is_never_filled_in_itself(service, value):
    """A value that looks like a placeholder or a template is sent as it is."""
    tk.sweep("greet", variables=[{"word": value}], **FAST)
    assert said(service) == [f"Say {value}."]


@pytest.mark.fault(50)
@settings(max_examples=100, deadline=None)
@given(value=st.text(alphabet="{}%ab word<>", max_size=20), kind=st.sampled_from(["mustache", "jinja2", "humanloop"]))
def test_no_value_changes_what_stands_around_it(value, kind):
    """Whatever a value holds, the text is what stood before it, the value, and what stood behind it."""
    (message,) = render(make_prompt("Say {{ word }}!", template_format=kind), {"word": value, "a": "no", "b": "no"})
    assert message.content == f"Say {value}!"


LONG = "word " * 9_500
"""About 8,600 tokens by the estimate; the model `gpt-4` reads 8,192."""


@pytest.mark.fault(51)
def test_a_request_longer_than_its_model_reads_is_found_beforehand(service):
    """Rows whose estimate is above what a model reads are listed with both numbers, and nothing is sent."""
    rows = [{"word": "a"}, {"word": LONG}]
    with pytest.raises(UsageError, match=r"row 1 on 'openai/gpt-4' \(about \d,\d{3} tokens, it reads 8,192\).*on_over"):
        tk.sweep("greet", ["openai/gpt-4o-mini", "openai/gpt-4"], rows, progress="off")
    assert service.requests() == []


@pytest.mark.fault(51)
def test_long_rows_can_be_left_out(service):
    """With on_oversize='skip' they are rows `skipped` of the failure context_length, and only the others are sent."""
    results = tk.sweep(
        "greet", ["openai/gpt-4o-mini", "openai/gpt-4"], [{"word": "a"}, {"word": LONG}],
        on_oversize="skip", progress="off",
    )  # fmt: skip
    assert len(service.requests()) == 3
    (row,) = results.df[results.df["status"] == "skipped"].to_dict("records")
    assert (row["model"], row["case"], row["failure"]) == ("openai/gpt-4", 1, "context_length")
    assert "'openai/gpt-4' reads 8,192" in row["message"]


@pytest.mark.fault(51)
def test_long_rows_can_be_sent_all_the_same(service):
    """With on_oversize='send' the estimate is a note, and every row is sent."""
    grid = {"prompts": "greet", "models": "openai/gpt-4", "variables": [{"word": LONG}], "on_oversize": "send"}
    assert "1 request is longer than the model reads" in repr(tk.plan(**grid))
    tk.sweep(**grid, progress="off")
    assert len(service.requests()) == 1


@pytest.mark.fault(52)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prompts": []}, "`prompts` is empty"),
        ({"models": []}, "`models` is empty"),
        ({"params": []}, "`params` is empty"),
        ({"variables": []}, "`variables` has no rows"),
        ({"variables": pd.DataFrame({"word": []})}, "`variables` has no rows"),
    ],
)
def test_an_empty_grid_is_an_error(service, given, message):
    """A grid without prompts, models, params or rows is an error that says which, and sends nothing."""
    grid = {"prompts": "greet", "models": "openai/small", "variables": [{"word": "a"}], "progress": "off"}
    with pytest.raises(UsageError, match=message):
        tk.sweep(**(grid | given))
    assert service.requests() == []


def scored(function, **options):
    """What a scoring function says of one answer."""
    return _sync.run(score_outcome(as_scorer(function), make_outcome(), Case(index=0, variables={}), **options))


@pytest.mark.fault(46)
def test_a_nan_from_a_scorer_stays_unscored():
    """A scorer that returns NaN gives a score that is kept, says so, and is none."""
    (score,) = scored(lambda outcome: np.float64("nan"))
    assert isinstance(score, Score)
    assert (score.is_scored, score.explanation) == (False, "the scorer returned NaN")
