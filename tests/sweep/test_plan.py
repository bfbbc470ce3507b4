"""What a sweep would send: pinned, checked and counted before anything leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit.errors import (
    MissingVariablesError,
    PromptNotFoundError,
    UnknownNameError,
    UnusedVariableWarning,
    UsageError,
)
from toolkit.sweep import notes_alone
from toolkit.testing import FakeProvider

WORDS = [{"word": "a"}, {"word": "b"}]


def test_the_grid_is_every_combination(make_engine):
    """Two versions, two models, two params, two cases and three repeats are 48 trials of eight arms."""
    plan = tk.plan(
        ["fake:greet@1", "fake:greet@2"],
        ["fake/x", "fake/y"],
        WORDS,
        params=[{"temperature": 0}, {"temperature": 1}],
        repeats=3,
        engine=make_engine(),
    )
    assert (plan.trials, len(plan.arms), plan.new, plan.stored) == (48, 8, 48, 0)
    assert len({trial.trial_id for trial in plan.grid}) == 48


def test_planning_sends_nothing(make_engine):
    """A plan asks the prompt source and the store, never the provider."""
    provider = FakeProvider()
    tk.plan("fake:greet@1", "fake/x", WORDS, engine=make_engine(provider))
    assert provider.requests == []


def test_the_same_grid_has_the_same_identity(make_engine):
    """The same plan has the same run id and trial ids, whatever form the variables take and in any process."""
    forms = [WORDS, {"word": ["a", "b"]}, pd.DataFrame(WORDS)]
    plans = [tk.plan("fake:greet@1", "fake/x", form, engine=make_engine()) for form in forms]
    assert len({plan.run_id for plan in plans}) == 1
    assert len({tuple(trial.trial_id for trial in plan.grid) for plan in plans}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": "fake:greet@2"},
        {"models": "fake/y"},
        {"params": {"temperature": 0.7}},
        {"variables": [{"word": "other"}]},
    ],
)
def test_whatever_changes_the_request_changes_the_trial(make_engine, change):
    """Another version, model, parameter or variable is another trial."""
    base = {"prompts": "fake:greet@1", "models": "fake/x", "variables": [{"word": "a"}]}
    engine = make_engine()
    ids = [tk.plan(**arguments, engine=engine).grid[0].trial_id for arguments in (base, base | change)]
    assert ids[0] != ids[1]


def test_what_does_not_reach_the_wire_leaves_the_trial(make_engine):
    """The expected answer, an unused column and 0 against 0.0 do not make another trial."""
    engine = make_engine()
    with pytest.warns(UnusedVariableWarning, match="'note'"):
        plans = [
            tk.plan("fake:greet@1", "fake/x", [row], params={"temperature": t}, engine=engine)
            for row, t in (({"word": "a"}, 0), ({"word": "a", "expected": "A", "note": 7}, 0.0))
        ]
    assert plans[0].grid[0].trial_id == plans[1].grid[0].trial_id


def test_notes_can_stand_in_the_plan_alone(make_engine, recwarn):
    """Whoever shows a plan's notes can have them without the warnings."""
    with notes_alone():
        plan = tk.plan("fake:greet@1", "fake/x", [{"word": "a", "note": 7}], engine=make_engine())
    assert ("'note'" in plan.notes[0], len(recwarn)) == (True, 0)


@pytest.mark.parametrize("name", ["human", "id", "cluster", "expected"])
def test_columns_with_a_use_of_their_own_raise_no_warning(make_engine, recwarn, name):
    """Columns for people's verdicts, clusters, ids and expected answers are no unused variables."""
    plan = tk.plan("fake:greet@1", "fake/x", [{"word": "a", name: "5"}], engine=make_engine())
    assert (plan.notes, len(recwarn)) == ((), 0)


def test_labels_name_further_columns(make_engine, recwarn):
    """Columns that the caller names as labels are kept with the case, and raise no warning."""
    plan = tk.plan("fake:greet@1", "fake/x", [{"word": "a", "topic": "x"}], labels=["topic"], engine=make_engine())
    assert (plan.cases[0].variables["topic"], plan.notes, len(recwarn)) == ("x", (), 0)


@pytest.mark.parametrize("labels", [["topik"], "topic", [3]])
def test_labels_that_are_no_columns_are_refused(make_engine, labels):
    """A label that is in no row, or no list of names, is refused with what was given."""
    with pytest.raises(UsageError, match="labels"):
        tk.plan("fake:greet@1", "fake/x", [{"word": "a", "topic": "x"}], labels=labels, engine=make_engine())


def test_labels_may_have_gaps(make_engine):
    """A label that a row of a DataFrame does not have is None in that case: people label some of the rows."""
    rows = pd.DataFrame({"word": ["a", "b"], "human": [5.0, None]})
    plan = tk.plan("fake:greet@1", "fake/x", rows, engine=make_engine())
    assert [case.variables["human"] for case in plan.cases] == [5.0, None]


def test_a_label_that_a_prompt_reads_has_no_gaps(make_engine):
    """A column that a prompt reads is a variable whatever it is called: its empty values are refused."""
    rows = pd.DataFrame({"word": ["a", None]})
    with pytest.raises(UsageError, match="'word' in row 1"):
        tk.plan("fake:greet@1", "fake/x", rows, labels=["word"], engine=make_engine())


def test_labels_are_pinned_to_versions(make_engine):
    """An arm asked for by label carries the version and the label, and can be the baseline by either."""
    for baseline in ("greet@production", "greet@1", "fake:greet@1"):
        plan = tk.plan(
            ["fake:greet@2", "fake:greet@production"], "fake/x", WORDS, baseline=baseline, engine=make_engine()
        )
        pinned = plan.arms[plan.baseline].prompt
        assert (pinned.version, pinned.label) == ("1", "production")


@pytest.mark.line("1.34")
def test_without_models_each_prompt_brings_its_own(make_engine):
    """Models omitted are read from the prompt's config, with its params; a prompt without one is an error."""
    engine = make_engine()
    (arm,) = tk.plan("fake:greet@1", variables=WORDS, engine=engine).arms
    assert (arm.model, arm.model_source, arm.params) == ("fake/own", "prompt", {"temperature": 0.5})
    with pytest.raises(UsageError, match=r"'fake:greet@2' names no model.*models="):
        tk.plan("fake:greet@2", variables=WORDS, engine=engine)


def test_arms_are_innermost(make_engine):
    """Consecutive trials go round the arms, so that the time of day favours none."""
    plan = tk.plan(["fake:greet@1", "fake:greet@2"], "fake/x", WORDS, engine=make_engine())
    assert [trial.arm.index for trial in plan.grid] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": []}, "`prompts` is empty"),
        ({"models": []}, "`models` is empty"),
        ({"params": []}, "`params` is empty"),
        ({"variables": []}, "`variables` has no rows"),
        ({"variables": pd.DataFrame({"word": []})}, "`variables` has no rows"),
        ({"repeats": 0}, "`repeats` is a whole number of at least 1; got 0"),
        ({"repeats": 1.5}, "`repeats` is a whole number of at least 1; got 1.5"),
        ({"params": [0.5]}, "list of mappings"),
        ({"params": {"stop": {1, 2}}}, "plain JSON"),
        ({"baseline": "nobody"}, "No arm fits baseline='nobody'; name one of: greet@1"),
        ({"expected": "gold"}, "column 'gold' of expected answers is not in `variables`; it has: word"),
        ({"models": [7]}, "A model is text"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(make_engine, arguments, message):
    """An empty axis or an argument of the wrong form raises one clear error and sends nothing."""
    provider = FakeProvider()
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "variables": WORDS} | arguments
    with pytest.raises(UsageError, match=message):
        tk.sweep(**grid, engine=make_engine(provider))
    assert provider.requests == []


@pytest.mark.line("2.20")
def test_missing_variables_name_prompt_variables_and_rows(make_engine):
    """A sweep with gaps refuses to start and lists every gap at once."""
    provider = FakeProvider()
    rows = [{"word": "a", "name": "Ana"}, {"word": "b"}, {"name": "Eve"}]
    with pytest.raises(MissingVariablesError) as caught:
        tk.sweep(["fake:greet@1", "fake:greet@3"], "fake/x", rows, engine=make_engine(provider))
    message = str(caught.value)
    assert "'fake:greet@1' needs 'word', missing in row 2" in message
    assert "'fake:greet@3' needs 'word', missing in row 2" in message
    assert "'fake:greet@3' needs 'name', missing in row 1" in message
    assert caught.value.missing == ("name", "word")
    assert provider.requests == []


def test_a_file_without_the_needed_column_is_refused(make_engine, tmp_path):
    """A CSV file whose header lacks a variable names the variable and the columns that the file has."""
    (tmp_path / "cases.csv").write_text("wrd,expected\na,A\n", encoding="utf-8")
    with pytest.raises(MissingVariablesError, match=r"needs 'word', missing in every row.*`variables` has: wrd\."):
        tk.plan("fake:greet@1", "fake/x", tmp_path / "cases.csv", engine=make_engine())


@pytest.mark.parametrize("hole", [float("nan"), pd.NA, pd.NaT, np.float64("nan"), float("inf")])
def test_an_empty_value_names_row_and_column(make_engine, hole):
    """NaN in a variable is refused with its column and row instead of being sent as the text 'nan'."""
    rows = pd.DataFrame({"word": pd.Series(["a", hole], dtype="object")})
    with pytest.raises(UsageError, match=r"column 'word' in row 1.*fillna"):
        tk.plan("fake:greet@1", "fake/x", rows, engine=make_engine())


def test_an_empty_expected_answer_is_no_answer(make_engine):
    """NaN in the column of expected answers means that the case has none."""
    rows = pd.DataFrame({"word": ["a", "b"], "expected": ["A", None]})
    plan = tk.plan("fake:greet@1", "fake/x", rows, engine=make_engine())
    assert [case.expected for case in plan.cases] == ["A", None]


def test_the_expected_answer_is_not_a_variable(make_engine):
    """The column of expected answers never reaches a prompt, under its usual name or another."""
    engine = make_engine(prompts=[make_prompt("Say {{gold}}.")])
    with pytest.raises(MissingVariablesError, match="'gold'"):
        tk.plan("fake:greet@1", "fake/x", [{"gold": "G", "word": "a"}], expected="gold", engine=engine)


def test_identical_arms_are_refused_unless_asked(make_engine):
    """A label and the version it stands on are one arm twice; it takes allow_identical_arms to send both."""
    grid = {"prompts": ["fake:greet@1", "fake:greet@production"], "models": "fake/x", "variables": WORDS}
    with pytest.raises(UsageError, match=r"identical requests: 'fake:greet@1'.*asked as @production"):
        tk.plan(**grid, engine=make_engine())
    copies = [make_prompt("Say {{word}}."), make_prompt("Say {{word}}.", version="2")]
    engine = make_engine(prompts=copies)
    plan = tk.plan("fake:greet@*", "fake/x", WORDS, allow_identical_arms=True, engine=engine)
    assert plan.new == 4


def test_duplicate_rows_are_sent_once_and_noted(make_engine):
    """Equal rows are one trial shown in each row; with different expected answers they are an error."""
    plan = tk.plan("fake:greet@1", "fake/x", [*WORDS, {"word": "a"}], engine=make_engine())
    assert (plan.trials, plan.new) == (3, 2)
    assert any("row 2 repeats an earlier row" in note for note in plan.notes)
    rows = [{"word": "a", "expected": "A"}, {"word": "a", "expected": "B"}]
    with pytest.raises(UsageError, match=r"Rows 0 and 1.*'A' and 'B'"):
        tk.plan("fake:greet@1", "fake/x", rows, engine=make_engine())


def test_unknown_names_say_what_exists(make_engine):
    """An unknown prompt, version, source, provider or model raises an error that says what there is."""
    engine = make_engine()
    with pytest.raises(PromptNotFoundError):
        tk.plan("fake:nobody", "fake/x", WORDS, engine=engine)
    with pytest.raises(UnknownNameError, match="folder"):
        tk.plan("foldr:greet", "fake/x", WORDS, engine=engine)
    with pytest.raises(UnknownNameError, match="Did you mean 'openai'"):
        tk.plan("fake:greet@1", "opena/gpt-4o", WORDS, engine=engine)


def test_a_missing_key_names_the_variable(make_engine, monkeypatch):
    """A provider without its key refuses before anything is sent, naming the environment variable."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        tk.plan("fake:greet@1", "openai/gpt-4o-mini", WORDS, engine=make_engine())


def test_the_plan_names_each_pinned_arm(make_engine):
    """The text form tells the counts, each arm by version with the label that was asked for, and the baseline."""
    plan = tk.plan("fake:greet@production", "fake/x", WORDS, repeats=2, engine=make_engine())
    lines = repr(plan).splitlines()
    assert lines[0] == f"4 trials = 1 arm x 2 cases x 2 repeats; 0 stored, 4 to send  ({plan.run_id})"
    assert lines[2].startswith("  fake:greet@1 [production] · fake/x · temperature=0.5  (baseline)")


def test_values_are_rendered_as_python_writes_them(make_engine):
    """Numbers keep their form, numpy scalars are Python's, None is empty, and dates are their text."""
    provider = FakeProvider()
    rows = pd.DataFrame({"word": [1, 2]})
    odd = [{"word": 1.0}, {"word": None}, {"word": pd.Timestamp("2026-01-02")}]
    for variables in (rows, odd):
        tk.sweep("fake:greet@1", "fake/x", variables, progress="off", engine=make_engine(provider))
    sent = sorted(request.messages[0].content for request in provider.requests)
    assert sent == ["Say .", "Say 1.", "Say 1.0.", "Say 2.", "Say 2026-01-02 00:00:00."]
