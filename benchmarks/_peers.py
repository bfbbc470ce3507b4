"""The other tools that make a sweep: how each is installed, what it is told to do, and how many rows it gives.

All get the same grid, server and number of calls in flight, and retry as they do when nobody asks. Where a tool has a
choice, it has the one that costs it less: no traces, no cache, no place of its own for results.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _bench import environment, node_package
from _load import marks, text_of

PROMPTS, CASES, MODELS = 3, 100, 3
IN_FLIGHT = 64
KEY = "sk-benchmark-0000"

# The versions that the results were measured with. LiteLLM asks for this langfuse and this openai; inspect_ai asks for
# a newer openai. This promptfoo is the last one that runs on Node 20.
REQUIREMENTS = ("litellm[proxy]==1.106.2", "langfuse==4.18.0", "openai==2.54.0", "uvloop==0.23.0")
INSPECT = ("inspect_ai==0.3.285", "openai==3.54.0")
PROMPTFOO = "0.121.20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool beside ours."""

    title: str
    place: str
    """Folder in the cache that it is installed into."""
    used: str
    """Names of the distributions whose versions are told."""
    make: Callable[[str], Callable[[], int]] | None
    """Sets it up for a server's address and returns what runs the sweep and counts its rows; `None` = no Python."""


def installed(name: str) -> list[str]:
    """The start of the command that runs a peer, which is installed first where it is not yet.

    Raises:
        NotInstalledError: With the reason.
    """
    place = PEERS[name].place
    if place == "promptfoo":
        return node_package("promptfoo", PROMPTFOO, entry="dist/src/entrypoint.js")
    return [environment(place, INSPECT if place == "inspect" else REQUIREMENTS)]


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
        client = AsyncOpenAI(api_key=KEY, base_url=f"{base}/v1")

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
        messages = [{"role": "user", "content": text}]
        answer = await litellm.acompletion(
            model=f"openai/{model}", messages=messages, api_key=KEY, api_base=f"{base}/v1"
        )
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
            model_client.append(AsyncOpenAI(api_key=KEY, base_url=f"{base}/v1"))
        prompt, case, model = item["input"].split("/")
        messages: Any = [{"role": "user", "content": text_of(int(prompt), case)}]
        answer = await model_client[0].chat.completions.create(model=model, messages=messages)
        return str(answer.choices[0].message.content)

    def run() -> int:
        rows: Any = [{"input": mark} for mark in marks(PROMPTS, CASES, MODELS)]
        found = client.run_experiment(name="bench", data=rows, task=task, max_concurrency=IN_FLIGHT)
        return sum(bool(row.output) for row in found.item_results)

    return run


def inspect(base: str) -> Callable[[], int]:
    """`inspect_ai.eval` of one task whose samples name their model, so that 64 are in flight over all models."""
    os.environ |= {"BENCH_API_KEY": KEY, "BENCH_BASE_URL": f"{base}/v1"}
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.solver import solver

    config = GenerateConfig(max_connections=IN_FLIGHT)

    @solver
    def ask() -> Any:
        async def solve(state: Any, _: Any) -> Any:
            model = get_model(f"openai-api/bench/{state.metadata['model']}", config=config)
            state.output = await model.generate(state.messages)
            return state

        return solve

    def sample(mark: str) -> Any:
        prompt, case, model = mark.split("/")
        return Sample(input=text_of(int(prompt), case), metadata={"model": model})

    def run() -> int:
        task = Task(dataset=[sample(mark) for mark in marks(PROMPTS, CASES, MODELS)], solver=ask())
        with tempfile.TemporaryDirectory() as folder:
            logs = evaluate(
                task, model=None, display="none", log_dir=folder, max_samples=IN_FLIGHT, fail_on_error=False,
                log_realtime=False,
            )  # fmt: skip
            # The log gives its samples as they are asked for, out of the folder.
            return sum(bool(found.output.completion) for found in logs[0].samples or [])

    return run


def promptfoo_command(start: Sequence[str], base: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that makes promptfoo's sweep, and its environment; its results will be `results.json`."""
    grid = {
        "prompts": [{"raw": text_of(number, "{{case}}"), "label": f"p{number}"} for number in range(PROMPTS)],
        "providers": [
            {"id": f"openai:chat:m{number}", "config": {"apiBaseUrl": f"{base}/v1", "apiKey": KEY}}
            for number in range(MODELS)
        ],
        "tests": [{"vars": {"case": str(number)}} for number in range(CASES)],
    }
    (folder / "grid.json").write_text(json.dumps(grid), encoding="utf-8")
    command = [*start, "eval", "-c", str(folder / "grid.json"), "-o", str(folder / "results.json")]
    command += ["-j", str(IN_FLIGHT), "--no-cache", "--no-write", "--no-table", "--no-progress-bar", "--no-share"]
    quiet = ("PROMPTFOO_DISABLE_TELEMETRY", "PROMPTFOO_DISABLE_UPDATE", "PROMPTFOO_DISABLE_REMOTE_GENERATION")
    return command, {**dict.fromkeys(quiet, "1"), "PROMPTFOO_CONFIG_DIR": str(folder)}


def promptfoo_rows(folder: Path) -> int:
    """How many of promptfoo's rows have an answer."""
    rows = json.loads((folder / "results.json").read_text(encoding="utf-8"))["results"]["results"]
    return sum(bool((row.get("response") or {}).get("output")) for row in rows)


PEERS = {
    "openai": Peer(title="openai SDK + gather", place="peers", used="openai", make=openai),
    "litellm": Peer(title="litellm + gather", place="peers", used="litellm", make=litellm),
    "langfuse": Peer(title="langfuse run_experiment", place="peers", used="langfuse", make=langfuse),
    "inspect": Peer(title="inspect_ai eval", place="inspect", used="inspect_ai", make=inspect),
    "promptfoo": Peer(title="promptfoo eval", place="promptfoo", used="promptfoo", make=None),
}
