"""Streams, retries and fallbacks of `completion` and `acompletion` (completion.md section 1)."""

from __future__ import annotations

import asyncio

import pytest

import toolkit as tk
from tests.engine.world import MESSAGES, Fast, World
from tests.servers._process import serving
from toolkit import _sync
from toolkit.config import Settings
from toolkit.errors import AuthenticationError, InvalidResponseError, ProviderServerError, UsageError
from toolkit.providers import Chunk
from toolkit.testing import FakeProvider, fake_engine


@pytest.mark.line("1.46", "1.47")
def test_fallbacks_get_the_same_messages_once(tmp_path):
    """When a model fails, each fallback gets the same rendered prompt once; the last failure is raised."""
    world = World(tmp_path, openai=[AuthenticationError("no")])
    response = world(
        "langfuse/openai/m", prompt_id="text", prompt_variables={"word": "a"}, fallbacks=["anthropic/claude-y"]
    )
    assert response.choices[0].message.content == "from anthropic"
    assert world.anthropic.requests[0].messages == world.openai.requests[0].messages
    assert (len(world.openai.requests), len(world.anthropic.requests)) == (1, 1)
    dead = World(tmp_path, openai=[AuthenticationError("no")], anthropic=[AuthenticationError("also no")])
    with pytest.raises(AuthenticationError, match="also no"):
        dead("openai/m", MESSAGES, fallbacks=["anthropic/claude-y"])


@pytest.mark.line("1.51")
@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2), (None, 3)])
def test_max_retries_counts_the_tries_after_the_first(tmp_path, retries, calls):
    """max_retries=0 sends once; the default sends three times in all; then the provider's error is raised."""
    world = World(tmp_path, openai=[ProviderServerError("boom", retry_after_s=0)])
    world.engine.clock = Fast()
    with pytest.raises(ProviderServerError, match="boom"):
        world("openai/m", MESSAGES, max_retries=retries)
    assert len(world.openai.requests) == calls


@pytest.mark.line("1.7", "1.8")
def test_streaming_gives_chunks_to_plain_code_and_to_async_code(world):
    """stream=True gives an iterator of chunks with choices[0].delta.content, plain or async, and a finish reason."""
    chunks = list(world("openai/m", MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "fromopenai"
    assert chunks[-1].choices[0].finish_reason == "stop"

    async def collect():
        stream = await tk.acompletion("openai/m", MESSAGES, stream=True, engine=world.engine)
        return [chunk.choices[0].delta.get("content") async for chunk in stream]

    assert asyncio.run(collect()) == ["from", "openai", None]


@pytest.mark.line("6.9")
def test_anthropic_s_stream_reads_like_openai_s(monkeypatch, tmp_path):
    """Text and tool calls of a service with another wire format arrive as OpenAI's deltas, each once."""
    with serving("tests.servers.fake_anthropic") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        engine = fake_engine(Settings(home=tmp_path))
        chunks = list(tk.completion("claude-x", MESSAGES, stream=True, max_tokens=50, engine=engine))
        whole = tk.completion("claude-x", MESSAGES, max_tokens=50, engine=engine)
        _sync.run(engine.aclose())
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"


@pytest.mark.line("1.50")
def test_a_stream_that_fails_before_its_first_chunk_falls_back(tmp_path):
    """Until something was shown, a failed stream is tried again and falls back."""
    world = World(tmp_path, openai=[AuthenticationError("no")])
    chunks = world("openai/m", MESSAGES, stream=True, fallbacks=["anthropic/claude-y"])
    assert [chunk.choices[0].delta.get("content") for chunk in chunks][:2] == ["from", "anthropic"]


@pytest.mark.line("1.9")
def test_plain_calls_work_inside_a_running_loop(world):
    """A notebook cell runs in a loop: there plain calls and plain loops over chunks work as anywhere."""

    async def cell():
        whole = world("openai/m", MESSAGES).choices[0].message.content
        return whole, [chunk.choices[0].delta.content for chunk in world("openai/m", MESSAGES, stream=True)]

    assert asyncio.run(cell()) == ("from openai", ["from", "openai", None])


@pytest.mark.line("1.10")
def test_one_chunk_is_taken_with_next(world):
    """next() and anext() give the first chunk, and a loop behind them goes on with the second."""
    stream = world("openai/m", MESSAGES, stream=True)
    assert next(stream).choices[0].delta.content == "from"
    assert [chunk.choices[0].delta.content for chunk in stream] == ["openai", None]

    async def read():
        stream = await tk.acompletion("openai/m", MESSAGES, stream=True, engine=world.engine)
        first = (await anext(stream)).choices[0].delta.content
        return [first, *[chunk.choices[0].delta.content async for chunk in stream]]

    assert asyncio.run(read()) == ["from", "openai", None]


@pytest.mark.line("1.11")
def test_a_wrong_streamed_call_raises_at_once(world):
    """What is wrong with a streamed call is raised by the call itself, in both forms, and nothing is sent."""
    with pytest.raises(UsageError, match="`prompt_id` 'text'"):
        world("openai/m", MESSAGES, prompt_id="text", stream=True)

    async def call():
        with pytest.raises(UsageError, match="`prompt_id` is not given"):
            await tk.acompletion("langfuse/openai/m", stream=True, engine=world.engine)

    asyncio.run(call())
    assert world.openai.requests == []


class _Breaking(FakeProvider):
    """A provider whose stream breaks off behind its first piece."""

    async def stream(self, request, *, timeout_s):
        self.requests.append(request)
        yield Chunk(text="half")
        raise InvalidResponseError("the stream ended", kind="truncated_stream")


@pytest.mark.line("1.50")
def test_a_stream_that_breaks_off_raises(tmp_path):
    """Behind the first chunk a failure is raised and no fallback is asked: what was shown cannot be taken back."""
    broken, other = _Breaking(name="openai"), FakeProvider(name="anthropic")
    engine = fake_engine(Settings(home=tmp_path), providers=[broken, other])
    stream = iter(tk.completion("openai/m", MESSAGES, stream=True, fallbacks=["anthropic/x"], engine=engine))
    assert next(stream).choices[0].delta.content == "half"
    with pytest.raises(InvalidResponseError, match="the stream ended"):
        next(stream)
    assert (len(broken.requests), other.requests) == (1, [])


@pytest.mark.line("1.60")
@pytest.mark.parametrize("service", ["fake_openai", "fake_anthropic"])
def test_a_chunk_has_every_field_of_the_sdk_s(tmp_path, service):
    """`usage`, `delta.role`, `delta.tool_calls` and their like can be read on every chunk, `None` when empty."""
    model = "openai/m" if service == "fake_openai" else "anthropic/m"
    with serving(f"tests.servers.{service}") as server:
        engine = fake_engine(Settings(home=tmp_path))
        options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 9, "engine": engine}
        chunks = list(tk.completion(model, MESSAGES, api_base=server.url, api_key="k-123456", **options))
        _sync.run(engine.aclose())
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert [delta.role for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    assert {(delta.tool_calls, delta.function_call, delta.refusal) for delta in deltas} == {(None, None, None)}
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[0].service_tier is None
    with pytest.raises(AttributeError, match="there is"):
        _ = chunks[0].content
