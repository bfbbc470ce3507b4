"""Streams through the proxy: not held back, whole or said not to be, and ended upstream when the client leaves."""

from __future__ import annotations

import http.client
import json
import time

import httpx
import openai
import pytest

from tests.proxy.running import CHAT, wait_until
from toolkit.errors import StoreError
from toolkit.store import RunStore

STREAMED = {"model": "openai-model", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}


def chunk(text, **choice):
    """One event of an upstream's stream."""
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}
    return (
        f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'model': 'small', 'choices': [delta]})}\n\n"
    )


def outcomes(proxy):
    """The outcomes in the proxy's store, by call."""
    try:
        store = RunStore(proxy.home / "runs.sqlite")
        run_id = max(run_id for run_id, _ in store.runs())
    except (StoreError, ValueError):
        return {}
    return dict(store.load_run(run_id).outcomes)


@pytest.mark.line("8.15")
def test_the_first_chunk_is_not_held_back(proxy, upstream):
    """A chunk reaches the client while the upstream is still silent before the next one."""
    upstream.control(sse=chunk("first"), hang_s=4)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    started = time.monotonic()
    connection.request("POST", CHAT, json.dumps(STREAMED), {"content-type": "application/json"})
    answer = connection.getresponse()
    assert b'"first"' in answer.readline()
    assert time.monotonic() - started < 4
    connection.close()


def test_an_error_before_the_first_chunk_has_its_status(proxy, upstream):
    """A stream that the upstream refuses is an error with a status, not a stream."""
    upstream.control(status=400, body={"error": {"message": "too many cooks"}})
    answer = proxy.post(STREAMED)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert "too many cooks" in answer.error["message"]


@pytest.mark.parametrize(
    "rest",
    ["", 'data: {"error": {"message": "overloaded", "code": 503}}\n\n', "data: {broken\n\n"],
    ids=["cut", "error", "broken"],
)
def test_an_error_in_mid_stream_is_an_event(proxy, upstream, rest):
    """A stream that breaks off ends with an event that says why, without [DONE], and is a failed row with its text."""
    upstream.control(sse=chunk("half") + rest)
    answer = proxy.post(STREAMED)
    assert answer.status == 200
    assert answer.events[0]["choices"][0]["delta"]["content"] == "half"
    assert answer.events[-1]["error"]["type"] == "upstream_error"
    assert b"[DONE]" not in answer.body
    outcome = outcomes(proxy)[answer.headers["x-toolkit-request-id"]]
    assert (outcome.status, outcome.failure.partial) == ("failed", "half")


def test_the_openai_client_sees_an_error_in_mid_stream(proxy, upstream):
    """The OpenAI client raises when a stream breaks off; it never takes half an answer for a whole one."""
    upstream.control(sse=chunk("half"))
    with httpx.Client(trust_env=False) as http_client:
        client = openai.OpenAI(api_key="anything", base_url=proxy.url, max_retries=0, http_client=http_client)
        stream = client.chat.completions.create(**STREAMED)
        with pytest.raises(openai.APIError):
            list(stream)


def test_usage_is_streamed_only_when_asked_for(proxy, upstream):
    """The chunk with the usage, whose choices are empty, comes only with stream_options; it is recorded either way."""
    plain = proxy.post(STREAMED)
    asked = proxy.post({**STREAMED, "stream_options": {"include_usage": True}})
    assert all(event["choices"] for event in plain.events)
    assert asked.events[-1]["choices"] == []
    assert asked.events[-1]["usage"]["completion_tokens"] == 4
    for answer in (plain, asked):
        usage = outcomes(proxy)[answer.headers["x-toolkit-request-id"]].response.usage
        assert (usage.input_tokens, usage.output_tokens) == (3, 4)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_request_upstream(proxy, upstream, stream):
    """When the client goes away the upstream's request is cancelled, and the call is a cancelled row."""
    before = set(outcomes(proxy))
    upstream.control(piece_bytes=1, gap_s=0.1)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    body = {**STREAMED, "stream": stream, "messages": [{"role": "user", "content": "word " * 200}]}
    connection.request("POST", CHAT, json.dumps(body), {"content-type": "application/json"})
    wait_until(lambda: len(upstream.requests()) == 1)
    connection.close()
    # The whole answer would take the upstream minutes.
    wait_until(lambda: upstream.call("GET", "/_stats")["in_flight"] == 0)
    wait_until(lambda: set(outcomes(proxy)) - before)
    (call,) = set(outcomes(proxy)) - before
    outcome = outcomes(proxy)[call]
    assert (outcome.status, outcome.failure.kind) == ("cancelled", "cancelled")
    assert outcome.possibly_billed == 1
    assert proxy.ask("openai-model").status == 200


def test_tool_calls_are_streamed(proxy, upstream):
    """Pieces of tool calls pass as they are."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    upstream.control(
        sse=chunk(None, delta={"tool_calls": [call]})
        + chunk(None, delta={}, finish_reason="tool_calls")
        + "data: [DONE]\n\n"
    )
    events = proxy.post(STREAMED).events
    assert events[0]["choices"][0]["delta"]["tool_calls"] == [call]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"
