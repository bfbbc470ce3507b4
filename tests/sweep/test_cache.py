"""Answers that serve more than one trial: within a run, across runs, and which ones do not."""

from __future__ import annotations

import asyncio

import pytest

import toolkit as tk
from tests.builders import make_outcome, make_prompt
from toolkit import _sync
from toolkit._records import FrozenDict, Response, Usage
from toolkit.engine import InFlight
from toolkit.errors import ProviderTimeoutError
from toolkit.testing import FakeProvider

TWINS = (
    make_prompt("{% if word == 'a' %}Hello{% else %}Goodbye {{ word }}{% endif %}.", template_format="jinja2"),
    make_prompt(
        "{% if word == 'a' %}Hello{% else %}Farewell {{ word }}{% endif %}.", version="2", template_format="jinja2"
    ),
)
"""Two versions that render the same for the word `a` only."""

TWO = [{"word": "a"}, {"word": "b"}]


class SlowProvider(FakeProvider):
    """Answers after the loop has turned a few times, so that calls are in flight together."""

    async def complete(self, request, *, timeout_s):
        """Lets others in first."""
        for _ in range(10):
            await asyncio.sleep(0)
        return await super().complete(request, timeout_s=timeout_s)


def answer(text="hello", finish_reason="stop"):
    """An answer of 0.5 s that cost 0.25 USD by the provider's own word."""
    return Response(
        text=text,
        finish_reason=finish_reason,
        usage=Usage(input_tokens=3, output_tokens=2),
        latency_s=0.5,
        cost_usd=0.25,
        raw=FrozenDict({"id": "x"}),
    )


def run(engine, **options):
    """A sweep of both versions over two words."""
    grid = {"prompts": "fake:greet@*", "models": "fake/x", "variables": TWO, "progress": "off"}
    return tk.sweep(**(grid | options), engine=engine)


def test_identical_requests_in_flight_are_sent_once(make_engine):
    """Two arms that ask the same of one model at one time take one answer; the copy costs nothing, in no time."""
    provider = SlowProvider(lambda request: answer(request.messages[0].content))
    results = run(make_engine(provider, prompts=TWINS))
    assert len(provider.requests) == 3
    frame = results.df[results.df["case"] == 0]
    assert frame["text"].tolist() == ["Hello.", "Hello."]
    assert sorted(frame["cached"]) == [False, True]
    copy = frame[frame["cached"]].iloc[0]
    assert (copy["cost_usd"], copy["attempts"], copy["cost_source"]) == (0.0, 0, "cache")
    assert copy.isna()["latency_s"]
    assert results.df["cost_usd"].sum() == 0.75
    assert results.audit().ok


def test_repeats_are_never_shared(make_engine):
    """Each repeat of a request is sent: they are there to be different."""
    provider = SlowProvider(lambda request: answer())
    results = run(make_engine(provider, prompts=TWINS), repeats=2)
    assert len(provider.requests) == 6
    assert results.df["cached"].sum() == 2


def test_arms_allowed_to_be_identical_are_all_sent(make_engine):
    """Where the noise between identical arms is to be measured, none takes the other's answer."""
    provider = SlowProvider(lambda request: answer())
    run(make_engine(provider, prompts=TWINS), allow_identical_arms=True)
    assert len(provider.requests) == 4


@pytest.mark.parametrize(
    "first", [ProviderTimeoutError("too late", retryable=False), answer("cut", "length"), answer("", "content_filter")]
)
def test_what_is_no_whole_answer_is_not_shared(make_engine, first):
    """Who waits for a call that fails, or whose answer is cut off or filtered, sends its own."""
    provider = SlowProvider([first, answer("second")])
    results = run(make_engine(provider, prompts=TWINS), variables=[{"word": "a"}], concurrency=1)
    assert len(provider.requests) == 2
    assert results.df["cached"].sum() == 0


def test_two_sweeps_at_once_pay_once(make_engine):
    """Two sweeps of one process that want the same answer at the same time send one request."""
    provider = SlowProvider(lambda request: answer(request.messages[0].content))
    engine = make_engine(provider)
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "progress": "off", "engine": engine}

    async def both():
        return await asyncio.gather(
            tk.asweep(variables=TWO, **grid), tk.asweep(variables=[*TWO, {"word": "c"}], **grid)
        )

    found = asyncio.run(both())
    assert len(provider.requests) == 3
    assert [results.df["status"].tolist() for results in found] == [["ok"] * 2, ["ok"] * 3]
    assert sum(results.df["cached"].sum() for results in found) == 2


def test_an_answer_of_an_earlier_run_is_used_again(make_engine):
    """What another run has answered is not sent again: it is cached, costs nothing here, and leaves the latency out."""
    provider = FakeProvider(lambda request: answer())
    run(make_engine(provider), prompts="fake:greet@1")
    wider = run(make_engine(provider), prompts=["fake:greet@1", "fake:greet@2"])
    assert len(provider.requests) == 4
    frame = wider.df
    assert frame.groupby("prompt_version")["cached"].sum().to_dict() == {"1": 2, "2": 0}
    assert frame.groupby("prompt_version")["cost_usd"].sum().to_dict() == {"1": 0.0, "2": 0.5}
    assert frame.loc[frame["cached"], "latency_s"].isna().all()
    summary = wider.summary()
    assert summary["cost_usd"].tolist() == [0.0, 0.5]
    assert summary["cost_usd_mean"].tolist() == [0.25, 0.25]
    assert wider.audit().ok


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_cut_or_filtered_answer_serves_its_own_run_alone(make_engine, reason):
    """A cut off or filtered answer stands in the run that got it; another run asks again, and both keep their own."""
    provider = FakeProvider(
        [answer("cut", reason), answer("cut", reason), answer("whole"), answer("whole"), answer("n")]
    )
    engine = make_engine(provider)
    first = run(engine, prompts="fake:greet@1")
    assert run(engine, prompts="fake:greet@1").run_id == first.run_id
    assert len(provider.requests) == 2
    wider = {"prompts": "fake:greet@1", "variables": [*TWO, {"word": "c"}]}
    second = run(engine, **wider)
    assert second.df["text"].tolist() == ["whole", "whole", "n"]
    assert second.df["cached"].sum() == 0
    assert run(engine, **wider).run_id == second.run_id
    assert len(provider.requests) == 5
    assert tk.open_run(first.run_id, engine=engine).df["text"].tolist() == ["cut", "cut"]
    assert tk.open_run(second.run_id, engine=engine).audit().ok


def test_who_waits_and_is_cancelled_does_not_end_the_others():
    """Of three that want the same, one that gives up leaves the other two with the one answer."""

    async def play():
        in_flight, gate, sent = InFlight(), asyncio.Event(), []

        async def send():
            sent.append(1)
            await gate.wait()
            return make_outcome()

        tasks = [asyncio.ensure_future(in_flight.send("key", send)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        return len(sent), [(await tasks[each])[1] for each in (0, 2)]

    assert _sync.run(play()) == (1, [False, True])


def test_when_the_one_that_sends_is_cancelled_the_next_sends():
    """A call that is cut while others wait for its answer is made by one of them."""

    async def play():
        in_flight, sent = InFlight(), []

        async def hang():
            await asyncio.Event().wait()

        async def send():
            sent.append(1)
            await asyncio.sleep(0)
            return make_outcome()

        first = asyncio.ensure_future(in_flight.send("key", hang))
        await asyncio.sleep(0)
        others = [asyncio.ensure_future(in_flight.send("key", send)) for _ in range(2)]
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(5):
            return [(await each)[1] for each in others], len(sent)

    assert _sync.run(play()) == ([False, True], 1)
