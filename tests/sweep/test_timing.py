"""Seconds that are true: the successful attempt, the waiting for a place, the waiting between tries, the first text."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.faults.world import clean_environment, words, write_prompts
from tests.servers._process import serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine

GRID = {"prompts": "folder:greet@1", "models": "openai/small", "progress": "off"}


@pytest.fixture(scope="module")
def openai_server():
    """An OpenAI-compatible service in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def server(openai_server, monkeypatch, tmp_path):
    """The service, behind `openai/`, without faults and without delay."""
    clean_environment(monkeypatch, tmp_path)
    write_prompts(tmp_path)
    openai_server.control(reset=True)
    openai_server.control(latency_ms=0)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{openai_server.url}/v1")
    yield openai_server
    _sync.run(default_engine().aclose())
    set_default_engine(None)


def test_latency_is_the_successful_attempt_alone(server):
    """After a try that took 1 s and failed, and a wait of 1 s, latency_s is that of the 0.3 s that gave the answer."""
    server.control(status=429, headers={"retry-after": "1"}, delay_s=1.0)
    server.control(delay_s=0.3)
    row = tk.sweep(**GRID, variables=words(1)).df.iloc[0]
    assert row["attempts"] == 2
    assert 0.3 <= row["latency_s"] < 1.0
    # Jitter may add to what the provider asks for; the failed try itself is in none of the columns.
    assert 1.0 <= row["retry_s"] < 2.0
    assert row["queue_s"] < 1.0


def test_waiting_for_a_place_is_queue_s(server):
    """With one call at a time and 0.3 s each, each next trial waits 0.3 s for its place, and its latency is its own."""
    server.control(latency_ms=300)
    df = tk.sweep(**GRID, variables=words(3), concurrency=1).df.sort_values("started_at")
    assert (df["latency_s"] >= 0.3).all()
    assert (df["latency_s"] < 0.6).all()
    waited_s = df["queue_s"].tolist()
    assert waited_s[0] < 0.3
    assert all(0.29 <= seconds < 0.6 for seconds in waited_s[1:])
    assert (df["retry_s"] == 0).all()


def test_the_first_text_of_a_stream_has_its_own_time(server):
    """Streamed in pieces, ttft_s is the time to the first text, latency_s that to the last; unstreamed it is <NA>."""
    server.control(piece_bytes=200, gap_s=0.1)
    row = tk.sweep(**GRID, variables=words(1), params={"stream": True}).df.iloc[0]
    assert 0 < row["ttft_s"] < row["latency_s"] - 0.1
    assert tk.sweep(**GRID, variables=words(1)).df["ttft_s"].isna().all()
