"""Streams in the two protocols, and a provider that reads them from memory however they are cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from tests.faults.calls import KEY, make_request
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._records import Response
from toolkit._redact import Secret
from toolkit.errors import ProviderError
from toolkit.providers import AnthropicProvider, OpenAIProvider


def _openai(choice: dict[str, Any] | None, **fields: Any) -> str:
    chunk = {"id": "c-1", "model": "small", "choices": [] if choice is None else [{"index": 0, **choice}], **fields}
    return json.dumps(chunk, ensure_ascii=False)


_CALL = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": ""}}

# Every kind of line end, a byte-order mark, comments, fields that mean nothing here, and text of many bytes a letter.
OPENAI = (
    f"\ufeffdata: {_openai({'delta': {'role': 'assistant', 'content': 'ä'}})}\r\n\r\n"
    ": ping\r\n\r\n"
    f"event: message\nid: 7\ndata: {_openai({'delta': {'content': '€'}})}\n\n"
    ": keep-alive\r\r"
    f"data:{_openai({'delta': {'content': ' 😀 '}})}\r\r"
    f"data: {_openai({'delta': {'content': 'x'}})[:-1]}\r\ndata: }}\r\nretry: 3\r\n\r\n"
    f"data: {_openai({'delta': {'tool_calls': [_CALL]}})}\n\n"
    f"data: {_openai({'delta': {'tool_calls': [{'index': 0, 'function': {'arguments': '{}'}}]}})}\n\n"
    f"data: {_openai({'delta': {}, 'finish_reason': 'tool_calls'})}\n\n"
    f"data: {_openai(None, usage={'prompt_tokens': 3, 'completion_tokens': 4})}\n\n"
    "data: [DONE]\n\n"
).encode()


def _anthropic(kind: str, **fields: Any) -> str:
    return f"event: {kind}\r\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\r\n\r\n"


ANTHROPIC = (
    _anthropic("message_start", message={"id": "m-1", "model": "claude-x", "usage": {"input_tokens": 3}})
    + _anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + _anthropic("ping")
    + _anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "ä€"})
    + _anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": " 😀"})
    + _anthropic("content_block_start", index=1, content_block={"type": "unheard_of", "payload": [1]})
    + _anthropic("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4})
    + _anthropic("message_stop")
).encode()


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def read_stream(
    pieces: Sequence[bytes], *, anthropic: bool = False, content_type: str = "text/event-stream"
) -> Response | ProviderError:
    """What a provider makes of an answer that arrives in these pieces."""
    return read_streams([pieces], anthropic=anthropic, content_type=content_type)[0]


def read_streams(
    answers: Sequence[Sequence[bytes]], *, anthropic: bool = False, content_type: str = "text/event-stream"
) -> list[Response | ProviderError]:
    """What a provider makes of several answers, one after the other."""
    waiting = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": content_type}, stream=_Pieces(next(waiting)))

    async def one(provider: Any) -> Response | ProviderError:
        try:
            found: list[Response] = [
                chunk.response async for chunk in provider.stream(make_request(), timeout_s=10) if chunk.response
            ]
        except ProviderError as error:
            return error
        return found[0]

    async def work() -> list[Response | ProviderError]:
        http = HttpClient(transport=httpx.MockTransport(answer))
        provider: Any
        if anthropic:
            provider = AnthropicProvider(base_url="http://mock.test", api_key=lambda: Secret(KEY), http=http)
        else:
            provider = OpenAIProvider(
                name="openai", base_url="http://mock.test/v1", api_key=lambda: Secret(KEY), http=http,
                key_variable="OPENAI_API_KEY", own_base_url="https://api.openai.com/v1",
            )  # fmt: skip
        async with asyncio.timeout(120):
            return [await one(provider) for _ in answers]

    return _sync.run(work())
