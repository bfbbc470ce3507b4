"""Rows 23 to 34: answers that break off, stall, dribble or are none, whole and streamed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.faults.calls import Walk, make_request, walk
from tests.servers._process import ServerProcess
from tests.servers.fault_server import completion
from toolkit._http import HttpClient
from toolkit.engine import RetryPolicy

ONCE = RetryPolicy(max_attempts=1)


def stream_request() -> Any:
    """A request for a stream."""
    return make_request(stream=True)


def spent(walked: Walk) -> tuple[str | None, int, int]:
    """Kind of the failure, requests received, attempts that may be billed."""
    return walked.kind, len(walked.requests), walked.outcome.possibly_billed


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    "fault", [{"cut": "before"}, {"raw_base64": "", "end": "reset"}, {"raw_base64": "", "end": "close"}]
)
def test_a_reset_before_the_answer_may_be_billed(server: ServerProcess, fault: dict[str, Any]) -> None:
    """A connection that ends before the first byte of the answer is tried four times, each time possibly billed."""
    server.control(times=None, **fault)
    assert spent(walk(server)) == ("connection", 4, 4)


@pytest.mark.fault(23, 25)
def test_what_may_be_billed_need_not_be_sent_again(server: ServerProcess) -> None:
    """With a policy that does not resend what may be billed, such a failure is the end after one request."""
    server.control(times=None, cut="before")
    assert spent(walk(server, policy=RetryPolicy(resend_possibly_billed=False))) == ("connection", 1, 1)
    server.control(reset=True)
    server.control(times=None, status=500)
    assert spent(walk(server, policy=RetryPolicy(resend_possibly_billed=False))) == ("server", 4, 0)


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    "fault",
    [
        {"cut": 20, "framing": "length"},
        {"cut": 20, "framing": "length", "end": "reset"},
        {"cut": 20, "framing": "chunked"},
        {"cut": 20, "framing": "chunked", "end": "reset"},
        {"body": completion(), "content_length": 100_000},
    ],
    ids=["short", "reset", "short chunked", "reset chunked", "length too large"],
)
def test_a_body_that_breaks_off_is_no_answer(server: ServerProcess, fault: dict[str, Any]) -> None:
    """A body that ends too soon is of kind connection, tried four times, and never read as an answer."""
    server.control(times=None, **fault)
    walked = walk(server)
    assert spent(walked) == ("connection", 4, 4)
    assert walked.outcome.response is None


@pytest.mark.fault(24)
def test_a_body_longer_than_its_length_is_cut_there_and_spoils_nothing(server: ServerProcess) -> None:
    """Bytes behind the announced length belong to no answer: the answer is read, the next has another connection."""
    server.control(body=completion("one"), content_length=len(completion("one")) - 2)
    assert walk(server, policy=ONCE).kind == "malformed_response"
    server.control(body=completion("two") + "HTTP/1.1 200 OK", content_length=len(completion("two")))
    assert walk(server).outcome.text == "two"


@pytest.mark.fault(24)
def test_a_whole_body_that_ends_with_its_connection_is_an_answer(server: ServerProcess) -> None:
    """An answer without a length that ends with the connection is read; it cannot be told from a whole one."""
    server.control(body=completion("all"), framing="close")
    assert walk(server).outcome.text == "all"


@pytest.mark.fault(25)
def test_a_silent_server_ends_at_the_deadline(server: ServerProcess) -> None:
    """A server that says nothing is given up at the deadline, four times, each possibly billed."""
    server.control(times=None, raw_base64="", end="stall")
    started = time.monotonic()
    assert spent(walk(server, timeout_s=0.2)) == ("timeout", 4, 4)
    assert time.monotonic() - started >= 4 * 0.2


@pytest.mark.fault(26)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_dribbling_body_ends_at_the_total_deadline(server: ServerProcess, streamed: bool) -> None:
    """A body that never stops coming a byte at a time ends at the total deadline, within half a second of it."""
    server.control(
        body="x" * 100_000, piece_bytes=1, gap_s=0.02, content_type="text/event-stream" if streamed else "x/y"
    )
    started = time.monotonic()
    walked = walk(server, stream_request() if streamed else None, timeout_s=0.6, policy=ONCE)
    assert 0.55 <= time.monotonic() - started <= 1.1
    assert spent(walked) == ("timeout", 1, 1)


def events(*texts: str, end: str = "") -> str:
    """The beginning of a stream, one event a text."""
    chunks = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


@pytest.mark.fault(27)
@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n", 'data: {"choices": []}\n\n'])
def test_a_stream_without_its_end_is_never_an_answer(server: ServerProcess, end: str) -> None:
    """A stream that ends cleanly without a finish reason is tried four times; its text is kept as partial."""
    server.control(times=None, sse=events("one", " two", end=end))
    walked = walk(server, stream_request())
    assert spent(walked) == ("truncated_stream", 4, 4)
    assert walked.outcome.failure is not None
    assert (walked.outcome.failure.partial, walked.outcome.response) == ("one two", None)


@pytest.mark.fault(27)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_stream_that_is_cut_keeps_what_came(server: ServerProcess, end: str) -> None:
    """A stream whose connection ends is of kind connection, with the text so far as partial."""
    server.control(sse=events("one", " two"), framing="chunked", cut=10_000, gap_s=0.05, end=end)
    walked = walk(server, stream_request(), policy=ONCE)
    assert spent(walked) == ("connection", 1, 1)
    assert walked.outcome.failure is not None
    # A reset may overtake what was sent before it.
    assert walked.outcome.failure.partial in ({"one two"} if end == "close" else {"one two", ""})


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("error", "kind", "requests"),
    [
        ({"message": "Slow.", "code": "rate_limit_exceeded"}, "rate_limit", 4),
        ({"message": "Busy.", "type": "overloaded_error"}, "overloaded", 4),
        ({"message": "Broke.", "type": "server_error"}, "server", 4),
        ({"message": "Empty.", "code": "insufficient_quota"}, "quota", 1),
        ({"message": "Long.", "code": "context_length_exceeded"}, "context_length", 1),
        ("just words", "server", 4),
        ({"message": "Odd.", "code": 418}, "bad_request", 1),
    ],
)
@pytest.mark.parametrize("form", ["plain", "event"])
def test_an_error_within_a_stream_is_typed_by_its_code(
    server: ServerProcess, error: object, kind: str, requests: int, form: str
) -> None:
    """An error event in a stream has the kind of its own code, and as many tries; the text so far is partial."""
    name = "event: error\n" if form == "event" else ""
    server.control(times=None, sse=events("one") + f"{name}data: {json.dumps({'error': error})}\n\n")
    walked = walk(server, stream_request())
    assert (walked.kind, len(walked.requests)) == (kind, requests)
    assert walked.outcome.failure is not None
    assert walked.outcome.failure.partial == "one"
    assert walked.outcome.possibly_billed == requests


@pytest.mark.fault(29, 33)
@pytest.mark.parametrize(
    ("error", "kind", "requests"),
    [
        ({"message": "Slow.", "code": "rate_limit_exceeded"}, "rate_limit", 4),
        ({"message": "Filtered.", "code": "content_filter"}, "content_filter", 1),
        ({"message": "Who?", "code": 401}, "auth", 1),
        ("upstream failed", "server", 4),
    ],
)
def test_an_error_within_a_200_is_typed_by_its_code(
    server: ServerProcess, error: object, kind: str, requests: int
) -> None:
    """A 200 whose body is an error has the kind of its own code, and as many tries."""
    server.control(times=None, body={"error": error})
    walked = walk(server)
    assert (walked.kind, len(walked.requests)) == (kind, requests)


@pytest.mark.fault(30)
def test_a_stalled_stream_ends_at_the_idle_limit(server: ServerProcess) -> None:
    """A stream that falls silent ends at its idle limit and not at the total; the text so far is partial."""
    server.control(times=None, sse=events("one"), framing="chunked", end="stall")
    started = time.monotonic()
    walked = walk(server, stream_request(), timeout_s=60, http=HttpClient(idle_timeout_s=0.2))
    assert spent(walked) == ("timeout", 4, 4)
    assert "silent for 0.2 s" in walked.message
    assert time.monotonic() - started < 30
    assert walked.outcome.failure is not None
    assert walked.outcome.failure.partial == "one"


@pytest.mark.fault(30)
def test_pings_keep_a_stream_alive(server: ServerProcess) -> None:
    """Comments between two events break the silence, so that a slow thinker is not cut off."""
    sse = events("one") + ": ping\n\n" * 10 + events(" two") + 'data: {"choices": [{"finish_reason": "stop"}]}\n\n'
    server.control(sse=sse, framing="chunked", pieces=[len(events("one")), *[8] * 10], gap_s=0.1)
    assert walk(server, stream_request(), http=HttpClient(idle_timeout_s=0.6)).outcome.text == "one two"


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    "body",
    ["", "oops", "{", "[1]", '"text"', "null", "7", '{"choices": [', "[" * 100_000, "9" * 5000],
    ids=["empty", "word", "brace", "list", "text", "null", "number", "half", "deep", "digits"],
)
def test_a_200_that_is_no_json_object_is_asked_for_twice(server: ServerProcess, body: str) -> None:
    """A 200 without a JSON object is of kind malformed_response, tried twice, each time possibly billed."""
    server.control(times=None, body=body)
    assert spent(walk(server)) == ("malformed_response", 2, 2)


@pytest.mark.fault(31)
def test_the_beginning_of_a_useless_answer_is_kept_without_credentials(server: ServerProcess) -> None:
    """The row shows the first 200 characters of what came instead, credentials masked."""
    server.control(body="gateway says sk-abcdefgh1234567890 " + "x" * 1000)
    message = walk(server, policy=ONCE).message
    assert "gateway says **** xxx" in message
    assert "x" * 201 not in message


@pytest.mark.fault(31)
def test_an_answer_after_a_useless_one_counts(server: ServerProcess) -> None:
    """A useless answer and then a good one are one answered trial with two attempts, one possibly billed."""
    server.control(body="oops")
    walked = walk(server)
    assert (walked.outcome.status, walked.outcome.attempts, walked.outcome.possibly_billed) == ("ok", 2, 1)


@pytest.mark.fault(32)
def test_a_login_page_is_named_as_one(server: ServerProcess) -> None:
    """An HTML page instead of JSON is of kind malformed_response and asks about a login page."""
    server.control(times=None, body="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
    walked = walk(server)
    assert spent(walked) == ("malformed_response", 2, 2)
    assert "a login page or a wrong address?" in walked.message


@pytest.mark.fault(32)
@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "text/html", ""])
@pytest.mark.parametrize("streamed", [False, True])
def test_json_is_read_whatever_it_is_called(server: ServerProcess, content_type: str, streamed: bool) -> None:
    """A completion under another content type is read like any other."""
    if streamed and content_type != "text/html":
        body, content_type = events("hi", end='data: {"choices": [{"finish_reason": "stop"}]}\n\n'), content_type
    else:
        body = completion()
    server.control(body=body, content_type=content_type)
    walked = walk(server, stream_request() if streamed else None)
    assert (walked.outcome.text, len(walked.requests)) == ("hi", 1)


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": "none"},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"message": None, "finish_reason": "stop"}]},
    ],
)
def test_an_answer_without_a_message_is_asked_for_twice(server: ServerProcess, body: dict[str, Any]) -> None:
    """A whole answer without a choice or a message is of kind empty_response, tried twice, possibly billed."""
    server.control(times=None, body=body)
    assert spent(walk(server)) == ("empty_response", 2, 2)
