"""Requests through an httpx transport that stands in for the network; the only file that knows httpx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from toolkit._http._failure import HttpFailure, HttpFailureKind, sentence
from toolkit._http._wire import CONNECT_TIMEOUT_S, Answer, Progress
from toolkit._redact import Unshown

# How resolvers of Linux, macOS and Windows word "no such host".
_RESOLVER_SIGNS = ("name or service", "nodename", "getaddrinfo", "name resolution", "no address")


class StandIn:
    """Asks a transport directly: `httpx.AsyncClient` around it would cost more than all the rest.

    Args:
        transport: `httpx.MockTransport`, `httpx.ASGITransport`, or any other.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

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
        """Hands one request to the transport; see `Wire.send`."""

        async def trace(name: str, _: Mapping[str, Any]) -> None:
            if name.endswith("send_request_headers.started"):
                progress.request_sent = True

        try:
            plain = headers.plain() if isinstance(headers, Unshown) else headers
            extensions = {"trace": trace, "timeout": {"connect": connect_s}}
            request = httpx.Request(method, url, headers=plain, content=content, extensions=extensions)
            return _Answer(await self._transport.handle_async_request(request))
        except httpx.HTTPError as error:
            failure = HttpFailure(_kind(error), _sentence(error), request_sent=progress.request_sent)
        except (httpx.InvalidURL, OSError) as error:
            failure = HttpFailure("connect", sentence(error), request_sent=False)
        raise failure

    async def aclose(self) -> None:
        """Closes the transport."""
        await self._transport.aclose()


class _Answer:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers.items())  # names in lower case
        # A transport may have the whole body already, decompressed.
        self.is_decoded = response.is_stream_consumed
        self._parts = response.aiter_bytes() if self.is_decoded else response.aiter_raw()

    async def next_part(self) -> bytes:
        try:
            async for part in self._parts:
                if part:
                    return part
            return b""
        except httpx.HTTPError as error:
            failure = HttpFailure(_kind(error), _sentence(error), request_sent=True)
        raise failure

    async def aclose(self) -> None:
        await self._response.aclose()


def _kind(error: httpx.HTTPError) -> HttpFailureKind:
    if isinstance(error, httpx.ConnectTimeout):
        return "connect"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(error, httpx.ConnectError):
        text = str(error).lower()
        if "certificate" in text or "ssl" in text or "tls" in text:
            return "tls"
        if any(sign in text for sign in _RESOLVER_SIGNS):
            return "dns"
        return "connect"
    if isinstance(error, httpx.UnsupportedProtocol | httpx.ProxyError):
        return "connect"
    return "connection"


def _sentence(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    return sentence(error)
