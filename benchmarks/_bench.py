"""What the benchmarks share: the upstream in a process of its own, contenders in theirs, medians, a page of results.

A contender is a script's own `--contender NAME` in a process of its own, which prints one JSON map of figures as its
last line. Rounds go through the contenders in turn (A B A B ...), so that whatever else the machine does meets all of
them; what counts is the ratio of the medians.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "promptsweep-bench"

Figures = dict[str, float]


@contextlib.contextmanager
def upstream(*, latency_ms: float = 0.0, gap_ms: float = 0.0, python: str = sys.executable) -> Iterator[str]:
    """Runs `server.py` for the length of the block and yields its address.

    Args:
        latency_ms: Before each completion.
        gap_ms: Between the first event of a stream and the others.
        python: One that has uvloop, where that matters.
    """
    command = [python, str(HERE / "server.py"), "--latency-ms", str(latency_ms), "--gap-ms", str(gap_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both were asked for
    try:
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


class NotInstalledError(RuntimeError):
    """A tool to compare with cannot be had on this machine; the message says why."""


def environment(name: str, requirements: Sequence[str]) -> str:
    """Returns the Python of a virtual environment of its own, made in the cache folder at the first call.

    Raises:
        NotInstalledError: If it cannot be made or filled.
    """
    folder = CACHE / name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    made = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *requirements],
    ]
    install(folder, made, what=" ".join(requirements))
    return str(python)


def node_package(name: str, number: str, *, entry: str) -> list[str]:
    """The start of the command that runs a program of the npm registry, installed into the cache folder at first.

    Args:
        name: Of the package.
        number: Its version.
        entry: File in the package that Node runs.

    Raises:
        NotInstalledError: If Node or npm is not there, or the package cannot be installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalledError(f"{'node' if node is None else 'npm'} is not on the PATH")
    folder = CACHE / name
    quiet = ["--no-audit", "--no-fund", "--no-progress", "--omit=dev", "--ignore-scripts"]
    install(folder, [[npm, "install", "--prefix", str(folder), *quiet, f"{name}@{number}"]], what=f"{name}=={number}")
    return [node, str(folder / "node_modules" / name / entry)]


def install(folder: Path, commands: Sequence[Sequence[str]], *, what: str) -> None:
    """Runs the commands that fill a folder, unless they have filled it with just that before.

    Raises:
        NotInstalledError: With the last line of what the failing command said.
    """
    done = folder / ".installed"
    if done.exists() and done.read_text(encoding="utf-8") == what:
        return
    print(f"Installing {what} into {folder} ...", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            said = (ended.stderr.strip() or ended.stdout.strip() or "nothing said").splitlines()
            reason = next((line for line in said if "error" in line.lower()), said[-1])
            raise NotInstalledError(f"{what} could not be installed: {reason[:200]}")
    done.write_text(what, encoding="utf-8")


def rounds(
    contenders: dict[str, list[str]], *, count: int, environ: dict[str, str] | None = None
) -> dict[str, Figures]:
    """Runs every command `count` times in turn and returns the median of each figure.

    Args:
        contenders: Command by name.
        count: Rounds; at least 5 for a figure that is kept.
        environ: Set for all of them, beside the environment.
    """
    seen: dict[str, list[Figures]] = {name: [] for name in contenders}
    clean = plain_environ()
    for number in range(count):
        for name, command in contenders.items():
            variables = {**clean, **(environ or {})}
            done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
            if done.returncode:
                raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
            figures = json.loads(done.stdout.strip().splitlines()[-1])
            seen[name].append(figures)
            print(f"round {number + 1} {name:24} {figures}", file=sys.stderr, flush=True)
    return {
        name: {figure: statistics.median(row[figure] for row in rows) for figure in rows[0]}
        for name, rows in seen.items()
    }


def plain_environ() -> dict[str, str]:
    """The environment without proxies: benchmarks talk to this machine only, and would measure them too."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


async def measure(call: Callable[[int], Awaitable[Any]], *, calls: int, in_flight: int) -> Figures:
    """CPU ms a call, calls a second and median latency of `calls` calls, after a tenth as many to warm up."""

    async def crowd(count: int, times: list[float]) -> None:
        numbers = iter(range(count))

        async def worker() -> None:
            for number in numbers:
                started = time.perf_counter()
                await call(number)
                times.append(time.perf_counter() - started)

        await asyncio.gather(*(worker() for _ in range(in_flight)))

    await crowd(max(in_flight, calls // 10), [])
    times: list[float] = []
    cpu, wall = cpu_s(), time.perf_counter()
    await crowd(calls, times)
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    return {
        "cpu_ms": round(cpu / calls * 1000, 4),
        "calls_per_s": round(calls / wall, 1),
        "p50_ms": round(statistics.median(times) * 1000, 3),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def python_calls(run: Callable[[int], Any], *, few: int, many: int) -> float:
    """Python function calls for each unit of work: the difference between two sizes, in every thread."""
    counts = []
    for size in (few, many):
        counter = [0]

        def hook(_frame: Any, event: str, _arg: Any, counter: list[int] = counter) -> None:
            if event == "call":
                counter[0] += 1

        threading.setprofile_all_threads(hook) if sys.version_info >= (3, 12) else threading.setprofile(hook)
        sys.setprofile(hook)
        try:
            run(size)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        counts.append(counter[0])
    return (counts[1] - counts[0]) / (many - few)


def cpu_s() -> float:
    """CPU seconds of this process so far, user and system, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def versions(*names: str, python: str = sys.executable) -> str:
    """Name and version of each distribution that is installed for `python`."""
    if python == sys.executable:
        return ", ".join(f"{name} {_version(name)}" for name in names)
    code = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def keep(name: str, title: str, body: str, used: str) -> None:
    """Prints the results and writes them to `results/NAME.md`."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y-%m-%d", time.gmtime())
    page = (
        f"# {title}\n\n`python benchmarks/{name}.py` on {stamp}; Python {platform.python_version()}, "
        f"{os.cpu_count()} cores ({platform.machine()}); {used}.\n\n{body}\n"
    )
    (RESULTS / f"{name}.md").write_text(page, encoding="utf-8")
    print(page)
