"""Requests over the network through connections that are kept for the next, each on the loop that opened it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from toolkit._http._address import Address, read_address
from toolkit._http._connect import open_connection
from toolkit._http._connection import Connection
from toolkit._http._failure import HttpFailure, sentence
from toolkit._http._routes import Routes, tls_context
from toolkit._http._wire import Answer, Progress
from toolkit._redact import Unshown

KEEP_ALIVE_S = 15.0
"""How long an idle connection is kept; many servers close theirs after 60 s, few before 5 s."""

# Asking for these twice changes nothing (RFC 9110, section 9.2.2).
_MAY_BE_REPEATED = frozenset({"GET", "HEAD", "OPTIONS"})
_HAVE_BODIES = frozenset({"POST", "PUT", "PATCH"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# How long the body is, only this file knows.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})

_Pools = dict[asyncio.AbstractEventLoop, "_Pool"]


class Network:
    """Sends requests, HTTP/1.1."""

    def __init__(self) -> None:
        self._pools: _Pools = {}
        self._routes = Routes()
        self._proxies: dict[str, Address | None] = {}
        self._tls: ssl.SSLContext | None = None
        weakref.finalize(self, _close_elsewhere, self._pools)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        connect_s: float,
        progress: Progress,
    ) -> Answer:
        """Sends one request; see `Wire.send`."""
        try:
            address = read_address(url)
            proxy = self._proxy_for(address)
            # A function: a traceback with local variables would show the bytes, and with them a credential.
            request = _hidden(_request(method, address, proxy, headers, content))
        except ValueError as error:
            raise HttpFailure("connect", sentence(error), request_sent=False) from None
        pool = self._pool()
        # Plain requests to all hosts share a proxy's connections; an encrypted one belongs to its host.
        key = f"{address.scheme}://{address.authority}" if proxy is None or address.scheme == "https" else "proxy"
        while True:
            connection = pool.take(key)
            is_used = connection is not None
            if connection is None:
                connection = await open_connection(
                    address, proxy=proxy, tls=self._trusted, timeout_s=connect_s, on_free=pool.releaser(key)
                )
            progress.request_sent = True
            try:
                connection.begin(method, request())
                await connection.head()
                return _Answer(connection)
            except HttpFailure:
                if not is_used or connection.has_begun or method not in _MAY_BE_REPEATED:
                    raise
            except BaseException:
                connection.abort()
                raise

    async def aclose(self) -> None:
        """Closes every connection; those of other loops on their own loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.close()
        _close_elsewhere(self._pools)

    def _pool(self) -> _Pool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            for over in [other for other in self._pools if other.is_closed()]:
                del self._pools[over]
            pool = self._pools[loop] = _Pool(loop)
        return pool

    def _proxy_for(self, address: Address) -> Address | None:
        origin = f"{address.scheme}://{address.authority}"
        try:
            return self._proxies[origin]
        except KeyError:
            pass
        url = self._routes.proxy_for(address.scheme, address.host, address.port)
        proxy = None
        if url is not None:
            scheme = url.partition("://")[0].lower()
            if scheme not in ("http", "https"):
                message = f"a proxy of kind {scheme!r} is set in the environment; only http and https proxies work"
                raise HttpFailure("connect", message, request_sent=False)
            proxy = read_address(url)
        self._proxies[origin] = proxy
        return proxy

    def _trusted(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = tls_context()
            except OSError as error:
                message = f"SSL_CERT_FILE or SSL_CERT_DIR cannot be used: {sentence(error)}"
                raise HttpFailure("tls", message, request_sent=False) from error
        return self._tls


def _request(
    method: str, address: Address, proxy: Address | None, headers: Mapping[str, str], content: bytes | None
) -> bytes:
    """The bytes of a request.

    Raises:
        ValueError: If a header would add a line, or has no name that HTTP knows.
    """
    plain = headers.plain() if isinstance(headers, Unshown) else headers
    is_forwarded = proxy is not None and address.scheme == "http"
    target = f"http://{address.authority}{address.target}" if is_forwarded else address.target
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in plain:
        lines.append(f"host: {address.authority}")
    if address.credentials is not None and "authorization" not in plain:
        lines.append(f"authorization: {address.credentials}")
    if is_forwarded and proxy is not None and proxy.credentials is not None:
        lines.append(f"proxy-authorization: {proxy.credentials}")
    for name, value in plain.items():
        if name not in _FRAMING:
            if name not in _known_names:
                _check_name(name)
            lines.append(f"{name}: {value}")
    if content is not None or method in _HAVE_BODIES:
        lines.append(f"content-length: {len(content or b'')}")
    text = "\r\n".join(lines)
    if not text.count("\n") == text.count("\r") == len(lines) - 1 or "\0" in text:
        raise ValueError("a header holds a line break or a zero byte")
    head = f"{text}\r\n\r\n".encode()
    return head if content is None else head + content


def _hidden(request: bytes) -> Callable[[], bytes]:
    return lambda: request


_known_names: set[str] = set()


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    if len(_known_names) < 1000:
        _known_names.add(name)


class _Answer:
    """A connection's answer as the client wants it."""

    __slots__ = ("_connection", "headers", "is_decoded", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self.is_decoded = False

    async def next_part(self) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        part = await connection.next_part()
        if not part:
            # The connection may carry another request by now.
            self._connection = None
        return part

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()


class _Pool:
    """The idle connections of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: dict[str, list[Connection]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._releasers: dict[str, Any] = {}

    def take(self, key: str) -> Connection | None:
        """Returns a connection that can carry a request now, the one used last; `None` when there is none."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            # Before anything is written: the server may have closed it while nobody looked.
            if not connection.is_over():
                return connection
            connection.abort()
        return None

    def releaser(self, key: str) -> Any:
        """Returns what a connection calls when it is free again."""
        found = self._releasers.get(key)
        if found is None:

            def release(connection: Connection) -> None:
                if self._is_closed:
                    connection.close()
                    return
                connection.idle_since = self._loop.time()
                self._idle.setdefault(key, []).append(connection)
                if self._timer is None:
                    self._timer = self._loop.call_later(KEEP_ALIVE_S, self._prune)

            found = self._releasers[key] = release
        return found

    def close(self) -> None:
        """Closes what is idle; what is in use closes when it is done."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def _prune(self) -> None:
        """Closes what has been idle for long; the lists are ordered by when that began."""
        self._timer = None
        oldest = self._loop.time() - KEEP_ALIVE_S
        for key, idle in list(self._idle.items()):
            kept = [connection for connection in idle if connection.idle_since > oldest]
            for connection in idle[: len(idle) - len(kept)]:
                connection.close()
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]
        if self._idle:
            self._timer = self._loop.call_later(KEEP_ALIVE_S, self._prune)


def _close_elsewhere(pools: _Pools) -> None:
    """Closes pools from outside their loops; with a loop that is over, its connections are too."""
    while pools:
        loop, pool = pools.popitem()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(pool.close)
