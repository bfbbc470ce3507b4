"""The rules of the Anthropic adapter, against a server in another process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.builders import anthropic_for, ask, ask_stream, make_request
from tests.servers._process import ServerProcess, serving
from toolkit._http import HttpClient
from toolkit._records import Message, Request, Response, Usage
from toolkit.errors import MissingKeyError, ProviderError
from toolkit.providers import Chunk

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service whose faults are scripted."""
    with serving("tests.servers.fake_anthropic") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def claude(text: str = "hello", **params: Any) -> Request:
    """A request with one user message."""
    return make_request(text, model="claude-haiku-5-5", provider="anthropic", **params)


def complete(server: ServerProcess, request: Request | None = None, **options: Any) -> Response:
    """One whole answer."""
    return ask(lambda http: anthropic_for(server.url, http, **options), request or claude())


def stream(server: ServerProcess, request: Request | None = None, **options: Any) -> list[Chunk]:
    """Every piece of one streamed answer."""
    return ask_stream(lambda http: anthropic_for(server.url, http, **options), request or claude())


def message(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole message."""
    return {"id": "msg_1", "model": "claude-x", "content": list(content), "stop_reason": "end_turn", **fields}


def events(*of: dict[str, Any]) -> str:
    """An event stream."""
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in of)


def text_delta(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


START = {"type": "message_start", "message": {**message(), "stop_reason": None, "usage": {"input_tokens": 9}}}
BEGIN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def test_whole_answer_is_read(server: ServerProcess) -> None:
    """A whole answer gives text, finish reason, served model, usage and the request id of its header."""
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 7}
    usage["output_tokens_details"] = {"thinking_tokens": 4}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    server.control(body=message(thinking, {"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}, usage=usage),
                   headers={"request-id": "req_7"})  # fmt: skip
    response = complete(server)
    assert (response.text, response.finish_reason, response.model) == ("Hello", "stop", "claude-x")
    assert response.usage == Usage(input_tokens=125, output_tokens=7, cached_tokens=100, reasoning_tokens=4)
    assert response.cost_usd is None
    assert response.raw["content"][0]["thinking"] == "hm"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_stop_reason_becomes_a_finish_reason(server: ServerProcess, reason: str, finish: str) -> None:
    """Stop reasons are told in OpenAI's words, unknown ones as they are; `raw` keeps the original."""
    server.control(body=message(stop_reason=reason))
    response = complete(server)
    assert (response.finish_reason, response.raw["stop_reason"]) == (finish, reason)


def test_refusal_keeps_its_explanation(server: ServerProcess) -> None:
    """A refused answer has the API's explanation as its refusal."""
    server.control(body=message(stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No."}))
    assert complete(server).refusal == "No."


@pytest.mark.line("6.7")
@pytest.mark.parametrize("is_streamed", [False, True])
def test_tool_use_becomes_tool_calls(server: ServerProcess, is_streamed: bool) -> None:
    """A `tool_use` block is a tool call in OpenAI's form, its input JSON text."""
    request = claude("sky", tools=TOOLS, tool_choice="required")
    response = stream(server, request)[-1].response if is_streamed else complete(server, request)
    assert response is not None
    call = response.tool_calls[0]
    assert (response.finish_reason, call["type"], call["function"]["name"]) == ("tool_calls", "function", "look")
    assert json.loads(call["function"]["arguments"])["text"].endswith(" sky")
    assert call["id"].startswith("toolu_")


def test_tool_call_streams_in_pieces(server: ServerProcess) -> None:
    """The deltas of a streamed tool call add up to it, in OpenAI's form."""
    pieces = [chunk.delta for chunk in stream(server, claude("sky", tools=TOOLS, tool_choice="required"))]
    calls = [call for delta in pieces for call in delta.get("tool_calls", ())]
    assert (calls[0]["index"], calls[0]["function"]["name"]) == (0, "look")
    assert json.loads("".join(call["function"]["arguments"] for call in calls))["text"].endswith(" sky")


def test_stream_adds_up_to_the_whole_answer(server: ServerProcess) -> None:
    """Streamed and whole, the same request gives the same text, finish reason, model, usage and body."""
    whole = complete(server, claude("one two three"))
    chunks = stream(server, claude("one two three"))
    last = chunks[-1].response
    assert last is not None
    assert "".join(chunk.text for chunk in chunks) == whole.text == last.text
    assert (last.finish_reason, last.model, last.usage) == (whole.finish_reason, whole.model, whole.usage)
    assert last.raw["content"] == whole.raw["content"]
    assert last.first_token_s is not None


def test_unknown_events_and_blocks_are_passed_over(server: ServerProcess) -> None:
    """Pings, events and blocks of types that nobody knows yet add nothing and end nothing."""
    thinking = {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": ""}}
    more = {"type": "content_block_delta", "index": 1, "delta": {"type": "thinking_delta", "thinking": "hm"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    server.control(sse=events(START, {"type": "ping"}, BEGIN, text_delta("Once"), thinking, more, {"type": "new"}, end,
                              {"type": "message_stop"}))  # fmt: skip
    last = stream(server)[-1].response
    assert last is not None
    assert (last.text, last.usage) == ("Once", Usage(input_tokens=9, output_tokens=3))
    assert last.raw["content"][1]["thinking"] == "hm"


def test_server_that_lingers_after_the_end_is_not_waited_for(server: ServerProcess) -> None:
    """After `message_stop` the answer is there, although the server keeps the connection open."""
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    server.control(sse=events(START, BEGIN, text_delta("Once"), end, {"type": "message_stop"}), hang_s=20)
    started = time.monotonic()
    stream(server)
    assert time.monotonic() - started < 2


def test_tool_call_cut_by_the_limit_keeps_what_came(server: ServerProcess) -> None:
    """Half a tool call is kept as the text that it is, not as an empty object."""
    begin = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}
    half = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}}
    end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    server.control(sse=events(START, begin, half, end, {"type": "message_stop"}))
    last = stream(server)[-1].response
    assert last is not None
    assert (last.finish_reason, last.tool_calls[0]["function"]["arguments"]) == ("length", '{"a": ')


def error(kind: str, words: str = "No.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, error("invalid_request_error"), "bad_request", False),
        (400, error("invalid_request_error", "temperature: `temperature` is deprecated for this model."),
         "bad_request", False),
        (400, error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
         "context_length", False),
        (400, error("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
         "context_length", False),
        (400, error("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
         "quota", False),
        (401, error("authentication_error"), "auth", False),
        (402, error("billing_error"), "quota", False),
        (403, error("permission_error"), "auth", False),
        (404, error("not_found_error", "model: claude-none"), "not_found", False),
        (413, error("request_too_large"), "too_large", False),
        (429, error("rate_limit_error"), "rate_limit", True),
        (500, error("api_error"), "server", True),
        (504, error("timeout_error"), "timeout", True),
        (529, error("overloaded_error"), "overloaded", True),
    ],
)  # fmt: skip
def test_error_is_typed(server: ServerProcess, status: int, body: dict[str, Any], kind: str, retryable: bool) -> None:
    """Every documented error is one kind, which says whether a retry can help."""
    server.control(status=status, body=body)
    with pytest.raises(ProviderError) as raised:
        complete(server)
    assert (raised.value.kind, raised.value.retryable, raised.value.status) == (kind, retryable, status)


@pytest.mark.parametrize(
    ("sse", "kind", "partial"),
    [
        (events(START, BEGIN, text_delta("Once"), error("overloaded_error")), "overloaded", "Once"),
        (events(START, BEGIN, text_delta("Once"), error("rate_limit_error")), "rate_limit", "Once"),
        (events(START, BEGIN, text_delta("Once")), "truncated_stream", "Once"),
        (events(START, BEGIN, text_delta("Once"), {"type": "message_stop"}), "truncated_stream", "Once"),
        (events(START) + "data: {\n\n", "malformed_response", ""),
        (events({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}), "empty_response", None),
    ],
)
def test_fault_of_a_stream_is_typed(server: ServerProcess, sse: str, kind: str, partial: str | None) -> None:
    """Every fault of a stream is an error of one kind that keeps the text that had come; none is an answer."""
    server.control(sse=sse)
    with pytest.raises(ProviderError) as raised:
        stream(server)
    assert (raised.value.kind, raised.value.partial) == (kind, partial)


@pytest.mark.parametrize("body", ["<html>", "[]", {"id": "msg_1"}, {"type": "error", "error": {"type": "api_error"}}])
def test_body_without_a_message_is_no_answer(server: ServerProcess, body: Any) -> None:
    """A 200 that holds no message is an error."""
    server.control(body=body)
    with pytest.raises(ProviderError):
        complete(server)


def test_a_stream_may_be_cut_anywhere(server: ServerProcess) -> None:
    """Bytes that arrive one at a time, in the middle of characters and events, add up to the same answer."""
    request = claude("größer 你好")
    server.control(piece_bytes=1)
    last = stream(server, request)[-1].response
    assert last is not None
    assert last.text == complete(server, request).text


def test_key_goes_out_as_x_api_key(server: ServerProcess) -> None:
    """The credential is in `x-api-key` and nowhere else."""
    complete(server, key="planted-sentinel-key")
    headers = server.requests()[0]["headers"]
    assert headers["x-api-key"] == "planted-sentinel-key"
    assert sum("planted-sentinel-key" in str(value) for value in headers.values()) == 1


def test_refused_key_is_not_in_the_error() -> None:
    """An error about a key names the environment variable and never holds the key that the service echoes."""
    with serving("tests.servers.fake_anthropic", "--require-key", "the-right-key-1") as strict:
        with pytest.raises(ProviderError) as raised:
            complete(strict, key="planted-sentinel-key")
        assert complete(strict, key="the-right-key-1").text
    assert raised.value.kind == "auth"
    assert "ANTHROPIC_API_KEY" in str(raised.value)
    assert "planted-sentinel-key" not in f"{raised.value!r} {raised.value.__dict__}"


def test_missing_key_is_found_before_anything_is_sent() -> None:
    """Anthropic's own address without a key is refused by a check that names the environment variable."""
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        anthropic_for("https://api.anthropic.com", HttpClient()).check("claude-haiku-5-5")


def test_sampling_parameters_reach_the_api(server: ServerProcess) -> None:
    """A temperature is sent, in the API version that takes it."""
    complete(server, claude(temperature=0.5))
    received = server.requests()[0]
    assert (received["body"]["temperature"], received["headers"]["anthropic-version"]) == (0.5, "2023-06-01")


@pytest.mark.line("6.6")
def test_system_message_is_no_turn_on_the_wire(server: ServerProcess) -> None:
    """A system message arrives as `system`."""
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    complete(server, Request(provider="anthropic", model="claude-haiku-5-5", messages=messages))
    body = server.requests()[0]["body"]
    assert (body["system"], body["messages"]) == ("Be brief.", [{"role": "user", "content": "Hi"}])
