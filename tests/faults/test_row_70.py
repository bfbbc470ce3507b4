"""Row 70: the same calls from plain code, a thread, a loop and a kernel."""

from __future__ import annotations

import asyncio
import threading

import pytest

import toolkit as tk
from tests.faults.world import FAST, words


def in_a_thread(call):
    """What a call gives in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


async def inside(call):
    """What a plain call gives inside a running loop."""
    await asyncio.sleep(0)
    return call()


CALLERS = {
    "plain code": lambda plain, awaited: plain(),
    "a running loop": lambda plain, awaited: asyncio.run(inside(plain)),
    "asyncio.run": lambda plain, awaited: asyncio.run(awaited()),
    "a thread": lambda plain, awaited: in_a_thread(plain),
    "asyncio.run in a thread": lambda plain, awaited: in_a_thread(lambda: asyncio.run(awaited())),
}


@pytest.mark.fault(70)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_same_calls_work_wherever_they_are_made(project, openai_server, caller):
    """In every kind of caller, twice in a row, a plain, an awaited and a live sweep give the same rows."""
    grid = {"prompts": "folder:greet@1", "variables": words(3), **FAST}

    async def live():
        return await tk.start_sweep(**grid)

    calls = [
        (lambda: tk.sweep(**grid), lambda: tk.asweep(**grid)),
        (lambda: tk.start_sweep(**grid).wait(), live),
    ]
    for _ in range(2):
        for plain, awaited in calls:
            results = CALLERS[caller](plain, awaited)
            assert list(results.df["status"]) == ["ok"] * 3
    assert len(openai_server.requests()) == 3


@pytest.mark.fault(70)
def test_the_same_calls_work_in_a_kernel(kernel, openai_server):
    """In a real kernel, whose loop runs, plain, awaited and live sweeps work, and a cell may be run again."""
    cell = """
grid = dict(prompts="folder:greet@1", models="openai/small", variables={"word": ["a", "b"]}, progress="off")
frames = [tk.sweep(**grid).df, (await tk.asweep(**grid)).df, tk.start_sweep(**grid).wait().df]
run = tk.start_sweep(**grid)
frames.append((await run).df)
assert all(list(frame["status"]) == ["ok", "ok"] for frame in frames), frames
"""
    kernel.run(cell)
    kernel.run(cell)
    assert len(openai_server.requests()) == 2
