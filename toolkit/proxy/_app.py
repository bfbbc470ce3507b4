"""The ASGI app: routes, one call from body to answer, whole or streamed, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from random import Random
from typing import Any
from urllib.parse import unquote

from toolkit._redact import redact
from toolkit.engine import (
    CallTrace,
    Engine,
    Prepared,
    Way,
    complete,
    completion_body,
    prepare,
    stream_complete,
    traced,
)
from toolkit.errors import ToolkitError
from toolkit.proxy._guard import Guard
from toolkit.proxy._models import ServedModels
from toolkit.proxy._recorder import CallRecord, TrafficRecorder
from toolkit.proxy._refusal import SERVER, Answer, Refused, answer_of, error_answer
from toolkit.proxy._wire import MAX_BODY_BYTES, Asked, header_text, read_call, read_json, to_json

BODY_TIMEOUT_S = 30.0
"""Seconds for a request's whole body to arrive."""

MAX_IN_FLIGHT = 64
MAX_WAITING = 256
"""Calls that wait for a place among those in flight; one more is answered 503."""

_MOST_BYTES_TO_DISCARD = 100_000_000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_COMPLETIONS = ("/v1/chat/completions", "/chat/completions")
_MODELS = ("/v1/models", "/models")
_DEPLOYMENTS, _DEPLOYMENTS_END = "/openai/deployments/", "/chat/completions"
_GONE = "The client went away before the answer was whole."


class ProxyApp:
    """OpenAI's chat completions over one configuration. Runs on the engine's own loop.

    Args:
        engine: Sources, providers and config.yaml.
        guard: Who may speak to it.
        recorder: Keeps the calls; `None` = the engine's run store.
        max_in_flight: Most calls at a time.
        max_waiting: Most calls that wait for a place.
        body_timeout_s: Seconds for a body to arrive.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        guard: Guard,
        recorder: TrafficRecorder | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_waiting: int = MAX_WAITING,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._recorder = recorder or TrafficRecorder(engine.store)
        self._models = ServedModels(engine)
        self._places = asyncio.Semaphore(max_in_flight)
        self._max_held = max_in_flight + max_waiting
        self._held = 0
        self._body_timeout_s = body_timeout_s
        self._started_at = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong is an answer in OpenAI's form."""
        if scope["type"] != "http":
            return
        try:
            headers = self._guard.admit(scope["headers"])
            await self._route(scope, headers, receive, send)
        except Refused as refused:
            await _send_answer(send, refused.answer)

    async def _route(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        # The raw path alone decides: nothing that a header says of host or path does.
        path, method = scope["raw_path"].decode("latin-1"), scope["method"]
        named = None
        if path.startswith(_DEPLOYMENTS) and path.endswith(_DEPLOYMENTS_END):
            named = unquote(path[len(_DEPLOYMENTS) : -len(_DEPLOYMENTS_END)])
        if path in _COMPLETIONS or named:
            _allow(method, "POST")
            self._guard.authenticate(headers)
            await self._complete(headers, named, receive, send)
        elif path in _MODELS:
            _allow(method, "GET")
            self._guard.authenticate(headers)
            await _send_answer(send, Answer(status=200, body=self._models.listing(self._started_at)))
        elif path == "/health":
            _allow(method, "GET")
            await _send_answer(send, Answer(status=200, body={"status": "ok"}))
        else:
            shown = scope["path"][:200]
            raise Refused(404, f"There is no {shown!r} here; POST /v1/chat/completions and GET /v1/models are.")

    async def _complete(self, headers: dict[bytes, bytes], model: str | None, receive: Receive, send: Send) -> None:
        call_id = new_call_id(self._engine.rng)
        try:
            body = read_json(await self._body(headers, receive))
            asked = read_call(body, model=model)
            self._models.check(asked.call.model)
        except Refused as refused:
            await _send_answer(send, refused.answer, [(b"x-toolkit-request-id", call_id.encode())])
            return
        sticky = asked.user or headers.get(b"x-toolkit-sticky-key", b"").decode("latin-1")
        draw = sticky_draw(asked.call.model, sticky) if sticky else self._engine.rng.random()
        exchange = _Exchange(self._engine, self._models, asked, draw=draw, call_id=call_id, send=send)
        exchange.record = self._recorder.record(call_id=call_id, model=asked.call.model)
        parent = headers.get(b"traceparent")
        exchange.trace = traced(self._engine, asked.call, traceparent=parent.decode("latin-1") if parent else None)
        async with _until_gone(receive, exchange.record):
            try:
                async with self._place():
                    await exchange.answer()
            except Refused as refused:
                await _send_answer(send, refused.answer, [(b"x-toolkit-request-id", call_id.encode())])

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            raise Refused(415, "The content-type is application/json; nothing else is read here.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            # A client that is still sending hears of it only if what it sends is read, and thrown away.
            raise _too_large(closes=not length.isdigit() or int(length) > _MOST_BYTES_TO_DISCARD)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, "The body breaks off.")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > MAX_BODY_BYTES:
                        raise _too_large(closes=True)
                    if not message.get("more_body", False):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError:
            raise Refused(
                408, f"The body did not arrive within {self._body_timeout_s:g} s.", headers={"connection": "close"}
            ) from None

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._held >= self._max_held:
            raise Refused(
                503, "The proxy is at its limit of calls; try again.", kind=SERVER, headers={"retry-after": "1"}
            )
        self._held += 1
        try:
            async with self._places:
                yield
        finally:
            self._held -= 1


class _Exchange:
    """One call from the request that was read to the answer that is sent."""

    record: CallRecord
    trace: CallTrace | None = None

    def __init__(
        self, engine: Engine, models: ServedModels, asked: Asked, *, draw: float, call_id: str, send: Send
    ) -> None:
        self._engine = engine
        self._models = models
        self._asked = asked
        self._draw = draw
        self._call_id = call_id
        self._send = send
        self._alias = asked.call.model

    async def answer(self) -> None:
        """Answers the call; a failure is an answer too."""
        headers = self._headers()
        try:
            prepared = await prepare(self._engine, self._asked.call, draw=self._draw)
            self._models.check_chosen(prepared.ways[0], self._alias)
            headers += _way_headers(prepared.ways[0])
            if self._asked.stream:
                await self._stream(prepared, headers)
            else:
                await self._whole(prepared, headers)
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001  one request's failure is its answer, never the connection's end
            await _send_answer(self._send, _failed(error), headers)

    async def _whole(self, prepared: Prepared, headers: list[tuple[bytes, bytes]]) -> None:
        way, outcome = await complete(
            self._engine, self._asked.call, recorder=self.record, prepared=prepared, trace=self.trace
        )
        assert outcome.response is not None  # noqa: S101  complete() raises when there is none
        body = completion_body(outcome.response, way.sent.request, model=self._alias)
        if outcome.cost_usd is not None:
            headers = [*headers, (b"x-toolkit-cost", f"{outcome.cost_usd:.10g}".encode())]
        await _send_answer(self._send, Answer(status=200, body=body), headers)

    async def _stream(self, prepared: Prepared, headers: list[tuple[bytes, bytes]]) -> None:
        chunks = stream_complete(
            self._engine, self._asked.call, recorder=self.record, prepared=prepared, trace=self.trace
        )
        async with contextlib.aclosing(chunks):
            # A failure before the first chunk still has a status of its own.
            first = await anext(chunks, None)
            started = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": started + headers})
            try:
                if first is not None:
                    await self._event(first)
                await self._events(chunks)
                end = b"data: [DONE]\n\n"
            except Exception as error:  # noqa: BLE001  the status is sent: what goes wrong now is an event
                # Without [DONE]: the answer is not whole.
                end = b"data: " + to_json(_failed(error).body) + b"\n\n"
            await self._send({"type": "http.response.body", "body": end})

    async def _events(self, chunks: AsyncGenerator[Mapping[str, Any], None]) -> None:
        async for chunk in chunks:
            await self._event(chunk)

    async def _event(self, chunk: Mapping[str, Any]) -> None:
        event = b"data: " + to_json({**chunk, "model": self._alias}) + b"\n\n"
        await self._send({"type": "http.response.body", "body": event, "more_body": True})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-toolkit-request-id", self._call_id.encode())]
        if self._asked.dropped:
            names = ", ".join(self._asked.dropped[:20])
            headers.append((b"x-toolkit-dropped-fields", header_text(names[:1000])))
        return headers


def new_call_id(rng: Random) -> str:
    """Returns an identity that no other call has: `c1:`, 12 hex digits of the time in ms, 20 at random.

    Later ones sort behind earlier ones, so that the store writes at the end of its indexes and not all over them.
    """
    return f"c1:{time.time_ns() // 1_000_000:012x}{rng.getrandbits(80):020x}"


def sticky_draw(model: str, key: str) -> float:
    """Returns the number from 0 up to 1 that a key draws among the deployments of a model, always the same.

    The model is part of it, so that two splits are independent of each other.

    Example:
        >>> sticky_draw("chat", "user-1") == sticky_draw("chat", "user-1")
        True
    """
    digest = hashlib.blake2b(f"{model}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


@contextlib.asynccontextmanager
async def _until_gone(receive: Receive, record: CallRecord) -> AsyncIterator[None]:
    """Cancels the block when the client goes away, and puts on record that it did."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  there is always one on a running loop
    left = False

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        await record.abandon(_GONE if left else "The proxy was stopped before the answer was whole.")
        if not left:
            raise
        task.uncancel()
    finally:
        watcher.cancel()


def _way_headers(way: Way) -> list[tuple[bytes, bytes]]:
    request, prompt = way.sent.request, way.sent.prompt
    headers = [(b"x-toolkit-model", header_text(f"{way.route.provider.name}/{request.model}"))]
    if prompt is not None:
        headers += [
            (b"x-toolkit-prompt-id", header_text(prompt.prompt_id)),
            (b"x-toolkit-prompt-version", header_text(prompt.version)),
            (b"x-toolkit-prompt-source", header_text(prompt.source)),
        ]
    return headers


def _failed(error: Exception) -> Answer:
    """The answer to a failure; one that is nobody's but ours is told to the log and not to the client."""
    if isinstance(error, ToolkitError):
        return answer_of(error)
    # As ASCII with escapes: what others wrote must not steer the terminal.
    sys.stderr.write(redact(f"toolkit proxy: a defect, please report it: {type(error).__name__}: {str(error)!a}\n"))
    return error_answer(500, "The proxy failed; its log says more.", kind=SERVER)


def _too_large(*, closes: bool) -> Refused:
    message = f"The body is larger than {MAX_BODY_BYTES:,} bytes."
    return Refused(413, message, headers={"connection": "close"} if closes else {})


def _allow(method: str, allowed: str) -> None:
    if method != allowed:
        raise Refused(405, f"Only {allowed} is served here.", headers={"allow": allowed})


async def _send_answer(send: Send, answer: Answer, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = to_json(answer.body)
    listed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    listed += [(name.encode(), header_text(value)) for name, value in answer.headers.items()]
    listed += headers or ()
    await send({"type": "http.response.start", "status": answer.status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
