"""Which cases are independent: equal ones are not, labels make none different, and a column may say it."""

from __future__ import annotations

import pytest

from tests.results import runs
from toolkit.results import Results

TWENTY = [[0, 1, 1, 0, 1] * 4, [1, 1, 1, 0, 1] * 4]


def method(variables, **fields):
    """How two arms over these cases are compared; their prompts read `q`."""
    answers = [["yes"] * len(variables)] * 2
    view = runs.run(answers, variables=variables, scores={"good": TWENTY}, **fields)
    return Results(view).compare().iloc[0]["method"]


@pytest.mark.parametrize("label", ["id", "human", "note"])
def test_labels_make_no_case_another_one(label):
    """Cases that differ in what no prompt reads alone are one draw, and are not counted as independent."""
    assert method([{"q": f"word {n // 2}", label: n} for n in range(20)]) == "t, sign flips, clustered"


def test_cases_that_prompts_tell_apart_are_independent():
    """Cases that differ in what a prompt reads are independent, whatever their labels say."""
    assert method([{"q": f"word {n}", "human": 5} for n in range(20)]) == "bonett-price, mcnemar mid-p"


def test_a_column_says_which_cases_belong_together():
    """A column `cluster` says it itself, though the cases differ."""
    assert method([{"q": f"word {n}", "cluster": n // 4} for n in range(20)]) == "t, sign flips, clustered"


def test_a_column_with_gaps_says_nothing():
    """A column `cluster` that is empty in a case is passed over: then equal variables tell."""
    rows = [{"q": f"word {n}", "cluster": None if n == 3 else 1} for n in range(20)]
    assert method(rows) == "bonett-price, mcnemar mid-p"


def test_a_cluster_that_a_prompt_reads_is_a_variable():
    """Where a prompt reads `cluster` it is a variable like any, and cases of one value may differ in others."""
    arms = [
        runs.arm(place, prompt=runs.Prompt(
            prompt_id="reply", version=str(place + 1), kind="text", template="{{cluster}} {{q}}", source="folder"
        ))
        for place in range(2)
    ]  # fmt: skip
    rows = [{"q": f"word {n}", "cluster": "one"} for n in range(20)]
    assert method(rows, arms=arms) == "bonett-price, mcnemar mid-p"
