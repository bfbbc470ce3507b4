"""The frame: one row a trial, frozen names, nullable dtypes."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from tests.results import runs
from toolkit._records import FrozenDict, Trial, Usage
from toolkit.errors import UsageError
from toolkit.results import Results

FROZEN = (
    "trial_id run_id case repeat status failure message prompt prompt_source prompt_version prompt_label prompt_hash "
    "model model_sent model_served model_source param.temperature var.q expected text finish_reason truncated refused "
    "tool_calls input_tokens cached_tokens output_tokens reasoning_tokens cost_usd cost_source latency_s ttft_s "
    "queue_s retry_s attempts possibly_billed cached started_at score.contains"
)


def frame(*args, **fields):
    """Returns the frame of a run from `runs.run`."""
    return Results(runs.run(*args, **fields)).df


def test_names_and_order():
    """The columns have their frozen names, in their frozen order."""
    arms = [runs.arm(params={"temperature": 0})]
    assert list(frame([["a"]], arms=arms, scores={"contains": [[1.0]]}).columns) == FROZEN.split()


def test_dtypes_do_not_depend_on_the_answers():
    """Each column has the same dtype whether every trial has an answer or none has."""
    full = frame([["a", "b"]]).dtypes
    none = frame([[None, None]]).dtypes
    assert full.equals(none)


@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        ("trial_id status text failure expected", pd.StringDtype("python")),
        ("case repeat input_tokens attempts", pd.Int64Dtype()),
        ("cost_usd latency_s", pd.Float64Dtype()),
        ("truncated refused cached", pd.BooleanDtype()),
        ("started_at", pd.DatetimeTZDtype("us", "UTC")),
    ],
)
def test_dtypes(names, dtype):
    """Text, counts, measures, truths and times are nullable, and times are UTC."""
    assert all(found == dtype for found in frame([["a"]])[names.split()].dtypes)


def test_column_table_is_the_frame():
    """`columns` describes exactly the columns of `df`."""
    results = Results(runs.run([["a"]]))
    assert list(results.columns.index) == list(results.df.columns)
    assert results.columns["meaning"].str.len().min() > 3


def test_one_row_a_trial():
    """Every planned trial is a row in the plan's order, whatever became of it."""
    found = frame([["a", runs.failure(), None]], attempted=frozenset())
    assert found["status"].tolist() == ["ok", "failed", "skipped"]
    assert found["case"].tolist() == [0, 1, 2]


def test_failure_tells_kind_and_message():
    """A failed trial has its kind and its message in one line, credentials masked, and no text."""
    found = frame([[runs.failure("auth", "bad key sk-abcdefgh12345\nmore")]]).iloc[0]
    assert (found["failure"], found["message"]) == ("auth", "bad key ****")
    assert found["text"] is pd.NA


@pytest.mark.parametrize(
    ("attempted", "status", "attempts", "billed"),
    [(frozenset(), "skipped", 0, 0), (frozenset({"t-0-0"}), "unknown", pd.NA, 1)],
)
def test_trial_without_outcome(attempted, status, attempts, billed):
    """A trial that was never sent is skipped; one that was sent and has no outcome is unknown and possibly billed."""
    found = frame([[None]], attempted=attempted).iloc[0]
    assert found["status"] == status
    assert found["attempts"] is attempts or found["attempts"] == attempts
    assert found["possibly_billed"] == billed
    assert found["message"]


def test_unknown_is_na():
    """What the provider did not tell is <NA>, never 0."""
    answer = runs.response(usage=Usage(), latency_s=None)
    found = frame([[runs.outcome("t-0-0", answer, cost_usd=None)]]).iloc[0]
    assert all(found[name] is pd.NA for name in ("input_tokens", "output_tokens", "cost_usd", "latency_s", "ttft_s"))


@pytest.mark.parametrize(
    ("answer", "truncated", "refused"),
    [
        (runs.response("ab", finish_reason="length"), True, False),
        (runs.response("", finish_reason="content_filter"), False, True),
        (runs.response("no", refusal="no"), False, True),
        (runs.response("", finish_reason=None), False, False),
    ],
)
def test_flags(answer, truncated, refused):
    """An answer that was cut or refused is flagged."""
    found = frame([[answer]]).iloc[0]
    assert (found["truncated"], found["refused"]) == (truncated, refused)


def test_equal_trials_share_an_outcome():
    """Trials of equal content are as many rows; the later ones are cached."""
    view = runs.run([["a"]])
    twin = Trial(trial_id="t-0-0", arm=view.arms[0], case=replace(view.trials[0].case, index=1))
    found = Results(replace(view, trials=(*view.trials, twin))).df
    assert found["text"].tolist() == ["a", "a"]
    assert found["cached"].tolist() == [False, True]


def test_answer_of_an_earlier_run_is_cached():
    """An answer that an earlier run paid for is cached."""
    assert frame([[runs.outcome("t-0-0", run_id="run-0")]])["cached"].tolist() == [True]


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        ([1, 2], "Int64", [1, 2]),
        ([1, 2.5], "Float64", [1.0, 2.5]),
        ([True, False], "boolean", [True, False]),
        (["a", 1], "string", ["a", "1"]),
        ([True, 1], "string", ["true", "1"]),
        ([["a", 1], {"k": "é"}], "string", ['["a", 1]', '{"k": "é"}']),
        ([2**70, 1], "string", [str(2**70), "1"]),
        ([None, 3], "Int64", [pd.NA, 3]),
    ],
)
def test_variables_keep_their_kind(values, dtype, found):
    """A variable of one kind keeps it; a mixture, and what is nested, is text."""
    column = frame([["a", "b"]], variables=[{"x": value} for value in values])["var.x"]
    assert str(column.dtype) == dtype
    assert all(a is b or a == b for a, b in zip(column.tolist(), found, strict=True))


def test_params_side_by_side():
    """Every parameter of any arm is a column, <NA> where an arm does not have it."""
    arms = [runs.arm(0, params={"temperature": 0.5}), runs.arm(1, params={"stop": ["x"]})]
    found = frame([["a"], ["b"]], arms=arms)
    assert found["param.temperature"].tolist() == [0.5, pd.NA]
    assert found["param.stop"].tolist() == [pd.NA, '["x"]']


def test_expected_is_text():
    """An expected answer is text; a whole number from a column with gaps has no .0."""
    assert frame([["a", "b", "c"]], expected=[4.0, "x", None])["expected"].tolist() == ["4", "x", pd.NA]


def test_nan_score_is_na():
    """A score of NaN is <NA>: not scored, not 0."""
    found = frame([["a", "b"]], scores={"s": [[math.nan, 0.0]]})["score.s"]
    assert found.tolist() == [pd.NA, 0.0]


def test_groupby():
    """The frame groups by prompt, version and model as it is."""
    found = frame([["a", "b"], ["c", "d"]]).groupby(["prompt", "prompt_version", "model"])["latency_s"].mean()
    assert found.to_dict() == {("reply", "1", "fake/small"): 0.5, ("reply", "2", "fake/small"): 0.5}


def test_odd_text_stays_exact():
    """NUL, lone surrogates and line separators stay in the frame as they came."""
    text = "a\x00b\ud800c\u2028d\u202e"
    assert frame([[text]])["text"].tolist() == [text]


def test_tool_calls_are_json():
    """Tool calls are JSON text."""
    answer = runs.response("", tool_calls=(FrozenDict({"id": "1"}),))
    assert frame([[answer]])["tool_calls"].tolist() == ['[{"id": "1"}]']


def test_wide():
    """`wide()` is cases by arms, with the text or any other column."""
    results = Results(runs.run([["a", "b"], ["c", None]]))
    assert results.wide()["reply@1"].tolist() == ["a", "b"]
    assert results.wide()["reply@2"].tolist() == ["c", pd.NA]
    assert results.wide("status").loc[1, "reply@2"] == "skipped"
    assert results.wide("latency_s").dtypes.tolist() == [pd.Float64Dtype()] * 2


def test_wide_with_repeats():
    """With repeats `wide()` has a line for each, by case and repeat."""
    view = runs.run([["a"]])
    again = replace(view.trials[0], trial_id="t-r", repeat=1)
    view = replace(view, trials=(*view.trials, again), outcomes={**view.outcomes, "t-r": runs.outcome("t-r", "b")})
    found = Results(view).wide()
    assert found.index.names == ["case", "repeat"]
    assert found.iloc[:, 0].to_dict() == {(0, 0): "a", (0, 1): "b"}


def test_wide_refuses_unknown_column():
    """A column that does not exist is refused with those that do."""
    with pytest.raises(UsageError, match=r"no column 'txt'.*text"):
        Results(runs.run([["a"]])).wide("txt")


def test_frame_is_the_callers():
    """Each `df` is a frame of its own: writing into one changes no other."""
    results = Results(runs.run([["a"]]))
    mine = results.df
    mine.loc[0, "text"] = "changed"
    assert results.df["text"].tolist() == ["a"]


def test_empty_run():
    """A run without trials has the frozen columns and no rows."""
    view = replace(runs.run([["a"]]), trials=(), outcomes={}, scores={})
    assert len(Results(view).df) == 0
    assert "0 trials" in repr(Results(view))
