"""What a sweep form decides: what its fields say, the call that they mean, and the code of that call."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from toolkit.errors import UsageError
from toolkit.widgets._form_state import Cases, Wanted, name_of, read_budget, read_models, read_params, tables_of
from toolkit.widgets._picker_state import Chosen

REPLY = Chosen(source="folder", prompt_id="reply", version="2")
ODD = Chosen(source="langfuse", prompt_id="a: b", version="1")
ROWS = [{"word": f"w{number}"} for number in range(10)]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ()),
        ("\n \n", ()),
        ('{"temperature": 0}', ({"temperature": 0},)),
        ('{"n": 1}\n\n{"n": 2}', ({"n": 1}, {"n": 2})),
    ],
)
def test_params_are_one_object_a_line(typed: str, read: tuple[dict[str, Any], ...]) -> None:
    """Each line that is not empty is one set of params."""
    assert read_params(typed) == read


@pytest.mark.parametrize(("typed", "line"), [('{"a": 1}\n{"a"', "line 2"), ("5", "line 1"), ("[1]", "line 1")])
def test_params_that_are_no_objects_are_refused(typed: str, line: str) -> None:
    """A line that is no JSON object is refused by its number, with an example of what is one."""
    with pytest.raises(UsageError, match=rf'Params, {line}.*"temperature"'):
        read_params(typed)


@pytest.mark.parametrize(("typed", "read"), [("", None), (" 2.50 ", 2.5), ("$3", 3.0)])
def test_a_budget_is_a_number_of_usd(typed: str, read: float | None) -> None:
    """A budget is read with or without a dollar sign; nothing typed is no limit."""
    assert read_budget(typed) == read


@pytest.mark.parametrize("typed", ["0", "-1", "much", "nan", "inf"])
def test_a_budget_that_is_none_is_refused(typed: str) -> None:
    """A budget that is no number above 0 is refused with what was typed."""
    with pytest.raises(UsageError, match=typed):
        read_budget(typed)


def test_models_are_picked_and_typed() -> None:
    """Models come from the list and from the field beside it, each once, in that order."""
    assert read_models(("small", "big"), " openai/x ,, small") == ("small", "big", "openai/x")


@pytest.mark.parametrize(
    ("cases", "taken", "expression"),
    [
        (Cases(table=ROWS, code="df"), ROWS, "df"),
        (Cases(table=ROWS, code="df", rows="first", count=2), ROWS[:2], "rows_of(df)[:2]"),
        (Cases(table=ROWS, code="df", rows="sample", count=10), None, "random.Random(0).sample(rows_of(df), 10)"),
        (Cases(table=ROWS, code="df", rows="sample", count=99), None, "random.Random(0).sample(rows_of(df), 10)"),
    ],
)
def test_rows_are_all_the_first_or_a_sample(cases: Cases, taken: Any, expression: str) -> None:
    """All rows, the first so many or a sample are taken, and the expression, executed, gives the same ones."""
    code, imports = cases.expression()
    assert code == expression
    namespace: dict[str, Any] = {"df": ROWS}
    exec("\n".join(imports), namespace)  # noqa: S102  code that the product wrote
    assert eval(code, namespace) == cases.taken()  # noqa: S307  likewise
    assert taken is None or cases.taken() == taken
    assert all(row in ROWS for row in cases.taken())


def test_a_sample_is_drawn_by_its_seed() -> None:
    """The same seed gives the same rows, another seed others."""
    drawn = [Cases(table=ROWS, rows="sample", count=4, seed=seed).taken() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_only_what_is_said_is_passed_on() -> None:
    """What a form leaves as it is, is not among the arguments."""
    assert Wanted(prompts=(REPLY,)).arguments() == {"prompts": ["folder:reply@2"]}


def test_everything_that_is_said_is_passed_on() -> None:
    """Every field of a form has its argument of `sweep`, and its line in the code."""
    wanted = Wanted(
        prompts=(REPLY, ODD),
        models=("small",),
        cases=Cases(table="cases.csv", code="'cases.csv'"),
        params=({"temperature": 0},),
        repeats=3,
        budget_usd=2.0,
        baseline="folder:reply@2",
        concurrency=4,
    )
    assert {name: value for name, value in wanted.arguments().items() if name != "prompts"} == {
        "models": ["small"],
        "variables": "cases.csv",
        "params": [{"temperature": 0}],
        "repeats": 3,
        "baseline": "folder:reply@2",
        "budget_usd": 2.0,
        "concurrency": 4,
    }
    assert wanted.code() == (
        "results = tk.sweep(\n"
        "    prompts=['folder:reply@2', tk.prompt(name='a: b', source='langfuse', version='1')],\n"
        "    models=['small'],\n"
        "    variables='cases.csv',\n"
        "    params=[{'temperature': 0}],\n"
        "    repeats=3,\n"
        "    baseline='folder:reply@2',\n"
        "    budget_usd=2.0,\n"
        "    concurrency=4,\n"
        ")"
    )


def test_nothing_picked_is_refused() -> None:
    """Without a prompt there is no sweep."""
    with pytest.raises(UsageError, match="No prompt is picked"):
        Wanted(prompts=()).arguments()


def test_a_table_is_called_as_the_notebook_calls_it() -> None:
    """A table's name is that of the notebook's variable that is the very same object, never a private one."""
    frame = pd.DataFrame(ROWS)
    assert name_of(frame, [{"_": frame, "other": pd.DataFrame(ROWS), "reviews": frame}]) == "reviews"
    assert name_of(frame, [{}]) is None


def test_tables_are_offered_with_their_rows(tmp_path: Path) -> None:
    """One table, several by name or a path are offered with their number of rows and the code that gives them."""
    path = tmp_path / "cases.csv"
    path.write_text("word\nred\nblue\n", encoding="utf-8")
    frame = pd.DataFrame(ROWS)
    assert [*tables_of(frame, [{"df": frame}])] == ["df, 10 rows"]
    assert tables_of(str(path), []) == {f"{path}, 2 rows": (str(path), repr(str(path)))}
    assert tables_of({"word": ["a"]}, []) == {"cases, 1 row": ({"word": ["a"]}, "cases")}
    assert [*tables_of({"train": ROWS, "test": ROWS[:1]}, [])] == ["train, 10 rows", "test, 1 row"]
    assert tables_of(None, []) == {}


def test_a_table_that_is_none_is_refused() -> None:
    """What is no table is refused when the form is made."""
    with pytest.raises(UsageError):
        tables_of(dt.date(2026, 1, 1), [])
