"""A sweep with a cap: never passed, whatever is in flight; what is left over is rows, and a higher cap goes on."""

from __future__ import annotations

import os

import pandas as pd
import pytest

import toolkit as tk
from tests.servers._process import serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine
from toolkit.errors import UsageError
from toolkit.testing import FakeProvider

PRICES = {"openai/small": {"input": 1000.0, "output": 1000.0}}
"""0.001 USD a token, so that sums are easy to read."""

ANSWER_USD = 0.005
"""What the server charges for one answer: two words read, three written."""


@pytest.fixture(scope="module")
def completions():
    """An OpenAI-compatible server in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def project(tmp_path, monkeypatch, completions):
    """A folder with one prompt, and an environment that names nothing but the server."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "greet.prompt").write_text("---\nmax_tokens: 20\n---\nSay {{word}}.\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "LANGFUSE_", "TOOLKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{completions.url}/v1")
    completions.control(reset=True)
    completions.control(latency_ms=10)
    yield completions
    completions.control(latency_ms=0)
    _sync.run(default_engine().aclose())
    set_default_engine(None)


def run(count=80, **options):
    """A sweep over so many words, 16 at a time."""
    words = {"word": [f"w{number:03}" for number in range(count)]}
    return tk.sweep("greet", "openai/small", words, concurrency=16, progress="off", prices=PRICES, **options)


def test_the_bill_stays_within_the_budget_at_any_concurrency(project):
    """With 16 in flight and calls that break off, what the server charged for is within the budget, and near it."""
    project.control(times=4, match="w00", cut="before")
    results = run(budget_usd=0.60)
    billed_usd = len(project.requests()) * ANSWER_USD
    frame = results.df
    assert billed_usd <= 0.60
    assert set(frame["status"]) == {"ok", "over_budget"}
    assert set(frame.loc[frame["status"] == "over_budget", "failure"]) == {"over_budget"}
    # All but the worst cases of the broken calls and of the one that did not fit is used.
    assert frame["cost_usd"].sum() > 0.15


def test_a_call_that_does_not_fit_waits_for_those_in_flight(project):
    """Ten worst cases are enough for forty answers that cost a tenth of one: the worst shrinks to what was paid."""
    worst_usd = tk.plan("greet", "openai/small", {"word": ["w000"]}, prices=PRICES).preflight.cost_usd.worst
    results = run(count=40, budget_usd=10 * worst_usd)
    assert 40 * ANSWER_USD <= 10 * worst_usd < 40 * worst_usd
    assert set(results.df["status"]) == {"ok"}


def test_a_row_over_budget_says_what_it_could_cost_and_what_was_left(project):
    """A trial that the budget kept back has a row that tells its worst case and what was left; nothing was sent."""
    frame = run(count=3, budget_usd=0.001).df
    assert project.requests() == []
    assert frame["status"].tolist() == ["over_budget"] * 3
    assert (
        frame["message"].str.match(r"Not sent: it could cost up to \$0\.\d+, \$0\.0010 of budget_usd=0\.001 was").all()
    )
    assert (frame["cost_usd"].isna() & (frame["attempts"] == 0)).all()


def test_a_budget_too_small_for_one_request_is_told_before(project):
    """Where a single request may come to more than the whole budget, the plan says so, and what to do."""
    plan = tk.plan("greet", "openai/small", {"word": ["a", "b"]}, prices=PRICES, budget_usd=0.02)
    assert "that one request to 'openai/small' may cost: set `max_tokens` in params, or raise it)" in str(plan)


def test_raising_the_budget_goes_on(project):
    """The same call with a higher budget sends what is missing and nothing twice; what was spent before counts."""
    first = run(count=20, max_calls=5)
    assert first.df["status"].tolist().count("ok") == 5
    assert len(project.requests()) == 5
    again = run(count=20, max_calls=5)
    assert (len(project.requests()), again.run_id) == (5, first.run_id)
    last = run(count=20, max_calls=20)
    assert set(last.df["status"]) == {"ok"}
    assert sorted(project.call("GET", "/_counts").values()) == [1] * 20


def test_retries_are_calls(project):
    """`max_calls` counts every request that leaves: a call that is tried again is two."""
    project.control(times=1, status=500, body="oops")
    frame = run(count=3, max_calls=2, params={"max_tokens": 20}).df
    assert len(project.requests()) == 2
    assert frame["attempts"].sum() == 2


def test_tokens_have_a_cap_of_their_own(project):
    """`max_tokens` limits what is read and written together, by the provider's count where there is one."""
    frame = run(count=40, max_tokens=150).df
    counted = int(frame["input_tokens"].sum() + frame["output_tokens"].sum())
    assert 75 <= counted <= 150
    assert len(project.requests()) * 5 == counted
    assert frame.loc[frame["status"] == "over_budget", "message"].str.contains("of max_tokens=150 were left").all()


def test_an_unknown_price_with_a_budget_is_refused(project):
    """A sweep with a budget on a model without a price does not start, and names the model."""
    with pytest.raises(UsageError, match=r"there is none for 'openai/small'\. Give it.*prices=\{'openai/small'"):
        tk.sweep("greet", "openai/small", {"word": ["a"]}, budget_usd=1, progress="off")
    assert project.requests() == []


def test_an_answer_without_a_limit_with_a_budget_is_refused(project):
    """A sweep with a budget needs to know how long an answer can get; where nothing says it, it does not start."""
    with pytest.raises(
        UsageError, match=r"`budget_usd` needs to know how long .*'openai/small'.*params=\{'max_tokens'"
    ):
        tk.sweep("greet", "openai/small", {"word": ["a"]}, params={"max_tokens": None}, prices=PRICES, budget_usd=1)
    assert project.requests() == []


@pytest.mark.parametrize("caps", [{"budget_usd": -1}, {"max_calls": "many"}, {"max_tokens": 1.5}])
def test_a_cap_that_makes_no_sense_is_refused(make_engine, caps):
    """Caps are checked before anything is asked of anybody."""
    provider = FakeProvider()
    with pytest.raises(UsageError, match=next(iter(caps))):
        tk.sweep("fake:greet@1", "fake/x", [{"word": "a"}], engine=make_engine(provider), **caps)
    assert provider.requests == []


def test_nothing_to_send_needs_no_price(make_engine):
    """A budget on a sweep whose answers are all stored needs no price: nothing is paid for."""
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "variables": [{"word": "a"}], "progress": "off"}
    tk.sweep(**grid, engine=make_engine())
    again = tk.sweep(**grid, budget_usd=0.0, engine=make_engine())
    assert pd.Series(again.df["status"]).tolist() == ["ok"]
