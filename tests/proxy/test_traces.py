"""Calls through the proxy as traces: linked to the prompt's version, below the span of whoever asked."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.langfuse.tracing import generations
from tests.proxy.conftest import CONFIG, KEYS, PROMPTS
from tests.proxy.running import CHAT, proxy_command
from tests.servers._process import serving

TRACED = CONFIG + "litellm_settings: {{success_callback: [langfuse], failure_callback: [langfuse]}}\n"
MANAGED = {"model": "my-langfuse-model", "prompt_variables": {"key": "A"}}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def _langfuse():
    with serving("tests.servers.fake_langfuse") as server:
        yield server


@pytest.fixture
def traced(_langfuse):
    """A fake Langfuse that holds prompts and no trace."""
    _langfuse.control(reset=True, seed=PROMPTS)
    return _langfuse


@pytest.fixture(scope="module")
def _proxy(tmp_path_factory, _langfuse, openai_server):
    folder = tmp_path_factory.mktemp("traced")
    environ = {**KEYS, "LANGFUSE_HOST": _langfuse.url, "OPENAI_API_KEY": "sk-of-the-proxy"}
    with proxy_command(folder, TRACED.format(upstream=openai_server.url), **environ) as running:
        yield running


@pytest.fixture
def proxy(_proxy, upstream):
    """A proxy whose config.yaml is one that LiteLLM's users have."""
    return _proxy


def test_a_call_through_the_proxy_is_linked_to_its_version(proxy, traced):
    """Whole and streamed calls with a prompt are linked to the version that was asked for, with the client's model."""
    proxy.post({**MANAGED, "prompt_version": 2})
    proxy.post({**MANAGED, "stream": True})
    rows = generations(traced, 2)
    assert [(row["promptName"], row["promptVersion"]) for row in rows] == [("greet", 2), ("greet", 1)]
    assert [row["metadata"]["model_asked"] for row in rows] == ["my-langfuse-model"] * 2
    assert rows[0]["metadata"]["prompt_variables"] == '{"key":"A"}'
    assert rows[0]["output"].endswith("Shout A!")


def test_a_call_stands_below_the_span_of_whoever_asked(proxy, traced):
    """A request with a W3C `traceparent` is a child of that span; without one it is a trace of its own."""
    proxy.post({**MANAGED}, headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
    proxy.post({**MANAGED}, headers={"traceparent": "nonsense"})
    below, alone = generations(traced, 2)
    assert (below["traceId"], below["parentObservationId"]) == (TRACE, SPAN)
    assert alone["traceId"] != TRACE
    assert alone["parentObservationId"] is None


def test_who_asked_is_told(proxy, traced):
    """`user` and LiteLLM's `metadata` say who asked, and a failure is an error there."""
    proxy.ask("openai-model", user="ann", metadata={"session_id": "s-1", "tags": ["a"]})
    (row,) = generations(traced, 1)
    assert (row["userId"], row["sessionId"], row["tags"]) == ("ann", "s-1", ["a"])


def test_a_failure_is_an_error_there(proxy, traced, upstream):
    """A call that the provider refuses is a generation of level ERROR."""
    upstream.control(status=400)
    assert proxy.ask("openai-model").status == 400
    (row,) = generations(traced, 1)
    assert row["level"] == "ERROR"


def test_a_client_that_leaves_is_a_warning_there(proxy, traced, upstream):
    """A call whose client went away is a generation of level WARNING, with the text that had come."""
    upstream.control(piece_bytes=300, gap_s=0.3)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    body = {"model": "openai-model", "messages": [{"role": "user", "content": "one two three four"}], "stream": True}
    connection.request("POST", CHAT, json.dumps(body), {"content-type": "application/json"})
    connection.getresponse().read(10)
    connection.close()
    (row,) = generations(traced, 1)
    assert row["level"] == "WARNING"


def test_a_proxy_that_is_stopped_has_sent_its_traces(tmp_path, traced, upstream):
    """A proxy that is asked to end sends what waits before it does, and its key is in nothing of it."""
    environ = {**KEYS, "LANGFUSE_HOST": traced.url, "OPENAI_API_KEY": "sk-of-the-proxy"}
    with proxy_command(tmp_path, TRACED.format(upstream=upstream.url), **environ) as running:
        running.post(MANAGED)
        assert running.stop() == 0
    assert len(generations(traced, 1)) == 1
    sent = json.dumps([request["body"] for request in traced.requests()])
    assert [key for key in ("sk-of-the-proxy", KEYS["LANGFUSE_SECRET_KEY"]) if key in sent] == []
