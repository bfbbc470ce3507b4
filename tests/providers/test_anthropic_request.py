"""The rules by which a request in OpenAI's form becomes one of Anthropic's Messages API. Pure: nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit._records import FrozenDict, Message, Request
from toolkit._redact import Secret
from toolkit.errors import BadRequestError
from toolkit.providers._anthropic import AnthropicWire

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}


def body(*messages: dict[str, Any], model: str = "claude-next", stream: bool = False, **params: Any) -> dict[str, Any]:
    """The body of a request."""
    return AnthropicWire().body(request(*messages, model=model, **params), stream=stream)


def request(*messages: dict[str, Any], model: str = "claude-next", **params: Any) -> Request:
    """A request in OpenAI's form."""
    return Request(
        provider="anthropic",
        model=model,
        messages=tuple(Message.from_wire(message) for message in messages or (USER,)),
        params=FrozenDict(params),
    )


def test_body_holds_nothing_that_nobody_asked_for() -> None:
    """The body is the model, the messages and the limit that the API insists on."""
    assert body() == {"model": "claude-next", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}]}


# completion.md section 6: system split off.
@pytest.mark.line("6.6")
@pytest.mark.parametrize(
    ("messages", "system", "roles"),
    [
        ([{"role": "system", "content": "A"}, USER], "A", ["user"]),
        ([{"role": "developer", "content": "A"}, USER], "A", ["user"]),
        ([{"role": "system", "content": "A"}, USER, {"role": "system", "content": "B"}], "A\n\nB", ["user"]),
        (
            [{"role": "system", "content": "A"}, {"role": "system", "content": [{"type": "text", "text": "B"}]}, USER],
            [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
            ["user"],
        ),
        ([USER, {"role": "assistant", "content": "Yes?"}], None, ["user", "assistant"]),
    ],
)
def test_system_messages_are_split_off(messages: list[dict[str, Any]], system: Any, roles: list[str]) -> None:
    """System messages leave the list and are joined, in their order, as `system`."""
    made = body(*messages)
    assert made.get("system") == system
    assert [message["role"] for message in made["messages"]] == roles


# completion.md section 6: content blocks.
@pytest.mark.line("6.7")
@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "text", "text": "a"}, {"type": "text", "text": "a"}),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}},
            {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ),
        ({"type": "document", "source": {"type": "text"}}, {"type": "document", "source": {"type": "text"}}),
    ],
)
def test_content_part_becomes_a_block(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Text and images become blocks; blocks of the API's own stay as they are."""
    assert body({"role": "user", "content": [part]})["messages"] == [{"role": "user", "content": [block]}]


@pytest.mark.line("6.7")
def test_tool_calls_and_their_results_become_blocks() -> None:
    """A call becomes `tool_use` with its arguments parsed; results that follow one another become one user turn."""
    other = {"id": "c2", "type": "function", "function": {"name": "wait", "arguments": ""}}
    made = body(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL, other]},
        {"role": "tool", "tool_call_id": "c1", "content": "blue"},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "user", "content": "So?"},
    )
    assert made["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "sky"}},
                {"type": "tool_use", "id": "c2", "name": "wait", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "blue"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "done"},
            ],
        },
        {"role": "user", "content": "So?"},
    ]


def test_text_beside_a_tool_call_stays_before_it() -> None:
    """A turn that says something and calls a tool has the text block first."""
    made = body(USER, {"role": "assistant", "content": "Looking.", "tool_calls": [CALL]})
    assert [block["type"] for block in made["messages"][1]["content"]] == ["text", "tool_use"]


# completion.md section 6: `max_tokens` required and defaulted from the model's known limit else 4096.
@pytest.mark.line("6.8")
@pytest.mark.parametrize(
    ("model", "params", "limit"),
    [
        ("claude-next", {"max_tokens": 7}, 7),
        ("claude-next", {"max_completion_tokens": 8}, 8),
        ("claude-next", {}, 4096),
        ("claude-3-haiku-20240307", {}, 4096),
        ("claude-3-5-sonnet-20241022", {}, 8192),
        ("claude-3-7-sonnet-latest", {}, 64_000),
        ("claude-opus-4-20250514", {}, 32_000),
        ("claude-opus-4-1", {}, 32_000),
        ("claude-opus-4-5", {}, 64_000),
        ("claude-sonnet-4-20250514", {}, 64_000),
        ("claude-sonnet-4-6", {}, 128_000),
        ("claude-haiku-5-5", {}, 128_000),
        ("claude-haiku-5-5", {"max_tokens": None}, 128_000),
    ],
)
def test_limit_is_asked_known_or_4096(model: str, params: dict[str, Any], limit: int) -> None:
    """`max_tokens` is what was asked for, else the model's documented limit, else 4096."""
    assert body(model=model, **params)["max_tokens"] == limit


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"reasoning_effort": "low"}, {"output_config": {"effort": "low"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}]},
            {"tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}]},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
        ),
        ({"tools": [{"name": "f", "input_schema": SCHEMA}]}, {"tools": [{"name": "f", "input_schema": SCHEMA}]}),
        ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "tool", "name": "f"}},
        ),
        ({"parallel_tool_calls": False}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        ({"parallel_tool_calls": True}, {}),
        ({"n": 1, "presence_penalty": 0, "logprobs": False, "response_format": {"type": "text"}}, {}),
        ({"stream_options": {"include_usage": True}}, {}),
    ],
)
def test_parameter_is_translated(params: dict[str, Any], sent: dict[str, Any]) -> None:
    """A parameter goes out under the API's name and form; one without a counterpart, at OpenAI's default, does not."""
    assert body(**params) == body() | sent


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"n": 2}, "'n'"),
        ({"logit_bias": {"1": 2}}, "'logit_bias'"),
        ({"presence_penalty": 0.5, "frequency_penalty": 1}, "'frequency_penalty', 'presence_penalty'"),
        ({"seed": 1}, "'seed'"),
        ({"logprobs": True}, "'logprobs'"),
        ({"reasoning_effort": "minimal"}, "'reasoning_effort'"),
        ({"response_format": {"type": "json_object"}}, "'response_format'"),
        ({"tool_choice": "maybe"}, "'tool_choice'"),
    ],
)
def test_parameter_without_counterpart_is_refused_by_name(params: dict[str, Any], named: str) -> None:
    """What the API cannot take is an error that names it, before anything is sent."""
    with pytest.raises(BadRequestError, match="Nothing was sent") as raised:
        body(**params)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "system", "content": "only"}, "user message"),
        ({"role": "function", "content": "x"}, "'function'"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "'input_audio'"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{"}}]},
            "'look'",
        ),
    ],
)
def test_message_without_counterpart_is_refused_by_name(message: dict[str, Any], named: str) -> None:
    """A message that the API has no form for is an error that says what of it, before anything is sent."""
    with pytest.raises(BadRequestError, match="Nothing was sent") as raised:
        body(message)
    assert named in str(raised.value)


def test_a_stream_is_asked_for() -> None:
    """A streamed request has `stream` besides, and nothing else."""
    assert body(stream=True) == body() | {"stream": True}


@pytest.mark.parametrize(
    ("params", "version"),
    [
        ({}, "2026-10-21"),
        ({"max_tokens": 5}, "2026-10-21"),
        ({"temperature": 0}, "2023-06-01"),
        ({"top_p": 0.9}, "2023-06-01"),
        ({"temperature": None}, "2026-10-21"),
    ],
)
def test_version_is_the_newest_that_takes_the_parameters(params: dict[str, Any], version: str) -> None:
    """The newest API version is asked for, and an older one where sampling parameters are set, which it alone takes."""
    headers = AnthropicWire().headers(Secret("planted-key-value"), request(**params))
    assert headers == {"anthropic-version": version, "x-api-key": "planted-key-value"}
