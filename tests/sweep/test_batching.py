"""One text a call, and few requests: how texts that are called for together go out."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from toolkit import _sync
from toolkit._records import FrozenDict, Message, Request
from toolkit.errors import RateLimitError
from toolkit.providers import EMBEDDING_PARAMS, Capabilities, Embedded
from toolkit.sweep._batching import BatchingProvider, packed, shared_out, unpacked


class FakeEmbedder:
    """Embeds a text as its length; keeps what it was sent."""

    name = identity = "fake"
    capabilities = Capabilities()

    def __init__(self, fault=None, gate=None):
        self.sent = []
        self.ended = []
        self.began = asyncio.Event()
        self._fault = fault
        self._gate = gate

    async def embed(self, model, texts, *, timeout_s):
        self.sent.append(list(texts))
        self.began.set()
        try:
            if self._gate is not None:
                await self._gate.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        if self._fault is not None:
            raise self._fault
        return Embedded(vectors=tuple([float(len(text))] for text in texts), input_tokens=10 * len(texts) + 1)


def ask(text):
    """A request for the vector of a text."""
    message = Message(role="user", content=text)
    return Request(provider="fake", model="m", messages=(message,), params=FrozenDict(EMBEDDING_PARAMS))


async def together(provider, texts):
    """What comes of texts that are called for at once."""
    calls = (provider.complete(ask(text), timeout_s=5) for text in texts)
    return await asyncio.gather(*calls, return_exceptions=True)


def test_at_most_64_texts_a_request():
    """Texts that are called for at once go out together, 64 in a request, and each gets its own vector."""
    inner = FakeEmbedder()
    found = _sync.run(together(BatchingProvider(inner), ["x" * n for n in range(1, 131)]))
    assert [len(texts) for texts in inner.sent] == [64, 64, 2]
    assert [unpacked(each.text)[0] for each in found] == list(range(1, 131))


def test_tokens_are_divided_among_the_texts():
    """The tokens of a request are divided among its texts, and their sum is what was counted."""
    found = _sync.run(together(BatchingProvider(FakeEmbedder()), ["short", "a much longer text than the other one"]))
    tokens = [each.usage.input_tokens for each in found]
    assert sum(tokens) == 21
    assert 0 < tokens[0] < tokens[1]


def test_a_failure_is_that_of_every_text_in_the_request():
    """An endpoint that is out of places says so to each text, and no half is tried by itself."""
    inner = FakeEmbedder(fault=RateLimitError("slow down", provider="fake", model="m"))
    found = _sync.run(together(BatchingProvider(inner), ["a", "b"]))
    assert [type(each) for each in found] == [RateLimitError] * 2
    assert len(inner.sent) == 1


def test_nobody_left_waiting_ends_the_request():
    """A request ends when the last one who waits for it is cancelled, and not before."""

    async def cancelled():
        gate = asyncio.Event()
        inner = FakeEmbedder(gate=gate)
        provider = BatchingProvider(inner)
        calls = [asyncio.create_task(provider.complete(ask(text), timeout_s=5)) for text in "ab"]
        await inner.began.wait()
        seen = []
        for call in calls:
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(list(inner.ended))
        return seen

    assert _sync.run(cancelled()) == [[], ["cancelled"]]


@pytest.mark.parametrize("weights", [[1], [1, 1, 1], [5, 0, 2, 9], [1000, 1]])
def test_shares_add_up(weights):
    """What is divided by weights adds up to the whole, and none is below 0."""
    for total in (0, 1, 7, 1000):
        shares = shared_out(total, weights)
        assert sum(shares) == total
        assert min(shares) >= 0


def test_vectors_are_kept_to_seven_digits():
    """A vector is kept as 4 bytes a number, and read back to 7 digits."""
    vector = [0.1234567891, -1e-8, 3.0]
    assert list(unpacked(packed(vector))) == pytest.approx(vector, rel=1e-7)


def test_a_text_that_is_no_vector_is_refused():
    """An answer of another kind is not taken for a vector."""
    with pytest.raises(ValueError, match="is no vector"):
        unpacked("hello")
