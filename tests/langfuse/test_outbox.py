"""Calls on their way to Langfuse: in groups, once, in bounded memory, and at nobody's cost."""

from __future__ import annotations

import asyncio
import socket
import warnings

import pytest

import toolkit as tk
from tests.langfuse.pushing import TRACES, held, settings_for
from tests.langfuse.tracing import KEY, MESSAGES, generations, make_call, tracing_engine, wait_for
from tests.servers._process import serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._records import FrozenDict, Message
from toolkit._traced import Spot
from toolkit.config import LangfuseSettings
from toolkit.errors import LangfuseWarning
from toolkit.langfuse import CallTracer, LangfuseClient, _outbox
from toolkit.langfuse._outbox import Outbox


@pytest.fixture(autouse=True)
def nothing_told_yet():
    """Each case hears its own warnings."""
    _outbox._told.clear()


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def calls(count, text="hello"):
    """So many calls, each a trace of its own."""
    numbers = range(1, count + 1)
    return [make_call(text, spot=Spot(trace_id=f"{each:032x}", span_id=f"{each:016x}")) for each in numbers]


def deliver(server, some, *, enough, close_s=None, warned="always", **how):
    """Puts calls into an outbox, waits until `enough` is true, and gives the outbox's pauses and warnings."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await asyncio.sleep(0.01)

    async def work():
        http = HttpClient()
        outbox = Outbox(LangfuseClient(settings_for(server), http, timeout_s=5.0, max_waits=0), sleep=sleep, **how)
        for call in some:
            outbox.put(call)
        await asyncio.to_thread(wait_for, lambda: enough(outbox, slept))
        await outbox.aclose(at_most_s=2.0 if close_s is None else close_s)
        await http.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(warned)
        _sync.run(work())
    assert {each.category for each in caught} <= {LangfuseWarning}
    return slept, [str(each.message) for each in caught]


def posts(server):
    """How many spans each request to a fake Langfuse had."""
    bodies = [each["body"] for each in server.requests() if each["path"] == TRACES]
    return [len(body["resourceSpans"][0]["scopeSpans"][0]["spans"]) for body in bodies]


def there(server, count):
    """What tells whether a fake Langfuse holds so many generations."""
    return lambda *_: len(held(server)["observations"]) >= count


def test_groups_are_neither_too_many_nor_too_long(langfuse):
    """At most 100 spans and 3 MB leave in one request; what is longer alone leaves alone."""
    _, told = deliver(langfuse, calls(250), enough=there(langfuse, 250))
    assert (posts(langfuse), told) == ([100, 100, 50], [])
    langfuse.control(reset=True)
    deliver(langfuse, calls(5, "x" * 1_200_000), enough=there(langfuse, 5))
    assert posts(langfuse) == [2, 2, 1]


def test_a_queue_that_is_full_drops_the_oldest_and_says_how_many(langfuse):
    """Beyond its size the outbox keeps the newest calls, and one warning says how many it dropped."""
    _, told = deliver(langfuse, calls(8), enough=there(langfuse, 3), most=3)
    assert sorted(row["id"] for row in held(langfuse)["observations"]) == [f"{number:016x}" for number in (6, 7, 8)]
    assert len(told) == 1
    assert "5 were dropped" in told[0]


def test_a_queue_that_is_too_long_drops_the_oldest(langfuse, monkeypatch):
    """Beyond so many characters, messages included, the oldest go as well; the newest one stays."""
    monkeypatch.setattr(_outbox, "MOST_CHARACTERS", 100)
    parts = (FrozenDict({"type": "text", "text": "y" * 60}),)
    long = make_call("x" * 30, messages=(Message(role="user", content=parts),))
    _, told = deliver(langfuse, [*calls(1), long, long], enough=there(langfuse, 1))
    assert len(held(langfuse)["observations"]) == 1
    assert "2 were dropped" in told[0]


def test_a_dead_langfuse_is_warned_of_once_and_tried_less_and_less(nobody):
    """Pauses double from 5 s to 300 s with one warning; closing does not try again."""
    slept, told = deliver(nobody, calls(2), enough=lambda _, slept: slept.count(300.0) == 2)
    assert slept[:9] == [1.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
    assert len(told) == 1
    assert "Nothing answers there" in told[0]


def test_closing_does_not_try_in_vain_again(langfuse):
    """Once Langfuse has refused, the end of the process asks it nothing more."""
    langfuse.control(refuse=["/api/public/projects"])
    is_resting = asyncio.Event()

    async def sleep(seconds):
        if seconds > 1:
            is_resting.set()
            await asyncio.sleep(60)

    async def work():
        http = HttpClient()
        outbox = Outbox(LangfuseClient(settings_for(langfuse), http, max_waits=0), sleep=sleep)
        outbox.put(make_call())
        await is_resting.wait()
        before = len(await asyncio.to_thread(langfuse.requests))
        await outbox.aclose(at_most_s=2.0)
        await http.aclose()
        return before

    with pytest.warns(LangfuseWarning, match="may not do this"):
        before = _sync.run(work())
    assert len(langfuse.requests()) == before == 1


def test_what_a_langfuse_that_was_away_did_not_take_comes_later(langfuse):
    """Calls that were refused for the moment are sent once it is well, each once."""
    langfuse.control(next=[{"path": TRACES, "status": 429, "headers": {"retry-after": "1"}}])
    slept, told = deliver(langfuse, calls(3), enough=there(langfuse, 3))
    assert (slept[:2], len(told)) == ([1.0, 5.0], 1)
    assert len(held(langfuse)["observations"]) == 3


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop_after": True}])
def test_a_call_that_may_have_arrived_is_not_sent_again(langfuse, fault):
    """A group whose fate is not known is not sent twice; later ones are, and what may be missing is told."""
    langfuse.control(next=[{"path": TRACES, **fault}])
    _, told = deliver(langfuse, calls(103), enough=lambda *_: len(posts(langfuse)) == 2)
    assert posts(langfuse) == [100, 3]
    assert len(held(langfuse)["observations"]) == (103 if "drop_after" in fault else 3)
    assert "100 were dropped" in told[-1]


def test_one_call_that_is_refused_takes_no_other_with_it(langfuse):
    """When a group is refused for its content, each call is sent by itself."""
    langfuse.control(next=[{"path": TRACES, "status": 413}, {"path": TRACES, "status": 413}])
    _, told = deliver(langfuse, calls(3), enough=there(langfuse, 2))
    assert posts(langfuse) == [3, 1, 1, 1]
    assert len(told) == 2
    assert "1 were dropped" in told[1]


@pytest.mark.parametrize(("status", "there_then"), [(429, [1, 2, 3]), (503, [1, 3])])
def test_calls_that_are_sent_singly_are_not_lost_when_langfuse_goes(langfuse, status, there_then):
    """When Langfuse goes in between, what is left comes later; only what may have arrived is not sent again."""
    faults = [{"path": TRACES, "status": 413}, {"path": TRACES, "delay_s": 0}, {"path": TRACES, "status": status}]
    langfuse.control(next=faults)
    deliver(langfuse, calls(3), enough=there(langfuse, len(there_then)))
    assert sorted(int(row["id"], 16) for row in held(langfuse)["observations"]) == there_then


def test_what_langfuse_rejects_of_a_group_is_told(langfuse):
    """A group that was taken in part is told with the server's reason, and is not sent again."""
    odd = make_call(spot=Spot(trace_id="odd", span_id="b" * 16))
    _, told = deliver(langfuse, [odd, *calls(1)], enough=there(langfuse, 1))
    assert (posts(langfuse), len(told)) == ([2], 1)
    assert "invalid traceId" in told[0]


def test_a_call_that_cannot_be_told_takes_no_other_with_it(langfuse):
    """A call that makes no span is dropped and told, and the others go on."""

    class Odd:
        def __str__(self):
            raise ValueError("odd")

    odd = make_call(metadata=FrozenDict({"mine": Odd()}))
    _, told = deliver(langfuse, [odd, *calls(2)], enough=there(langfuse, 2))
    assert len(held(langfuse)["observations"]) == 2
    assert "ValueError: odd" in told[0]


def test_wrong_keys_are_told_with_what_to_check(langfuse):
    """Keys that are refused are one warning that says so, without the keys."""
    wrong = LangfuseSettings(host=langfuse.url, public_key="pk-lf-wrong", secret_key=settings_for(langfuse).secret_key)

    async def work():
        http = HttpClient()
        outbox = Outbox(LangfuseClient(wrong, http, max_waits=0), interval_s=0.01)
        outbox.put(make_call())
        await outbox.aclose(at_most_s=2.0)
        await http.aclose()

    with pytest.warns(LangfuseWarning, match="refused the keys") as caught:
        _sync.run(work())
    assert settings_for(langfuse).secret_key.reveal() not in str(caught[0].message)


def test_closing_waits_for_two_seconds_at_most(langfuse):
    """A Langfuse that does not answer holds the end up for its share only, and what was not sent is told."""
    langfuse.control(next=[{"path": "/api/public/projects", "delay_s": 20}])
    _, told = deliver(langfuse, calls(2), enough=lambda *_: True, close_s=0.3)
    assert told == [
        "Traces of calls do not all get to Langfuse: 2 were not sent at the end. 0.3 s were not enough. The calls "
        "themselves are not touched by it, and this is told once."
    ]


@pytest.fixture(scope="module")
def _openai():
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def ask(tmp_path, _openai):
    """Makes so many completions that are traced at an address, and gives their texts."""
    _openai.control(reset=True)
    made = []

    def calls_of(server, count):
        engine = tracing_engine(tmp_path, server)
        made.append(engine)
        where = {"api_base": f"{_openai.url}/v1", "api_key": KEY, "engine": engine}
        return [tk.completion("openai/small", MESSAGES, **where).choices[0].message.content for _ in range(count)]

    yield calls_of
    for engine in made:
        _sync.run(engine.aclose())


def test_calls_with_a_dead_langfuse_have_their_answers(ask, nobody):
    """With a Langfuse that is gone, all calls are answered, and there is one warning, also for several engines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        texts = ask(nobody, 3)
        wait_for(lambda: caught)
        texts += ask(nobody, 3)
    assert len(texts) == 6
    assert [each.category for each in caught] == [LangfuseWarning]


def test_where_warnings_are_errors_traces_come_all_the_same(langfuse):
    """A warning that is an error stops neither what waits nor the closing."""
    langfuse.control(next=[{"path": TRACES, "status": 429}])
    deliver(langfuse, calls(3), enough=there(langfuse, 3), warned="error")
    assert posts(langfuse) == [3, 3]


def test_no_call_waits_for_langfuse(ask, langfuse):
    """While Langfuse takes its time for a group, later calls come and go: all have their answers before it has one."""
    langfuse.control(next=[{"path": TRACES, "delay_s": 3}])
    engine_texts = ask(langfuse, 1)
    wait_for(lambda: posts(langfuse))
    engine_texts += ask(langfuse, 5)
    assert len(engine_texts) == 6
    # The first group is still on its way: nothing of it is there.
    assert held(langfuse)["observations"] == []
    assert len(generations(langfuse, 6)) == 6


def test_a_child_of_another_project_s_span_is_on_its_own(langfuse):
    """A call whose parent goes to another project keeps the trace's id and has no parent where it goes."""

    async def work():
        http = HttpClient()
        tracer = CallTracer(http=http, interval_s=0.01)
        spot = Spot(trace_id="a" * 32, span_id="b" * 16, parent_id="c" * 16, public_key="pk-lf-other")
        own = Spot(trace_id="d" * 32, span_id="e" * 16, parent_id="f" * 16, public_key="pk-lf-test")
        for each in (spot, own):
            tracer.take(make_call(spot=each), settings_for(langfuse))
        await tracer.aclose()
        await http.aclose()

    _sync.run(work())
    rows = {row["traceId"]: row["parentObservationId"] for row in held(langfuse)["observations"]}
    assert rows == {"a" * 32: None, "d" * 32: "f" * 16}
