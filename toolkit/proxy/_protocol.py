"""HTTP as uvicorn and httptools read it, with what they leave out: limits on the head of a request."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from toolkit.proxy._guard import MAX_HEADER_BYTES, MAX_HEADERS
from toolkit.proxy._refusal import error_answer
from toolkit.proxy._wire import to_json

HEAD_TIMEOUT_S = 30.0
"""Seconds from the first byte of a request, or from connecting, to the end of its headers."""

_TOO_LARGE = "The request's headers are too large."


class _TooLarge(Exception):
    """Raised inside the parser, which turns it into its own error."""


class _HeadWithBody:
    """A transport that keeps the head of an answer until its body comes: one packet and one system call for both.

    The app sends a body, or its first piece, right after each head.

    Args:
        transport: What writes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, content: bytes) -> None:
        """Writes, or waits for what follows."""
        if self._head:
            content, self._head = self._head + content, b""
        elif content.endswith(b"\r\n\r\n") and content.startswith(b"HTTP/1.1 ") and content[9:12] != b"100":
            self._head = content
            return
        self._transport.write(content)

    def close(self) -> None:
        """Writes what waits, and closes."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class LimitedProtocol(HttpToolsProtocol):
    """Ends connections whose request line and headers are too large, too many or too slow; refuses absolute targets."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._fed = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Starts the clock: a connection that says nothing is closed."""
        super().connection_made(cast("asyncio.Transport", _HeadWithBody(transport)))
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; what has not come to the end of its headers by now is counted and timed."""
        self._fed += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._fed > MAX_HEADER_BYTES:
            self._refuse(431, _TOO_LARGE)
        elif self._timer is None and self._fed:
            self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def on_message_begin(self) -> None:
        """Begins a request."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Takes a piece of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header."""
        self._count(len(name) + len(value))
        if len(self.headers) >= MAX_HEADERS:
            raise _TooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Lets the request in; an absolute target, which only an HTTP proxy has a use for, is no request of ours."""
        self._in_head = False
        self._fed = 0
        self._stop_timer()
        if not self.url.startswith(b"/"):
            raise ValueError("not a path")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends a request; what follows is the head of the next."""
        super().on_message_complete()
        self._in_head = True
        self._fed = 0

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP request, in the form of every other error."""
        too_large = getattr(self, "_head_bytes", 0) > MAX_HEADER_BYTES or len(self.headers or ()) >= MAX_HEADERS
        if too_large and self._in_head:
            self._refuse(431, _TOO_LARGE)
        else:
            self._refuse(400, "This is not a valid HTTP request.")

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEADER_BYTES:
            raise _TooLarge

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            if self._fed:
                self._refuse(408, f"The request's headers did not arrive within {HEAD_TIMEOUT_S:g} s.")
            else:
                self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: str) -> None:
        body = to_json(error_answer(status, message).body)
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._stop_timer()
        cycle = self.cycle
        # In the middle of an answer nothing can be said any more.
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(head.encode("ascii") + body)
        if cycle is not None:
            # What the app would say now comes too late.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
