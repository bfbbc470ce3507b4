"""Live calls as results: every call of the proxy is a row, readable from another process while it goes on."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

import toolkit as tk
from tests.proxy.conftest import CONFIG, KEYS
from tests.proxy.running import proxy_command
from toolkit import _sync
from toolkit.config import Settings
from toolkit.engine import Engine
from toolkit.errors import RunNotFoundError, UsageError
from toolkit.testing import FakeProvider

MANAGED = {"model": "my-langfuse-model", "prompt_variables": {"key": "A"}}


@pytest.fixture
def own_proxy(tmp_path, langfuse, upstream):
    """A proxy with a store of its own."""
    environ = {**KEYS, "LANGFUSE_HOST": langfuse.url, "OPENAI_API_KEY": "sk-of-the-proxy"}
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url), **environ) as running:
        yield running


@pytest.fixture
def engine(tmp_path):
    """An engine over the same store, in this process."""
    judge = FakeProvider(lambda _: '{"score": 4}', name="grader")
    made = Engine(Settings(home=tmp_path / "home"), providers={"grader": judge})
    yield made
    _sync.run(made.aclose())


@pytest.mark.line("8.25")
def test_every_call_is_a_row(own_proxy, engine, upstream):
    """Whole, streamed, split and failed calls are rows in the order in which they came; the columns are a run's."""
    answers = [
        own_proxy.post({**MANAGED, "user": "u1"}),
        own_proxy.post({**MANAGED, "prompt_version": 2, "stream": True}),
        own_proxy.ask("openai-model", "plain", temperature=0.5),
    ]
    upstream.control(status=400)
    answers.append(own_proxy.ask("openai-model", "failed"))
    results = tk.traffic(engine=engine)
    df = results.df
    assert df["trial_id"].tolist() == [answer.headers["x-toolkit-request-id"] for answer in answers]
    assert df["status"].tolist() == ["ok", "ok", "ok", "failed"]
    assert df["failure"].fillna("").tolist() == ["", "", "", "bad_request"]
    assert df["prompt"].tolist() == ["greet", "greet", "", ""]
    assert df["prompt_source"].tolist() == ["langfuse", "langfuse", "messages", "messages"]
    assert df["prompt_version"].tolist() == ["1", "2", "", ""]
    assert df["model"].tolist() == ["my-langfuse-model"] * 2 + ["openai-model"] * 2
    assert df["model_sent"].tolist() == ["small"] * 4
    assert df["var.key"].fillna("").tolist() == ["A", "A", "", ""]
    assert df["var.messages"].tolist()[2] == '[{"role": "user", "content": "plain"}]'
    assert df["param.temperature"].fillna(-1).tolist() == [0.5, -1, 0.5, -1]
    assert [text.split(" ", 1)[1] for text in df["text"][:3]] == ["Say A.", "Shout A!", "plain"]
    assert df["output_tokens"].tolist()[:3] == [3, 3, 2]
    assert df["ttft_s"].notna().tolist() == [False, True, False, False]
    assert df["attempts"].tolist() == [1, 1, 1, 1]
    assert (df["started_at"].dt.date == dt.datetime.now(dt.UTC).date()).all()
    assert results.audit().ok
    assert "traffic-" in results.run_id


def test_what_was_sent_can_be_read_back(own_proxy, engine):
    """The messages of a row are those that were sent, from a prompt or from the client."""
    own_proxy.post(MANAGED)
    own_proxy.post(
        {
            "model": "openai-model",
            "messages": [{"role": "system", "content": "{{x}}"}, {"role": "user", "content": "b"}],
        }
    )
    results = tk.traffic(engine=engine)
    sent = [results.raw(trial_id)["messages"] for trial_id in results.df["trial_id"]]
    assert sent == [
        [{"role": "user", "content": "Say A."}],
        [{"role": "system", "content": "{{x}}"}, {"role": "user", "content": "b"}],
    ]


@pytest.mark.line("8.26")
def test_it_can_be_read_while_it_goes_on(own_proxy, engine):
    """refresh() reads the calls that came since, from another process, while the proxy runs."""
    own_proxy.post(MANAGED)
    results = tk.traffic(engine=engine)
    assert len(results) == 1
    own_proxy.post(MANAGED)
    assert len(results) == 1
    assert len(results.refresh()) == 2


def test_equal_calls_are_rows_of_their_own(own_proxy, engine):
    """The same request sent twice was paid for twice: it is two rows, neither of them cached, on one arm."""
    own_proxy.post(MANAGED)
    own_proxy.post({**MANAGED, "prompt_variables": {"key": "B"}, "user": "somebody else"})
    own_proxy.post(MANAGED)
    results = tk.traffic(engine=engine)
    assert results.df["cached"].tolist() == [False, False, False]
    assert len(results.arms) == 1
    assert results.df["case"].tolist() == [0, 1, 2]


def test_a_split_s_arms_can_be_told_apart(own_proxy, engine):
    """The deployments of one name are arms of their own, and their labels say which is which."""
    for number in range(12):
        own_proxy.ask("split", user=f"u{number}")
    results = tk.traffic(engine=engine)
    assert sorted(results.df["model_sent"].unique()) == ["large", "small"]
    labels = list(results.summary().index)
    assert any("large" in label for label in labels)
    assert any("small" in label for label in labels)


def test_calls_at_once_lose_nothing(own_proxy, engine):
    """Of 60 calls on 12 connections, each is one row, with its own place."""

    def send(worker):
        for number in range(5):
            assert own_proxy.ask("openai-model", f"{worker}-{number}").status == 200

    threads = [threading.Thread(target=send, args=(worker,)) for worker in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    df = tk.traffic(engine=engine).df
    assert df["case"].tolist() == list(range(60))
    assert sorted(text.split(" ", 1)[1] for text in df["text"]) == sorted(
        f"{worker}-{number}" for worker in range(12) for number in range(5)
    )


def test_live_calls_can_be_scored(own_proxy, engine):
    """Live calls are scored like any run's, and the scores are kept."""
    own_proxy.post(MANAGED)
    tk.traffic(engine=engine).score(lambda outcome, case: 1.0 if "Say" in outcome.text else 0.0)
    scores = [name for name in tk.traffic(engine=engine).df.columns if name.startswith("score.")]
    assert len(scores) == 1


def test_a_split_is_compared(own_proxy, engine):
    """The deployments of one name are compared by a score as independent groups, each with its own calls."""
    for number in range(30):
        own_proxy.ask("split", user=f"u{number}")
    results = tk.traffic(engine=engine).score(tk.scorer(name="odd")(lambda text: len(text) % 2))
    row = results.compare("odd").iloc[0]
    counts = results.df["model_sent"].value_counts()
    assert row["cases"] == 30
    assert f"{counts[results.arms.loc[row.name, 'model_sent']]} call" in row["verdict"]
    assert row["verdict"] in results.verdict


def test_live_calls_can_be_judged(own_proxy, engine):
    """A judge grades live calls as it does a sweep's, once each; one of pairs is refused: no two calls are one case."""
    for number in range(3):
        own_proxy.ask("openai-model", f"plain {number}")
    results = tk.traffic(engine=engine).score(tk.judge("Polite.", model="grader/x"))
    assert results.df["score.judge"].tolist() == [4.0] * 3
    assert tk.traffic(engine=engine).score(tk.judge("Polite.", model="grader/x")).judging["judge"].sent == 0
    with pytest.raises(UsageError, match="have none in common"):
        results.score(tk.judge_pairs("Polite.", model="grader/x"))


def test_a_day_is_named_by_a_date_or_its_text(own_proxy, engine):
    """A day is a date, a moment or YYYY-MM-DD in UTC; without one it is the newest that has calls."""
    own_proxy.post(MANAGED)
    today = dt.datetime.now(dt.UTC).date()
    for day in (None, today, today.isoformat(), dt.datetime.now(dt.UTC)):
        assert len(tk.traffic(day, engine=engine)) == 1
    with pytest.raises(RunNotFoundError):
        tk.traffic("2001-01-01", engine=engine)


def test_no_calls_is_an_error_that_says_how_to_make_one(engine):
    """Without any live call the error names the command that takes them."""
    with pytest.raises(RunNotFoundError, match="toolkit proxy"):
        tk.traffic(engine=engine)


@pytest.mark.parametrize("day", ["yesterday", 3, "2026-13-01"])
def test_a_wrong_day_is_refused(engine, day):
    """What is no date is refused, with the value."""
    with pytest.raises(UsageError, match="day"):
        tk.traffic(day, engine=engine)
