"""The rules of the HTTP client below a request: connections, addresses, where an answer ends, the end of Python."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.http_calls import ask, failure_of
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient, HttpResponse


@pytest.fixture
def wire() -> Iterator[ServerProcess]:
    """A server that counts its connections."""
    with serving("tests.servers.fake_wire") as running:
        yield running


def test_connection_is_used_again(wire: ServerProcess) -> None:
    """Two requests, one after the other, share one connection."""
    assert [answer.json()["connection"] for answer in ask(wire.url + "/a", wire.url + "/b")] == [1, 1]


def wait_for_the_end_of_a_connection() -> None:
    """Keeps the loop from noticing anything until the server's end of a connection has arrived."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if any(has_ended(fd) for fd in range(3, 256)):
            return
    raise AssertionError("no connection has ended")


def has_ended(fd: int) -> bool:
    """True for a socket to another process whose stream is at its end."""
    try:
        copy = os.dup(fd)
    except OSError:
        return False
    try:
        known = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return False
    with known:
        if known.family not in (socket.AF_INET, socket.AF_INET6) or not select.select([known], [], [], 0)[0]:
            return False
        try:
            return known.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except OSError:
            return False


def test_post_leaves_on_a_new_connection_when_the_kept_one_has_ended(wire: ServerProcess) -> None:
    """A kept-alive connection that the server closed is found out before a POST is written on it, however busy we are.

    The request arrives once.
    """
    answers = ask(wire.url + "/leave", wire.url + "/leave", pause=wait_for_the_end_of_a_connection)
    assert [answer.json()["connection"] for answer in answers] == [1, 2]
    assert len(wire.requests()) == 2


def test_post_that_was_taken_is_not_sent_again(wire: ServerProcess) -> None:
    """A kept-alive connection that breaks after the POST was written is a failure that may be billed; one was sent."""
    failure = failure_of(wire.url + "/a", wire.url + "/drop")
    assert (failure.kind, failure.request_sent) == ("connection", True)
    assert [request["target"] for request in wire.requests()] == ["/a", "/drop"]


def test_get_is_sent_again_once(wire: ServerProcess) -> None:
    """A GET whose kept-alive connection breaks before an answer begins is sent once more, on a new connection."""
    failure = failure_of(wire.url + "/a", wire.url + "/drop", method="GET")
    assert (failure.kind, failure.request_sent) == ("connection", True)
    assert [(request["connection"], request["target"]) for request in wire.requests()] == [
        (1, "/a"),
        (1, "/drop"),
        (2, "/drop"),
    ]


def raw(server: ServerProcess, answer: bytes, *, is_end: bool = False) -> str:
    """The address that is answered with these bytes."""
    return f"{server.url}/{'raw-end' if is_end else 'raw'}/{base64.urlsafe_b64encode(answer).decode()}"


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "is_end", "body"),
    [
        (OK + b"content-length: 2\r\n\r\nok", False, b"ok"),
        (OK + b"Content-Length:2\r\n\r\nok", False, b"ok"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nx: y\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok",
            False,
            b"ok",
        ),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nx-sum: 1\r\n\r\n", False, b"ok"),
        (OK + b"\r\nok", True, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", True, b"ok"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", True, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
        (OK + b"content-length: 0\r\n\r\n", False, b""),
    ],
)
def test_answer_ends_where_http_says(wire: ServerProcess, answer: bytes, is_end: bool, body: bytes) -> None:
    """A body is as long as its length, its chunks or the connection; interim answers are passed over."""
    assert ask(raw(wire, answer, is_end=is_end))[0].body == body


@pytest.mark.parametrize(
    ("answer", "is_end"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False),
        (OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", False),
        (OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nokk", False),
        (OK + b"content-length: -2\r\n\r\nok", False),
        (OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nok", False),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n", True),
        (OK + b"content-length: 20\r\n\r\nok", True),
        (OK + b"content-le", True),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", False),
        (b"", True),
    ],
)
def test_broken_answer_is_connection(wire: ServerProcess, answer: bytes, is_end: bool) -> None:
    """An answer that is no HTTP, contradicts itself or breaks off is of kind `connection`, and may be billed."""
    failure = failure_of(raw(wire, answer, is_end=is_end))
    assert (failure.kind, failure.request_sent) == ("connection", True)


def test_second_answer_to_one_request_is_not_taken_for_the_next(wire: ServerProcess) -> None:
    """Bytes behind the end of an answer are thrown away with the connection, and never answer another request."""
    one = OK + b"content-length: 1\r\n\r\n"
    answers = ask(raw(wire, one + b"1" + one + b"2"), wire.url + "/b")
    assert answers[0].body == b"1"
    assert answers[1].json() == {"connection": 2, "target": "/b"}


def test_header_that_comes_twice_is_joined(wire: ServerProcess) -> None:
    """A header that an answer has twice is read as one, joined with a comma, its name in lower case."""
    answer = OK + b"X-A: 1\r\nx-a: 2\r\ncontent-length: 0\r\n\r\n"
    assert ask(raw(wire, answer))[0].headers["x-a"] == "1, 2"


def test_endless_headers_are_not_read() -> None:
    """Headers of more than 256 KiB are of kind `connection`, long before the deadline."""
    with serving("tests.servers.fake_openai") as server:
        server.control(body="{}", headers={"x-long": "x" * 300_000})
        failure = failure_of(server.url)
    assert failure.kind == "connection"
    assert "262,144" in failure.message


def test_body_that_nobody_reads_yet_waits_at_the_server() -> None:
    """Of a streamed answer that is read slowly only a little is held: reading stops, and goes on where it was."""
    with serving("tests.servers.fake_openai") as server:
        server.control(sse="data: " + "x" * 8_000_000 + "\n\n")

        async def slowly() -> tuple[int, int]:
            client = HttpClient()
            async with client.stream("POST", server.url, timeout_s=20, json_body={"messages": []}) as stream:
                await asyncio.sleep(0.3)
                sizes = [len(part) async for part in stream.parts()]
            await client.aclose()
            return sizes[0], sum(sizes)

        first, whole = _sync.run(slowly())
    assert first < 1_000_000
    assert whole == 8_000_008


def test_cookie_is_not_kept(wire: ServerProcess) -> None:
    """A cookie that a server sets is not sent back."""
    ask(wire.url + "/cookie", wire.url + "/next")
    assert "cookie" not in wire.requests()[1]["headers"]


def test_long_header_is_read(wire: ServerProcess) -> None:
    """A header line of 40,000 characters is read, as gateways send."""
    assert len(ask(wire.url + "/long")[0].headers["x-long"]) == 40_000


def test_headers_leave_as_they_are_and_no_others(wire: ServerProcess) -> None:
    """Given headers win over ours whatever their case; beside them only the necessary ones leave."""
    ask(wire.url + "/a", headers={"User-Agent": "mine", "X-Odd": "é", "Content-Type": "text/plain"})
    assert wire.requests()[0]["headers"] == {
        "host": f"127.0.0.1:{wire.port}",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "user-agent": "mine",
        "content-type": "application/json",
        "x-odd": "é".encode().decode("latin-1"),
        "content-length": "7",
    }


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a%2Fb%20c", "/a%2Fb%20c"),
        ("/a/../b/%2E%2E/c", "/a/../b/%2E%2E/c"),
        ("/a?x=%26&y=1", "/a?x=%26&y=1"),
        ("/é b", "/%C3%A9%20b"),
    ],
)
def test_address_is_sent_as_it_is(wire: ServerProcess, path: str, target: str) -> None:
    """Percent-encoding and dots in an address reach the server unchanged; what was not encoded is encoded."""
    ask(wire.url + path)
    assert wire.requests()[0]["target"] == target


def test_query_parameters_are_encoded_and_appended(wire: ServerProcess) -> None:
    """Query parameters are percent-encoded and follow those that the address has."""
    ask(wire.url + "/a?x=1", params={"label": "a&b/é", "page": 2})
    assert wire.requests()[0]["target"] == "/a?x=1&label=a%26b%2F%C3%A9&page=2"


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "127.0.0.1/a", "http://", "http://127.0.0.1/\r\nx: y", "http://[::1/"]
)
def test_impossible_address_is_connect_and_not_sent(url: str) -> None:
    """An address that no request can be sent to is of kind `connect`, and nothing was sent."""
    failure = failure_of(url)
    assert (failure.kind, failure.request_sent) == ("connect", False)


def test_header_with_a_line_break_is_refused(wire: ServerProcess) -> None:
    """A header value that would add a line to the request is refused, and the failure does not show it."""
    failure = failure_of(wire.url + "/a", headers={"authorization": "Bearer planted-key\r\nx-evil: 1"})
    assert wire.requests() == []
    assert "planted-key" not in str(failure)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one_client_serves_several_loops(wire: ServerProcess) -> None:
    """A client answers on every loop that it is used on, one after the other, and on the engine's again."""

    def answers() -> list[int]:
        client = HttpClient()

        async def once() -> int:
            return (await client.request("GET", wire.url + "/a", timeout_s=5)).status

        return [asyncio.run(once()), asyncio.run(once()), _sync.run(once())]

    assert answers() == [200, 200, 200]
    # The loops that are over took idle connections with them, which Python tells of when it finds them: here.
    gc.collect()


@pytest.mark.parametrize("ending", ["_sync.run(once())", "asyncio.run(once())", "_sync.run(once()); del client, once"])
def test_client_that_nobody_closed_ends_silently(wire: ServerProcess, ending: str) -> None:
    """Python ends without a word about a client that was never closed, and within two seconds of the last answer."""
    code = (
        "import asyncio\nfrom toolkit import _sync\nfrom toolkit._http import HttpClient\nclient = HttpClient()\n"
        f"async def once():\n    print((await client.request('GET', {wire.url!r}, timeout_s=5)).status)\n{ending}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("200\n", "")


def test_streamed_parts_arrive_as_they_are_sent() -> None:
    """A part of a streamed answer is handed on before the next one is sent."""
    with serving("tests.servers.fake_openai") as server:
        server.control(sse="data: one\n\n", hang_s=20)

        async def first() -> bytes:
            client = HttpClient()
            try:
                async with client.stream("POST", server.url, timeout_s=10, json_body={"messages": []}) as stream:
                    return await anext(stream.parts())
            finally:
                await client.aclose()

        started = time.monotonic()
        assert _sync.run(first()) == b"data: one\n\n"
        assert time.monotonic() - started < 5


def test_stand_in_streams_like_the_network() -> None:
    """An httpx transport given to the client carries whole and streamed answers in place of the network."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: a\n\nda"
        yield b"ta: b\n\n"

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/whole":
            return httpx.Response(201, json={"query": request.url.query.decode(), "body": request.content.decode()})
        return httpx.Response(200, content=pieces())

    async def both() -> tuple[HttpResponse, list[str]]:
        client = HttpClient(transport=httpx.MockTransport(answer))
        whole = await client.request("POST", "http://x.test/whole", timeout_s=5, params={"a": 1}, json_body={"b": 2})
        async with client.stream("GET", "http://x.test/events", timeout_s=5) as stream:
            return whole, [event.data async for event in stream.events()]

    whole, events = _sync.run(both())
    assert (whole.status, whole.json()) == (201, {"query": "a=1", "body": '{"b":2}'})
    assert events == ["a", "b"]


def test_network_needs_no_httpx(wire: ServerProcess) -> None:
    """A request over the network does not load httpx, which takes longer to import than the request to answer."""
    code = (
        "import sys\nfrom toolkit import _sync\nfrom toolkit._http import HttpClient\n"
        f"_sync.run(HttpClient().request('GET', {wire.url!r}, timeout_s=5))\nprint('httpx' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "False\n"


def test_each_of_many_answers_goes_to_its_own_request() -> None:
    """With 64 requests in flight over shared connections, each answer belongs to its request."""
    with serving("tests.servers.fake_openai") as server:

        async def ask_many() -> list[str]:
            client = HttpClient()

            async def one(number: int) -> str:
                body = {"model": "small", "messages": [{"role": "user", "content": f"number-{number}"}]}
                answer = await client.request("POST", server.url + "/v1/chat/completions", timeout_s=20, json_body=body)
                return str(answer.json()["choices"][0]["message"]["content"].split()[-1])

            numbers = iter(range(640))

            async def worker() -> list[str]:
                return [f"{number}: {await one(number)}" for number in numbers]

            found = await asyncio.gather(*(worker() for _ in range(64)))
            await client.aclose()
            return sorted(line for lines in found for line in lines)

        assert _sync.run(ask_many()) == sorted(f"{number}: number-{number}" for number in range(640))
