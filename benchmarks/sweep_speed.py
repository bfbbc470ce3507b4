"""How near a sweep comes to the time that nobody can beat, and what it costs: ours beside other tools, paired.

900 trials (3 prompts x 100 cases x 3 models) at 64 in flight, latencies lognormal with a median of 200 ms, the first
call of 2 % of the requests refused with Retry-After 1 s. Ours keeps every attempt and answer in its durable run store;
the others keep nothing. The bound is what the same latencies and waits take on 64 places without any loss.
Goals: at most 1.10 x the bound, at most 0.6 ms of CPU a trial, at most 2,000 Python calls a trial, flat from 32 to 256.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _bench import cpu_s, environment, keep, python_calls, rounds, table, versions
from _load import bound_s, load, marks, sweep, text_of
from completion_cpu import REQUIREMENTS

PROMPTS, CASES, MODELS = 3, 100, 3
IN_FLIGHT, SEED, STRAY = 64, 1, 0.02
PEERS = ("openai", "litellm", "langfuse")


async def crowd(call: Callable[[str, str], Awaitable[bool]]) -> int:
    """Makes all calls, 64 at a time, and returns how many were answered."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(mark: str) -> bool:
        prompt, case, model = mark.split("/")
        async with gate:
            try:
                return await call(text_of(int(prompt), case), model)
            except Exception:  # noqa: BLE001  a row that the tool loses is what is counted
                return False

    return sum(await asyncio.gather(*(one(mark) for mark in marks(PROMPTS, CASES, MODELS))))


def openai(base: str) -> Callable[[], int]:
    """The openai SDK with `gather` and a semaphore."""
    from openai import AsyncOpenAI

    async def run() -> int:
        client = AsyncOpenAI(api_key="sk-benchmark-0000", base_url=f"{base}/v1")

        async def call(text: str, model: str) -> bool:
            messages: Any = [{"role": "user", "content": text}]
            answer = await client.chat.completions.create(model=model, messages=messages)
            return bool(answer.choices[0].message.content)

        return await crowd(call)

    return lambda: asyncio.run(run())


def litellm(base: str) -> Callable[[], int]:
    """`litellm.acompletion` with `gather` and a semaphore."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True

    async def call(text: str, model: str) -> bool:
        answer = await litellm.acompletion(
            model=f"openai/{model}", messages=[{"role": "user", "content": text}], api_key="sk-benchmark-0000",
            api_base=f"{base}/v1",
        )  # fmt: skip
        return bool(answer.choices[0].message.content)

    return lambda: asyncio.run(crowd(call))


def langfuse(base: str) -> Callable[[], int]:
    """Langfuse's `run_experiment` with the openai SDK as its task; its traces go nowhere."""
    os.environ |= {"OTEL_SDK_DISABLED": "true"}
    from langfuse import Langfuse
    from openai import AsyncOpenAI

    client = Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", host=base, tracing_enabled=False)  # noqa: S106
    model_client: list[Any] = []

    async def task(*, item: Any, **_: Any) -> str:
        if not model_client:
            model_client.append(AsyncOpenAI(api_key="sk-benchmark-0000", base_url=f"{base}/v1"))
        prompt, case, model = item["input"].split("/")
        messages: Any = [{"role": "user", "content": text_of(int(prompt), case)}]
        answer = await model_client[0].chat.completions.create(model=model, messages=messages)
        return str(answer.choices[0].message.content)

    def run() -> int:
        rows: Any = [{"input": mark} for mark in marks(PROMPTS, CASES, MODELS)]
        found = client.run_experiment(name="bench", data=rows, task=task, max_concurrency=IN_FLIGHT)
        return sum(bool(row.output) for row in found.item_results)

    return run


def contend(name: str, base: str) -> dict[str, float]:
    """Figures of one tool's sweep; what it imports and sets up is left out."""
    if name == "ours":
        sweep(base, prompts=1, cases=2, models=1, concurrency=2, first=9_000)
    run = {"openai": openai, "litellm": litellm, "langfuse": langfuse}[name](base) if name != "ours" else None
    cpu, wall, sending = cpu_s(), time.perf_counter(), None
    if run is None:
        answered, sending = sweep(base, prompts=PROMPTS, cases=CASES, models=MODELS, concurrency=IN_FLIGHT)
    else:
        answered = run()
    wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    count = PROMPTS * CASES * MODELS
    return {
        "sweep_s": round(sending or wall, 3),
        "whole_s": round(wall, 3),
        "cpu_ms": round(cpu / count * 1000, 3),
        "rows": answered,
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def calls_a_trial(base: str, in_flight: int) -> float:
    """Python calls of one trial of our sweep, in every thread."""
    from toolkit import _sync

    async def profile(hook: Any) -> None:
        sys.setprofile(hook)

    def run(size: int) -> None:
        # The engine's thread is there already and has to be told.
        _sync.run(profile(sys.getprofile()))
        try:
            sweep(base, prompts=1, cases=size, models=1, concurrency=in_flight, first=size * 100)
        finally:
            _sync.run(profile(None))

    sweep(base, prompts=1, cases=2, models=1, concurrency=2, first=9_000)
    return python_calls(run, few=300, many=900)


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=("ours", "calls", *PEERS))
    parser.add_argument("--base")
    parser.add_argument("--in-flight", type=int, default=32)
    asked = parser.parse_args()
    if asked.contender == "calls":
        print(json.dumps({"python_calls": calls_a_trial(asked.base, asked.in_flight)}))
        return 0
    if asked.contender:
        print(json.dumps(contend(asked.contender, asked.base)))
        return 0
    theirs = environment("peers", REQUIREMENTS)
    pythons = {"ours": sys.executable} | dict.fromkeys(PEERS, theirs)
    figures = {}
    # A server for each round and tool, so that each meets the same first calls.
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for _ in range(asked.rounds):
        for name, python in pythons.items():
            with load("--seed", str(SEED), "--stray", str(STRAY)) as base:
                command = [python, __file__, "--contender", name, "--base", base]
                seen[name].append(rounds({name: command}, count=1)[name])
    for name, runs in seen.items():
        figures[name] = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
    with load("--median-ms", "20") as base:
        commands = {
            str(many): [sys.executable, __file__, "--contender", "calls", "--in-flight", str(many), "--base", base]
            for many in (32, 256)
        }
        calls = {int(many): row["python_calls"] for many, row in rounds(commands, count=1).items()}
    bound = bound_s(marks(PROMPTS, CASES, MODELS), slots=IN_FLIGHT, seed=SEED, stray=STRAY)
    return report(figures, calls, bound, theirs)


def report(figures: dict[str, dict[str, float]], calls: dict[int, float], bound: float, theirs: str) -> int:
    """Prints and keeps the figures; 1 when a goal is missed."""
    names = {
        "ours": "toolkit.sweep, durable store",
        "openai": "openai SDK + gather",
        "litellm": "litellm + gather",
        "langfuse": "langfuse run_experiment",
    }
    own = figures["ours"]
    rows = [
        [names[name], f"{row['sweep_s']:.2f}", f"{row['sweep_s'] / bound:.2f}", f"{row['whole_s'] / bound:.2f}",
         f"{row['cpu_ms']:.2f}",
         f"{row['cpu_ms'] / own['cpu_ms']:.1f}", f"{row['rows']:.0f}", f"{row['rss_mb']:.0f}"]
        for name, row in figures.items()
    ]  # fmt: skip
    header = ["tool", "sweep s", "x bound", "with plan and frame", "CPU ms a trial", "x ours", "rows of 900", "MB"]
    verdict = (
        f"The bound is {bound:.2f} s. Ours takes {own['sweep_s'] / bound:.2f} x the bound (goal: at most 1.10) and "
        f"{own['cpu_ms']:.2f} ms of CPU a trial, planning, store and frame included (goal: at most 0.6). A trial "
        f"costs {calls[32]:.0f} Python calls at 32 in flight and {calls[256]:.0f} at 256 (goal: at most 2,000, flat)."
    )
    used = f"{versions('promptsweep')}; {versions('litellm', 'langfuse', 'openai', python=theirs)}"
    title = f"A sweep of 900 trials, {IN_FLIGHT} in flight, 2 % refused once"
    keep("sweep_speed", title, f"{table(header, rows)}\n\n{verdict}", used)
    return int(own["sweep_s"] > 1.10 * bound or own["cpu_ms"] > 0.6 or max(calls.values()) > 2000)


if __name__ == "__main__":
    sys.exit(main())
