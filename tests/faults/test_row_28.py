"""Row 28: a stream is read alike however its bytes are cut, and whatever else stands in it is typed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.faults.calls import make_request, walk
from tests.faults.streams import ANTHROPIC, OPENAI, read_stream, read_streams
from tests.servers._process import ServerProcess, serving
from toolkit._http_text import EventParser, retry_after_s
from toolkit._records import FrozenDict, Response, Usage
from toolkit.errors import FailureKind, ProviderError
from toolkit.providers._retry_hints import duration_s, retry_hint_s

CALL = FrozenDict({"type": "function", "function": {"name": "look", "arguments": "{}"}, "id": "call_1"})


def timeless(response: Response | ProviderError) -> Response:
    """A response without what depends on the clock."""
    assert isinstance(response, Response), response
    return replace(response, latency_s=None, first_token_s=None)


@pytest.mark.fault(28)
def test_the_golden_streams_are_read() -> None:
    """Text, calls, usage and end are read from streams with comments, a byte-order mark and every kind of line end."""
    whole = timeless(read_stream([OPENAI]))
    assert (whole.text, whole.finish_reason, whole.usage) == (
        "ä€ 😀 x",
        "tool_calls",
        Usage(input_tokens=3, output_tokens=4),
    )
    assert whole.tool_calls == (CALL,)
    other = timeless(read_stream([ANTHROPIC], anthropic=True))
    assert (other.text, other.finish_reason, other.usage) == ("ä€ 😀", "stop", Usage(input_tokens=3, output_tokens=4))


@pytest.mark.fault(28)
@pytest.mark.parametrize(("stream", "anthropic"), [(OPENAI, False), (ANTHROPIC, True)], ids=["openai", "anthropic"])
def test_a_stream_cut_at_any_byte_reads_the_same(stream: bytes, anthropic: bool) -> None:
    """Cut in two at every offset, and byte by byte, a stream gives the very same response."""
    cuts = [[stream[:at], stream[at:]] for at in range(len(stream) + 1)]
    cuts.append([stream[at : at + 1] for at in range(len(stream))])
    expected = timeless(read_stream([stream], anthropic=anthropic))
    read = read_streams(cuts, anthropic=anthropic)
    assert [at for at, response in enumerate(read) if timeless(response) != expected] == []


@pytest.mark.fault(28)
@pytest.mark.parametrize("pieces", [[1] * len(OPENAI), [7, 100, 1, 2]])
def test_a_stream_in_pieces_on_the_wire_reads_the_same(server: ServerProcess, pieces: list[int]) -> None:
    """A stream that comes over the network in tiny pieces is one request and one answer."""
    server.control(sse=OPENAI.decode(), framing="chunked", pieces=pieces)
    walked = walk(server, make_request(stream=True))
    assert walked.outcome.response is not None
    assert (walked.outcome.text, walked.outcome.response.tool_calls, len(walked.requests)) == ("ä€ 😀 x", (CALL,), 1)


@pytest.mark.fault(28)
def test_a_stream_of_the_messages_api_reads_the_same_on_the_wire() -> None:
    """A stream of the Messages API in tiny pieces is one request and one answer."""
    with serving("tests.servers.fake_anthropic") as server:
        server.control(sse=ANTHROPIC.decode(), piece_bytes=3)
        walked = walk(server, make_request(stream=True), anthropic=True)
    assert (walked.outcome.text, len(walked.requests)) == ("ä€ 😀", 1)


@pytest.mark.fault(28)
@pytest.mark.parametrize("data", ["{", "oops", "[1]", '"text"', "7", "null", "[" * 50_000])
def test_an_event_that_is_no_json_object_is_malformed(server: ServerProcess, data: str) -> None:
    """An event that is no JSON object ends the stream as malformed_response, tried twice, with the text so far."""
    first = json.dumps({"choices": [{"index": 0, "delta": {"content": "one"}}]})
    server.control(times=None, sse=f"data: {first}\n\ndata: {data}\n\n")
    walked = walk(server, make_request(stream=True))
    assert (walked.kind, len(walked.requests), walked.outcome.possibly_billed) == ("malformed_response", 2, 2)
    assert walked.outcome.failure is not None
    assert walked.outcome.failure.partial == "one"


@pytest.mark.fault(28)
@given(
    parts=st.lists(
        st.sampled_from(
            [b"data: a", b"data:", b"event: e", b"id", b": c", b"\n", b"\r", b"\r\n", b"\xc3", b"\xa9", b"\xef\xbb\xbf"]
        ),
        max_size=12,
    ),
    cuts=st.lists(st.integers(0, 80), max_size=6),
)
@example(parts=[b"data: a", b"\r\n", b"data: a", b"\r\n", b"\r\n"], cuts=[8])
@example(parts=[b"\xef\xbb\xbf", b"data: a", b"\n", b"\n"], cuts=[1, 2])
@settings(max_examples=150, deadline=None)
def test_any_cut_gives_the_same_events(parts: list[bytes], cuts: list[int]) -> None:
    """Whatever the bytes and wherever they are cut, the parser gives the same events."""
    stream = b"".join(parts)
    whole, cut = EventParser(), EventParser()
    # What a line end at the very end completes is only known with the next byte.
    expected = whole.feed(stream + b"\n\n")
    bounds = [0, *sorted(min(at, len(stream)) for at in cuts), len(stream)]
    found = [event for a, b in itertools.pairwise(bounds) for event in cut.feed(stream[a:b])]
    assert found + cut.feed(b"\n\n") == expected


@pytest.mark.fault(28)
@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_an_answer_or_a_typed_failure(pieces: list[bytes], anthropic: bool) -> None:
    """Whatever bytes a stream is made of, the provider gives a response or an error with one of the known kinds."""
    result = read_stream([piece for piece in pieces if piece], anthropic=anthropic)
    assert isinstance(result, Response) or result.kind in list(FailureKind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
WORDS = [
    "choices", "delta", "message", "content", "finish_reason", "index", "tool_calls", "function", "arguments", "usage",
    "prompt_tokens", "type", "content_block", "content_block_start", "content_block_delta", "message_start",
    "message_delta", "message_stop", "stop_reason", "text_delta", "input_json_delta", "partial_json", "text", "error",
    "tool_use", "input", "id", "name", "model", "code", "status", "details",
]  # fmt: skip


def likely(words: list[str]) -> Any:
    """JSON whose keys and values are words of the protocols, so that it gets far."""
    leaf = st.sampled_from(words) | st.none() | st.integers(-2, 3) | st.floats() | st.booleans()
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=5),
        max_leaves=20,
    )


@pytest.mark.fault(28, 40)
@given(st.lists(likely(WORDS), min_size=1, max_size=5), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_json_events_are_an_answer_or_a_typed_failure(events: list[Any], anthropic: bool) -> None:
    """Whatever JSON the events of a stream hold, the provider gives a response or an error with a known kind."""
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    result = read_stream([stream.encode()], anthropic=anthropic)
    assert isinstance(result, Response) or result.kind in list(FailureKind)


@pytest.mark.fault(28, 40)
@given(likely(WORDS) | JSON, st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_json_body_is_an_answer_or_a_typed_failure(body: Any, anthropic: bool) -> None:
    """Whatever JSON a 200 holds, the provider gives a response or an error with a known kind."""
    result = read_stream([json.dumps(body).encode()], anthropic=anthropic, content_type="application/json")
    assert isinstance(result, Response) or result.kind in list(FailureKind)


HEADER = st.text(max_size=30) | st.sampled_from(
    ["-1", "1e999", "inf", "nan", "6m0s", "20ms", "1h1h", "Fri, 02 Jan 2026 12:00:09 GMT", "2026-01-01T00:00:00Z",
     "9999-12-31T23:59:59+14:00", "Fri, 99 Foo 99999 99:99:99 +9999", "0x10", "\u0661", "1" * 400, "1_0", "+5", "1 2"]
)  # fmt: skip
NAMES = [
    "retry-after", "retry-after-ms", "date", "x-ratelimit-reset-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-tokens", "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-tokens-reset",
]  # fmt: skip


@pytest.mark.fault(3, 5)
@given(st.dictionaries(st.sampled_from(NAMES), HEADER), st.lists(JSON, max_size=2))
@settings(max_examples=400, deadline=None)
def test_any_headers_give_a_wait_or_none(headers: dict[str, str], details: list[Any]) -> None:
    """Whatever the headers say, the wait is a finite number of seconds from 0 up, or none."""
    for seconds in (retry_after_s(headers), retry_hint_s(headers, details), *map(duration_s, headers.values())):
        assert seconds is None or 0 <= seconds < float("inf")
