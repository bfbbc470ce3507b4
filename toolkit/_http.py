"""The one file that knows the HTTP library: requests, event streams, timeouts, Retry-After, plain failures out.

Nothing of httpx leaves this file. What goes wrong is an `HttpFailure` with a `kind`; the rooms above turn it into
the package's public errors, because only they know which prompt or model it was about.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import ssl
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from toolkit._http_text import EventParser, ServerEvent, retry_after_s
from toolkit._redact import redact

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Most bytes of one answer after decompression; more is not read."""

CONNECT_TIMEOUT_S = 10.0

IDLE_TIMEOUT_S = 60.0
"""Longest silence between two pieces of an event stream; before the first only the total counts."""

FailureKind = Literal["timeout", "connect", "dns", "tls", "connection", "too_large", "malformed"]

_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")

# How resolvers of Linux, macOS and Windows word "no such host".
_RESOLVER_SIGNS = ("name or service", "nodename", "getaddrinfo", "name resolution", "no address")


class HttpFailure(Exception):
    """No whole answer came: what kind of failure, in one line, and whether the request had been sent by then."""

    def __init__(self, kind: FailureKind, message: str, *, request_sent: bool) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message
        self.request_sent = request_sent


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    latency_s: float

    def text(self) -> str:
        """Returns the body as text by its declared charset, UTF-8 by default, bad bytes replaced."""
        return _decode(self.body, self.headers)

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

    def __init__(self, response: httpx.Response, *, sent_at: float) -> None:
        self._response = response
        self.sent_at = sent_at
        """`time.monotonic()` when the request was sent."""
        self.status = response.status_code
        self.headers: Mapping[str, str] = _lower(response.headers)

    async def read(self) -> HttpResponse:
        """Returns the rest as a whole answer; what an error status deserves."""
        body = await _read_capped(self._response)
        return HttpResponse(
            status=self.status, headers=self.headers, body=body, latency_s=time.monotonic() - self.sent_at
        )

    async def events(self, *, idle_s: float = IDLE_TIMEOUT_S) -> AsyncGenerator[ServerEvent, None]:
        """Yields server-sent events as they become whole; comments and empty events are passed over.

        Args:
            idle_s: Longest silence between two pieces, in seconds; a comment breaks it.

        Raises:
            HttpFailure: If the connection breaks, falls silent, or brings more than the cap.
        """
        parser = EventParser()
        allowed_s: float | None = None
        with _translated(request_sent=True):
            async with contextlib.aclosing(_parts(self._response)) as parts:
                while True:
                    try:
                        async with asyncio.timeout(allowed_s):
                            part = await anext(parts, None)
                    except TimeoutError as error:
                        message = f"the stream was silent for {idle_s:g} s"
                        raise HttpFailure("timeout", message, request_sent=True) from error
                    if part is None:
                        return
                    allowed_s = idle_s
                    for event in parser.feed(part):
                        yield event


class HttpClient:
    """Sends requests; one for all sources and providers of a configuration, on the engine's loop.

    Redirects are never followed: a credential belongs to the origin it was given for. Proxy settings of the
    environment are honoured, except for loopback.

    Args:
        transport: Stands in for the network, in tests and for special needs; `None` = the real one.
    """

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            mounts=None if transport is not None else dict.fromkeys(_LOOPBACK),
            timeout=None,  # noqa: S113  each request carries its own deadline, below
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

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
        headers = _Unshown(headers or {})
        async with self.stream(
            method, url, timeout_s=timeout_s, headers=headers, params=params, json_body=json_body
        ) as stream:
            return await stream.read()

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
        content = None if json_body is None else encode_json(json_body)
        json_header = {} if content is None else {"content-type": "application/json"}
        headers = _Unshown({"accept-encoding": "gzip, deflate", **(headers or {}), **json_header})
        progress = _Progress()
        try:
            async with asyncio.timeout(timeout_s):
                with _translated(request_sent=False, progress=progress):
                    request = self._client.build_request(method, url, headers=headers, params=params, content=content)
                    request.extensions["trace"] = progress.trace
                    request.extensions["timeout"] = {"connect": min(CONNECT_TIMEOUT_S, timeout_s)}
                    sent_at = time.monotonic()
                    response = await self._client.send(request, stream=True)
                try:
                    with _translated(request_sent=True):
                        yield HttpStream(response, sent_at=sent_at)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            message = f"no whole answer within {timeout_s:g} s"
            raise HttpFailure("timeout", message, request_sent=progress.request_sent) from error

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._client.aclose()


class _Unshown(Mapping[str, str]):
    """Headers that a traceback with local variables shows by name only, because one of them holds a credential."""

    __slots__ = ("_get",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._get: Callable[[], Mapping[str, str]] = lambda: headers

    def __getitem__(self, name: str) -> str:
        return self._get()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._get())

    def __len__(self) -> int:
        return len(self._get())

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


class _Progress:
    """Notes when the request began to leave, to tell a failure that cost nothing from one that may be billed."""

    def __init__(self) -> None:
        self.request_sent = False

    async def trace(self, name: str, _: Mapping[str, Any]) -> None:
        if name.endswith("send_request_headers.started"):
            self.request_sent = True


@contextlib.contextmanager
def _translated(*, request_sent: bool, progress: _Progress | None = None) -> Any:
    """Turns the HTTP library's exceptions into `HttpFailure`."""
    try:
        yield
    except httpx.HTTPError as error:
        sent = progress.request_sent if progress is not None else request_sent
        raise HttpFailure(_kind(error), _sentence(error), request_sent=sent) from _without_frames(error)
    except (httpx.InvalidURL, ssl.SSLError) as error:
        raise HttpFailure("connect", _sentence(error), request_sent=False) from error


def _without_frames(error: httpx.HTTPError) -> httpx.HTTPError:
    """The error alone: the local variables of the frames it came through hold the request's headers."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _kind(error: httpx.HTTPError) -> FailureKind:
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


def _sentence(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT_S:g} s"
    return redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


async def _read_capped(response: httpx.Response) -> bytes:
    async with contextlib.aclosing(_parts(response)) as parts:
        return b"".join([part async for part in parts])


async def _parts(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yields the body, decompressed, and stops at the cap before it holds more."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    # A transport that stands in for the network may have the whole body already, decompressed.
    whole = response.is_stream_consumed
    inflater = None if whole or encoding in ("identity", "") else _Inflater(encoding)
    size = 0
    async for raw in response.aiter_bytes() if whole else response.aiter_raw():
        part = raw if inflater is None else inflater.feed(raw, at_most=MAX_BODY_BYTES - size + 1)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        yield part
    if inflater is not None and not inflater.is_whole:
        raise HttpFailure("connection", "the compressed answer breaks off", request_sent=True)


class _Inflater:
    """Decompresses piece by piece and never makes more than it is allowed: a small answer can hold gigabytes."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            message = f"an answer with content-encoding {encoding!r}, which was not asked for"
            raise HttpFailure("malformed", message, request_sent=True)
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._is_begun = False

    @property
    def is_whole(self) -> bool:
        return self._zlib.eof or not self._is_begun

    def feed(self, raw: bytes, *, at_most: int) -> bytes:
        """Returns what `raw` adds, cut at `at_most` bytes."""
        try:
            try:
                return self._zlib.decompress(raw, at_most)
            except zlib.error:
                if self._is_begun:
                    raise
                # Some servers send deflate without its header.
                self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
                return self._zlib.decompress(raw, at_most)
            finally:
                self._is_begun = True
        except zlib.error as error:
            raise HttpFailure("malformed", "a compressed answer that cannot be read", request_sent=True) from error


def _too_large() -> HttpFailure:
    return HttpFailure("too_large", f"the answer is larger than {MAX_BODY_BYTES:,} bytes", request_sent=True)


def encode_json(value: Any) -> bytes:
    """Returns `value` as UTF-8 JSON for a request body; lone surrogates stay escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def parse_json(text: str) -> Any:
    """Returns JSON data; numbers that JSON does not know (NaN, infinities, 1e999) become `None`.

    Raises:
        ValueError: If `text` is not JSON.
    """
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite_or_none)


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def describe_body(text: str) -> str:
    """Returns one line on a body that should have been JSON: its kind and its beginning, credentials masked.

    Example:
        >>> describe_body("<!DOCTYPE html><title>Login</title>")
        'an HTML page instead of JSON (a login page or a wrong address?): <!DOCTYPE html><title>Login</title>'
    """
    beginning = redact(" ".join(text[:2000].split()))[:200]
    if not beginning:
        return "an empty body instead of JSON"
    if beginning.lower().startswith(("<!doctype", "<html", "<head", "<?xml")):
        return f"an HTML page instead of JSON (a login page or a wrong address?): {beginning}"
    return f"a body that is not JSON: {beginning}"


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _decode(body: bytes, headers: Mapping[str, str]) -> str:
    content_type = headers.get("content-type", "")
    _, _, charset = content_type.lower().partition("charset=")
    charset = charset.split(";")[0].strip(" \"'") or "utf-8"
    try:
        return body.decode(charset, "replace").removeprefix("\ufeff")
    except (LookupError, ValueError):  # a charset that nobody knows, or one that is none
        return body.decode("utf-8", "replace").removeprefix("\ufeff")
