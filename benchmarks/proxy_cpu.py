"""What a proxy costs: `toolkit proxy` beside LiteLLM's, the same config.yaml, upstream and load.

Both run one process. CPU a request from the process's own account (Linux: `/proc`), requests a second at 32 in flight;
what one request alone waits longer than without a proxy; and how long before the first event of a stream is there, when
the others come 50 ms later. Ours keeps every call in the run store, LiteLLM none. `bare_proxy.py`, which only passes
bodies on, shows how little a proxy in Python can cost on the machine at hand.
Goals: at most 1/60 of LiteLLM's CPU a request, at most 1 ms added at the median, at most 80 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _bench import HERE, Figures, environment, keep, plain_environ, table, upstream, versions
from _peers import REQUIREMENTS

IN_FLIGHT = 32
MODELS = ("plain", "managed")
REQUESTS = {"ours": 4000, "litellm": 300, "bare": 4000}
ALONE = 150
STREAMS = 20
GAP_MS = 50.0
# Both ask every request for it; LiteLLM does not start without one that is hard to guess.
MASTER_KEY = "sk-5b1c9e0f7a3d48d2b6e1f09c8a7d6e5f4c3b2a190817263544f5e6d7c8b9a0f1"
CONFIG = """
model_list:
  - model_name: plain
    litellm_params: {{model: openai/gpt-4o-mini, api_base: {base}/v1, api_key: sk-benchmark-0000}}
  - model_name: managed
    litellm_params:
      model: langfuse/gpt-4o-mini
      prompt_id: support-reply
      api_base: {base}/v1
      api_key: sk-benchmark-0000
      langfuse_public_key: pk-lf-bench
      langfuse_secret: sk-lf-bench
      langfuse_host: {base}
general_settings:
  master_key: {key}
"""
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def commands(config: str, port: int, python: str, base: str) -> dict[str, list[str]]:
    """How each proxy is started."""
    arguments = ["--config", config, "--port", str(port), "--host", "127.0.0.1"]
    start = "from litellm import run_server; run_server()"
    return {
        "ours": [sys.executable, "-m", "toolkit", "proxy", *arguments],
        "litellm": [python, "-c", start, *arguments, "--num_workers", "1"],
        "bare": [sys.executable, str(HERE / "bare_proxy.py"), "--base", base, "--port", str(port)],
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@contextlib.contextmanager
def running(name: str, base: str, python: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Runs one proxy for the length of the block; yields its process id and address.

    Raises:
        RuntimeError: If it does not answer within two minutes; with what it wrote.
    """
    config = folder / f"{name}.yaml"
    config.write_text(CONFIG.format(base=base, key=MASTER_KEY))
    port = free_port()
    own = {"TOOLKIT_HOME": str(folder / "home"), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    # LiteLLM's proxy looks for these and not for those of the deployment.
    own |= {"LANGFUSE_HOST": base, "LANGFUSE_PUBLIC_KEY": "pk-lf-bench", "LANGFUSE_SECRET_KEY": "sk-lf-bench"}
    with (folder / f"{name}.log").open("w+") as log:
        process = subprocess.Popen(
            commands(str(config), port, python, base)[name],
            cwd=folder, env={**plain_environ(), **own}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}/v1"
            if not is_up(f"{url}/models", process):
                log.seek(0)
                raise RuntimeError(f"{name} did not start: {log.read()[-3000:]}")
            yield process.pid, url
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_up(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Waits until an address answers 200."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            request = urllib.request.Request(url, headers={"authorization": f"Bearer {MASTER_KEY}"})  # noqa: S310  ours
            with OPENER.open(request, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def account(pid: int) -> tuple[float, float]:
    """CPU seconds and resident MB of a process and its children so far."""
    seconds, megabytes = 0.0, 0.0
    for process in [pid, *children(pid)]:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        megabytes += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return seconds, megabytes


def children(pid: int) -> list[int]:
    """Processes that a process has started and that still run."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def body_of(model: str, number: int) -> dict[str, object]:
    """A request for one of the models of config.yaml; no two are alike."""
    question = "Where is my parcel? It left the depot on Monday. " * 16
    if model == "plain":
        return {"model": model, "messages": [{"role": "user", "content": f"{number}: {question}"}]}
    variables = {"name": f"Customer {number}", "question": question}
    messages = [{"role": "user", "content": "ignored"}]
    return {"model": model, "messages": messages, "prompt_variables": variables}


async def load(url: str, *, model: str, requests: int) -> Figures:
    """Sends the load to one address and returns seconds, and medians in ms."""
    from toolkit._http import HttpClient

    client = HttpClient()
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    target = f"{url}/chat/completions"

    async def call(number: int) -> float:
        started = time.perf_counter()
        own = body_of(model, number)
        answer = await client.request("POST", target, timeout_s=60, headers=headers, json_body=own)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.text()[:300]}")
        return (time.perf_counter() - started) * 1000

    async def first_event(number: int) -> float:
        started = time.perf_counter()
        own = {**body_of(model, number), "stream": True}
        async with client.stream("POST", target, timeout_s=60, headers=headers, json_body=own) as stream:
            events = stream.events()
            await anext(events)
            waited = (time.perf_counter() - started) * 1000
            async for _ in events:
                pass
        return waited

    numbers = iter(range(requests))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT if requests else 0)))
    figures = {"s": time.perf_counter() - started}
    if not requests:
        figures["alone_ms"] = statistics.median([await call(number) for number in range(ALONE)])
        figures["first_event_ms"] = statistics.median([await first_event(number) for number in range(STREAMS)])
    await client.aclose()
    return figures


def loaded(url: str, model: str, requests: int) -> Figures:
    """Runs the load in a process of its own."""
    command = [sys.executable, __file__, "--load", url, "--model", model, "--requests", str(requests)]
    done = subprocess.run(command, capture_output=True, text=True, env=plain_environ(), check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    figures: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--model", default="plain")
    asked = parser.parse_args()
    if asked.load:
        print(json.dumps(asyncio.run(load(asked.load, model=asked.model, requests=asked.requests))))
        return 0
    if not Path("/proc/self/stat").exists():
        print("This benchmark reads /proc, which only Linux has.")
        return 2
    theirs = environment("peers", REQUIREMENTS)
    seen: dict[tuple[str, str], list[Figures]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        upstream(gap_ms=GAP_MS, python=theirs) as base,
        running("ours", base, theirs, Path(folder)) as ours,
        running("litellm", base, theirs, Path(folder)) as litellm,
        running("bare", base, theirs, Path(folder)) as bare,
    ):
        for model in MODELS:
            for process in (ours, litellm, bare):
                loaded(process[1], model, IN_FLIGHT * 4)
        for number in range(asked.rounds * len(MODELS)):
            model = MODELS[number % len(MODELS)]
            direct = loaded(f"{base}/v1", "plain", 0)
            for name, (pid, url) in (("ours", ours), ("litellm", litellm), ("bare", bare)):
                before, _ = account(pid)
                figures = loaded(url, model, REQUESTS[name])
                after, megabytes = account(pid)
                alone = loaded(url, model, 0)
                row = {
                    "requests_per_s": REQUESTS[name] / figures["s"],
                    "cpu_ms": (after - before) / REQUESTS[name] * 1000,
                    "added_ms": alone["alone_ms"] - direct["alone_ms"],
                    "added_to_first_event_ms": alone["first_event_ms"] - direct["first_event_ms"],
                    "mb": megabytes,
                }
                seen.setdefault((model, name), []).append(row)
                print(f"{model:8} {name:8} {row}", file=sys.stderr, flush=True)
    return report(seen, theirs)


def report(seen: dict[tuple[str, str], list[Figures]], theirs: str) -> int:
    """Prints and keeps the medians; 1 when a goal is missed."""
    median = {
        key: {figure: statistics.median(row[figure] for row in rows) for figure in rows[0]}
        for key, rows in seen.items()
    }
    rows = [
        [
            {"plain": "its own messages", "managed": "a Langfuse prompt"}[model],
            name,
            f"{row['requests_per_s']:.0f}",
            f"{row['cpu_ms']:.3f}",
            f"{row['added_ms']:.2f}",
            f"{row['added_to_first_event_ms']:.2f}",
            f"{row['mb']:.0f}",
        ]
        for (model, name), row in median.items()
    ]
    ratios = {model: median[model, "litellm"]["cpu_ms"] / median[model, "ours"]["cpu_ms"] for model in MODELS}
    added = max(median[model, "ours"]["added_ms"] for model in MODELS)
    megabytes = max(median[model, "ours"]["mb"] for model in MODELS)
    header = ["sends", "proxy", "requests/s", "CPU ms a request", "added p50 ms", "added to the first event, ms", "MB"]
    verdict = (
        f"LiteLLM's proxy costs {ratios['plain']:.0f} x the CPU of ours for messages and {ratios['managed']:.0f} x for "
        f"a Langfuse prompt (goal: at least 60); ours adds at most {added:.2f} ms at the median (goal: at most 1) and "
        f"holds {megabytes:.0f} MB (goal: at most 80). A proxy that only passes bodies on stands at "
        f"{median['plain', 'litellm']['cpu_ms'] / median['plain', 'bare']['cpu_ms']:.0f} x."
    )
    used = f"{versions('promptsweep', 'uvicorn', 'httptools')}; {versions('litellm', 'uvicorn', python=theirs)}"
    keep("proxy_cpu", f"CPU of a proxy, {IN_FLIGHT} in flight", f"{table(header, rows)}\n\n{verdict}", used)
    return int(min(ratios.values()) < 60 or added > 1 or megabytes > 80)


if __name__ == "__main__":
    sys.exit(main())
