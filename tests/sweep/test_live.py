"""A sweep in the background: it tells how far it is, can be stopped and waited for, and ends like any other."""

from __future__ import annotations

import asyncio
import threading

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.faults.world import wait_until
from toolkit import _sync
from toolkit.errors import DriftWarning, StoreError, UsageError
from toolkit.testing import FakeProvider

WORDS = [{"word": letter} for letter in "abcdef"]


class GatedProvider(FakeProvider):
    """A provider that answers so many calls and keeps the others waiting until its gate is opened."""

    def __init__(self, answers, **options):
        super().__init__(["ok"], **options)
        self.answers = answers
        self.gate = threading.Event()

    async def complete(self, request, *, timeout_s):
        response = await super().complete(request, timeout_s=timeout_s)
        if len(self.requests) > self.answers:
            while not self.gate.is_set():  # noqa: ASYNC110  the gate is opened by another thread
                await asyncio.sleep(0.005)
        return response


@pytest.fixture
def gated(make_engine):
    """A live run of 12 trials in two arms, one call at a time, of which 4 are answered and the fifth waits."""
    provider = GatedProvider(4, max_concurrency=1)
    engine = make_engine(provider)
    run = tk.start_sweep(["fake:greet@1", "fake:greet@2"], "fake/x", WORDS, progress="off", engine=engine)
    wait_until(lambda: len(provider.requests) == 5 and run.progress.ok == 4)
    yield run, provider
    provider.gate.set()
    run.stop().wait()


def test_a_live_run_tells_how_far_it_is(gated):
    """Progress counts planned, done, in flight and left, in all and by arm, while the run goes on."""
    run, _ = gated
    progress = run.progress
    assert (progress.state, progress.planned, progress.done, progress.in_flight) == ("running", 12, 4, 1)
    assert (progress.ok, progress.failed, progress.skipped, progress.stored) == (4, 0, 0, 0)
    assert sum(arm.done for arm in progress.by_arm.values()) == 4
    assert [arm.planned for arm in progress.by_arm.values()] == [6, 6]
    assert progress.eta_s > 0
    assert not run.is_done
    assert run.run_id in repr(run)
    assert "4/12" in repr(run)
    assert "4/12" in run._repr_html_()


def test_the_frame_is_there_while_the_run_goes_on(gated):
    """The frame of a live run has every planned row, those that are done with their answers."""
    run, _ = gated
    counts = run.df["status"].value_counts().to_dict()
    # The fifth was sent and has no outcome yet.
    assert counts == {"ok": 4, "unknown": 1, "skipped": 7}
    assert len(run.results) == 12


def test_a_stopped_run_lets_what_is_in_flight_come_in(gated):
    """After stop() nothing new is sent, what was in flight is recorded, and the results say where the run stands."""
    run, provider = gated
    assert run.stop() is run
    assert not run.is_done
    provider.gate.set()
    results = run.wait()
    assert run.is_done
    assert len(provider.requests) == 5
    assert results.df["status"].value_counts().to_dict() == {"ok": 5, "skipped": 7}
    words = f"stopped: 5 of 12 done; run the same call, or tk.resume({run.run_id!r}), to go on"
    assert results.note == words
    assert repr(results).startswith(words)
    assert words.replace("'", "&#x27;") in results._repr_html_()
    assert run.progress.state == "stopped"


def test_a_run_that_is_stopped_now_cuts_what_is_in_flight(gated):
    """stop(now=True) ends the run without the answer that is under way, which counts as possibly billed."""
    run, provider = gated
    results = run.stop(now=True).wait()
    assert len(provider.requests) == 5
    assert results.df["status"].value_counts().to_dict() == {"ok": 4, "unknown": 1, "skipped": 7}
    assert int(results.df["possibly_billed"].sum()) == 1


def test_the_same_call_goes_on_after_a_stop(gated, make_engine):
    """The same call after a stop sends only what has no answer."""
    run, provider = gated
    provider.gate.set()
    run.stop().wait()
    calm = FakeProvider(["ok"])
    done = 12 - len(provider.requests)
    results = tk.sweep(["fake:greet@1", "fake:greet@2"], "fake/x", WORDS, progress="off", engine=make_engine(calm))
    assert results.run_id == run.run_id
    assert len(calm.requests) == done
    assert (results.df["status"] == "ok").all()
    assert results.note == ""


def test_waiting_can_be_bounded(gated):
    """wait(timeout_s) raises TimeoutError when the run has not ended by then, and the run goes on."""
    run, _ = gated
    with pytest.raises(TimeoutError, match=run.run_id):
        run.wait(timeout_s=0.05)
    assert not run.is_done


def test_a_live_run_can_be_awaited(make_engine):
    """`await run` gives the results, from any event loop."""
    engine = make_engine()

    async def cell():
        return await tk.start_sweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)

    assert list(asyncio.run(cell()).df["status"]) == ["ok"] * 6


def test_mistakes_in_the_arguments_are_raised_at_once(make_engine):
    """What is wrong with the arguments comes out of start_sweep itself."""
    with pytest.raises(UsageError, match="no rows"):
        tk.start_sweep("fake:greet@1", "fake/x", [], engine=make_engine())
    with pytest.raises(UsageError, match="'maybe'"):
        tk.start_sweep("fake:greet@1", "fake/x", WORDS, unknown="maybe", engine=make_engine())


def test_what_ends_a_run_comes_out_of_wait(make_engine, monkeypatch):
    """An error that ends the run is raised by wait(), and its progress says so."""
    engine = make_engine(FakeProvider(["ok"], max_concurrency=1))

    async def full(*_, **__):
        raise StoreError("disk full")

    monkeypatch.setattr(engine.store, "finish", full)
    run = tk.start_sweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)
    with pytest.raises(StoreError, match="disk full"):
        run.wait()
    assert run.is_done
    assert run.progress.state == "failed"
    assert "disk full" in run.progress.note


def test_a_run_with_every_answer_in_the_store_ends_at_once(make_engine):
    """A second run of the same grid sends nothing and counts everything as stored."""
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "variables": WORDS, "progress": "off"}
    tk.sweep(**grid, engine=make_engine())
    calm = FakeProvider(["ok"])
    run = tk.start_sweep(**grid, engine=make_engine(calm))
    run.wait()
    progress = run.progress
    assert (progress.state, progress.done, progress.stored, progress.in_flight) == ("ended", 6, 6, 0)
    assert [arm.ok for arm in progress.by_arm.values()] == [6]
    assert calm.requests == []


def test_the_last_results_are_those_of_the_newest_sweep(make_engine):
    """last_results() reads the newest sweep of this process again."""
    engine = make_engine()
    results = tk.sweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)
    assert tk.last_results().run_id == results.run_id
    assert tk.last_results().df.equals(results.df)


def test_the_last_results_are_there_while_the_sweep_goes_on(gated):
    """last_results() has what is there so far as soon as a sweep has begun."""
    run, _ = gated
    assert tk.last_results().run_id == run.run_id
    assert list(tk.last_results().df["status"]).count("ok") == 4


def test_resuming_needs_no_prompt_source_and_no_grid(make_engine):
    """resume(id) takes prompts, models, params and variables from the store, and sends what has no answer."""
    broken = FakeProvider(lambda request: "ok" if "a" in request.messages[0].content[-2:] else broken_error())
    grid = {"prompts": "fake:greet@1", "models": "fake/x", "variables": WORDS, "params": {"seed": 7}}
    first = tk.sweep(**grid, repeats=2, progress="off", engine=make_engine(broken))
    assert first.df["status"].value_counts().to_dict() == {"failed": 10, "ok": 2}
    calm = FakeProvider(["ok"])
    with pytest.warns(DriftWarning, match="greet@1' has other content"):
        results = tk.resume(first.run_id, progress="off", engine=make_engine(calm, prompts=[make_prompt("other")]))
    assert len(calm.requests) == 10
    assert {dict(request.params)["seed"] for request in calm.requests} == {7}
    assert list(results.df["trial_id"]) == list(first.df["trial_id"])
    assert (results.df["status"] == "ok").all()


def broken_error():
    """A failure that is not tried again."""
    return tk.errors.BadRequestError("no")


def test_a_run_whose_model_leads_elsewhere_is_not_resumed(make_engine):
    """When a run's model is answered by another address than planned, resuming is refused and nothing is sent."""
    first = tk.sweep(
        "fake:greet@1", "fake/x", WORDS, progress="off", engine=make_engine(FakeProvider([broken_error()]))
    )
    moved = FakeProvider(["ok"])
    moved.identity = "fake@http://elsewhere"
    with pytest.raises(UsageError, match="elsewhere"):
        tk.resume(first.run_id, progress="off", engine=make_engine(moved))
    assert moved.requests == []


def test_a_sweep_on_the_engine_s_own_loop_can_be_awaited(make_engine):
    """Inside the engine's own loop, as in an async scorer, the awaited sweep works."""
    engine = make_engine()

    async def inside():
        return await tk.asweep("fake:greet@1", "fake/x", WORDS, progress="off", engine=engine)

    assert len(_sync.run(inside()).df) == 6
