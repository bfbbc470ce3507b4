"""What a plan says before money is spent: counts, tokens, cost, time, as a block, a table and a line."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit._records import FrozenDict, Response, Usage
from toolkit.errors import UsageError
from toolkit.sweep._preflight import CostRange, cost_words, time_words
from toolkit.testing import FakeProvider

PRICES = {"fake/x": {"input": 1.0, "output": 10.0}, "fake/y": {"input": 2.0, "output": 20.0}}

WORDS = [{"word": "a"}, {"word": "b"}]

INPUT = tk.estimate_tokens([{"role": "user", "content": "Please say a."}])
"""Of one request; `b` is as long."""


def make_plan(engine, **options):
    """A plan of two models over two words, 100 tokens an answer at most."""
    grid = {
        "prompts": "fake:greet@2",
        "models": ["fake/x", "fake/y"],
        "variables": WORDS,
        "params": {"max_tokens": 100},
        "prices": PRICES,
    }
    return tk.plan(**(grid | options), engine=engine)


def timed(latency_s=2.0, output_tokens=40):
    """A provider whose answers took this long and were this long."""
    usage = Usage(input_tokens=4, output_tokens=output_tokens)
    return FakeProvider(
        lambda request: Response(
            text="ok", finish_reason="stop", latency_s=latency_s, usage=usage, raw=FrozenDict({"id": "x"})
        )
    )


def test_cost_has_a_least_an_expected_and_a_worst(make_engine):
    """The least is one token an answer, the worst is the upper estimate and the longest answer, summed by arm."""
    x, y = make_plan(make_engine()).preflight.arms
    assert x.cost_usd.low == pytest.approx(2 * (INPUT.low + 10) / 1e6)
    assert x.cost_usd.expected == pytest.approx(2 * (INPUT.expected + 100 * 10) / 1e6)
    assert x.cost_usd.worst == pytest.approx(2 * (INPUT.high + 100 * 10) / 1e6)
    assert y.cost_usd.worst == pytest.approx(2 * x.cost_usd.worst)


def test_what_is_stored_shapes_what_is_expected(make_engine):
    """Length and time of an answer are expected to be what stored answers of the model were; others stay unknown."""
    engine = make_engine(timed())
    assert make_plan(engine).preflight.seconds is None
    tk.sweep("fake:greet@1", ["fake/x", "fake/y"], WORDS, progress="off", engine=engine)
    flight = make_plan(engine, concurrency=2).preflight
    assert [arm.answers_seen for arm in flight.arms] == [2, 2]
    assert flight.seconds == pytest.approx(4 * 2.0 / 2)
    assert flight.arms[0].cost_usd.expected == pytest.approx(2 * (INPUT.expected + 40 * 10) / 1e6)
    assert make_plan(engine, models=["fake/x", "fake/new"]).preflight.seconds is None


def test_what_is_stored_costs_nothing_more(make_engine):
    """Only requests that would be sent are counted, by arm."""
    engine = make_engine(timed())
    tk.sweep("fake:greet@2", "fake/x", WORDS, params={"max_tokens": 100}, progress="off", engine=engine)
    plan = make_plan(engine)
    assert (plan.stored, plan.new, [arm.new for arm in plan.preflight.arms]) == (2, 2, [0, 2])
    assert plan.preflight.arms[0].cost_usd.worst == 0
    assert plan.input_tokens.expected == 2 * INPUT.expected


def test_a_large_grid_is_weighed_by_a_sample(make_engine):
    """Of a grid of many rows every so many-th is weighed, and the sums are those of the whole within a percent."""
    rows = {"word": [f"word {number:04}" for number in range(2500)]}
    plan = make_plan(make_engine(), variables=rows)
    assert plan.preflight.weighed_every == 5
    one = tk.estimate_tokens([{"role": "user", "content": "Please say word 0001."}])
    assert plan.input_tokens.expected == pytest.approx(5000 * one.expected, rel=0.01)
    assert "from every 5th row" in repr(plan)


def test_the_block_reads_like_a_bill(make_engine):
    """The text form has the counts, a line an arm with tokens and cost, the sums, the time, the caps, the notes."""
    engine = make_engine(timed())
    tk.sweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)
    plan = make_plan(engine, variables=[*WORDS, WORDS[0]], budget_usd=0.01, max_calls=100)
    lines = repr(plan).splitlines()
    assert lines[0] == f"6 trials = 2 arms x 3 cases x 1 repeat; 0 stored, 4 to send  ({plan.run_id})"
    assert lines[1].split() == ["arm", "to", "send", "input", "tokens", "cost", "low", "expected", "worst"]
    assert lines[2].startswith("  x  (baseline)")
    assert lines[2].split()[-5:] == ["2", str(2 * INPUT.expected), "$0.000028", "$0.00082", "$0.0021"]
    assert lines[4] == "  in every arm: fake:greet@2 · max_tokens=100"
    assert lines[5] == (f"  about {4 * INPUT.expected} input tokens in all ({4 * INPUT.low} to {4 * INPUT.high})")
    assert lines[6].startswith("  about $0.0049 ($0.000084 to at most $0.0062); answers of models without stored ones")
    assert lines[7:9] == [
        "  time unknown: not every model has stored answers to go by",
        "  budget $0.010, at most 100 calls",
    ]
    assert lines[9].startswith("  note: row 2 repeats an earlier row")


def test_arms_are_named_by_what_tells_them_apart(make_engine):
    """Arms have the names of the results, with the label that was asked for; what all have in common is said once."""
    prompts = ["fake:greet@production", "fake:greet@2"]
    plan = tk.plan(prompts, "fake/x", WORDS, params={"temperature": 0}, engine=make_engine())
    lines = repr(plan).splitlines()
    assert [line.split("  ")[1] for line in lines[2:4]] == ["greet@1 [production]", "greet@2"]
    assert lines[4].startswith("  in every arm: prompts of 'fake' · fake/x · ")
    assert "temperature=0" in lines[4]
    assert "greet@1 [production]" in plan._repr_html_()


def test_the_line_is_the_block_in_short(make_engine):
    """One line has what is sent, what it may cost, how long it may take, and the caps."""
    engine = make_engine(timed())
    tk.sweep("fake:greet@1", ["fake/x", "fake/y"], WORDS, progress="off", engine=engine)
    plan = make_plan(engine, budget_usd=0.004)
    assert plan.line == (
        "4 to send, 0 stored · about $0.0025 ($0.000084 to at most $0.0062) · about 1 s · budget $0.0040 (may not be "
        "enough for all)"
    )


def test_unknown_is_said(make_engine):
    """Without a price the cost is unknown and the models are named; nothing is guessed."""
    plan = make_plan(make_engine(), prices=None)
    assert plan.preflight.cost_usd == CostRange(low=None, expected=None, worst=None)
    assert "cost unknown: no price for 'fake/x', 'fake/y'; give `prices`" in repr(plan)


def test_a_model_in_this_process_costs_nothing(make_engine):
    """A local model costs 0 whatever it answers: no price is needed, a budget of 0 will do, the plan says why."""
    engine = make_engine(FakeProvider(["fine"], name="local"))
    grid = {"prompts": "fake:greet@1", "models": "local/x", "variables": WORDS, "budget_usd": 0, "engine": engine}
    plan = tk.plan(**grid)
    assert plan.preflight.cost_usd == CostRange(low=0, expected=0, worst=0)
    assert "cost $0: the models run in this process" in repr(plan)
    assert tk.sweep(**grid, progress="off").df["status"].tolist() == ["ok", "ok"]


def test_a_long_list_of_arms_is_cut(make_engine):
    """Beyond 40 arms the block says how many more there are; the sums are of all."""
    models = [f"fake/m{number}" for number in range(42)]
    plan = make_plan(make_engine(), models=models, variables=[{"word": "a"}])
    lines = repr(plan).splitlines()
    assert lines[41].startswith("  m39 ")
    assert lines[42] == "  and 2 more arms"
    assert plan.input_tokens.expected == 42 * INPUT.expected


def test_a_plan_with_nothing_to_send_says_so(make_engine):
    """When everything is stored, the block says so and tells no cost."""
    engine = make_engine(timed())
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "variables": WORDS, "engine": engine}
    tk.sweep(**grid, progress="off")
    plan = tk.plan(**grid)
    assert repr(plan).splitlines()[-1] == "  everything is stored: nothing would be sent"
    assert plan.line == "0 to send, 2 stored"


def test_the_notebook_shows_a_table_that_runs_nothing(make_engine):
    """The HTML form has the block's content as a table, escaped, with the notebook's own colours."""
    nasty = make_prompt("{{word}}", prompt_id="<img src=x onerror=alert(1)>")
    plan = tk.plan("fake:<img src=x onerror=alert(1)>@1", "fake/x", WORDS, engine=make_engine(prompts=[nasty]))
    page = plan._repr_html_()
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert page.count("<tr>") == 2
    assert "color:" not in page


def test_the_worst_is_unknown_where_nothing_limits_an_answer(make_engine):
    """Without max_tokens and without a known limit of the model the worst case is unknown, the expected one is not."""
    cost = make_plan(make_engine(), params=None).preflight.cost_usd
    assert cost.worst is None
    assert cost.expected == pytest.approx(2 * (INPUT.expected + 2000) / 1e6 * 3)
    assert "no limit known" in cost_words(cost)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "time unknown"), (0.2, "about 1 s"), (89, "about 89 s"), (91, "about 2 min"), (9000, "about 2.5 h")],
)
def test_time_in_words(seconds, words):
    """A time is in seconds, minutes or hours, rounded up, or unknown."""
    assert time_words(seconds) == words


@pytest.mark.parametrize(("name", "value"), [("on_oversize", "drop"), ("on_nan", "0")])
def test_a_choice_that_there_is_not_is_refused(make_engine, name, value):
    """A choice is one of those listed; the message has what it was."""
    with pytest.raises(UsageError, match=f"`{name}` is one of .*; got '{value}'"):
        make_plan(make_engine(), **{name: value})
