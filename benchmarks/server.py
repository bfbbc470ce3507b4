"""The upstream of the benchmarks: a chat service and a Langfuse project on one port, cheaper than all that is measured.

Run as a process of its own, it prints one JSON line `{"port": N}` and ends when its standard input is closed. A `POST`
is answered with one chat completion of about 1 KB, or with eight events when the body asks for a stream; a `GET` of a
Langfuse prompt with a chat prompt of two messages. `--latency-ms` waits before each completion; `--gap-ms` between
the first event of a stream and the others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
from collections.abc import Callable

TEXT = "A parcel that has left the depot arrives within two working days. " * 8
COMPLETION = {
    "id": "chatcmpl-benchmark",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 140,
        "completion_tokens": 110,
        "total_tokens": 250,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "system_fingerprint": "fp_benchmark",
}
PROMPT = {
    "id": "p1",
    "name": "support-reply",
    "version": 1,
    "type": "chat",
    "prompt": [
        {"role": "system", "content": "You answer letters to a parcel service. " + "Be brief and polite. " * 12},
        {"role": "user", "content": "{{name}} writes: {{question}}"},
    ],
    "config": {"temperature": 0.2, "max_tokens": 200},
    "labels": ["production", "latest"],
    "tags": [],
    "projectId": "bench",
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
    "createdBy": "bench",
    "isActive": True,
    "commitMessage": None,
    "resolutionGraph": None,
}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAMED = re.compile(rb'"stream": ?true')


def whole(content: bytes, content_type: str = "application/json") -> bytes:
    """One answer with its head."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(content)}\r\n"
    return head.encode() + b"x-request-id: req_benchmark\r\n\r\n" + content


def chunk(content: bytes) -> bytes:
    """One piece of a chunked answer."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def events() -> list[bytes]:
    """A streamed answer: its head with the first event, and all that follows."""
    base = {name: COMPLETION[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": "A"}] + [{"content": " parcel"}] * 6
    bodies = [{**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    bodies.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [chunk(b"data: " + json.dumps(body).encode() + b"\n\n") for body in bodies]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head + lines[0], b"".join(lines[1:]) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


ANSWER = whole(json.dumps(COMPLETION).encode())
PROMPT_ANSWER = whole(json.dumps(PROMPT).encode())
OTHER_ANSWER = whole(b'{"data": [], "meta": {"page": 1, "limit": 100, "totalPages": 0, "totalItems": 0}}')
EVENTS = events()


class Service(asyncio.Protocol):
    """One connection."""

    def __init__(self, *, latency_s: float, gap_s: float) -> None:
        self._latency_s = latency_s
        self._gap_s = gap_s
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers every request that has arrived whole."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < size:
                return
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            self._answer(request, end)

    def _answer(self, request: bytes, end: int) -> None:
        if request.startswith(b"GET"):
            self._write(PROMPT_ANSWER if b"/prompts/" in request[: request.find(b"\r\n")] else OTHER_ANSWER)
        elif b"/chat/completions" not in request[: request.find(b"\r\n")]:
            self._write(OTHER_ANSWER)
        elif _STREAMED.search(request, end):
            self._later(self._latency_s, lambda: self._write(EVENTS[0]))
            self._later(self._latency_s + self._gap_s, lambda: self._write(EVENTS[1]))
        elif self._latency_s:
            self._later(self._latency_s, lambda: self._write(ANSWER))
        else:
            self._write(ANSWER)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, call)
        else:
            call()

    def _write(self, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(content)  # type: ignore[attr-defined]


async def serve(*, port: int, latency_s: float, gap_s: float) -> None:
    """Serves on loopback until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Service(latency_s=latency_s, gap_s=gap_s), "127.0.0.1", port, backlog=1024
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    over = asyncio.Event()

    def watch_stdin() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch_stdin, daemon=True).start()
    await over.wait()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--gap-ms", type=float, default=0.0)
    options = parser.parse_args()
    serving = serve(port=options.port, latency_s=options.latency_ms / 1000, gap_s=options.gap_ms / 1000)
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


if __name__ == "__main__":
    main()
