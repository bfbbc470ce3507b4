"""The limits on time and numbers, with small ones in the place of the real: slow heads, slow bodies, too many calls."""

from __future__ import annotations

import asyncio
import collections
import json

import pytest
import uvicorn

from toolkit import _sync
from toolkit.config import Settings, parse_config
from toolkit.engine import Engine, choose
from toolkit.proxy import ProxyApp
from toolkit.proxy import _protocol as protocol_module
from toolkit.proxy._app import new_call_id, sticky_draw
from toolkit.proxy._guard import Guard
from toolkit.testing import FakeProvider

CONFIG = {"model_list": [{"model_name": "m", "litellm_params": {"model": "fake/model"}}]}


class WaitingProvider(FakeProvider):
    """Answers when it is let."""

    def __init__(self, released):
        super().__init__(["hello"])
        self._released = released

    async def complete(self, request, *, timeout_s):
        if self._released is not None:
            await self._released.wait()
        return await super().complete(request, timeout_s=timeout_s)


@pytest.fixture
def make_app(tmp_path):
    """Makes apps over one engine whose provider answers when `released` is set."""
    made = []

    def make(released=None, **limits):
        engine = Engine(
            Settings(home=tmp_path / "home"),
            config=parse_config(CONFIG, where="config.yaml", environ={}),
            providers={"fake": WaitingProvider(released)},
        )
        made.append(engine)
        return ProxyApp(engine, guard=Guard(port=4000), **limits)

    yield make
    for engine in made:
        _sync.run(engine.aclose())


async def call(app, *, body=None, says_length=None):
    """The status and headers of a call made without a socket; a body of `None` never comes."""
    sent: list[dict[str, object]] = []
    silence = asyncio.Event()
    content = (
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}]}).encode() if body is None else body
    )
    pieces = collections.deque([content])

    async def receive():
        if pieces and says_length is None:
            return {"type": "http.request", "body": pieces.popleft(), "more_body": False}
        await silence.wait()

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:4000"), (b"content-type", b"application/json")]
    if says_length is not None:
        headers.append((b"content-length", str(says_length).encode()))
    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": headers}
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_a_body_that_does_not_come_is_408(make_app):
    """A body that has not arrived in time is answered 408, and the connection is closed."""
    status, headers = _sync.run(call(make_app(body_timeout_s=0.02), says_length=100))
    assert (status, headers[b"connection"]) == (408, b"close")


def test_calls_beyond_the_limit_wait(make_app):
    """A call beyond those in flight waits for its turn, and is answered."""

    async def three():
        return await asyncio.gather(*(call(app) for _ in range(3)))

    app = make_app(max_in_flight=1, max_waiting=2)
    assert [status for status, _ in _sync.run(three())] == [200, 200, 200]


def test_calls_beyond_those_that_wait_are_503(make_app):
    """A call for which there is no place to wait is answered 503 at once, with Retry-After; the others are answered."""

    async def three():
        released = asyncio.Event()
        app = make_app(released, max_in_flight=1, max_waiting=1)
        held = [asyncio.create_task(call(app)) for _ in range(2)]
        for _ in range(5):
            await asyncio.sleep(0)
        refused = await call(app)
        released.set()
        return refused, await asyncio.gather(*held)

    (status, headers), others = _sync.run(three())
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert [status for status, _ in others] == [200, 200]


@pytest.mark.parametrize(("begun", "answer"), [(b"POST /v1/chat", b"HTTP/1.1 408 "), (b"", b"")])
def test_headers_that_do_not_come_end_the_connection(make_app, monkeypatch, begun, answer):
    """Headers that do not come in time are answered 408; a connection that says nothing is closed."""
    monkeypatch.setattr(protocol_module, "HEAD_TIMEOUT_S", 0.05)

    async def wait():
        config = uvicorn.Config(make_app(), http=protocol_module.LimitedProtocol, lifespan="off", log_config=None)
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: protocol_module.LimitedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(begun)
        received = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.close()
        return received

    assert _sync.run(wait())[: len(answer) or None] == answer


@pytest.mark.line("8.23")
def test_a_split_follows_the_weights():
    """Over many users a split of 3 to 1 gives each deployment its share, within what chance allows."""
    entries = [
        {"model_name": "m", "litellm_params": {"model": "openai/a", "weight": 3}},
        {"model_name": "m", "litellm_params": {"model": "openai/b", "weight": 1}},
    ]
    deployments = parse_config({"model_list": entries}, where="config.yaml", environ={}).deployments["m"]
    counts = collections.Counter(choose(deployments, sticky_draw("m", f"user-{n}")).model for n in range(10_000))
    # Four standard deviations of a binomial with n = 10,000 and p = 1/4 are 173.
    assert abs(counts["openai/b"] - 2500) < 173


def test_two_splits_are_independent():
    """A user's place in one split says nothing of the place in another: the model's name is part of the draw."""
    both = sum(sticky_draw("m", f"{n}") < 0.5 and sticky_draw("n", f"{n}") < 0.5 for n in range(10_000))
    # Four standard deviations of a binomial with n = 10,000 and p = 1/4 are 173.
    assert abs(both - 2500) < 173


def test_call_ids_differ_and_sort_by_time(monkeypatch):
    """Identities of calls are all different, and later ones sort behind earlier ones."""
    import random

    rng = random.Random(1)
    times = iter(range(1_700_000_000_000_000_000, 1_800_000_000_000_000_000, 1_000_000_000_000_000))
    monkeypatch.setattr("toolkit.proxy._app.time.time_ns", lambda: next(times))
    made = [new_call_id(rng) for _ in range(100)]
    assert len(set(made)) == 100
    assert sorted(made) == made
