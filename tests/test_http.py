"""The rules of the one file that talks HTTP, against a server in another process."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import MAX_BODY_BYTES, HttpClient, HttpFailure, HttpResponse, describe_body, parse_json
from toolkit._http_text import EventParser, retry_after_s


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server whose faults are scripted."""
    with serving("tests.servers.fake_openai") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def post(url: str, *, timeout_s: float = 10.0, **options: Any) -> HttpResponse:
    """One request with a client of its own."""

    async def send() -> HttpResponse:
        client = HttpClient()
        try:
            return await client.request("POST", url, timeout_s=timeout_s, json_body={"messages": []}, **options)
        finally:
            await client.aclose()

    return _sync.run(send())


def read_events(url: str, *, timeout_s: float = 10.0, idle_s: float = 60.0) -> list[str]:
    """What a streamed answer brings, event by event."""

    async def read() -> list[str]:
        client = HttpClient()
        try:
            async with client.stream("POST", url, timeout_s=timeout_s, json_body={"messages": []}) as stream:
                return [event.data async for event in stream.events(idle_s=idle_s)]
        finally:
            await client.aclose()

    return _sync.run(read())


def failure_of(server: ServerProcess, *, timeout_s: float = 10.0, **fault: Any) -> HttpFailure:
    """What the client makes of one scripted fault."""
    server.control(**fault)
    with pytest.raises(HttpFailure) as raised:
        post(server.url, timeout_s=timeout_s)
    return raised.value


def test_refused_connection_is_connect_and_was_not_sent() -> None:
    """A closed port is a failure of kind `connect`, and the request had not been sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(HttpFailure) as raised:
        post(f"http://127.0.0.1:{port}/")
    assert (raised.value.kind, raised.value.request_sent) == ("connect", False)


@pytest.mark.parametrize(
    ("wording", "kind"),
    [
        ("[Errno -2] Name or service not known", "dns"),
        ("[Errno 8] nodename nor servname provided, or not known", "dns"),
        ("[Errno 11001] getaddrinfo failed", "dns"),
        ("[Errno -3] Temporary failure in name resolution", "dns"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)", "tls"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "tls"),
        ("All connection attempts failed", "connect"),
    ],
)
def test_connect_failure_is_told_apart(wording: str, kind: str) -> None:
    """An unknown host is `dns`, as Linux, macOS and Windows word it; a bad certificate is `tls`; the rest `connect`."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(wording, request=request)

    async def send() -> None:
        await HttpClient(transport=httpx.MockTransport(refuse)).request("GET", "http://nowhere.test/", timeout_s=5)

    with pytest.raises(HttpFailure) as raised:
        _sync.run(send())
    assert (raised.value.kind, raised.value.request_sent) == (kind, False)


def test_reset_before_the_first_byte_was_sent(server: ServerProcess) -> None:
    """A connection cut before any answer is of kind `connection` and says that the request had been sent."""
    failure = failure_of(server, cut="before")
    assert (failure.kind, failure.request_sent) == ("connection", True)


def test_short_body_is_no_answer(server: ServerProcess) -> None:
    """A body that ends before its content-length is of kind `connection`, never a whole answer."""
    failure = failure_of(server, body="{}", content_length=100)
    assert (failure.kind, failure.request_sent) == ("connection", True)


def test_total_deadline_ends_a_dribbling_body(server: ServerProcess) -> None:
    """A body that comes byte by byte ends at the total deadline, within half a second of it."""
    started = time.monotonic()
    failure = failure_of(server, body="x" * 1000, piece_bytes=1, gap_s=0.05, timeout_s=0.5)
    assert (failure.kind, failure.request_sent) == ("timeout", True)
    assert 0.4 < time.monotonic() - started < 1.0


def test_silent_stream_ends_at_the_idle_limit(server: ServerProcess) -> None:
    """A stream that falls silent ends at its idle limit, long before the total deadline."""
    server.control(sse="data: one\n\n", hang_s=20)
    started = time.monotonic()
    with pytest.raises(HttpFailure, match=r"silent for 0\.3 s"):
        read_events(server.url, idle_s=0.3)
    assert time.monotonic() - started < 5


def test_redirect_is_an_answer_and_not_followed(server: ServerProcess) -> None:
    """A redirect comes back as it is, and its target hears nothing."""
    with serving("tests.servers.fake_openai") as other:
        server.control(status=307, headers={"location": other.url + "/v1/chat/completions"}, body="")
        answer = post(server.url, headers={"authorization": "Bearer sentinel-key"})
        assert answer.status == 307
        assert other.requests() == []


def test_large_body_is_not_read(server: ServerProcess) -> None:
    """A gzip bomb, 64 MiB in an answer of 64 KiB, is refused at the cap and never unpacked beyond it."""
    bomb = base64.b64encode(gzip.compress(b"x" * (4 * MAX_BODY_BYTES))).decode()
    server.control(body_base64=bomb, headers={"content-encoding": "gzip"})
    tracemalloc.start()
    try:
        with pytest.raises(HttpFailure) as raised:
            post(server.url)
        most_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert raised.value.kind == "too_large"
    assert most_bytes < 3 * MAX_BODY_BYTES


RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", RAW_DEFLATE.compress(b'{"a": 1}') + RAW_DEFLATE.flush()),
        ("identity", b'{"a": 1}'),
    ],
)
def test_compressed_answers_are_read(server: ServerProcess, encoding: str, content: bytes) -> None:
    """Gzip and both kinds of deflate are read like a plain answer."""
    server.control(body_base64=base64.b64encode(content).decode(), headers={"content-encoding": encoding})
    assert post(server.url).json() == {"a": 1}


@pytest.mark.parametrize(
    ("encoding", "content", "kind"),
    [
        ("br", b"whatever", "malformed"),
        ("gzip", b"not gzip at all", "malformed"),
        ("gzip", gzip.compress(b"x" * 5000)[:20], "connection"),
    ],
)
def test_unreadable_compression_is_typed(server: ServerProcess, encoding: str, content: bytes, kind: str) -> None:
    """Compression that was not asked for or is broken is `malformed`; one that breaks off is `connection`."""
    failure = failure_of(server, body_base64=base64.b64encode(content).decode(), headers={"content-encoding": encoding})
    assert failure.kind == kind


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("application/json", "é".encode(), "é"),
        ("application/json; charset=latin-1", "é".encode("latin-1"), "é"),
        ("text/plain; charset=no-such-charset", "é".encode(), "é"),
        ("text/plain; charset=undefined", "é".encode(), "é"),
        ("application/json", b"\xff!", "�!"),
        ("application/json", "\ufeff{}".encode(), "{}"),
    ],
)
def test_text_follows_the_charset(server: ServerProcess, content_type: str, content: bytes, text: str) -> None:
    """Text is read by its charset, UTF-8 without one; bad bytes are replaced and a byte-order mark is dropped."""
    server.control(body_base64=base64.b64encode(content).decode(), content_type=content_type)
    assert post(server.url).text() == text


def test_environment_proxy_is_not_for_loopback(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is left out for a server on this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert post(server.url).status == 404


def test_cancelled_request_ends_at_once(server: ServerProcess) -> None:
    """A request whose task is cancelled ends within a second, whatever the server does."""
    server.control(delay_s=20)

    async def give_up() -> float:
        client = HttpClient()
        sending = asyncio.create_task(client.request("POST", server.url, timeout_s=30, json_body={}))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await client.aclose()
        return time.monotonic() - started

    assert _sync.run(give_up()) < 1


GOLDEN = (
    b"\xef\xbb\xbf: ping\r\ndata: a\xc3\xa9\r\n\r\nevent: note\r\ndata: b\r\ndata:c\nid: 7\n\n"
    b'data: {"x": "\xe2\x80\xa8"}\r\rretry: 5\n\ndata\n\ndata: unfinished'
)


@pytest.mark.parametrize("cut", range(len(GOLDEN) + 1))
def test_stream_reads_the_same_however_it_is_cut(cut: int) -> None:
    """Events are the same wherever the bytes are cut: byte-order mark, CRLF and multi-byte characters included."""
    parser = EventParser()
    events = parser.feed(GOLDEN[:cut]) + parser.feed(GOLDEN[cut:])
    assert [(event.event, event.data) for event in events] == [
        ("message", "aé"),
        ("note", "b\nc"),
        ("message", '{"x": "\u2028"}'),
        ("message", ""),
    ]


def test_stream_reads_the_same_byte_by_byte() -> None:
    """Events are the same when every byte comes alone."""
    parser = EventParser()
    events = [event for position in range(len(GOLDEN)) for event in parser.feed(GOLDEN[position : position + 1])]
    assert [event.data for event in events] == ["aé", "b\nc", '{"x": "\u2028"}', ""]


NOON = "Fri, 02 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 3 "}, 3.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "-5", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "x"}, None),
        ({"retry-after": "Fri, 02 Jan 2026 12:00:09 GMT", "date": NOON}, 9.0),
        ({"retry-after": "Fri, 02 Jan 2026 12:00:09 -0000", "date": NOON}, 9.0),
        ({"retry-after": "Fri, 02 Jan 2026 13:00:09 +0100", "date": NOON}, 9.0),
        ({"retry-after": "Fri, 02 Jan 2026 11:00:00 GMT", "date": NOON}, 0.0),
        ({"retry-after": "Fri, 99 Jan 2026 11:00:00 GMT", "date": NOON}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After is read as seconds, milliseconds or a date by the server's own clock; nonsense says nothing."""
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": NaN}', {"a": None}), ("[Infinity, -Infinity, 1e999]", [None, None, None]), ("[1.5, 2]", [1.5, 2])],
)
def test_numbers_that_json_does_not_know_are_null(text: str, value: object) -> None:
    """NaN and infinities in a body become `None`, so that what is kept is JSON again."""
    assert parse_json(text) == value


def test_credential_at_the_cut_of_a_quoted_body_is_masked() -> None:
    """A body is quoted with its credentials masked first and cut afterwards, so that no half of one is left."""
    assert "sk-" not in describe_body("x " * 95 + "sk-abcdefgh1234567890")
