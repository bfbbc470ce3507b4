"""The client that sources and providers share: one request, one answer, whole or piece by piece, or one failure.

The network is our own, on httptools' parser: at 32 and at 256 requests in flight it costs about 0.6 of aiohttp, 0.3 of
httpx over `httpx-aiohttp` and less than 0.04 of plain httpx, whose pool looks through every connection at each request
(`benchmarks/http_client.py`), and only here is it known whether a request was taken. httpx stays the public seam:
any of its transports can stand in for the network, and is imported only then.

What goes wrong is an `HttpFailure` with a `kind`; the rooms above turn it into the package's public errors, because
only they know which prompt or model it was about.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from toolkit._http._address import read_address
from toolkit._http._body import MAX_BODY_BYTES, BodyReader, decode_text, describe_body, encode_json, parse_json
from toolkit._http._failure import HttpFailure
from toolkit._http._wire import CONNECT_TIMEOUT_S, Answer, Progress, Wire
from toolkit._http_text import EventParser, ServerEvent, retry_after_s
from toolkit._redact import Unshown
from toolkit._wire_log import is_verbose, log_request

if TYPE_CHECKING:
    import httpx

IDLE_TIMEOUT_S = 60.0
"""Longest silence between two pieces of an event stream; before the first only the total counts."""

_SAME_REQUEST_ELSEWHERE = frozenset({307, 308})

_OWN_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "promptsweep"}
_OWN_JSON_HEADERS = _OWN_HEADERS | {"content-type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    """Not in the repr: services repeat the keys that they were sent."""
    latency_s: float

    def text(self) -> str:
        """Returns the body as text by its declared charset, UTF-8 by default, bad bytes replaced."""
        return decode_text(self.body, self.headers)[0]

    @property
    def is_repaired(self) -> bool:
        """True when `text` had to replace bytes that mean nothing in the body's charset."""
        return not self.body.isascii() and decode_text(self.body, self.headers)[1]

    def json(self) -> Any:
        """Returns the body as JSON data; see `parse_json`.

        Raises:
            HttpFailure: `malformed`, with the beginning of what came instead (an HTML page is named as such).
        """
        text = self.text()
        try:
            return parse_json(text)
        except ValueError as error:
            raise HttpFailure("malformed", describe_body(text), request_sent=True) from error

    def retry_after_s(self) -> float | None:
        """Returns the seconds that the headers ask a client to wait, or `None` when they say nothing usable."""
        return retry_after_s(self.headers)


class HttpStream:
    """An answer whose body arrives while it is read."""

    def __init__(
        self, answer: Answer, *, sent_at: float, idle_s: float = IDLE_TIMEOUT_S, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._body = BodyReader(answer, at_most=max_body_bytes)
        self._parser = EventParser()
        self._idle_s = idle_s
        self.sent_at = sent_at
        """`time.monotonic()` when the request was sent."""
        self.status = answer.status
        self.headers = answer.headers

    @property
    def is_repaired(self) -> bool:
        """True once an event held bytes that are no UTF-8, which were replaced."""
        return self._parser.is_repaired

    async def read(self) -> HttpResponse:
        """Returns the rest as a whole answer; what an error status deserves."""
        body = await self._body.rest()
        return HttpResponse(
            status=self.status, headers=self.headers, body=body, latency_s=time.monotonic() - self.sent_at
        )

    async def parts(self, *, idle_s: float | None = None) -> AsyncGenerator[bytes, None]:
        """Yields the body's bytes, decompressed, as they arrive.

        Args:
            idle_s: Longest silence between two pieces, in seconds; before the first only the total counts. `None` =
                as the client says.

        Raises:
            HttpFailure: If the connection breaks, falls silent, or brings more than the cap.
        """
        allowed_s: float | None = None
        while part := await self._within(allowed_s):
            allowed_s = self._idle_s if idle_s is None else idle_s
            yield part

    async def events(self, *, idle_s: float | None = None) -> AsyncGenerator[ServerEvent, None]:
        """Yields server-sent events as they become whole; comments and empty events are passed over.

        Args:
            idle_s: Longest silence between two pieces, in seconds; a comment breaks it. `None` = as the client says.

        Raises:
            HttpFailure: If the connection breaks, falls silent, or brings more than the cap.
        """
        parser = self._parser
        allowed_s: float | None = None
        while part := await self._within(allowed_s):
            allowed_s = self._idle_s if idle_s is None else idle_s
            for event in parser.feed(part):
                yield event

    async def _within(self, allowed_s: float | None) -> bytes:
        if allowed_s is None:
            return await self._body.next_part()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(allowed_s):
                return await self._body.next_part()
        raise HttpFailure("timeout", f"the stream was silent for {allowed_s:g} s", request_sent=True)


class HttpClient:
    """Sends requests; one for all sources and providers of a configuration, on the engine's loop.

    A redirect is an answer like any other, because a credential belongs to the origin it was given for; only a 307 or
    308 to the same origin, which asks for the very same request at another path, is followed, once. Proxy settings of
    the environment are honoured, except for loopback; `.netrc` is not read and no cookie is kept.

    A POST is never sent twice. A kept-alive connection that the server has closed by then is found out before
    anything is written on it, and another one is used; a connection that breaks later is a failure with
    `request_sent`. A GET that meets such a break before an answer begins is sent once more.

    Args:
        transport: Stands in for the network, in tests and for special needs; `None` = the real one.
        idle_timeout_s: Longest silence between two pieces of an event stream, in seconds.
        max_body_bytes: Most bytes of one answer after decompression.
    """

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._transport = transport
        self._idle_timeout_s = idle_timeout_s
        self._max_body_bytes = max_body_bytes
        self._wire: Wire | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json_body: Any = None,
    ) -> HttpResponse:
        """Sends one request and returns the whole answer, whatever its status.

        Args:
            method: `GET`, `POST`, ...
            url: Absolute, already percent-encoded.
            timeout_s: Seconds for everything from connecting to the last byte.
            headers: Sent as they are.
            params: Query parameters; `None` = none.
            json_body: Sent as JSON; `None` = no body.

        Raises:
            HttpFailure: If no whole answer came.
        """
        headers = Unshown(headers or {})
        progress = Progress()
        answer: Answer | None = None
        sent_at = time.monotonic()
        # The failure is raised behind the block: what it would otherwise come from has seen the headers.
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(timeout_s):
                    answer = await self._send(method, url, headers, params, json_body, timeout_s, progress)
                    if answer.status in _SAME_REQUEST_ELSEWHERE:
                        answer = await self._followed(answer, method, url, headers, json_body, timeout_s, progress)
                    body = await BodyReader(answer, at_most=self._max_body_bytes).rest()
                    latency_s = time.monotonic() - sent_at
                    return HttpResponse(status=answer.status, headers=answer.headers, body=body, latency_s=latency_s)
            finally:
                if answer is not None:
                    await answer.aclose()
        raise _too_late(timeout_s, progress)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json_body: Any = None,
    ) -> AsyncIterator[HttpStream]:
        """Sends one request and yields the answer as soon as its headers are there; arguments as in `request`.

        Raises:
            HttpFailure: If the answer does not begin, or breaks off while the block reads it, or the whole takes
                longer than `timeout_s`.
        """
        headers = Unshown(headers or {})
        progress = Progress()
        scope = asyncio.timeout(timeout_s)
        try:
            async with scope:
                sent_at = time.monotonic()
                answer = await self._send(method, url, headers, params, json_body, timeout_s, progress)
                try:
                    if answer.status in _SAME_REQUEST_ELSEWHERE:
                        answer = await self._followed(answer, method, url, headers, json_body, timeout_s, progress)
                    yield HttpStream(
                        answer, sent_at=sent_at, idle_s=self._idle_timeout_s, max_body_bytes=self._max_body_bytes
                    )
                finally:
                    await answer.aclose()
            return
        except TimeoutError:
            if not scope.expired():  # the block's own
                raise
        raise _too_late(timeout_s, progress)

    async def aclose(self) -> None:
        """Closes every connection; a later request opens new ones."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.aclose()

    async def _followed(
        self,
        answer: Answer,
        method: str,
        url: str,
        headers: Unshown,
        json_body: Any,
        timeout_s: float,
        progress: Progress,
    ) -> Answer:
        """Returns the answer from where a redirect points, or the redirect itself when that is another origin."""
        target = _same_origin(url, answer.headers.get("location"))
        if target is None:
            return answer
        await answer.aclose()
        followed: Answer = await self._send(method, target, headers, None, json_body, timeout_s, progress)
        return followed

    def _send(
        self,
        method: str,
        url: str,
        headers: Unshown,
        params: Mapping[str, str | int] | None,
        json_body: Any,
        timeout_s: float,
        progress: Progress,
    ) -> Any:
        """Returns the coroutine that sends; not one itself, which would cost each request another frame."""
        wire = self._wire
        if wire is None:
            wire = self._wire = _new_wire(self._transport)
        if params:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"
        own = _OWN_HEADERS if json_body is None else _OWN_JSON_HEADERS
        sent_headers = _merged(own, headers.plain())
        content = None if json_body is None else encode_json(json_body)
        if content is not None and is_verbose():
            log_request(method, url, sent_headers, content)
        return wire.send(
            method,
            url,
            headers=Unshown(sent_headers),
            content=content,
            connect_s=min(CONNECT_TIMEOUT_S, timeout_s),
            progress=progress,
        )


def _same_origin(url: str, location: str | None) -> str | None:
    """Where a redirect of `url` points, or `None` when that is another origin or no address.

    Example:
        >>> _same_origin("http://host/v1/chat", "/v2/chat"), _same_origin("https://host/v1", "http://host/v1")
        ('http://host/v2/chat', None)
    """
    if not location:
        return None
    try:
        target = urljoin(url, location)
        here, there = read_address(url), read_address(target)
        if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
            return None
        # The credentials of an address stay with its origin.
        return urlunsplit(urlsplit(target)._replace(netloc=urlsplit(url).netloc))
    except ValueError:
        return None


def _merged(own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The given headers over ours, whatever the case of their names; a JSON body keeps its content type."""
    merged = dict(own)
    for name, value in given.items():
        lower = name.lower()
        if lower != "content-type" or lower not in own:
            merged[lower] = value
    return merged


def _new_wire(transport: httpx.AsyncBaseTransport | None) -> Wire:
    # Imported when something is sent: httpx takes a quarter of a second, and the network does not need it.
    if transport is None:
        from toolkit._http._network import Network

        return Network()
    from toolkit._http._stand_in import StandIn

    return StandIn(transport)


def _too_late(timeout_s: float, progress: Progress) -> HttpFailure:
    return HttpFailure("timeout", f"no whole answer within {timeout_s:g} s", request_sent=progress.request_sent)
