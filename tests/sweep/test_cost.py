"""What a trial costs the engine, in Python function calls: a figure that no load on the machine disturbs."""

from __future__ import annotations

import sys
import threading

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.servers._process import serving
from toolkit import _sync
from toolkit.config import Settings
from toolkit.testing import fake_engine


@pytest.fixture(scope="module")
def server():
    """A service that answers after 20 ms, so that calls really are in flight together."""
    with serving("tests.servers.fake_openai") as running:
        running.control(latency_ms=20)
        yield running


def python_calls(engine, first, count, concurrency):
    """Python function calls of a sweep of so many new trials, in every thread."""
    counted = [0]

    def hook(frame, event, argument):
        counted[0] += event == "call"

    variables = {"word": [f"w{number}" for number in range(first, first + count)]}

    async def hooked():
        sys.setprofile(hook)

    async def unhooked():
        sys.setprofile(None)

    threading.setprofile(hook)
    _sync.run(hooked())
    try:
        tk.sweep(make_prompt(), "openai/small", variables, engine=engine, progress="off", concurrency=concurrency)
    finally:
        _sync.run(unhooked())
        threading.setprofile(None)
    return counted[0]


def test_python_calls_a_trial_are_few_and_flat(server, tmp_path, monkeypatch):
    """A trial costs at most 2,000 Python calls, store and HTTP included, and as many at 256 in flight as at 32."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    few, many, costs = 600, 1800, []
    for number, concurrency in enumerate((32, 256)):
        engine = fake_engine(Settings(home=tmp_path / str(number)))
        # Once before, so that every connection is open: what one costs is not the cost of a trial.
        python_calls(engine, 0, 900, concurrency)
        counts = [python_calls(engine, 10_000 * count, count, concurrency) for count in (few, many)]
        costs.append((counts[1] - counts[0]) / (many - few))
        _sync.run(engine.aclose())
    assert max(costs) <= 2000, costs
    assert abs(costs[1] / costs[0] - 1) <= 0.05, costs
