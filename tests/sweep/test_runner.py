"""Running a plan: every trial is one row, nothing is sent twice, one dead model stops no other."""

from __future__ import annotations

import asyncio

import pytest

import toolkit as tk
from tests.builders import CountingProvider, make_prompt
from toolkit import _sync
from toolkit.errors import AuthenticationError, RateLimitError, StoreError, UsageError
from toolkit.testing import FakeProvider

WORDS = [{"word": word} for word in "abc"]


def run(engine, prompts="fake:greet@1", models="fake/x", variables=WORDS, **options):
    """A sweep without progress."""
    return tk.sweep(prompts, models, variables, progress="off", engine=engine, **options)


def test_every_trial_is_one_row(make_engine):
    """The frame has as many rows as the plan has trials, each with its answer."""
    results = run(make_engine(), repeats=2)
    assert len(results.df) == 6
    assert list(results.df["status"]) == ["ok"] * 6
    assert sorted(results.df["text"]) == ["SAY A.", "SAY A.", "SAY B.", "SAY B.", "SAY C.", "SAY C."]
    assert results.audit().ok


def test_the_same_sweep_again_sends_nothing(make_engine):
    """A second sweep with the same arguments sends no request, gives the same rows, and says so."""
    provider = FakeProvider(["hello"])
    first = run(make_engine(provider))
    again = run(make_engine(provider))
    assert len(provider.requests) == 3
    assert again.df.equals(first.df)
    assert "0 sent" in repr(again).splitlines()[0]


def test_adding_a_model_sends_only_the_new_trials(make_engine):
    """With a second model the first one's answers come from the store and are marked as such."""
    provider = FakeProvider(["hello"])
    run(make_engine(provider))
    results = run(make_engine(provider), models=["fake/x", "fake/y"])
    assert [request.model for request in provider.requests[3:]] == ["y"] * 3
    assert dict(results.df.groupby("model")["cached"].sum()) == {"fake/x": 3, "fake/y": 0}


def test_failed_trials_are_sent_again_and_answered_ones_are_not(make_engine):
    """Running again after a failure sends what failed, and only that."""

    def moody(request):
        if "b" in request.messages[0].content and len(provider.requests) <= 3:
            return AuthenticationError("refused", kind="odd")
        return "ok"

    provider = FakeProvider(moody)
    assert sorted(run(make_engine(provider)).df["status"]) == ["failed", "ok", "ok"]
    assert sorted(run(make_engine(provider)).df["status"]) == ["ok", "ok", "ok"]
    assert len(provider.requests) == 4


def test_a_failure_is_a_row_that_says_why(make_engine):
    """A failed trial has its kind and one line of message, and raise_for_failures turns it into an error."""
    provider = FakeProvider([AuthenticationError("Key refused.\nSet X_KEY.", kind="odd", retryable=False)])
    results = run(make_engine(provider), variables=WORDS[:1])
    row = results.df.iloc[0]
    assert (row["status"], row["failure"], row["message"]) == ("failed", "odd", "Key refused. Set X_KEY.")
    with pytest.raises(tk.ToolkitError, match="odd"):
        results.raise_for_failures()


def test_one_dead_model_stops_no_other(make_engine):
    """A model whose key is refused is asked once; its other trials are rows that say so; the other model goes on."""
    dead = FakeProvider([AuthenticationError("Key refused.")], name="dead", max_concurrency=1)
    alive = FakeProvider(["ok"], name="alive")
    results = run(make_engine(dead, alive), models=["dead/x", "alive/y"])
    assert len(dead.requests) == 1
    counts = results.df.groupby(["model", "status"]).size().to_dict()
    assert counts == {("alive/y", "ok"): 3, ("dead/x", "failed"): 1, ("dead/x", "skipped"): 2}
    skipped = results.df[results.df["status"] == "skipped"]
    assert set(skipped["failure"]) == {"auth"}
    assert set(skipped["message"]) == {"Not sent: Key refused."}


def test_a_model_that_cannot_be_made_ready_stops_no_other(make_engine):
    """When preparing a model fails, its trials are rows that say why, and the others are answered."""

    class Unready(FakeProvider):
        async def prepare(self, model):
            raise AuthenticationError("The weights cannot be fetched.", kind="weights")

    unready, alive = Unready(name="unready"), FakeProvider(["ok"], name="alive")
    results = run(make_engine(unready, alive), models=["unready/x", "alive/y"])
    assert unready.requests == []
    counts = results.df.groupby(["model", "status"]).size().to_dict()
    assert counts == {("alive/y", "ok"): 3, ("unready/x", "skipped"): 3}


@pytest.mark.parametrize("error", [StoreError("disk full"), ImportError("half installed"), MemoryError("no room")])
def test_what_nobody_expected_comes_out_as_it_is(make_engine, monkeypatch, error):
    """An error from inside the engine ends the sweep and is raised itself, never in a group and never as a wait."""

    async def fails(self, *arguments, **options):
        raise error

    engine = make_engine()
    monkeypatch.setattr(type(engine.store), "begin_attempt", fails)
    with pytest.raises(type(error), match=str(error)):
        run(engine)


def test_a_store_that_fails_stops_the_sending(make_engine, monkeypatch):
    """When an outcome cannot be recorded, the sweep raises the store's error and sends nothing more."""
    provider = FakeProvider(["ok"], max_concurrency=1)
    engine = make_engine(provider)

    async def full(*_, **__):
        raise StoreError("disk full")

    monkeypatch.setattr(engine.store, "finish", full)
    with pytest.raises(StoreError, match="disk full"):
        run(engine)
    assert len(provider.requests) == 1


def test_duplicate_rows_show_one_answer(make_engine):
    """Rows of equal variables are sent once; the later rows show the answer as cached."""
    provider = FakeProvider(["ok"])
    results = run(make_engine(provider), variables=[*WORDS, WORDS[0]])
    assert len(provider.requests) == 3
    assert list(results.df["cached"]) == [False, False, False, True]


def test_the_sweep_works_in_every_kind_of_caller(make_engine):
    """Plain code, a running loop, and an awaited sweep under asyncio.run give the same frame."""
    engine = make_engine()

    async def cell():
        return run(engine).df, (await tk.asweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)).df

    frames = [run(engine).df, *asyncio.run(cell())]
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"concurrency": True}, {"timeout_s": 0}, {"progress": "loud"}])
def test_limits_that_make_no_sense_are_refused(make_engine, options):
    """A concurrency or time-out that is not positive is refused with the value it got."""
    with pytest.raises(UsageError, match=str(next(iter(options.values())))):
        tk.sweep(
            **({"prompts": "fake:greet@1", "models": "fake/x", "variables": WORDS, "engine": make_engine()} | options)
        )


def test_at_most_concurrency_calls_are_in_flight(make_engine):
    """With concurrency=2 over two models there are never more than two calls at once."""
    provider = CountingProvider(["ok"])
    run(make_engine(provider), models=["fake/x", "fake/y"], concurrency=2)
    assert provider.most == 2


def test_a_cancelled_sweep_keeps_what_finished(make_engine):
    """Cancelling an awaited sweep keeps its answers; the same call sends only the rest."""
    gate = asyncio.Event

    class Stuck(FakeProvider):
        async def complete(self, request, *, timeout_s):
            response = await super().complete(request, timeout_s=timeout_s)
            if "b" in request.messages[0].content:
                await gate().wait()
            return response

    stuck = Stuck(["ok"], max_concurrency=1)
    engine = make_engine(stuck)

    async def cell():
        task = asyncio.create_task(tk.asweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine))
        while len(stuck.requests) < 2:  # noqa: ASYNC110  the provider runs on another thread
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cell())
    calm = FakeProvider(["ok"])
    results = run(make_engine(calm))
    assert [request.messages[0].content for request in calm.requests] == ["Say b.", "Say c."]
    assert list(results.df["possibly_billed"]) == [0, 1, 0]


def test_a_prompt_that_changes_later_leaves_the_run_as_it_was(make_engine):
    """The run keeps the prompt as it was when the plan was made, whatever the source says later."""
    results = run(make_engine())
    make_engine(prompts=[make_prompt("Something else {{word}}.")])
    reopened = tk.open_run(results.df["run_id"].iloc[0], engine=make_engine(prompts=()))
    assert reopened.df.equals(results.df)
    assert reopened.raw(results.df["trial_id"].iloc[0])["messages"][0]["content"] == "Say a."


def test_scores_are_kept_with_the_run(make_engine):
    """Scores given to results are there when the run is opened again."""
    engine = make_engine()
    results = run(engine, variables=[{"word": "a", "expected": "SAY A."}, {"word": "b", "expected": "no"}])
    results.score(tk.exact())
    reopened = tk.open_run(results.df["run_id"].iloc[0], engine=engine)
    assert list(reopened.df["score.exact"]) == [1.0, 0.0]
    assert tk.runs(engine=engine) == [results.df["run_id"].iloc[0]]


def test_prices_of_the_caller_s_own_give_the_cost(make_engine):
    """With prices= the cost is tokens times price, and its source says so; without, an unknown price is unknown."""
    provider = FakeProvider(["one two"])
    prices = {"fake/x": {"input": 1.0, "output": 10.0}}
    row = run(make_engine(provider), variables=WORDS[:1], prices=prices).df.iloc[0]
    # 2 words in at 1 USD and 2 words out at 10 USD, each per million
    assert row["cost_usd"] == pytest.approx((2 * 1.0 + 2 * 10.0) / 1_000_000)
    assert row["cost_source"] == "prices="
    assert run(make_engine(provider), variables=WORDS[1:2]).df["cost_usd"].isna().all()


def test_a_rate_limit_is_waited_out(make_engine):
    """A 429 that asks for no wait is tried again, and the row counts both attempts."""
    provider = FakeProvider([RateLimitError("slow down", retry_after_s=0), "ok"])
    results = run(make_engine(provider), variables=WORDS[:1])
    assert list(results.df["attempts"]) == [2]
    assert list(results.df["text"]) == ["ok"]


def test_sweeping_inside_an_async_scorer_is_refused(make_engine):
    """A plain sweep on the engine's own loop is refused with a sentence instead of hanging."""
    engine = make_engine()

    async def inside():
        return run(engine)

    with pytest.raises(UsageError, match="await"):
        _sync.run(inside())
