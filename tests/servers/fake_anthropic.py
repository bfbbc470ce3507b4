"""A service that speaks Anthropic's Messages API: deterministic answers, scripted faults, a list of what came in.

An answer is `<8 hex digits> <last user message>`, as in `fake_openai`, whose commands and faults it follows. A request
with `tools` and a `tool_choice` of `any` or `tool` is answered with a call of the first tool, its input `{"text": <last
user message>}`. As the real one does, it insists on `anthropic-version`, `max_tokens` and a user message, and the
versions from 2026-10-21 on refuse sampling parameters.
"""

from __future__ import annotations

import json
from typing import Any

from tests.servers import fake_openai

SAMPLING = ("temperature", "top_p", "top_k")


class FakeAnthropic(fake_openai.Fake):
    """What the server knows."""

    paths = ("/v1/messages",)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The whole message for one body."""
        digest, words, is_cut = self.words(body, limit=body.get("max_tokens"))
        text = " ".join(words)
        content: list[dict[str, Any]] = [{"type": "text", "text": text, "citations": None}]
        reason = "max_tokens" if is_cut else "end_turn"
        if body.get("tools") and (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            name = body["tools"][0]["name"]
            content = [{"type": "tool_use", "id": f"toolu_{digest[:12]}", "name": name, "input": {"text": text}}]
            reason = "tool_use"
        system = body.get("system") or ""
        system = system if isinstance(system, str) else " ".join(block["text"] for block in system)
        read = " ".join([system, *(fake_openai.text_of(message) for message in body["messages"])])
        return {
            "id": f"msg_{digest[:12]}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {
                "input_tokens": len(read.split()),
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": len(words),
                "service_tier": "standard",
            },
        }

    def events(self, body: dict[str, Any], *, include_usage: bool | None = None) -> str:
        """The same answer as an event stream, one word a delta."""
        return stream_of(self.answer(body))

    def error(self, message: str, *, error_type: str, code: str | None) -> dict[str, Any]:
        """An error as Anthropic writes it."""
        error = {"type": error_type, "message": message}
        return {"type": "error", "error": error, "request_id": f"req_{len(self.received)}"}

    def refusal(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and body of a request that is not let in."""
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if self.required_key is not None and given != self.required_key:
            return 401, self.error(f"invalid x-api-key {given}", error_type="authentication_error", code=None)
        version = headers.get("anthropic-version")
        problem = None
        if version is None:
            problem = "anthropic-version: header is required"
        elif "max_tokens" not in body:
            problem = "max_tokens: Field required"
        elif not body.get("messages"):
            problem = "messages: at least one message is required"
        elif version >= "2026-10-21" and (sent := [name for name in SAMPLING if name in body]):
            problem = f"{sent[0]}: Extra inputs are not permitted"
        return (400, self.error(problem, error_type="invalid_request_error", code=None)) if problem else None


def stream_of(whole: dict[str, Any]) -> str:
    """The events of a message streamed."""
    opening = {**whole["usage"], "output_tokens": 1}
    start = {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "usage": opening}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            begun = {**block, "text": ""}
            words = block["text"].split(" ")
            pieces = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        else:
            begun = {**block, "input": {}}
            text = json.dumps(block["input"])
            pieces = ["", *(text[at : at + 5] for at in range(0, len(text), 5))]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    events += [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


if __name__ == "__main__":
    fake_openai.main(FakeAnthropic, description=__doc__)
