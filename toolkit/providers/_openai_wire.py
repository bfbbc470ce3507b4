"""Reads OpenAI's chat-completion JSON, whole or in events, into a Response; suspects every field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from toolkit._records import FrozenDict, Response, Usage
from toolkit.providers._http_provider import EmptyAnswerError

# More tokens than any model reads or writes: a number beyond is not a count.
_MOST_TOKENS = 1_000_000_000


def read_completion(
    body: Mapping[str, Any],
    *,
    request_id: str | None,
    latency_s: float,
    first_token_s: float | None = None,
    reports_cost: bool = False,
) -> Response:
    """Returns the response that a chat-completion body holds.

    Args:
        body: The whole answer.
        request_id: From the headers; the body's `id` stands in where they have none.
        latency_s: Seconds from sending to the last byte.
        first_token_s: Seconds from sending to the first text; `None` when the answer was not streamed.
        reports_cost: Whether a `cost` in the usage is USD.

    Raises:
        EmptyAnswerError: If `choices` is empty or absent, or its first has no message.
    """
    choices = body.get("choices")
    if not isinstance(choices, list | tuple) or not choices:
        raise EmptyAnswerError("it has no choices")
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        raise EmptyAnswerError("its first choice has no message")
    calls = message.get("tool_calls")
    text, refused = _text(message.get("content"))
    refusal = message.get("refusal")
    return Response(
        text=text,
        finish_reason=word(choices[0].get("finish_reason")),
        model=word(body.get("model")),
        usage=read_usage(body.get("usage")),
        request_id=request_id or word(body.get("id")),
        latency_s=latency_s,
        first_token_s=first_token_s,
        refusal=refusal if isinstance(refusal, str) and refusal else refused,
        tool_calls=tuple(FrozenDict(call) for call in calls if isinstance(call, dict))
        if isinstance(calls, list | tuple)
        else (),
        cost_usd=_reported_cost_usd(body.get("usage")) if reports_cost else None,
        raw=FrozenDict(body),
    )


def read_usage(usage: object) -> Usage:
    """Returns the token counts of a `usage` map; `None` for everything that is not a plausible count.

    Example:
        >>> read_usage({"prompt_tokens": 7, "completion_tokens": -1})
        Usage(input_tokens=7, output_tokens=None, cached_tokens=None, reasoning_tokens=None)
    """
    if not isinstance(usage, dict):
        return Usage()
    prompt_details = usage.get("prompt_tokens_details")
    completion_details = usage.get("completion_tokens_details")
    cached = prompt_details.get("cached_tokens") if isinstance(prompt_details, dict) else None
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens")  # DeepSeek's word for it
    reasoning = completion_details.get("reasoning_tokens") if isinstance(completion_details, dict) else None
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(cached),
        reasoning_tokens=count(reasoning),
    )


class StreamAssembler:
    """Adds the events of a stream up to the body that the same answer would have had whole.

    Of several choices only the first is assembled; the engine asks for one.
    """

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._message: dict[str, Any] = {"role": "assistant", "content": None}
        self._calls: dict[int, dict[str, Any]] = {}
        self._usage: Any = None
        self._seen_choice = False
        self.finish_reason: str | None = None

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return _text(self._message["content"])[0]

    def add(self, event: Mapping[str, Any]) -> str:
        """Takes one event in and returns the text that it adds."""
        for name in ("id", "created", "model", "system_fingerprint", "service_tier"):
            if event.get(name) is not None:
                self._head[name] = event[name]
        if event.get("usage") is not None:
            self._usage = event["usage"]
        added = ""
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list | tuple) else ():
            if isinstance(choice, dict) and choice.get("index", 0) in (0, None):
                added += self._add_choice(choice)
        return added

    @property
    def is_whole(self) -> bool:
        """True when the answer has come to its end."""
        return self.finish_reason is not None

    @property
    def is_over(self) -> bool:
        """False: the end of a stream is a mark of its own."""
        return False

    def delta(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the `delta` of an event's first choice; empty when it has none."""
        choices = event.get("choices")
        first = choices[0] if isinstance(choices, list | tuple) and choices else None
        delta = first.get("delta") if isinstance(first, dict) else None
        return delta if isinstance(delta, dict) else {}

    def body(self) -> dict[str, Any]:
        """Returns the body that the events add up to."""
        message = dict(self._message)
        if message["content"]:
            message["content"] = whole_letters(message["content"])
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        body = {**self._head, "object": "chat.completion", "choices": [choice] if self._seen_choice else []}
        if self._usage is not None:
            body["usage"] = self._usage
        return body

    def _add_choice(self, choice: Mapping[str, Any]) -> str:
        self._seen_choice = True
        if isinstance(choice.get("finish_reason"), str):
            self.finish_reason = choice["finish_reason"]
        # Some servers end a stream with a whole `message` where a `delta` belongs; it repeats what was sent.
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return ""
        added, _ = _text(delta.get("content"))
        if isinstance(delta.get("content"), str | list | tuple):
            self._message["content"] = (self._message["content"] or "") + added
        for name in ("refusal", "reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str):
                self._message[name] = self._message.get(name, "") + delta[name]
        if isinstance(delta.get("role"), str):
            self._message["role"] = delta["role"]
        for call in delta["tool_calls"] if isinstance(delta.get("tool_calls"), list | tuple) else ():
            if isinstance(call, dict):
                self._add_call(call)
        return added

    def _add_call(self, delta: Mapping[str, Any]) -> None:
        index = delta.get("index")
        # Without an index (Gemini), a piece with an id begins the next call and one without continues the last.
        if not isinstance(index, int):
            index = len(self._calls) if delta.get("id") or not self._calls else max(self._calls)
        call = self._calls.setdefault(index, {"type": "function", "function": {"name": "", "arguments": ""}})
        for name in ("id", "type"):
            if isinstance(delta.get(name), str):
                call[name] = delta[name]
        function = delta.get("function")
        for name in ("name", "arguments"):
            if isinstance(function, dict) and isinstance(function.get(name), str):
                call["function"][name] += function[name]


def _text(content: object) -> tuple[str, str | None]:
    """The text of a `content` and the refusal in it: a string as it is, a list of parts joined."""
    if isinstance(content, str):
        return content, None
    if not isinstance(content, list | tuple):
        return "", None
    texts: list[str] = []
    refusals: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, dict) and isinstance(part.get("refusal"), str):
            refusals.append(part["refusal"])
    return "".join(texts), "".join(refusals) or None


def _reported_cost_usd(usage: object) -> float | None:
    """OpenRouter writes `cost`, Perplexity `cost.total_cost`."""
    cost = usage.get("cost") if isinstance(usage, dict) else None
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not math.isfinite(cost) or cost < 0:
        return None
    return float(cost)


def whole_letters(text: str) -> str:
    r"""Returns `text` with the halves of letters beyond 16 bits put together, which two events of a stream may share.

    Example:
        >>> whole_letters("\ud83d" + "\ude00") == "\U0001f600"
        True
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return text


def count(value: object) -> int | None:
    """Returns `value` as a number of tokens, or `None` when it is not a plausible one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value != int(value) or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value)


def word(value: object) -> str | None:
    """Returns `value` when it is text that is not empty."""
    return value if isinstance(value, str) and value else None
