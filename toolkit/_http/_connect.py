"""Opens a connection: straight, or through a proxy, with or without encryption."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from toolkit._http._address import Address
from toolkit._http._connection import Connection
from toolkit._http._failure import HttpFailure, sentence

_LARGEST_REPLY = 64 * 1024

# Seconds after which the next address of a host is tried beside the first (RFC 8305).
_NEXT_ADDRESS_S = 0.25


async def open_connection(
    address: Address,
    *,
    proxy: Address | None,
    tls: Callable[[], ssl.SSLContext],
    timeout_s: float,
    on_free: Callable[[Connection], None],
) -> Connection:
    """Returns a connection that is ready for a request.

    Args:
        address: Who is to be asked.
        proxy: Who stands between; `None` = nobody.
        tls: Gives what certificates are trusted; called only when encryption is needed.
        timeout_s: Seconds for everything.
        on_free: For `Connection`.

    Raises:
        HttpFailure: `dns`, `tls` or `connect`; nothing was sent.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(loop, on_free)
    # Raised behind the block, so that no local variable of other code hangs on it.
    try:
        async with asyncio.timeout(timeout_s):
            if proxy is None:
                await _dial(loop, lambda: connection, address, tls)
            elif address.scheme == "http":
                await _dial(loop, lambda: connection, proxy, tls)
            else:
                await _tunnel(loop, connection, address, proxy, tls)
        return connection
    except TimeoutError:
        failure = HttpFailure("connect", f"no connection within {timeout_s:g} s", request_sent=False)
    except socket.gaierror as error:
        failure = HttpFailure("dns", sentence(error), request_sent=False)
    except ssl.SSLError as error:
        failure = HttpFailure("tls", sentence(error), request_sent=False)
    except OSError as error:
        failure = HttpFailure("connect", sentence(error), request_sent=False)
    raise failure


async def _dial(
    loop: asyncio.AbstractEventLoop,
    protocol: Callable[[], asyncio.BaseProtocol],
    address: Address,
    tls: Callable[[], ssl.SSLContext],
) -> asyncio.Transport:
    options: dict[str, Any] = {}
    if address.scheme == "https":
        options["ssl"] = tls()
        options["server_hostname"] = address.host
    if isinstance(loop, asyncio.BaseEventLoop):  # uvloop does it by itself
        options["happy_eyeballs_delay"] = _NEXT_ADDRESS_S
    transport, _ = await loop.create_connection(protocol, address.host, address.port, **options)
    return transport


async def _tunnel(
    loop: asyncio.AbstractEventLoop,
    connection: Connection,
    address: Address,
    proxy: Address,
    tls: Callable[[], ssl.SSLContext],
) -> None:
    """Asks the proxy for a way to the address and agrees on encryption with what is at its other end."""
    reply = _Reply(loop)
    transport = await _dial(loop, lambda: reply, proxy, tls)
    try:
        host = f"[{address.host}]" if ":" in address.host else address.host
        lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"host: {host}:{address.port}"]
        if proxy.credentials is not None:
            lines.append(f"proxy-authorization: {proxy.credentials}")
        transport.write("\r\n".join([*lines, "", ""]).encode("ascii"))
        status = await reply.status
        if not 200 <= status < 300:
            raise ConnectionRefusedError(f"the proxy refused to connect (HTTP {status})")
        encrypted = await loop.start_tls(transport, connection, tls(), server_hostname=address.host)
        if encrypted is None:
            raise ConnectionAbortedError("the proxy closed the connection")
        connection.connection_made(encrypted)
    except BaseException:
        transport.abort()
        raise


class _Reply(asyncio.Protocol):
    """A proxy's reply to `CONNECT`, of which only the status matters."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int] = loop.create_future()
        self._text = b""

    def data_received(self, data: bytes) -> None:
        self._text += data
        if self.status.done():
            return
        if b"\r\n\r\n" in self._text:
            words = self._text.split(None, 2)
            is_http = self._text.startswith(b"HTTP/1.") and len(words) > 1 and words[1].isdigit()
            self._end(int(words[1]) if is_http else None)
        elif len(self._text) > _LARGEST_REPLY:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(None)

    def _end(self, status: int | None) -> None:
        if self.status.done():
            return
        if status is not None:
            self.status.set_result(status)
            return
        self.status.set_exception(ConnectionAbortedError("the proxy gave no answer to CONNECT"))
        with contextlib.suppress(ConnectionAbortedError):
            self.status.exception()  # nobody may be waiting any more
