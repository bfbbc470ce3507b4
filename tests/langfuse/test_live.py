"""A sweep that is pushed while it goes: what arrives, and that the sweep is never the worse for it."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings

import pytest

from tests.langfuse.pushing import SEED, TRACES, asked, counts, held, make_trials, save, settings_for
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._records import Response
from toolkit.config import Settings
from toolkit.errors import LangfuseWarning, MissingKeyError, UsageError
from toolkit.langfuse import LivePush, Outlet
from toolkit.sweep import _pushing, asweep, open_run, resume, start_sweep, sweep
from toolkit.testing import FakeProvider, fake_engine

PROMPTS = ["langfuse:greet@1", "langfuse:greet@2"]
WORDS = {"word": [f"w{number}" for number in range(10)]}

# A port that nothing listens on.
NOBODY = "http://127.0.0.1:9"


class TimedProvider(FakeProvider):
    """Takes its time, as a model does, and notes when it was asked."""

    def __init__(self, seconds=0.0):
        super().__init__(lambda request: request.messages[0].content.upper())
        self.seconds = seconds
        self.asked_at = []

    async def complete(self, request, *, timeout_s) -> Response:
        self.asked_at.append(time.monotonic())
        await asyncio.sleep(self.seconds)
        return await super().complete(request, timeout_s=timeout_s)


@pytest.fixture
def make_engine(tmp_path):
    """Makes engines over one store whose Langfuse is at an address."""
    made = []

    def make(server, provider=None):
        engine = fake_engine(
            Settings(home=tmp_path / "home", langfuse=None if server is None else settings_for(server)),
            providers=[provider or TimedProvider()],
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        _sync.run(engine.aclose())


def pinned(engine):
    """Both versions of the prompt, which need no Langfuse from here on."""
    return [_sync.run(engine.resolve(each))[0] for each in PROMPTS]


def everything_once(server, trials=20):
    found = counts(server)
    return (found["generations"], found["different"], found["linked"]) == (trials, trials, trials)


def test_a_sweep_is_pushed_while_it_goes(langfuse, make_engine):
    """Answers are in Langfuse while the sweep still runs, and all of them once it is done."""
    engine = make_engine(langfuse, TimedProvider(0.2))
    run = start_sweep(PROMPTS, "fake/m", WORDS, concurrency=2, langfuse=True, engine=engine, progress="off")
    until = time.monotonic() + 30
    while not asked(langfuse, "POST", TRACES):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not run.is_done
    results = run.wait()
    assert everything_once(langfuse)
    assert set(results.traces) == set(results.df["trial_id"])


def test_a_push_after_it_adds_nothing_but_scores(langfuse, make_engine):
    """Results that were pushed live have nothing new to push, until they are scored."""
    results = sweep(PROMPTS, "fake/m", WORDS, langfuse="nightly", engine=make_engine(langfuse), progress="off")
    first = results.to_langfuse(progress="off")
    results.score("length")
    second = results.to_langfuse(progress="off")
    assert (first.name, first.generations, first.generations_new, first.scores) == ("nightly", 20, 0, 0)
    assert (second.generations_new, second.scores_new) == (0, 20)
    assert everything_once(langfuse)


def test_pushing_is_no_part_of_what_a_run_is(langfuse, make_engine):
    """The same sweep with and without pushing is one run."""
    engine = make_engine(langfuse)
    plain = sweep(PROMPTS, "fake/m", WORDS, engine=engine, progress="off")
    pushed = sweep(PROMPTS, "fake/m", WORDS, langfuse=True, engine=engine, progress="off")
    assert plain.run_id == pushed.run_id
    assert everything_once(langfuse)


def test_the_await_form_and_a_resumed_run_are_pushed_too(langfuse, make_engine):
    """`asweep` and `resume` push as `sweep` does."""
    engine = make_engine(langfuse)
    results = _sync.run(asweep(PROMPTS, "fake/m", WORDS, langfuse=True, engine=engine, progress="off"))
    assert everything_once(langfuse)
    langfuse.control(reset=True, seed=SEED)
    resume(results.run_id, langfuse="again", engine=engine, progress="off")
    assert everything_once(langfuse)


def test_a_dead_langfuse_loses_nothing_and_warns_once(langfuse, make_engine):
    """With a Langfuse that is gone, a sweep has all its answers and one warning; a push of the results catches up."""
    alive, dead = make_engine(langfuse), make_engine(NOBODY, TimedProvider(0.2))
    prompts = pinned(alive)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = sweep(prompts, "fake/m", WORDS, concurrency=2, langfuse=True, engine=dead, progress="off")
    told = [each for each in caught if issubclass(each.category, LangfuseWarning)]
    assert (results.df["status"] == "ok").sum() == 20
    assert len(told) == 1
    assert "to_langfuse()" in str(told[0].message)
    assert open_run(results.run_id, engine=alive).to_langfuse(progress="off").generations_new == 20
    assert everything_once(langfuse)


def test_a_dead_langfuse_is_tried_again_after_longer_and_longer_pauses(store):
    """Pauses double from 5 s to 300 s, however often it fails there is one warning, and the end does not try again."""
    slept = []
    view = save(store, make_trials(1))

    async def work():
        enough = asyncio.Event()

        async def sleep(seconds):
            slept.append(seconds)
            if slept.count(300.0) == 2:
                enough.set()
            await asyncio.sleep(0)

        http = HttpClient()
        outlet = Outlet(settings=settings_for(NOBODY), http=http, ledger=store)
        push = LivePush(view, [f"arm {arm.index}" for arm in view.arms], outlet, sleep=sleep)
        push.begin()
        for outcome in view.outcomes.values():
            push.take(outcome)
        async with asyncio.timeout(60):
            await enough.wait()
        await push.end(view.outcomes, at_most_s=5.0)
        await http.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _sync.run(work())
    pauses = [seconds for seconds in slept if seconds >= 1]
    assert pauses[:8] == [1.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0]
    assert [each.category for each in caught] == [LangfuseWarning]


def test_what_nobody_thought_of_fails_no_sweep(langfuse, make_engine, monkeypatch):
    """An error of any kind in pushing is one warning, and the sweep has its answers."""

    def fail(*_, **__):
        raise RuntimeError("nobody thought of this")

    engine = make_engine(langfuse)
    prompts = pinned(engine)
    monkeypatch.setattr("toolkit.langfuse._sending.span_of", fail)
    with pytest.warns(LangfuseWarning, match="RuntimeError: nobody thought of this"):
        results = sweep(prompts, "fake/m", WORDS, langfuse=True, engine=engine, progress="off")
    assert (results.df["status"] == "ok").sum() == 20


def test_a_warning_that_is_an_error_fails_no_sweep(langfuse, make_engine):
    """Where warnings are errors, a dead Langfuse still fails no sweep."""
    prompts = pinned(make_engine(langfuse))
    with warnings.catch_warnings():
        warnings.simplefilter("error", LangfuseWarning)
        results = sweep(prompts, "fake/m", WORDS, langfuse=True, engine=make_engine(NOBODY), progress="off")
    assert (results.df["status"] == "ok").sum() == 20


def test_a_slow_langfuse_delays_no_request(langfuse, make_engine):
    """With a Langfuse that takes 2 s for an answer, requests to the model leave as they do without."""
    took_s = {}
    for how in (False, True):
        provider = TimedProvider(0.2)
        engine = make_engine(langfuse, provider)
        prompts = pinned(engine)
        langfuse.control(delay_s=2.0)
        words = {"word": [f"{how}{number}" for number in range(20)]}
        sweep(prompts, "fake/m", words, concurrency=4, langfuse=how, engine=engine, progress="off")
        langfuse.control(delay_s=0.0)
        took_s[how] = provider.asked_at[-1] - provider.asked_at[0]
    assert len(provider.asked_at) == 40
    # Ten rounds of four, 0.2 s each: one that waited for Langfuse would take 2 s more.
    assert took_s[True] < took_s[False] + 1.0


def test_the_end_of_a_sweep_waits_for_langfuse_for_a_few_seconds_at_most(langfuse, make_engine, monkeypatch):
    """A Langfuse that does not answer holds the end of a sweep up no longer than its share, and is told of."""
    monkeypatch.setattr(_pushing, "LAST_S", 0.5)
    engine = make_engine(langfuse)
    prompts = pinned(engine)
    langfuse.control(delay_s=60.0)
    begin = time.monotonic()
    with pytest.warns(LangfuseWarning, match="within 0.5 s"):
        sweep(prompts, "fake/m", WORDS, langfuse=True, engine=engine, progress="off")
    took_s = time.monotonic() - begin
    langfuse.control(delay_s=0.0)
    assert took_s < 10


def test_a_stopped_sweep_does_not_wait_for_langfuse(langfuse, make_engine):
    """A run that is stopped ends at once, whatever Langfuse does, and a later push brings what it had."""
    engine = make_engine(langfuse, TimedProvider(0.1))
    prompts = pinned(engine)
    langfuse.control(delay_s=60.0)
    run = start_sweep(prompts, "fake/m", WORDS, concurrency=1, langfuse=True, engine=engine, progress="off")
    until = time.monotonic() + 30
    while not run.progress.done:
        assert time.monotonic() < until
        time.sleep(0.02)
    begin = time.monotonic()
    results = run.stop(now=True).wait()
    took_s = time.monotonic() - begin
    langfuse.control(delay_s=0.0)
    assert took_s < 2.0
    done = int((results.df["status"] == "ok").sum())
    assert 0 < done < 20
    assert results.to_langfuse(progress="off", patience_s=0.2).generations == done


@pytest.mark.parametrize("given", [None, 1, "", "  ", ["a"]])
def test_what_is_no_name_is_refused(langfuse, make_engine, given):
    """`langfuse` is True, False or a name; anything else is refused before anything is sent."""
    provider = TimedProvider()
    with pytest.raises(UsageError, match="`langfuse` is True, False, or a name"):
        sweep(PROMPTS, "fake/m", WORDS, langfuse=given, engine=make_engine(langfuse, provider), progress="off")
    assert provider.asked_at == []


def test_missing_keys_are_told_before_anything_is_sent(langfuse, make_engine, monkeypatch):
    """A sweep that is to be pushed and has no keys is refused with the variable's name."""
    monkeypatch.delenv("LANGFUSE_PUBLIC_KEY", raising=False)
    provider = TimedProvider()
    prompts = pinned(make_engine(langfuse, provider))
    bare = make_engine(None, provider)
    with pytest.raises(MissingKeyError, match="LANGFUSE_PUBLIC_KEY") as caught:
        sweep(prompts, "fake/m", WORDS, langfuse=True, engine=bare, progress="off")
    assert (caught.value.variable, provider.asked_at) == ("LANGFUSE_PUBLIC_KEY", [])


def test_a_push_beside_a_live_one_makes_nothing_twice(langfuse, make_engine):
    """Results that are pushed while their run is pushed live make nothing twice."""
    engine = make_engine(langfuse, TimedProvider(0.15))
    run = start_sweep(PROMPTS, "fake/m", WORDS, concurrency=2, langfuse=True, engine=engine, progress="off")
    stop = threading.Event()

    def keep_pushing():
        while not stop.is_set():
            run.results.to_langfuse(progress="off", patience_s=1.0)

    beside = threading.Thread(target=keep_pushing)
    beside.start()
    run.wait()
    stop.set()
    beside.join()
    run.results.to_langfuse(progress="off", patience_s=1.0)
    assert everything_once(langfuse)
    assert held(langfuse)["observations"]
