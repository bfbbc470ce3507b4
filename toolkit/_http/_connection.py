"""One connection: requests out, answers in, one after the other, parsed by httptools (the parser of Node.js)."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

import httptools

from toolkit._http._failure import HttpFailure

_LARGEST_HEAD = 256 * 1024
_TOO_LONG = f"headers of more than {_LARGEST_HEAD:,} bytes"
# Reading stops while this much of a body waits for its reader.
_MOST_WAITING = 256 * 1024
_WITHOUT_BODY = frozenset({204, 304})


class Connection(asyncio.Protocol):
    """Carries one exchange at a time.

    Args:
        on_free: Called when an answer has been read to its end and the connection can carry another request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_free: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_free = on_free
        self.transport: asyncio.Transport | None = None
        self.is_closed = False
        self.idle_since = 0.0
        """By the loop's clock."""
        self._parser: httptools.HttpResponseParser | None = None
        self._is_done = True

    def begin(self, method: str, request: bytes) -> None:
        """Writes a request; its answer is read by `head` and `next_part`."""
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_begun = False
        """True from the first byte of the answer on."""
        self._has_head = False
        self._head_bytes = 0
        self._header_bytes = 0
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._is_done = False
        self._is_extra = False
        self._is_kept = False
        self._is_paused = False
        self._failure: HttpFailure | None = None
        self._waiter: asyncio.Future[None] | None = None
        assert self.transport is not None  # noqa: S101  the pool gives out connected ones
        self.transport.write(request)

    async def head(self) -> None:
        """Waits until status and headers are there.

        Raises:
            HttpFailure: If the connection breaks before.
        """
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._more()

    async def next_part(self) -> bytes:
        """Returns what has arrived of the body, waiting for the first byte; empty at its end.

        Raises:
            HttpFailure: If the connection breaks before the end; what arrived before is returned first.
        """
        while not self._parts:
            if self._is_done:
                # Not earlier: with the next request, what belongs to this answer is gone.
                self._free()
                return b""
            if self._failure is not None:
                raise self._failure
            await self._more()
        parts, self._parts = self._parts, []
        self._waiting_bytes = 0
        if self._is_paused and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def leave(self) -> None:
        """Gives the connection back when the whole answer has arrived, and cuts it otherwise."""
        if self._is_done:
            self._free()
        else:
            self.abort()

    def abort(self) -> None:
        """Cuts the connection."""
        self.is_closed = True
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Ends an idle connection politely."""
        self.is_closed = True
        if self.transport is not None:
            self.transport.close()

    def is_over(self) -> bool:
        """True when the end of the stream, or bytes that nobody asked for, have arrived on an idle connection.

        The loop may be too busy to have noticed; asking the system is certain.
        """
        sock = None if self.transport is None else self.transport.get_extra_info("socket")
        if self.is_closed or sock is None:
            return True
        if not hasattr(select, "poll"):
            return bool(select.select([sock.fileno()], [], [], 0)[0])
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def _more(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, message: str) -> None:
        if not self._is_done and self._failure is None:
            self._failure = HttpFailure("connection", message, request_sent=True)
        # Also when the answer is whole and only what follows it is wrong: its reader may be waiting.
        self._wake()
        self.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # create_connection makes a Transport

    def data_received(self, data: bytes) -> None:
        if self._is_done or self._parser is None:
            self.abort()  # nobody asked
            return
        self.has_begun = True
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._is_extra = True
            self._fail(f"the answer is no HTTP: {error.__context__ or error}")
            return
        if not self._has_head and self._head_bytes > _LARGEST_HEAD:
            self._fail(_TOO_LONG)
        self._wake()

    def eof_received(self) -> bool:
        self._ended("")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self._ended(f": {type(error).__name__}: {error}" if error is not None else "")
        self.transport = None

    def _ended(self, why: str) -> None:
        self.is_closed = True
        if self._is_done:
            return
        if self._has_head and not why and not {"content-length", "transfer-encoding"} & self.headers.keys():
            self._is_done = True  # a body that is as long as the connection
            self._wake()
            return
        when = "amid its answer" if self.has_begun else "before it answered"
        self._fail(f"the server closed the connection {when}{why}")

    def _free(self) -> None:
        """Gives the connection back when both sides agree on where the exchange ended."""
        transport = self.transport
        is_agreed = self._is_kept and not self._is_extra and self._method != "HEAD" and not self.is_closed
        is_agreed = is_agreed and not self._is_paused
        if is_agreed and transport is not None and not transport.get_write_buffer_size():
            self._on_free(self)
        else:
            self.abort()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._is_done:
            self._is_extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_done:
            return
        self._header_bytes += len(name) + len(value)
        lower = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        self.headers[lower] = f"{self.headers[lower]}, {text}" if lower in self.headers else text

    def on_headers_complete(self) -> None:
        if self._is_done or self._parser is None:
            return
        if self._header_bytes > _LARGEST_HEAD:
            raise ValueError(_TOO_LONG)
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._has_head = True
            if self._method == "HEAD" or self.status in _WITHOUT_BODY:
                self._is_done = True

    def on_body(self, part: bytes) -> None:
        if self._is_done:
            return
        self._parts.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes > _MOST_WAITING and not self._is_paused and self.transport is not None:
            self._is_paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._has_head:
            self._is_done = True
            # Known only now: a moment later the parser is at the next message.
            self._is_kept = self._parser is not None and self._parser.should_keep_alive()
        else:
            self.headers = {}  # an interim answer; the real one follows
