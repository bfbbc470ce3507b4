"""Requests, completion bodies and calls for the tests of the providers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.servers._process import ServerProcess
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._records import FrozenDict, Message, Request, Response
from toolkit._redact import Secret
from toolkit.providers import AnthropicProvider, Chunk, OpenAIProvider, Provider


def make_request(text: str = "hello", *, model: str = "small", provider: str = "openai", **params: Any) -> Request:
    """A request with one user message."""
    return Request(
        provider=provider, model=model, messages=(Message(role="user", content=text),), params=FrozenDict(params)
    )


def make_body(content: Any = "hi", *, finish_reason: Any = "stop", **fields: Any) -> dict[str, Any]:
    """A chat completion; `fields` join its message."""
    message = {"role": "assistant", "content": content, **fields}
    return {
        "id": "chatcmpl-1",
        "model": "small-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def make_stream(*deltas: dict[str, Any], finish_reason: str | None = "stop", done: bool = True) -> str:
    """The events of a stream, one a delta."""
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if finish_reason is not None:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    return "".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks) + (
        "data: [DONE]\n\n" if done else ""
    )


def provider_for(url: str, http: HttpClient, *, key: str | None = None, **options: Any) -> OpenAIProvider:
    """An adapter of a family called acme."""
    return OpenAIProvider(
        name="acme", base_url=url, api_key=lambda: Secret(key) if key else None, key_variable="ACME_API_KEY",
        http=http, own_base_url="https://api.acme.test/v1", **options,
    )  # fmt: skip


def anthropic_for(url: str, http: HttpClient, *, key: str | None = None) -> AnthropicProvider:
    """An adapter of the Messages API."""
    return AnthropicProvider(base_url=url, api_key=lambda: Secret(key) if key else None, http=http)


def ask(make: Callable[[HttpClient], Provider], request: Request, *, timeout_s: float = 10.0) -> Response:
    """One whole answer of the provider that `make` builds."""

    async def call() -> Response:
        http = HttpClient()
        try:
            return await make(http).complete(request, timeout_s=timeout_s)
        finally:
            await http.aclose()

    return _sync.run(call())


def ask_stream(make: Callable[[HttpClient], Provider], request: Request, *, timeout_s: float = 10.0) -> list[Chunk]:
    """Every piece of one streamed answer of the provider that `make` builds."""

    async def call() -> list[Chunk]:
        http = HttpClient()
        try:
            return [chunk async for chunk in make(http).stream(request, timeout_s=timeout_s)]
        finally:
            await http.aclose()

    return _sync.run(call())


def complete(
    server: ServerProcess, request: Request | None = None, *, timeout_s: float = 10.0, **options: Any
) -> Response:
    """One whole answer."""
    return ask(
        lambda http: provider_for(server.url + "/v1", http, **options), request or make_request(), timeout_s=timeout_s
    )


def stream(
    server: ServerProcess, request: Request | None = None, *, timeout_s: float = 10.0, **options: Any
) -> list[Chunk]:
    """Every piece of one streamed answer."""
    return ask_stream(
        lambda http: provider_for(server.url + "/v1", http, **options), request or make_request(), timeout_s=timeout_s
    )
