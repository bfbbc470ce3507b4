"""What the sweep benchmarks share: their server, its counts, our sweep, and the bound that nobody can beat."""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _bench import HERE, cpu_s
from load_server import fate

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def load(*options: str) -> Iterator[str]:
    """Runs `load_server.py` for the length of the block and yields its address."""
    command = [sys.executable, str(HERE / "load_server.py"), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both were asked for
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def stats(base: str) -> dict[str, Any]:
    """What the server counted since the last time."""
    with _OPENER.open(f"{base}/_stats", timeout=30) as answer:
        counted: dict[str, Any] = json.loads(answer.read())
    return counted


def marks(prompts: int, cases: int, models: int, *, first: int = 0) -> list[str]:
    """What the server knows the requests by, in the order in which a plan lays them out."""
    return [
        f"{prompt}/{case}/m{model}"
        for case in range(first, first + cases)
        for prompt in range(prompts)
        for model in range(models)
    ]


def text_of(prompt: int, case: int | str) -> str:
    """The message of a request."""
    return f"#{prompt}/{case}# Where is parcel {case}? It left the depot on Monday."


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep of ours came to."""

    rows: int
    """Rows of the frame that are ok."""
    sending_s: float
    """From the first request to the last answer on record."""
    cpu_s: float
    """Of the process in that time: neither plan nor frame are in it."""
    frame: Any


def sweep(base: str, *, prompts: int, cases: int, models: int, concurrency: int | None, first: int = 0) -> Swept:
    """Runs our sweep against the server, with a run store of its own, and makes its frame."""
    import toolkit as tk

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prompts").mkdir()
        for number in range(prompts):
            path = Path(folder) / "prompts" / f"p{number}.prompt"
            path.write_text(text_of(number, "{{case}}"), encoding="utf-8")
        os.environ |= {"OPENAI_API_KEY": "sk-benchmark-0000", "OPENAI_BASE_URL": f"{base}/v1"}
        os.environ |= {"TOOLKIT_HOME": folder, "TOOLKIT_PROMPTS": f"{folder}/prompts"}
        run = tk.start_sweep(
            [f"folder:p{number}" for number in range(prompts)],
            [f"openai/m{number}" for number in range(models)],
            {"case": [str(number) for number in range(first, first + cases)]},
            concurrency=concurrency,
            progress="off",
        )
        cpu = cpu_s()
        while not run.is_done:
            time.sleep(0.02)
        cpu = cpu_s() - cpu
        frame = run.wait().df
        rows = int((frame["status"] == "ok").sum())
        return Swept(rows=rows, sending_s=run.progress.elapsed_s, cpu_s=cpu, frame=frame)


def share_used(busy: Sequence[Sequence[float]], limit: int, since: float, until: float) -> float:
    """Calls in flight between two moments, on average, as a share of the limit."""
    total, last_at, flying = 0.0, since, 0.0
    for at, now_flying in busy:
        if at > since:
            total += (min(at, until) - last_at) * flying
            last_at = min(at, until)
        flying = now_flying
        if at >= until:
            break
    return total / (until - since) / limit


def bound_s(marks: Sequence[str], *, slots: int, seed: int, stray: float, median_s: float = 0.2) -> float:
    """Seconds that the requests take on so many places without any loss, in their order, Retry-After of 1 s waited out.

    A refused request gives its place back, and has the first one that comes free after its wait.
    """
    free = [0.0] * slots
    late: list[tuple[float, float]] = []
    end = 0.0
    waiting = iter(marks)
    mark = next(waiting, None)
    while mark is not None or late:
        at = heapq.heappop(free)
        if late and (late[0][0] <= at or mark is None):
            ready_at, latency_s = heapq.heappop(late)
            end = max(end, max(at, ready_at) + latency_s)
            heapq.heappush(free, max(at, ready_at) + latency_s)
            continue
        assert mark is not None  # noqa: S101  the loop's condition
        latency_s, is_refused = fate(seed, mark, median_s=median_s, sigma=0.5, stray=stray)
        mark = next(waiting, None)
        if is_refused:
            heapq.heappush(late, (at + 1.0, latency_s))
            heapq.heappush(free, at)
            continue
        end = max(end, at + latency_s)
        heapq.heappush(free, at + latency_s)
    return end
