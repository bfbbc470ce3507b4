"""What the engine tells a tracer of a call: what was sent, what came, and when."""

from __future__ import annotations

import asyncio

import pytest

import toolkit as tk
from tests.engine.traced import MANAGED, PROMPT, SPOT, arguments, prepared
from tests.engine.world import MESSAGES
from toolkit import _sync
from toolkit.config import BOTH
from toolkit.engine import Engine, complete, make_call, stream_complete, traced
from toolkit.errors import ProviderTimeoutError, UsageError
from toolkit.testing import FakeProvider


def test_a_call_is_told_with_what_was_sent_and_what_came(make):
    """A tracer gets the resolved prompt, variables, messages, params, models and the outcome of a call."""
    world = make()
    answer = world("langfuse/openai/m", **MANAGED, temperature=0.5)
    call = world.call
    assert (call.spot, call.prompt, call.variables) == (SPOT, PROMPT, {"word": "a"})
    assert ([each.to_wire() for each in call.messages], call.params) == (
        [{"role": "user", "content": "Say a."}],
        {"temperature": 0.5},
    )
    assert (call.model, call.model_source, call.provider) == ("langfuse/openai/m", "caller", "openai")
    assert (call.outcome.status, call.outcome.text, call.outcome.model_sent) == ("ok", "hello", "m")
    assert answer.trace_url == "http://home/" + "a" * 32


def test_what_the_caller_says_of_a_call_is_told_and_not_sent(make):
    """`metadata` goes to the tracer, whole, and never to the provider."""
    world = make()
    said = {"trace_user_id": "ann", "session_id": "s-1", "tags": ["a"], 5: "five"}
    world("openai/m", MESSAGES, metadata=said)
    assert world.tracer.asked == [({"trace_user_id": "ann", "session_id": "s-1", "tags": ("a",), "5": "five"}, None)]
    assert (world.call.metadata["session_id"], world.call.user) == ("s-1", "ann")
    assert world.provider.requests[0].params == {}


@pytest.mark.parametrize("metadata", [None, "words", 5, ["a"]])
def test_metadata_that_is_no_map_says_nothing(make, metadata):
    """A call with other metadata than a map is traced without any."""
    world = make()
    world("openai/m", MESSAGES, metadata=metadata)
    assert world.call.metadata == {}


def test_the_user_parameter_names_the_user(make):
    """Where the metadata names no user, OpenAI's `user` does."""
    world = make()
    world("openai/m", MESSAGES, user="bob")
    assert world.call.user == "bob"


def test_the_await_form_is_told_too(make):
    """`acompletion` is told as `completion` is."""
    world = make()
    answer = asyncio.run(tk.acompletion("openai/m", MESSAGES, engine=world.engine))
    assert (world.call.outcome.text, answer.trace_url) == ("hello", "http://home/" + "a" * 32)


@pytest.mark.parametrize("is_awaited", [False, True])
def test_a_stream_is_told_when_it_has_ended(make, is_awaited):
    """A stream is told once, with the whole answer, after its last chunk."""
    world = make(["hello you"])

    async def read():
        stream = await tk.acompletion("openai/m", MESSAGES, stream=True, engine=world.engine)
        assert (world.tracer.calls, stream.trace_url) == ([], None)
        async for _ in stream:
            pass
        return stream

    if is_awaited:
        stream = asyncio.run(read())
    else:
        stream = world("openai/m", MESSAGES, stream=True)
        assert (world.tracer.calls, stream.trace_url) == ([], None)
        list(stream)
    assert (world.call.outcome.status, world.call.outcome.text) == ("ok", "hello you")
    assert stream.trace_url == "http://home/" + "a" * 32


def test_a_stream_that_is_left_is_told_with_what_had_come(make):
    """A stream that its reader leaves is a cancelled call, with the text that had come."""
    world = make(["one two three"])

    async def leave():
        call = make_call(arguments(stream=True), {})
        stream = stream_complete(
            world.engine, call, prepared=await prepared(world, call), trace=traced(world.engine, call)
        )
        async for chunk in stream:
            if chunk["choices"][0]["delta"].get("content"):
                break
        await stream.aclose()

    _sync.run(leave())
    outcome = world.call.outcome
    assert (outcome.status, outcome.failure.kind, outcome.failure.partial) == ("cancelled", "cancelled", "one")
    assert outcome.attempts == 1


def test_a_call_that_is_cancelled_is_told(make):
    """A call that nobody waits for any more is told as cancelled, once its request has left."""
    began = asyncio.Event()

    class Hanging(FakeProvider):
        async def complete(self, request, *, timeout_s):
            began.set()
            await asyncio.sleep(60)

    world = make()
    world.engine = Engine(
        world.engine.settings,
        providers={"openai": Hanging([], name="openai")},
        config=world.engine.config,
        tracer=world.tracer,
    )

    async def cancel():
        call = make_call(arguments(), {})
        task = asyncio.create_task(complete(world.engine, call, trace=traced(world.engine, call)))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _sync.run(cancel())
    assert (world.call.outcome.status, world.call.outcome.failure.kind) == ("cancelled", "cancelled")


def test_a_failure_is_told_and_raised(make):
    """A call that failed is told with its failure, from the first try to the end, and raises as ever."""
    fault = ProviderTimeoutError("slow", provider="openai", model="m")
    world = make([fault, fault])
    with pytest.raises(ProviderTimeoutError):
        world("openai/m", MESSAGES, max_retries=1)
    outcome = world.call.outcome
    assert (outcome.status, outcome.failure.kind, outcome.attempts) == ("failed", "timeout", 2)
    assert outcome.started_at < world.call.ended_at


def test_an_answer_is_told_from_the_try_that_got_it(make):
    """The time of an answer begins with its own try, not with one that failed before."""
    world = make([ProviderTimeoutError("slow", provider="openai", model="m"), "hello"])
    world("openai/m", MESSAGES, max_retries=1)
    alone = make(["hello"])
    alone("openai/m", MESSAGES)
    assert world.call.outcome.attempts == 2
    assert world.call.outcome.started_at > alone.call.outcome.started_at


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_is_one_call_that_says_what_failed_before(make, stream):
    """A call that was answered by a fallback is told once, with the model that failed before and how."""
    world = make([ProviderTimeoutError("slow", provider="openai", model="m"), "from the second"])
    answer = world("openai/m", MESSAGES, max_retries=0, fallbacks=["openai/second"], stream=stream)
    if stream:
        list(answer)
    assert (world.call.outcome.text, world.call.outcome.model_sent) == ("from the second", "second")
    assert world.call.failed_before == ("m: timeout: slow",)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_sends_nothing_is_not_told(make, stream):
    """A call that cannot be resolved is told to its caller alone."""
    world = make()
    with pytest.raises(UsageError):
        world("openai/m", MESSAGES, prompt_id="text", stream=stream)
    with pytest.raises(UsageError, match="max_retries"):
        list(world("openai/m", MESSAGES, max_retries=-1, stream=stream))
    assert world.tracer.calls == []


@pytest.mark.parametrize(
    ("traces", "told"), [(BOTH, ["ok", "failed"]), ({"success"}, ["ok"]), ({"failure"}, ["failed"]), (set(), [])]
)
def test_successes_and_failures_are_told_as_asked_for(make, traces, told):
    """`success` and `failure` say which calls a tracer gets."""
    world = make(["hello", ProviderTimeoutError("slow", provider="openai", model="m")], traces=frozenset(traces))
    world("openai/m", MESSAGES)
    with pytest.raises(ProviderTimeoutError):
        world("openai/m", MESSAGES, max_retries=0)
    assert [call.outcome.status for call in world.tracer.calls] == told
