"""Anthropic's Messages API: a request in OpenAI's form goes out as blocks, and blocks come back as a response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from toolkit._http import HttpClient
from toolkit._records import Request, Response
from toolkit._redact import Secret
from toolkit.errors import BadRequestError
from toolkit.providers._anthropic_answer import MessageAssembler, read_message
from toolkit.providers._anthropic_messages import Untranslatable, split_messages, tool_block, tool_choice_block
from toolkit.providers._http_provider import HttpProvider

API_VERSION = "2026-10-21"
"""Sent as `anthropic-version`."""

SAMPLING_VERSION = "2023-06-01"
"""Sent instead when the request sets a sampling parameter: later versions refuse those for every model."""

DEFAULT_MAX_TOKENS = 4096
"""Limit of an answer by a model that the table below does not know; the API insists on one."""

# Longest answer by model. Source: platform.claude.com/docs, "Models overview", read on 2026-11-22; the first that
# fits counts. A model's snapshots and aliases share its limit.
_OUTPUT_LIMITS = (
    (re.compile(r"claude-3-(?:opus|sonnet|haiku)"), 4096),
    (re.compile(r"claude-3-5-"), 8192),
    (re.compile(r"claude-3-7-"), 64_000),
    (re.compile(r"claude-(?:opus|sonnet|haiku)-4-5"), 64_000),
    (re.compile(r"claude-(?:opus|sonnet)-4-[6-8]\b"), 128_000),
    (re.compile(r"claude-opus-4"), 32_000),
    (re.compile(r"claude-sonnet-4"), 64_000),
    (re.compile(r"claude-(?:opus|sonnet|haiku|fable|mythos)-5"), 128_000),
)

_SAMPLING = frozenset({"temperature", "top_p", "top_k"})

# Sent under the same name: shared ones, and those that only this API has.
_AS_THEY_ARE = frozenset({"temperature", "top_p", "top_k", "thinking", "metadata", "output_config", "service_tier",
                          "cache_control"})  # fmt: skip

_TRANSLATED = frozenset({"max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls",
                         "user", "response_format", "reasoning_effort"})  # fmt: skip

# What asks for nothing: OpenAI's defaults of parameters that have no counterpart.
_NEUTRAL: Mapping[str, Any] = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False,
                               "logit_bias": {}, "response_format": {"type": "text"}}  # fmt: skip

_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


class AnthropicWire:
    """The protocol of Anthropic's Messages API."""

    end_mark: str | None = None

    def url(self, base_url: str, model: str) -> str:
        """Returns where a request goes; the model is in its body."""
        return f"{base_url}/v1/messages"

    def headers(self, key: Secret | None, request: Request) -> dict[str, str]:
        """Returns the API's version and the credential."""
        is_sampled = any(request.params.get(name) is not None for name in _SAMPLING)
        headers = {"anthropic-version": SAMPLING_VERSION if is_sampled else API_VERSION}
        return headers | ({"x-api-key": key.reveal()} if key is not None else {})

    def body(self, request: Request, *, stream: bool) -> dict[str, Any]:
        """Returns the request in the API's own form.

        Raises:
            BadRequestError: If a parameter or a message has no counterpart there; names it. Nothing is sent.
        """
        params = {
            name: value
            for name, value in request.params.items()
            if value is not None and name not in ("stream", "stream_options") and _NEUTRAL.get(name, ...) != value
        }
        refused = sorted(set(params) - _AS_THEY_ARE - _TRANSLATED)
        if refused:
            named = ", ".join(repr(name) for name in refused)
            raise _refused(request, f"Anthropic's API has no {named}; leave it out for this model")
        try:
            system, messages = split_messages(request.messages)
            body: dict[str, Any] = {"model": request.model, "max_tokens": _max_tokens(request.model, params)}
            body |= {"messages": messages} | ({"system": system} if system else {})
            body |= {name: params[name] for name in sorted(_AS_THEY_ARE & set(params))}
            body |= _translated(params, body)
        except Untranslatable as error:
            raise _refused(request, str(error)) from error
        return body | ({"stream": True} if stream else {})

    def read(
        self, body: Mapping[str, Any], *, request_id: str | None, latency_s: float, first_token_s: float | None
    ) -> Response:
        """Returns the response that a message holds."""
        return read_message(body, request_id=request_id, latency_s=latency_s, first_token_s=first_token_s)

    def assembler(self) -> MessageAssembler:
        """Returns what adds one stream up."""
        return MessageAssembler()


class AnthropicProvider(HttpProvider):
    """Anthropic's Messages API.

    System messages are split off; tools, tool calls and their results, images and `stop` go out in the API's form, and
    its answers come back in OpenAI's: `tool_calls`, finish reasons `stop`, `length`, `tool_calls`, `content_filter`.
    The API insists on `max_tokens`: without one in the request it is the model's documented limit, or 4096 for a model
    that is not known. What the API cannot take is refused before sending.

    Args:
        base_url: The API's address, such as `https://api.anthropic.com`.
        api_key: Gives the credential, or `None` when it is not set; asked anew for each request.
        http: The client; closed by whoever made it.
        own_base_url: The service's own address, where a credential is required.
        key_variable: Environment variable of the credential, for messages.
        name: What stands before the slash of a model.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: Callable[[], Secret | None],
        http: HttpClient,
        own_base_url: str = "https://api.anthropic.com",
        key_variable: str = "ANTHROPIC_API_KEY",
        name: str = "anthropic",
    ) -> None:
        super().__init__(
            name=name,
            base_url=base_url,
            wire=AnthropicWire(),
            api_key=api_key,
            key_variable=key_variable,
            http=http,
            own_base_url=own_base_url,
            params=_AS_THEY_ARE | _TRANSLATED | {"stream", "stream_options"},
        )


def output_limit(model: str) -> int | None:
    """Returns the most tokens that an answer of `model` can have; `None` when that is not known.

    Example:
        >>> output_limit("claude-3-5-haiku-20241022"), output_limit("claude-next")
        (8192, None)
    """
    return next((limit for pattern, limit in _OUTPUT_LIMITS if pattern.search(model)), None)


def _max_tokens(model: str, params: Mapping[str, Any]) -> Any:
    asked = params.get("max_tokens", params.get("max_completion_tokens"))
    return asked if asked is not None else output_limit(model) or DEFAULT_MAX_TOKENS


def _translated(params: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that have another name or form there."""
    translated: dict[str, Any] = {}
    if "stop" in params:
        stop = params["stop"]
        translated["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    if params.get("tools"):
        translated["tools"] = [tool_block(tool) for tool in params["tools"]]
    choice = tool_choice_block(params.get("tool_choice"), parallel=params.get("parallel_tool_calls"))
    if choice is not None:
        translated["tool_choice"] = choice
    if "user" in params:
        translated["metadata"] = {**body.get("metadata", {}), "user_id": params["user"]}
    output = _output_config(params)
    if output:
        translated["output_config"] = {**body.get("output_config", {}), **output}
    return translated


def _output_config(params: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    effort = params.get("reasoning_effort")
    if effort is not None:
        if effort not in _EFFORTS:
            raise Untranslatable(f"'reasoning_effort' must be one of {', '.join(sorted(_EFFORTS))}; got {effort!r}")
        config["effort"] = effort
    asked = params.get("response_format")
    if asked is not None:
        schema = asked.get("json_schema", {}).get("schema") if isinstance(asked, Mapping) else None
        if not isinstance(schema, Mapping):
            raise Untranslatable("'response_format' must hold a JSON schema (type 'json_schema') for this API")
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _refused(request: Request, problem: str) -> BadRequestError:
    return BadRequestError(
        f"Nothing was sent to 'anthropic' (model {request.model!r}): {problem}.",
        provider="anthropic",
        model=request.model,
    )
