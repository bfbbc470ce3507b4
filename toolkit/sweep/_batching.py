"""Embeddings as calls of the engine: one text a call, on record and paid for by itself, sent together in batches."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from toolkit._records import Request, Response, Usage
from toolkit.errors import BadRequestError, ProviderError
from toolkit.providers import Capabilities, Chunk, Embedded, Embedder, Provider, estimate_tokens

# Texts in one request: services take a few hundred.
_BATCH = 64

# How long a text waits for others: those of one commit of the store arrive together.
_LINGER_S = 0.01

# Vectors are kept as 4 bytes a number, which is what services compute with.
_HEAD = "f32:"


@dataclass(slots=True)
class _Batch:
    model: str
    timeout_s: float
    texts: list[str] = field(default_factory=list)
    answers: list[asyncio.Future[Response]] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None


class BatchingProvider:
    """A provider whose every call is one text, and whose answer is the text's vector; used on one event loop.

    Texts that are called for at the same time go out in one request of up to 64. What the request took is divided among
    them by their estimated tokens, so that the sum is what the service counted. A request that is refused is sent again
    in halves, until the text that it is refused for stands alone.

    Args:
        inner: Sends the requests.
    """

    def __init__(self, inner: Provider) -> None:
        self._inner = inner
        self.name = inner.name
        self.identity = inner.identity
        self.capabilities = Capabilities(stream=False, max_concurrency=inner.capabilities.max_concurrency)
        self._open: _Batch | None = None

    def check(self, model: str) -> None:
        """As the provider inside does."""
        self._inner.check(model)

    async def prepare(self, model: str) -> None:
        """As the provider inside does."""
        await self._inner.prepare(model)

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Returns the vector of the request's one message, as text; see `unpacked`.

        Raises:
            ProviderError: Of the most specific class.
        """
        batch = self._open
        if batch is None:
            batch = self._open = _Batch(model=request.model, timeout_s=timeout_s)
            batch.sending = asyncio.create_task(self._send_later(batch))
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        batch.texts.append(str(request.messages[0].content))
        batch.answers.append(answer)
        if len(batch.texts) >= _BATCH:
            self._open = None
        try:
            return await answer
        except asyncio.CancelledError:
            # The last one who waited takes the request along.
            if batch.sending is not None and all(each.done() for each in batch.answers):
                batch.sending.cancel()
                self._open = None if self._open is batch else self._open
            raise

    async def stream(self, request: Request, *, timeout_s: float) -> AsyncIterator[Chunk]:
        """As `complete`, in one piece."""
        yield Chunk(response=await self.complete(request, timeout_s=timeout_s))

    async def aclose(self) -> None:
        """Does nothing: the provider inside belongs to the engine."""

    async def _send_later(self, batch: _Batch) -> None:
        await asyncio.sleep(_LINGER_S)
        if self._open is batch:
            self._open = None
        try:
            await self._send(batch, range(len(batch.texts)))
        except Exception as error:  # noqa: BLE001  whatever it is, it is what came of each of these texts
            for answer in batch.answers:
                if not answer.done():
                    answer.set_exception(error)

    async def _send(self, batch: _Batch, places: Sequence[int]) -> None:
        """Sends some texts of a batch and gives each its answer."""
        assert isinstance(self._inner, Embedder)  # noqa: S101  whoever made this has seen to it
        texts, started = [batch.texts[place] for place in places], time.perf_counter()
        try:
            found = await self._inner.embed(batch.model, texts, timeout_s=batch.timeout_s)
        except BadRequestError as error:
            if len(places) == 1:
                _give(batch.answers[places[0]], error)
                return
            middle = len(places) // 2
            await asyncio.gather(self._send(batch, places[:middle]), self._send(batch, places[middle:]))
            return
        except ProviderError as error:
            for place in places:
                _give(batch.answers[place], error)
            return
        responses = _responses(found, texts, time.perf_counter() - started)
        for place, response in zip(places, responses, strict=True):
            _give(batch.answers[place], response)


def _give(answer: asyncio.Future[Response], came: Response | ProviderError) -> None:
    if answer.done():
        return
    if isinstance(came, Response):
        answer.set_result(came)
    else:
        answer.set_exception(came)


def _responses(found: Embedded, texts: Sequence[str], latency_s: float) -> list[Response]:
    shares: Sequence[int | None] = [None] * len(texts)
    if found.input_tokens is not None:
        shares = shared_out(found.input_tokens, [max(1, estimate_tokens(text).expected) for text in texts])
    return [
        Response(
            text=packed(vector),
            finish_reason="stop",
            model=found.model,
            usage=Usage(input_tokens=share, output_tokens=0),
            request_id=found.request_id,
            latency_s=latency_s,
        )
        for vector, share in zip(found.vectors, shares, strict=True)
    ]


def shared_out(total: int, weights: Sequence[int]) -> list[int]:
    """Returns whole numbers in proportion to the weights, with exactly this sum.

    Example:
        >>> shared_out(10, [1, 1, 1])
        [3, 3, 4]
    """
    given, passed, whole = 0, 0, sum(weights)
    shares = []
    for weight in weights:
        passed += weight
        shares.append(total * passed // whole - given)
        given += shares[-1]
    return shares


def packed(vector: Sequence[float]) -> str:
    """Returns a vector as text: 4 bytes a number.

    Example:
        >>> packed([1.0, 0.5])
        'f32:AACAPwAAAD8='
    """
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return _HEAD + base64.b64encode(numbers.tobytes()).decode("ascii")


def unpacked(text: str) -> Sequence[float]:
    """Returns the vector that `packed` was given, to 7 digits.

    Raises:
        ValueError: If the text is none of `packed`.

    Example:
        >>> list(unpacked("f32:AACAPwAAAD8="))
        [1.0, 0.5]
    """
    if not text.startswith(_HEAD):
        raise ValueError(f"{text[:20]!r} is no vector")
    numbers = array("f")
    numbers.frombytes(base64.b64decode(text[len(_HEAD) :], validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
