"""Sends a request over HTTP and reads the answer, whole or in events, for every wire protocol alike.

What differs between protocols is a `Wire`: address, headers, body, and how an answer is read. Everything that can go
wrong is the same and is here once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit, urlunsplit

from toolkit._http import HttpClient, HttpFailure, HttpResponse, HttpStream, describe_body, parse_json
from toolkit._records import FrozenDict, Request, Response, freeze
from toolkit._redact import Secret, redact
from toolkit.errors import InvalidResponseError, MissingKeyError
from toolkit.providers._errors import (
    error_from_body,
    error_from_http_failure,
    error_from_response,
    request_id,
    should_retry,
)
from toolkit.providers._explain import explained
from toolkit.providers._provider import Capabilities, Chunk

# After the end mark the connection is read to its end, to be used again, but not waited for.
_DRAIN_S = 0.25


class EmptyAnswerError(Exception):
    """The body holds no answer; never leaves this room."""


class Assembler(Protocol):
    """Adds the events of a stream up to the body that the same answer would have had whole."""

    @property
    def text(self) -> str:
        """What has arrived so far."""
        ...

    @property
    def is_whole(self) -> bool:
        """True when the answer has come to its end, whether or not the stream has."""
        ...

    @property
    def is_over(self) -> bool:
        """True when an event said that nothing follows."""
        ...

    def add(self, event: Mapping[str, Any]) -> str:
        """Takes one event in and returns the text that it adds."""
        ...

    def delta(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what an event that was just added brings, in the form of OpenAI's `delta`; empty when nothing."""
        ...

    def body(self) -> dict[str, Any]:
        """Returns the body that the events add up to."""
        ...


class Wire(Protocol):
    """One protocol of completion services."""

    end_mark: str | None
    """Data of the event after which nothing follows, where that event is not JSON."""

    def url(self, base_url: str, model: str) -> str:
        """Returns where a request goes."""
        ...

    def headers(self, key: Secret | None, request: Request) -> dict[str, str]:
        """Returns the request's headers; the credential is in them and nowhere else."""
        ...

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Returns the request's body.

        Raises:
            BadRequestError: If the protocol has no form for what is asked; names it.
        """
        ...

    def read(
        self, body: Mapping[str, Any], *, request_id: str | None, latency_s: float, first_token_s: float | None
    ) -> Response:
        """Returns the response that a body holds.

        Raises:
            EmptyAnswerError: If it holds none.
        """
        ...

    def assembler(self) -> Assembler:
        """Returns what adds one stream up."""
        ...


class HttpProvider:
    """A service that is reached over HTTP.

    Args:
        name: What stands before the slash of a model.
        base_url: The API's address.
        wire: The protocol that it speaks.
        api_key: Gives the credential, or `None` when it is not set; asked anew for each request, so that a changed
            environment counts at once. It is sent to `base_url` alone: redirects are not followed.
        key_variable: Environment variable of the credential, for messages.
        http: The client; closed by whoever made it.
        own_base_url: The service's own address. There the credential is required when `requires_key`; at any other
            it is sent when it is set.
        requires_key: Whether the own address refuses a request without a credential.
        params: The only parameters that the service takes; `None` = whatever is sent.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        wire: Wire,
        api_key: Callable[[], Secret | None],
        key_variable: str,
        http: HttpClient,
        own_base_url: str,
        requires_key: bool = True,
        params: frozenset[str] | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.capabilities = Capabilities(params=params)
        self._is_own = self.base_url == own_base_url.rstrip("/")
        self.identity = name if self._is_own else f"{name}@{without_userinfo(self.base_url)}"
        self._wire = wire
        self._api_key = api_key
        self._key_variable = key_variable
        self._http = http
        self._requires_key = requires_key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity!r})"

    def check(self, model: str) -> None:
        """Finds out whether a key is set where one is needed; which models exist only the service knows.

        Raises:
            MissingKeyError: If the service's own address is used and no key is set; names the environment variable.
        """
        if self._is_own and self._requires_key and self._api_key() is None:
            raise MissingKeyError(
                f"The model '{self.name}/{model}' needs a key and {self._key_variable} is not set; set it in the "
                "environment, or give `api_key`.",
                variable=self._key_variable,
            )

    async def prepare(self, model: str) -> None:
        """Does nothing: the service is always there."""

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Sends one request, once, and returns the whole answer.

        Args:
            request: What to send; a `stream` among its params is not.
            timeout_s: Seconds for everything from connecting to the last byte.

        Raises:
            ProviderError: Of the most specific class.
        """
        body = self._wire.body(request, stream=False)
        try:
            answer = await self._http.request(
                "POST", self._url(request), timeout_s=timeout_s, headers=self._headers(request), json_body=body
            )
        except HttpFailure as failure:
            raise error_from_http_failure(failure, provider=self.name, model=request.model) from failure
        return self._read(answer, request)

    async def stream(self, request: Request, *, timeout_s: float) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces as they arrive; the last carries the whole `Response`.

        Args:
            request: What to send.
            timeout_s: Seconds for everything from connecting to the last byte.

        Raises:
            ProviderError: Of the most specific class; `partial` holds the text that had arrived.
        """
        pieces: asyncio.Queue[Chunk | None] = asyncio.Queue()
        # A task of its own, because a deadline must not strike the reader's code between two pieces.
        sending = asyncio.create_task(_then_end(self._send_stream(request, pieces, timeout_s=timeout_s), pieces))
        is_whole = False
        try:
            while (piece := await pieces.get()) is not None:
                is_whole = piece.response is not None
                yield piece
            if not is_whole:
                await sending
        finally:
            # With the answer whole, what is left is to read the connection to its end; no failure there matters.
            if not is_whole:
                sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def aclose(self) -> None:
        """Does nothing: the HTTP client belongs to whoever made it."""

    async def _send_stream(self, request: Request, pieces: asyncio.Queue[Chunk | None], *, timeout_s: float) -> None:
        assembler = self._wire.assembler()
        body = self._wire.body(request, stream=True)
        try:
            async with self._http.stream(
                "POST", self._url(request), timeout_s=timeout_s, headers=self._headers(request), json_body=body
            ) as stream:
                content_type = stream.headers.get("content-type", "")
                if stream.status != 200 or "json" in content_type or "html" in content_type:
                    # A refusal, or a service that answers whole although asked for a stream.
                    response = self._read(await stream.read(), request)
                    delta = freeze({"content": response.text, "tool_calls": response.tool_calls})
                    pieces.put_nowait(Chunk(text=response.text, response=response, delta=delta, raw=response.raw))
                    return
                await self._read_events(stream, assembler, pieces, request)
        except HttpFailure as failure:
            raise error_from_http_failure(
                failure, provider=self.name, model=request.model, partial=assembler.text
            ) from failure

    async def _read_events(
        self, stream: HttpStream, assembler: Assembler, pieces: asyncio.Queue[Chunk | None], request: Request
    ) -> None:
        model = request.model
        first_token_s: float | None = None
        events = stream.events()
        async for event in events:
            if event.data == self._wire.end_mark:
                break
            data = self._read_event(event.data, stream, request, partial=assembler.text)
            added = assembler.add(data)
            if added and first_token_s is None:
                first_token_s = time.monotonic() - stream.sent_at
            pieces.put_nowait(Chunk(text=added, delta=freeze(assembler.delta(data)), raw=data))
            if assembler.is_over:
                break
        latency_s = time.monotonic() - stream.sent_at
        if not assembler.is_whole:
            raise self._invalid(
                "truncated_stream", "the stream ended before the answer did", model, stream.headers,
                partial=assembler.text,
            )  # fmt: skip
        response = self._response(
            assembler.body(), request, stream.headers, status=stream.status, latency_s=latency_s,
            first_token_s=first_token_s, is_repaired=stream.is_repaired,
        )  # fmt: skip
        pieces.put_nowait(Chunk(response=response))
        with contextlib.suppress(TimeoutError, HttpFailure):
            async with asyncio.timeout(_DRAIN_S):
                async for _ in events:
                    pass

    def _read_event(self, text: str, stream: HttpStream, request: Request, *, partial: str) -> FrozenDict:
        model = request.model
        try:
            data = freeze(parse_json(text))
        except (ValueError, RecursionError) as error:
            problem = f"an event of the stream is {describe_body(text)}"
            raise self._invalid("malformed_response", problem, model, stream.headers, partial=partial) from error
        if not isinstance(data, FrozenDict):
            raise self._invalid(
                "malformed_response", f"an event of the stream is {describe_body(text)}", model, stream.headers,
                partial=partial,
            )  # fmt: skip
        if data.get("error"):
            raise explained(error_from_body(
                data["error"], status=stream.status, headers=stream.headers, provider=self.name, model=model,
                key_variable=self._key_variable, partial=partial,
            ), request)  # fmt: skip
        return data

    def _read(self, answer: HttpResponse, request: Request) -> Response:
        model = request.model
        if not 200 <= answer.status < 300:
            raise explained(error_from_response(
                answer.status, answer.headers, answer.text(), provider=self.name, model=model,
                key_variable=self._key_variable,
            ), request)  # fmt: skip
        try:
            body = freeze(answer.json())
        except (HttpFailure, RecursionError) as failure:
            problem = failure.message if isinstance(failure, HttpFailure) else "JSON nested without end"
            raise self._invalid("malformed_response", problem, model, answer.headers) from failure
        return self._response(
            body, request, answer.headers, status=answer.status, latency_s=answer.latency_s,
            is_repaired=answer.is_repaired,
        )  # fmt: skip

    def _response(
        self,
        body: Any,
        request: Request,
        headers: Mapping[str, str],
        *,
        status: int,
        latency_s: float,
        first_token_s: float | None = None,
        is_repaired: bool = False,
    ) -> Response:
        model = request.model
        if not isinstance(body, dict):
            problem = f"a JSON {type(body).__name__} where an object belongs"
            raise self._invalid("malformed_response", problem, model, headers)
        if body.get("error"):
            raise explained(error_from_body(
                body["error"], status=status, headers=headers, provider=self.name, model=model,
                key_variable=self._key_variable,
            ), request)  # fmt: skip
        try:
            response = self._wire.read(
                body, request_id=request_id(headers), latency_s=latency_s, first_token_s=first_token_s
            )
            return replace(response, flags=("encoding_repaired",)) if is_repaired else response
        except EmptyAnswerError as error:
            self._raise_empty(str(error), model, headers, error)

    def _raise_empty(self, problem: str, model: str, headers: Mapping[str, str], cause: Exception) -> NoReturn:
        raise self._invalid("empty_response", problem, model, headers) from cause

    def _invalid(
        self, kind: str, problem: str, model: str, headers: Mapping[str, str], *, partial: str | None = None
    ) -> InvalidResponseError:
        address = redact(without_userinfo(self.base_url))
        advice = f" Is {address!r} the right base URL?" if kind == "malformed_response" else ""
        return InvalidResponseError(
            f"{self.name!r} gave no usable answer (model {model!r}): {problem}.{advice}",
            kind=kind,
            provider=self.name,
            model=model,
            status=200,
            request_id=request_id(headers),
            retryable=should_retry(headers),
            possibly_billed=True,
            partial=partial,
        )

    def _url(self, request: Request) -> str:
        return self._wire.url(self.base_url, request.model)

    def _headers(self, request: Request) -> dict[str, str]:
        return self._wire.headers(self._api_key(), request)


def without_userinfo(url: str) -> str:
    """Returns `url` without a user name and password.

    Example:
        >>> without_userinfo("https://me:secret@example.test/v1")
        'https://example.test/v1'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


async def _then_end(sending: Coroutine[Any, Any, None], pieces: asyncio.Queue[Chunk | None]) -> None:
    """Runs `sending`; however it ends, the reader learns that nothing follows."""
    try:
        await sending
    finally:
        pieces.put_nowait(None)
