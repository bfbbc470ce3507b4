"""Asks one Langfuse project over its public HTTP interface: JSON in and out, patient with limits, plain errors."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from toolkit._http import HttpClient, HttpFailure, HttpResponse, describe_body
from toolkit._redact import redact, register_secret
from toolkit.config import LangfuseSettings
from toolkit.errors import LangfuseError

MAX_IN_FLIGHT = 4
MAX_RETRIES = 2
"""Further tries after a 5xx or a broken connection, where a second try is safe."""
MAX_WAITS = 8
"""Further tries after a 429: the server is well, and says when."""
MAX_WAIT_S = 60.0
"""Most seconds to wait before one try, whatever the server asks for."""
PAGE_SIZE = 50

_FIRST_WAIT_S = 0.25
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

Sleep = Callable[[float], Awaitable[Any]]


class LangfuseClient:
    """Sends the requests of one Langfuse project, at most four at a time.

    A 429 is waited out as long as its Retry-After asks. A 5xx and a broken connection are tried again, twice at most;
    a POST only where the caller says that the server may get it twice, or where the first cannot have arrived.

    Args:
        settings: Host and keys.
        http: Sends; stays the caller's to close.
        timeout_s: Seconds for one try of one request.
        rng: Source of the retry waits' jitter; `None` = a new one.
        sleep: Waits between tries.
        max_waits: Further tries after a 429; 0 = a caller with no time is told at once.
    """

    def __init__(
        self,
        settings: LangfuseSettings,
        http: HttpClient,
        *,
        timeout_s: float = 20.0,
        rng: random.Random | None = None,
        sleep: Sleep = asyncio.sleep,
        max_waits: int = MAX_WAITS,
    ) -> None:
        self._settings = settings
        self._http = http
        self._timeout_s = timeout_s
        self._rng = rng if rng is not None else random.Random()  # noqa: S311  jitter, no secret
        self._sleep = sleep
        self._max_waits = max_waits
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._project: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"LangfuseClient(host={self.host!r})"

    @property
    def host(self) -> str:
        """Where the server is, without a slash at its end."""
        return self._settings.host

    def link(self, path: str) -> str:
        """Returns the address of a page: the host and `path`, which begins with a slash."""
        return self.host + path

    async def get(self, path: str, params: Mapping[str, str | int] = _NOTHING) -> Any:
        """Returns the JSON that the server answers.

        Args:
            path: Begins with `/api/public/`; percent-encoded.
            params: Query parameters.

        Raises:
            LangfuseError: If the server cannot be reached, refuses, or answers something else; `status` and
                `retryable` say how.
        """
        return await self._ask("GET", path, params=params)

    async def post(
        self, path: str, body: Any, *, headers: Mapping[str, str] = _NOTHING, is_repeatable: bool = False
    ) -> Any:
        """Returns the JSON that the server answers to `body`; `None` when the answer is empty.

        Args:
            path: Begins with `/api/public/`; percent-encoded.
            body: Sent as JSON.
            headers: Sent beside the credentials.
            is_repeatable: The server may get this body twice without harm, so that it is tried again like a GET.

        Raises:
            LangfuseError: As for `get`; `possibly_taken` is true when the server may have taken the body all the same.
        """
        return await self._ask("POST", path, body=body, headers=headers, is_repeatable=is_repeatable)

    async def pages(self, path: str, params: Mapping[str, str | int] = _NOTHING) -> AsyncIterator[dict[str, Any]]:
        """Yields the rows of a list that is numbered in pages; each page is asked for when its first row is wanted.

        Raises:
            LangfuseError: As for `get`.
        """
        page = 1
        while True:
            answer = await self.get(path, {"limit": PAGE_SIZE, **params, "page": page})
            for row in self._rows(answer, path):
                yield row
            meta = answer.get("meta")
            total = meta.get("totalPages") if isinstance(meta, dict) else None
            if type(total) is not int:
                raise self._malformed("GET", path, "'meta.totalPages' is no number")
            if page >= total:
                return
            page += 1

    async def cursor_pages(
        self, path: str, params: Mapping[str, str | int] = _NOTHING
    ) -> AsyncIterator[dict[str, Any]]:
        """Yields the rows of a list whose pages name the next one; each is asked for when its first row is wanted.

        Raises:
            LangfuseError: As for `get`.
        """
        cursor: str | None = None
        while True:
            answer = await self.get(path, {"limit": PAGE_SIZE, **params, **({"cursor": cursor} if cursor else {})})
            for row in self._rows(answer, path):
                yield row
            meta = answer.get("meta")
            following = meta.get("cursor") if isinstance(meta, dict) else None
            if not following or following == cursor:
                return
            cursor = str(following)

    async def project(self) -> tuple[str, str]:
        """Returns id and name of the project that the keys belong to; asked for once.

        Raises:
            LangfuseError: As for `get`.
        """
        if self._project is None:
            path = "/api/public/projects"
            rows = self._rows(await self.get(path), path)
            if not rows or not isinstance(rows[0].get("id"), str):
                raise self._malformed("GET", path, "it names no project")
            self._project = (rows[0]["id"], str(rows[0].get("name") or rows[0]["id"]))
        return self._project

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        params: Mapping[str, str | int] = _NOTHING,
        body: Any = None,
        headers: Mapping[str, str] = _NOTHING,
        is_repeatable: bool = False,
    ) -> Any:
        is_safe = method == "GET" or is_repeatable
        retries = waits = 0
        while True:
            asked_s: float | None = None
            try:
                response = await self._send(method, path, params, body, headers)
            except HttpFailure as failure:
                # No second try after a timeout: the caller has waited long enough to be told.
                may_pass = failure.kind in ("connect", "connection") and (is_safe or not failure.request_sent)
                if not may_pass or retries == MAX_RETRIES:
                    raise self._unanswered(method, path, failure) from failure
                retries += 1
            else:
                if 200 <= response.status < 300:
                    return self._read(method, path, response)
                is_limit = response.status == 429 and waits < self._max_waits
                is_lapse = response.status >= 500 and is_safe and retries < MAX_RETRIES
                if not is_limit and not is_lapse:
                    raise self._refused(method, path, response)
                waits, retries = waits + is_limit, retries + is_lapse
                asked_s = response.retry_after_s()
            jittered_s = self._rng.uniform(0.5, 1.0) * _FIRST_WAIT_S * 2.0 ** (retries + waits - 1)
            await self._sleep(min(jittered_s if asked_s is None else asked_s, MAX_WAIT_S))

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        body: Any,
        headers: Mapping[str, str],
    ) -> HttpResponse:
        async with self._places:
            return await self._http.request(
                method,
                self.host + path,
                timeout_s=self._timeout_s,
                headers={**headers, **self._credentials()},
                params=params or None,
                json_body=body,
            )

    def _credentials(self) -> dict[str, str]:
        pair = f"{self._settings.public_key}:{self._settings.secret_key.reveal()}"
        token = base64.b64encode(pair.encode()).decode()
        register_secret(token)
        return {"authorization": f"Basic {token}"}

    def _read(self, method: str, path: str, response: HttpResponse) -> Any:
        if not response.body.strip():
            return None
        try:
            return response.json()
        except HttpFailure as failure:
            what = f"it answered {failure.message}. Check LANGFUSE_HOST, and what stands between here and there."
            raise self._error(method, path, what, status=response.status, possibly_taken=True) from failure

    def _rows(self, answer: Any, path: str) -> list[dict[str, Any]]:
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._malformed("GET", path, "'data' is no list of maps")
        return rows

    def _malformed(self, method: str, path: str, what: str) -> LangfuseError:
        words = f"the answer is not what Langfuse promises: {what}. Check LANGFUSE_HOST."
        return self._error(method, path, words, status=200)

    def _unanswered(self, method: str, path: str, failure: HttpFailure) -> LangfuseError:
        advice = {
            "dns": "There is no such host: check LANGFUSE_HOST.",
            "connect": "Nothing answers there: check LANGFUSE_HOST, and that the server runs.",
            "tls": "Its certificate is not trusted here: check LANGFUSE_HOST and the certificate."
            if failure.is_untrusted
            else "No encrypted connection came about: check whether LANGFUSE_HOST is https:// or http://.",
        }.get(failure.kind, "Try again; if it stays so, check LANGFUSE_HOST and the network.")
        return self._error(
            method,
            path,
            f"no answer came ({redact(failure.message)}). {advice}",
            retryable=failure.kind in ("timeout", "connection", "connect"),
            possibly_taken=method != "GET" and failure.request_sent,
        )

    def _refused(self, method: str, path: str, response: HttpResponse) -> LangfuseError:
        status, said = response.status, _said(response)
        words = f"it says {said!r}. " if said else f"it answered {redact(describe_body(response.text()))}. "
        return self._error(
            method,
            path,
            words + _advice(status, has_words=said is not None, to=response.headers.get("location", "elsewhere")),
            status=status,
            retryable=status == 429 or status >= 500,
            possibly_taken=method != "GET" and status >= 500,
        )

    def _error(
        self,
        method: str,
        path: str,
        what: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        possibly_taken: bool = False,
    ) -> LangfuseError:
        http = f" (HTTP {status})" if status is not None else ""
        return LangfuseError(
            f"Langfuse at {redact(self.host)!r}, asked {method} {path}{http}: {what}",
            status=status,
            retryable=retryable,
            possibly_taken=possibly_taken,
        )


def _advice(status: int, *, has_words: bool, to: str) -> str:
    """What to do about a status that is no success."""
    if status == 401:
        return (
            "It refused the keys: check LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_HOST; a pair of keys "
            "belongs to one project on one host."
        )
    if status == 403:
        return "The keys are known and may not do this: use keys of the project that it is about, or another plan."
    if status == 404 and not has_words:
        return (
            "It does not know this part of Langfuse's interface: check LANGFUSE_HOST, and that the server is new "
            "enough (version 4)."
        )
    if status == 404:
        return "There is no such thing in this project: check its name, and whose keys these are."
    if status == 429:
        return "It asks for fewer requests and was asked again in vain: wait a minute, then try again."
    if 300 <= status < 400:
        return f"It redirects to {redact(to)}; keys do not follow redirects: set LANGFUSE_HOST to the final address."
    if status >= 500:
        return "The server failed: see its logs, or try again later."
    return "It does not take this request."


def _said(response: HttpResponse) -> str | None:
    """The message of a service's own error body; `None` for any other body."""
    try:
        body = response.json()
    except HttpFailure:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return None
    problems = body.get("error")
    first = problems[0] if isinstance(problems, list) and problems else None
    detail = first.get("message") if isinstance(first, dict) else None
    words = f"{body['message']}: {detail}" if isinstance(detail, str) else body["message"]
    return redact(words[:500])
