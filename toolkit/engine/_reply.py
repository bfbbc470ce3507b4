"""Answers that read like the OpenAI SDK's, with what was really sent beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from toolkit._records import FrozenDict, Prompt, Request, Response


class WireObject:
    """A JSON object whose keys read as attributes and as items; frozen.

    Example:
        >>> body = WireObject({"choices": [{"message": {"content": "Hi"}}]})
        >>> body.choices[0].message.content, body["choices"][0]["message"]["content"]
        ('Hi', 'Hi')
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_fields", fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return _wrapped(self._fields[name])
        except KeyError:
            raise AttributeError(f"No {name!r} here; there is {', '.join(self._fields)}.") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("An answer cannot be changed; model_dump() gives a copy that can.")

    def __getitem__(self, name: str) -> Any:
        return _wrapped(self._fields[name])

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, WireObject):
            return bool(self._fields == other._fields)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(json.dumps(_plain(self._fields), sort_keys=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_plain(self._fields)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self._fields),)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a field, or `default` when it is not there."""
        return _wrapped(self._fields[name]) if name in self._fields else default

    def keys(self) -> list[str]:
        """Returns the names of the fields."""
        return list(self._fields)

    def model_dump(self, *, mode: Literal["python", "json"] = "python", exclude_none: bool = False) -> dict[str, Any]:
        """Returns plain dicts and lists.

        Args:
            mode: As the SDK has it; both give the same, since all is JSON already.
            exclude_none: Leaves out fields that are `None`.
        """
        dumped: dict[str, Any] = _plain(self._fields, exclude_none=exclude_none)
        return dumped

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as `model_dump`."""
        return self.model_dump()

    def model_dump_json(self, *, indent: int | None = None, exclude_none: bool = False) -> str:
        """Returns the JSON text."""
        return json.dumps(self.model_dump(exclude_none=exclude_none), indent=indent, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUsed:
    """The prompt that a completion was made from."""

    source: str
    name: str
    version: int | str
    """Resolved: never a label. A number where the source counts by numbers, as Langfuse and folders do."""
    labels: tuple[str, ...]
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a completion sent, and where each part of it came from."""

    request: Request
    prompt: Prompt | None = None
    model_source: str = "caller"
    """`caller`, `prompt` or `alias`."""
    param_sources: FrozenDict = field(default_factory=FrozenDict)
    """`caller`, `prompt` or `config`, by parameter."""

    @property
    def prompt_used(self) -> PromptUsed | None:
        """The managed prompt; `None` for plain messages."""
        prompt = self.prompt
        if prompt is None:
            return None
        return PromptUsed(
            source=prompt.source,
            name=prompt.prompt_id,
            version=int(prompt.version) if prompt.version.isdecimal() else prompt.version,
            labels=prompt.labels,
            content_hash=prompt.fingerprint,
        )


_OPTIONAL = frozenset({"usage", "system_fingerprint", "service_tier"})
_DELTA = {"content": None, "role": None, "refusal": None, "tool_calls": None, "function_call": None}


class ModelResponse(WireObject):
    """A completion: OpenAI's fields, and `.prompt`, `.request`, `.cost`, `.latency` of ours.

    Args:
        fields: The body in OpenAI's form.
        sent: What was sent.
        response: The answer as a record.
        cost_usd: USD; `None` = unknown.
        trace_url: Address of its trace, or what finds it out; `None` = it is not traced.
    """

    __slots__ = ("_cost_usd", "_response", "_sent", "_trace_url")

    def __init__(
        self,
        fields: Mapping[str, Any],
        sent: Sent | None = None,
        response: Response | None = None,
        cost_usd: float | None = None,
        trace_url: str | Callable[[], str | None] | None = None,
    ) -> None:
        super().__init__(fields)
        object.__setattr__(self, "_sent", sent)
        object.__setattr__(self, "_response", response)
        object.__setattr__(self, "_cost_usd", cost_usd)
        object.__setattr__(self, "_trace_url", trace_url)

    def __getattr__(self, name: str) -> Any:
        # The SDK's answers and chunks always have these, and readers ask `if chunk.usage:`.
        return None if name in _OPTIONAL and name not in self._fields else super().__getattr__(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self._fields), self._sent, self._response, self._cost_usd, self.trace_url)

    @property
    def prompt(self) -> PromptUsed | None:
        """The managed prompt with its resolved version; `None` for plain messages."""
        return self._sent.prompt_used if self._sent is not None else None

    @property
    def request(self) -> Request | None:
        """What was sent to the provider."""
        return self._sent.request if self._sent is not None else None

    @property
    def model_source(self) -> str | None:
        """Where the model came from: `caller`, `prompt` or `alias`."""
        return self._sent.model_source if self._sent is not None else None

    @property
    def param_sources(self) -> Mapping[str, str]:
        """Where each parameter came from: `caller`, `prompt` or `config`."""
        return self._sent.param_sources if self._sent is not None else {}

    @property
    def cost(self) -> float | None:
        """USD; `None` where the price is unknown."""
        return self._cost_usd  # type: ignore[no-any-return]  # a slot set past __setattr__

    @property
    def latency(self) -> float | None:
        """Seconds from sending to the last byte, of the successful attempt alone."""
        return self._response.latency_s if self._response is not None else None

    @property
    def trace_url(self) -> str | None:
        """Address of the call's trace in Langfuse; `None` where calls are not traced."""
        told = self._trace_url
        return told() if callable(told) else told  # type: ignore[no-any-return]  # a slot set past __setattr__


def completion_body(response: Response, request: Request, *, model: str | None = None) -> dict[str, Any]:
    """Returns a response as an OpenAI chat completion; the provider's own body where it is one already.

    Args:
        response: The answer.
        request: What it answers.
        model: Stands in for the model's name, as a proxy does with an alias; `None` = the model that served.
    """
    raw = response.raw
    body: dict[str, Any]
    if isinstance(raw.get("choices"), tuple) and raw.get("object", "chat.completion") == "chat.completion":
        body = dict(raw)
        body["choices"] = [_filled_choice(choice) for choice in raw["choices"]]
    else:
        message: dict[str, Any] = {"role": "assistant", "content": response.text}
        if response.tool_calls and not response.text:
            message["content"] = None
        message["tool_calls"] = list(response.tool_calls) or None
        choice = {"index": 0, "message": message, "finish_reason": response.finish_reason, "logprobs": None}
        body = {"choices": [_filled_choice(choice)]}
    body.setdefault("id", response.request_id or "")
    body.setdefault("object", "chat.completion")
    body.setdefault("created", int(time.time()))
    body["model"] = model or response.model or request.model
    if not isinstance(body.get("usage"), dict):
        body["usage"] = usage_body(response)
    return body


def chunk_reply(chunk: Mapping[str, Any]) -> ModelResponse:
    """Returns a chunk for reading: a `delta` has every field that the SDK's has, `None` where nothing came.

    Example:
        >>> chunk_reply({"choices": [{"delta": {"content": "Hi"}}]}).choices[0].delta.tool_calls is None
        True
    """
    choices = [
        {"finish_reason": None, **one, "delta": {**_DELTA, **(one.get("delta") or {})}}
        for one in chunk["choices"]
        if isinstance(one, dict)
    ]
    return ModelResponse({**chunk, "choices": choices})


def usage_body(response: Response) -> dict[str, Any] | None:
    """Returns the token counts in OpenAI's form; `None` when the provider told none."""
    usage = response.usage
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
    }
    if usage.cached_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


def chunk_body(
    request_id: str, created: int, model: str, *, delta: Mapping[str, Any], finish_reason: str | None = None
) -> dict[str, Any]:
    """Returns one piece of a stream in OpenAI's form."""
    choice = {"index": 0, "delta": {"content": None, **delta}, "finish_reason": finish_reason, "logprobs": None}
    return {
        "id": request_id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
    }


def _filled_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the fields that the SDK always has, so that reading one that a provider left out gives `None`."""
    message = {"content": None, "role": "assistant", "refusal": None, "tool_calls": None, "function_call": None}
    given = choice.get("message")
    return {"finish_reason": None, **choice, "message": message | dict(given if isinstance(given, dict) else {})}


def _wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return WireObject(value)
    if isinstance(value, list | tuple):
        return [_wrapped(item) for item in value]
    return value


def _plain(value: Any, *, exclude_none: bool = False) -> Any:
    if isinstance(value, dict):
        items = {key: _plain(item, exclude_none=exclude_none) for key, item in value.items()}
        return {key: item for key, item in items.items() if not (exclude_none and item is None)}
    if isinstance(value, list | tuple):
        return [_plain(item, exclude_none=exclude_none) for item in value]
    return value
