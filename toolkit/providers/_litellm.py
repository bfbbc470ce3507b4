"""Bridge to the optional package litellm, for providers that have no adapter here: `litellm/<its model name>`."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import math
import os
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import Any

from toolkit._optional import require
from toolkit._records import Request, Response, freeze, messages_to_wire
from toolkit._redact import redact
from toolkit.errors import (
    InvalidResponseError,
    MissingKeyError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
)
from toolkit.providers._errors import error_from_body
from toolkit.providers._http_provider import EmptyAnswerError, without_userinfo
from toolkit.providers._openai_wire import StreamAssembler, read_completion
from toolkit.providers._provider import Access, Capabilities, Chunk

# Its exception classes as the code words of OpenAI's errors, which the common table types; the nearest class counts.
_CODES = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_filter",
    "PaymentRequiredError": "insufficient_quota",
    "BudgetExceededError": "insufficient_quota",
}

_STATUSES = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "RateLimitError": 429,
    "BadRequestError": 400,
    "UnprocessableEntityError": 422,
    "ServiceUnavailableError": 503,
    "BadGatewayError": 502,
    "InternalServerError": 500,
}


class LiteLLMProvider:
    """Whatever litellm can reach, through litellm: its model names, its environment variables, its errors.

    Retries are the engine's: litellm is told to make none. What an answer cost is litellm's own figure, where it has
    one. The package is heavy and is imported when first used; it is asked not to fetch its price list from the network.

    Args:
        access: Credential and address; what is `None` litellm reads from its environment variables. An `api_base`
            needs an `api_key` beside it: litellm would send it a key of the environment.
    """

    name = "litellm"
    capabilities = Capabilities()

    def __init__(self, *, access: Access | None = None) -> None:
        self._access = access or Access()
        self._is_loaded = False
        base = self._access.api_base
        self.identity = self.name if base is None else f"{self.name}@{without_userinfo(base)}"

    def __repr__(self) -> str:
        return f"LiteLLMProvider({self.identity!r})"

    def check(self, model: str) -> None:
        """Finds out whether the package is installed; imports nothing.

        Raises:
            MissingDependencyError: If the extra `litellm` is not installed.
            MissingKeyError: If there is an `api_base` without an `api_key`.
        """
        if importlib.util.find_spec("litellm") is None:
            require("litellm", extra="litellm", purpose="for models behind 'litellm/'")
        if self._access.api_base is not None and self._access.api_key is None:
            raise MissingKeyError(
                f"The model 'litellm/{model}' has an `api_base` and no `api_key`, and no key of the environment is "
                "sent to an address that it was not given for; give `api_key` (any text, where the server needs none).",
                variable="api_key",
            )

    async def prepare(self, model: str) -> None:
        """Imports the package, which takes seconds of CPU, away from the loop."""
        if not self._is_loaded:
            self.check(model)
            await asyncio.to_thread(_load)
            self._is_loaded = True

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Returns the whole answer.

        Raises:
            ProviderError: Of the most specific class.
        """
        await self.prepare(request.model)
        started = time.monotonic()
        answer = await _within(
            timeout_s, _load().acompletion(**self._arguments(request, timeout_s=timeout_s)), request.model
        )
        return _response(_plain(answer), request.model, cost_usd=_cost_usd(answer), started=started)

    async def stream(self, request: Request, *, timeout_s: float) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces; the last carries the whole `Response`. Errors as for `complete`."""
        await self.prepare(request.model)
        started = time.monotonic()
        deadline = started + timeout_s
        first_token_s: float | None = None
        assembler = StreamAssembler()
        arriving = _load().acompletion(**self._arguments(request, timeout_s=timeout_s, stream=True))
        events = aiter(await _within(timeout_s, arriving, request.model))
        try:
            while True:
                # The deadline holds for each wait, so that it never strikes the reader's code between two pieces.
                left_s = deadline - time.monotonic()
                event = await _within(left_s, anext(events, None), request.model, partial=assembler.text)
                if event is None:
                    break
                raw = freeze(_plain(event))
                added = assembler.add(raw)
                if added and first_token_s is None:
                    first_token_s = time.monotonic() - started
                yield Chunk(text=added, delta=freeze(assembler.delta(raw)), raw=raw)
        finally:
            if hasattr(events, "aclose"):
                await events.aclose()
        if not assembler.is_whole:
            raise _invalid("truncated_stream", "the stream ended before the answer did", request.model, assembler.text)
        yield Chunk(response=_response(assembler.body(), request.model, started=started, first_token_s=first_token_s))

    async def aclose(self) -> None:
        """Does nothing: the package keeps its clients itself."""

    def _arguments(self, request: Request, *, timeout_s: float, stream: bool = False) -> dict[str, Any]:
        # Never a local variable of the callers: the key is in it.
        params = {name: value for name, value in request.params.items() if name not in ("stream", "stream_options")}
        if stream:
            asked = request.params.get("stream_options", {"include_usage": True})
            params |= {"stream": True, "stream_options": asked}
        access = self._access
        own = {
            "api_key": access.api_key.reveal() if access.api_key is not None else None,
            "api_base": access.api_base,
            "api_version": access.api_version,
        }
        arguments: dict[str, Any] = _thawed({"messages": messages_to_wire(request.messages), **params})
        arguments |= {name: value for name, value in own.items() if value is not None}
        return arguments | {"model": request.model, "timeout": timeout_s, "num_retries": 0, "max_retries": 0}


def _load() -> Any:
    # Read when the package is imported: without it, it fetches its price list from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm: Any = require("litellm", extra="litellm", purpose="for models behind 'litellm/'")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


async def _within(seconds: float, answer: Awaitable[Any], model: str, *, partial: str | None = None) -> Any:
    """Awaits `answer` no longer than `seconds`; whatever goes wrong becomes an error of ours."""
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except Exception as error:  # noqa: BLE001  the package's errors have no base class of their own; all become ours
        failed = _error(error, model, partial)
    # Raised outside of the block, and so without the original: the frames that it came through hold the key.
    raise failed


def _error(error: Exception, model: str, partial: str | None) -> ProviderError:
    names = [kind.__name__ for kind in type(error).__mro__]
    words = redact(" ".join(str(getattr(error, "message", None) or error).split()))[:300]
    message = f"'litellm' gave no answer (model {model!r}): {words or type(error).__name__}."
    details: dict[str, Any] = {"provider": "litellm", "model": model, "partial": partial, "possibly_billed": True}
    if isinstance(error, TimeoutError) or "Timeout" in names:
        return ProviderTimeoutError(f"{message} Allow more time, or ask for fewer tokens.", **details)
    status = next((_STATUSES[name] for name in names if name in _STATUSES), None)
    if status is None and "APIConnectionError" in names:
        return ProviderConnectionError(message, **details)
    code = next((_CODES[name] for name in names if name in _CODES), None)
    status = status or _status(error)
    if status is None and code is None:
        return ProviderError(message, **details)
    headers = getattr(error, "litellm_response_headers", None) or {}
    lowered = {str(name).lower(): str(value) for name, value in dict(headers).items()}
    body = {"message": words, "code": code or status}
    return error_from_body(
        body, status=status or 400, headers=lowered, provider="litellm", model=model, partial=partial
    )


def _status(error: Exception) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _response(
    body: Any, model: str, *, started: float, cost_usd: float | None = None, first_token_s: float | None = None
) -> Response:
    try:
        if not isinstance(body, dict):
            raise EmptyAnswerError("it is no chat completion")
        response = read_completion(
            freeze(body), request_id=None, latency_s=time.monotonic() - started, first_token_s=first_token_s
        )
    except EmptyAnswerError as error:
        raise _invalid("empty_response", str(error), model) from error
    return dataclasses.replace(response, cost_usd=cost_usd)


def _invalid(kind: str, problem: str, model: str, partial: str | None = None) -> InvalidResponseError:
    return InvalidResponseError(
        f"'litellm' gave no usable answer (model {model!r}): {problem}.",
        kind=kind, provider="litellm", model=model, possibly_billed=True, partial=partial,
    )  # fmt: skip


def _plain(answer: Any) -> Any:
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


def _cost_usd(answer: Any) -> float | None:
    hidden = getattr(answer, "_hidden_params", None)
    cost = hidden.get("response_cost") if isinstance(hidden, dict) else None
    # It writes 0 for models whose price it does not know.
    return float(cost) if isinstance(cost, int | float) and math.isfinite(cost) and cost > 0 else None


def _thawed(value: Any) -> Any:
    """Plain dicts and lists: the package changes what it is given."""
    if isinstance(value, dict):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_thawed(item) for item in value]
    return value
