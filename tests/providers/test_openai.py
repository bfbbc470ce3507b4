"""The rules of the OpenAI-compatible adapter, against a server in another process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.builders import complete, make_body, make_request, make_stream, provider_for, stream
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit.errors import ProviderError


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service whose faults are scripted."""
    with serving("tests.servers.fake_openai") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def test_whole_answer_is_read(server: ServerProcess) -> None:
    """A whole answer gives text, finish reason, served model, usage and the request id of its header."""
    server.control(body=make_body("hi"), headers={"x-request-id": "req-7"}, content_type="text/plain")
    response = complete(server)
    assert (response.text, response.finish_reason, response.model) == ("hi", "stop", "small-2026")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (5, 2)
    assert response.first_token_s is None
    assert response.cost_usd is None


def test_body_is_exactly_what_was_asked_for(server: ServerProcess) -> None:
    """The body holds the model, the messages and the request's params, and nothing else."""
    complete(server, make_request("hello", temperature=0, stop=["\n"], stream=True, stream_options={"a": 1}))
    assert server.requests()[0]["body"] == {
        "model": "small",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "stop": ["\n"],
    }


def test_streamed_body_asks_for_usage(server: ServerProcess) -> None:
    """A streamed request adds `stream` and the question for usage, and nothing else."""
    stream(server, make_request("hello"))
    assert server.requests()[0]["body"] == {
        "model": "small",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_callers_stream_options_win(server: ServerProcess) -> None:
    """Stream options that the caller set are sent as they are."""
    stream(server, make_request(stream_options={"include_usage": False}))
    assert server.requests()[0]["body"]["stream_options"] == {"include_usage": False}


def test_family_that_refuses_stream_options_is_not_sent_them(server: ServerProcess) -> None:
    """A family that refuses `stream_options` is not sent them."""
    stream(server, takes_stream_options=False)
    assert "stream_options" not in server.requests()[0]["body"]


def test_stream_adds_up_to_the_whole_answer(server: ServerProcess) -> None:
    """A streamed answer has the text, finish reason, model and usage of the same answer whole."""
    whole = complete(server)
    *pieces, last = stream(server)
    assert last.response is not None
    assert "".join(piece.text for piece in pieces) == last.response.text == whole.text
    assert last.response.finish_reason == whole.finish_reason
    assert (last.response.model, last.response.usage) == (whole.model, whole.usage)
    assert all(piece.response is None for piece in pieces)


def test_first_token_is_timed(server: ServerProcess) -> None:
    """A streamed answer has the time of its first text, which is not after its last byte."""
    last = stream(server)[-1].response
    assert last is not None
    assert last.first_token_s is not None
    assert last.latency_s is not None
    assert 0 < last.first_token_s <= last.latency_s


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_stream_is_the_same_however_it_is_cut(server: ServerProcess, size: int) -> None:
    """A stream gives the same answer whatever pieces it comes in, split characters and CRLF included."""
    events = ": ping\r\n\r\n" + make_stream({"content": "Größe "}, {"content": "日本 🎉"}).replace("\n", "\r\n")
    server.control(sse=events, piece_bytes=size)
    last = stream(server)[-1].response
    assert last is not None
    assert last.text == "Größe 日本 🎉"


def test_tool_calls_are_assembled_from_a_stream(server: ServerProcess) -> None:
    """Pieces of tool calls are joined by index, and arguments stay the text that they are."""
    deltas = [
        {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "not json"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    server.control(sse=make_stream(*deltas, finish_reason="tool_calls"))
    last = stream(server)[-1].response
    assert last is not None
    assert [(call["id"], call["function"]) for call in last.tool_calls] == [
        ("c1", {"name": "f", "arguments": '{"a":1}'}),
        ("c2", {"name": "g", "arguments": "not json"}),
    ]
    assert last.finish_reason == "tool_calls"


def test_service_that_does_not_stream_answers_in_one_piece(server: ServerProcess) -> None:
    """A whole JSON answer to a streamed request is one piece with its response."""
    server.control(body=make_body("whole"))
    (only,) = stream(server)
    assert only.text == "whole"
    assert only.response is not None


FAULTS: list[tuple[dict[str, Any], str, bool]] = [
    ({"status": 429, "headers": {"retry-after": "7"}}, "rate_limit", False),
    ({"status": 401}, "auth", False),
    ({"status": 500}, "server", False),
    ({"status": 307, "headers": {"location": "http://127.0.0.1:9/"}}, "redirect", False),
    ({"body": "<html><title>Login</title>", "content_type": "text/html"}, "malformed_response", True),
    ({"body": ""}, "malformed_response", True),
    ({"body": '{"choices": [{"message"'}, "malformed_response", True),
    ({"body": [1, 2]}, "malformed_response", True),
    ({"body": "[" * 100_000}, "malformed_response", True),
    ({"body": {"error": {"code": 429, "message": "upstream"}}}, "rate_limit", False),
    ({"body": {"choices": []}}, "empty_response", True),
    ({"body": {"choices": None}}, "empty_response", True),
    ({"body": {"id": "x"}}, "empty_response", True),
    ({"body": {"choices": [{"message": None}]}}, "empty_response", True),
    ({"body": {"choices": ["x"]}}, "empty_response", True),
    ({"cut": "before"}, "connection", True),
    ({"cut": 10}, "connection", True),
]


@pytest.mark.parametrize(("fault", "kind", "billed"), FAULTS)
def test_fault_of_a_whole_answer_is_typed(
    server: ServerProcess, fault: dict[str, Any], kind: str, billed: bool
) -> None:
    """Every fault of a whole answer is an error of one kind that says whether it may have been charged."""
    server.control(**fault)
    with pytest.raises(ProviderError) as raised:
        complete(server)
    assert (raised.value.kind, raised.value.possibly_billed) == (kind, billed)
    assert (raised.value.provider, raised.value.model) == ("acme", "small")
    assert len(server.requests()) == 1


BROKEN_OFF = make_stream({"content": "Once"}, finish_reason=None, done=False)

STREAM_FAULTS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"status": 429}, "rate_limit", None),
    ({"sse": BROKEN_OFF}, "truncated_stream", "Once"),
    ({"sse": make_stream({"content": "Once"}, finish_reason=None)}, "truncated_stream", "Once"),
    ({"sse": ""}, "truncated_stream", ""),
    ({"sse": make_stream({"content": "Once"}, done=False)[:40]}, "truncated_stream", ""),
    ({"sse": make_stream({"content": "Once"}), "cut": 70}, "connection", "Once"),
    ({"sse": 'data: {"choices": [}\n\n'}, "malformed_response", ""),
    ({"sse": "data: 7\n\n"}, "malformed_response", ""),
    (
        {
            "sse": make_stream({"content": "Once"}, finish_reason=None, done=False)
            + 'data: {"error": {"code": 429}}\n\n'
        },
        "rate_limit",
        "Once",
    ),
    ({"sse": 'event: error\ndata: {"error": {"type": "overloaded_error"}}\n\n'}, "overloaded", ""),
    ({"sse": 'data: {"usage": null, "choices": []}\n\ndata: [DONE]\n\n'}, "truncated_stream", ""),
    ({"body": "<html>", "content_type": "text/html"}, "malformed_response", None),
]


@pytest.mark.parametrize(("fault", "kind", "partial"), STREAM_FAULTS)
def test_fault_of_a_stream_is_typed(
    server: ServerProcess, fault: dict[str, Any], kind: str, partial: str | None
) -> None:
    """Every fault of a stream is an error of one kind that keeps the text that had come; none is an answer."""
    server.control(**fault)
    with pytest.raises(ProviderError) as raised:
        stream(server)
    assert (raised.value.kind, raised.value.partial) == (kind, partial)


def test_missing_end_mark_is_no_fault(server: ServerProcess) -> None:
    """A stream with a finish reason is whole although its `[DONE]` is missing."""
    server.control(sse=make_stream({"content": "Once"}, done=False))
    last = stream(server)[-1].response
    assert last is not None
    assert last.text == "Once"


def test_server_that_lingers_after_the_end_mark_is_not_waited_for(server: ServerProcess) -> None:
    """After `[DONE]` the answer is there, although the server keeps the connection open."""
    server.control(sse=make_stream({"content": "Once"}), hang_s=20)
    started = time.monotonic()
    stream(server)
    assert time.monotonic() - started < 2


def test_whole_answer_has_a_deadline(server: ServerProcess) -> None:
    """A server that hangs is a `timeout` at the deadline, and may have charged."""
    server.control(delay_s=20)
    started = time.monotonic()
    with pytest.raises(ProviderError) as raised:
        complete(server, timeout_s=0.3)
    assert (raised.value.kind, raised.value.possibly_billed) == ("timeout", True)
    assert time.monotonic() - started < 1


def test_deadline_of_a_stream_never_strikes_its_reader(server: ServerProcess) -> None:
    """A reader that is slow between two pieces is not interrupted when the stream's deadline passes."""
    server.control(sse=make_stream({"content": "Once"}), hang_s=20)

    async def read_slowly() -> str:
        http = HttpClient()
        provider = provider_for(server.url, http)
        text = ""
        async for chunk in provider.stream(make_request(), timeout_s=0.2):
            text += chunk.text
            await asyncio.sleep(0.3)
        await http.aclose()
        return text

    assert _sync.run(read_slowly()) == "Once"


def test_leaving_a_stream_early_closes_it(server: ServerProcess) -> None:
    """A reader that stops after the first piece gets control back at once."""
    server.control(sse=make_stream({"content": "Once"}, finish_reason=None, done=False), hang_s=20)

    async def read_one() -> float:
        http = HttpClient()
        pieces = provider_for(server.url, http).stream(make_request(), timeout_s=30)
        await anext(pieces)
        started = time.monotonic()
        await pieces.aclose()
        await http.aclose()
        return time.monotonic() - started

    assert _sync.run(read_one()) < 1


@pytest.mark.parametrize(
    ("base_url", "identity"),
    [
        ("https://api.acme.test/v1", "acme"),
        ("https://api.acme.test/v1/", "acme"),
        ("http://127.0.0.1:8000/v1", "acme@http://127.0.0.1:8000/v1"),
        ("https://me:secret@host.test/v1", "acme@https://host.test/v1"),
    ],
)
def test_identity_names_a_foreign_endpoint(base_url: str, identity: str) -> None:
    """The identity is the name, with the endpoint where it is not the family's own, and without a password."""
    assert provider_for(base_url, HttpClient()).identity == identity


def test_messages_go_out_as_they_are(server: ServerProcess) -> None:
    """Text goes out to the letter: lone surrogates, NUL and separators included."""
    text = "a\ud800b\x00c\u2028d"
    complete(server, make_request(text))
    assert server.requests()[0]["body"]["messages"][0]["content"] == text


def test_stream_pieces_keep_the_event(server: ServerProcess) -> None:
    """Each piece holds the event that it came from."""
    server.control(sse=make_stream({"content": "Once"}))
    assert json.loads(json.dumps(stream(server)[0].raw))["choices"][0]["delta"] == {"content": "Once"}
