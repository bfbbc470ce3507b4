"""Reads Anthropic's messages, whole or in events, into a Response; suspects every field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolkit._records import FrozenDict, Response, Usage
from toolkit.providers._http_provider import EmptyAnswerError
from toolkit.providers._openai_wire import count, whole_letters, word

_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Stop reasons in OpenAI's words; any other stays as it is."""


def read_message(
    body: Mapping[str, Any], *, request_id: str | None, latency_s: float, first_token_s: float | None = None
) -> Response:
    """Returns the response that a message holds: its text blocks joined, its `tool_use` blocks as tool calls.

    Args:
        body: The whole answer; `raw` keeps it as it is, blocks of thinking and the own stop reason included.
        request_id: From the headers; the body's `id` stands in where they have none.
        latency_s: Seconds from sending to the last byte.
        first_token_s: Seconds from sending to the first text; `None` when the answer was not streamed.

    Raises:
        EmptyAnswerError: If it has no list of content blocks.
    """
    content = body.get("content")
    if not isinstance(content, list | tuple):
        raise EmptyAnswerError("it has no content")
    blocks = [block for block in content if isinstance(block, dict)]
    texts = [block["text"] for block in blocks if block.get("type") == "text" and isinstance(block.get("text"), str)]
    reason = word(body.get("stop_reason"))
    details = body.get("stop_details")
    return Response(
        text="".join(texts),
        finish_reason=_FINISH_REASONS.get(reason, reason) if reason is not None else None,
        model=word(body.get("model")),
        usage=read_message_usage(body.get("usage")),
        request_id=request_id or word(body.get("id")),
        latency_s=latency_s,
        first_token_s=first_token_s,
        refusal=word(details.get("explanation")) if reason == "refusal" and isinstance(details, dict) else None,
        tool_calls=tuple(_tool_call(block) for block in blocks if block.get("type") == "tool_use"),
        raw=FrozenDict(body),
    )


def read_message_usage(usage: object) -> Usage:
    """Returns the token counts of a `usage` map.

    The API's `input_tokens` leaves out what was read from and written to the cache; here all three are the input.

    Example:
        >>> usage = read_message_usage({"input_tokens": 5, "cache_read_input_tokens": 90, "output_tokens": 7})
        >>> usage.input_tokens, usage.cached_tokens, usage.output_tokens
        (95, 90, 7)
    """
    if not isinstance(usage, dict):
        return Usage()
    fresh = count(usage.get("input_tokens"))
    read = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=fresh + (read or 0) + (written or 0) if fresh is not None else None,
        output_tokens=count(usage.get("output_tokens")),
        cached_tokens=read,
        reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
    )


class MessageAssembler:
    """Adds the events of a stream up to the message that the same answer would have been whole."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._json: dict[int, str] = {}
        self._usage: dict[str, Any] = {}
        self._text: list[str] = []
        self._has_begun = False
        self.is_over = False

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return "".join(self._text)

    @property
    def is_whole(self) -> bool:
        """True when the API said why the answer ended."""
        return isinstance(self._head.get("stop_reason"), str)

    def add(self, event: Mapping[str, Any]) -> str:
        """Takes one event in and returns the text that it adds; events of unknown types add nothing."""
        kind = event.get("type")
        if kind == "message_start" and isinstance(event.get("message"), dict):
            self._has_begun = True
            self._head = {name: value for name, value in event["message"].items() if name not in ("content", "usage")}
            self._add_usage(event["message"].get("usage"))
        elif kind == "message_delta":
            if isinstance(event.get("delta"), dict):
                self._head |= {name: value for name, value in event["delta"].items() if value is not None}
            self._add_usage(event.get("usage"))
        elif kind == "message_stop":
            self.is_over = True
        elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            block = dict(event["content_block"])
            self._blocks[self._index(event)] = block
            return self._added(block.get("text"))
        elif kind == "content_block_delta" and isinstance(event.get("delta"), dict):
            return self._add_delta(self._index(event), event["delta"])
        return ""

    def delta(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what an event that was just added brings, in the form of OpenAI's `delta`."""
        kind, index = event.get("type"), self._index(event)
        if kind == "message_start":
            return {"role": "assistant", "content": ""}
        if kind == "content_block_start" and self._blocks.get(index, {}).get("type") == "tool_use":
            call = _tool_call(self._blocks[index] | {"input": ""})
            return {"tool_calls": [{"index": self._call_index(index), **call}]}
        if kind == "content_block_start":
            text = self._blocks.get(index, {}).get("text")
            return {"content": text} if isinstance(text, str) and text else {}
        delta = event.get("delta")
        if kind != "content_block_delta" or not isinstance(delta, dict):
            return {}
        if delta.get("type") == "text_delta":
            return {"content": delta.get("text")}
        if delta.get("type") == "input_json_delta":
            arguments = {"arguments": delta.get("partial_json")}
            return {"tool_calls": [{"index": self._call_index(index), "function": arguments}]}
        return {}

    def body(self) -> dict[str, Any]:
        """Returns the message that the events add up to."""
        content = []
        for index in sorted(self._blocks):
            block = dict(self._blocks[index])
            if isinstance(block.get("text"), str):
                block["text"] = whole_letters(block["text"])
            if self._json.get(index):
                try:
                    block["input"] = json.loads(self._json[index])
                except ValueError:
                    # Cut by the token limit: kept as it came, because half an object is no object.
                    block["input"] = self._json[index]
            content.append(block)
        body = self._head | ({"content": content} if self._has_begun else {})
        return body | ({"usage": self._usage} if self._usage else {})

    def _add_usage(self, usage: object) -> None:
        # The counts of later events are totals, not additions.
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _add_delta(self, index: int, delta: Mapping[str, Any]) -> str:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        kind = delta.get("type")
        if kind == "input_json_delta" and isinstance(delta.get("partial_json"), str):
            self._json[index] = self._json.get(index, "") + delta["partial_json"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta.get("citation")]
        else:
            for name in ("text", "thinking", "signature"):
                if kind == f"{name}_delta" and isinstance(delta.get(name), str):
                    block[name] = (block.get(name) or "") + delta[name]
        return self._added(delta.get("text") if kind == "text_delta" else None)

    def _added(self, text: object) -> str:
        if not isinstance(text, str):
            return ""
        self._text.append(text)
        return text

    def _index(self, event: Mapping[str, Any]) -> int:
        index = event.get("index")
        return index if isinstance(index, int) else max(self._blocks, default=0)

    def _call_index(self, index: int) -> int:
        return sum(1 for at, block in self._blocks.items() if at < index and block.get("type") == "tool_use")


def _tool_call(block: Mapping[str, Any]) -> FrozenDict:
    given = block.get("input")
    arguments = given if isinstance(given, str) else json.dumps(given or {}, ensure_ascii=False)
    function = {"name": block.get("name"), "arguments": arguments}
    return FrozenDict({"id": block.get("id"), "type": "function", "function": function})
