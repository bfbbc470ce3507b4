"""Streams that end badly, adapters that stream in their own way, and parameters that a streamed call may leave out."""

from __future__ import annotations

from dataclasses import replace

import pytest

import toolkit as tk
from tests.engine.test_call import REQUEST, send
from tests.engine.world import MESSAGES, World
from toolkit._records import FrozenDict, Response
from toolkit.config import Settings
from toolkit.engine import _call
from toolkit.errors import AuthenticationError, BadRequestError, InvalidResponseError
from toolkit.providers import Chunk
from toolkit.testing import FakeProvider, fake_engine

STREAMED = replace(REQUEST, params=FrozenDict({"stream": True}))


class Pieces:
    """An asynchronous iterator that is no generator: it has nothing to close."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class Streaming(FakeProvider):
    """A provider that streams these pieces, and nothing behind them."""

    def __init__(self, *pieces, **options):
        super().__init__(**options)
        self._pieces = pieces

    def stream(self, request, *, timeout_s):
        """Gives the pieces."""
        self.requests.append(request)
        return Pieces(self._pieces)


def test_an_adapter_may_stream_without_a_generator():
    """Any asynchronous iterator of chunks is a stream."""
    outcome = send(
        [],
        provider=Streaming(Chunk(text="a"), Chunk(response=Response(text="ab", finish_reason="stop"))),
        request=STREAMED,
    )
    assert outcome.text == "ab"


def test_a_stream_without_a_response_is_its_adapter_s_defect():
    """A stream that ends without a response is a row of the failure `adapter`, possibly billed."""
    outcome = send([], provider=Streaming(Chunk(text="a")), request=STREAMED)
    assert (outcome.failure.kind, outcome.failure.possibly_billed) == ("adapter", True)
    assert "ended its stream without a response" in outcome.failure.message


def test_a_completion_s_stream_that_ends_too_soon_raises(tmp_path):
    """A streamed completion that ends before its answer does raises that its stream was cut off."""
    provider = Streaming(Chunk(text="half"), name="openai")
    stream = iter(tk.completion("openai/m", MESSAGES, stream=True, engine=engine_of(tmp_path, provider)))
    assert next(stream).choices[0].delta.content == "half"
    with pytest.raises(InvalidResponseError, match="'openai' ended its stream before the answer did") as caught:
        next(stream)
    assert (caught.value.kind, caught.value.possibly_billed) == ("truncated_stream", True)


def engine_of(tmp_path, provider):
    """An engine with one scripted provider."""
    return fake_engine(Settings(home=tmp_path), providers=[provider])


def test_a_stream_that_nobody_can_begin_raises_the_last_error(tmp_path):
    """When the model and every fallback fail before their first chunk, the last one's error is raised."""
    world = World(tmp_path, openai=[AuthenticationError("first")], anthropic=[AuthenticationError("last")])
    with pytest.raises(AuthenticationError, match="last"):
        list(world("openai/m", MESSAGES, stream=True, fallbacks=["anthropic/claude-y"]))


@pytest.mark.parametrize(
    ("param", "sent"), [("seed", [{"seed": 1}, {}]), (None, [{"seed": 1}]), ("top_k", [{"seed": 1}])]
)
def test_a_streamed_call_leaves_out_only_what_was_refused(tmp_path, param, sent):
    """With drop_params a refusal of one of the parameters is tried again without it; any other refusal is raised."""

    def refuse(request):
        return BadRequestError("no", param=param) if "seed" in request.params else "fine"

    world = World(tmp_path, config="litellm_settings: {drop_params: true}", openai=refuse)
    stream = world("openai/m", MESSAGES, stream=True, seed=1)
    if len(sent) == 1:
        with pytest.raises(BadRequestError):
            list(stream)
    else:
        assert next(stream).choices[0].delta.content == "fine"
    assert [{key: value for key, value in one.params.items() if key == "seed"} for one in world.openai.requests] == sent


def test_only_so_many_other_models_are_told(monkeypatch, caplog):
    """That another model answers is told for a bounded number of models, so that a long run does not grow with them."""
    monkeypatch.setattr(_call, "_served_otherwise", set())
    monkeypatch.setattr(_call, "_MOST_NOTED", 2)
    for name in ("one", "two", "three"):
        assert (
            send(
                [Response(text="ok", finish_reason="stop", model="another")], request=replace(REQUEST, model=name)
            ).text
            == "ok"
        )
    assert [record.args[1] for record in caplog.records] == ["one", "two"]
