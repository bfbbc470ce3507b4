"""What one completion with a Langfuse prompt costs: ours beside `litellm.acompletion` and the openai SDK alone.

32 calls in flight against a local service. Ours and LiteLLM fetch the same chat prompt from the same local Langfuse,
fill two variables and send it; the openai SDK sends the finished messages and has no prompt to manage. LiteLLM,
langfuse and openai are installed once, into a virtual environment of their own under the cache folder.
Goals: at most 1/12 of LiteLLM's CPU a call, and at most 1/8 of the openai SDK's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _bench import environment, keep, measure, python_calls, rounds, table, upstream, versions
from _peers import REQUIREMENTS

CALLS = {"ours": 3000, "litellm": 300, "openai": 400}
IN_FLIGHT = 32
KEYS = {"langfuse_public_key": "pk-lf-bench", "langfuse_secret": "sk-lf-bench"}


def question(number: int) -> dict[str, str]:
    """The variables of one call; no two calls are alike."""
    return {"name": f"Customer {number}", "question": f"Where is parcel {number}? It left the depot on Monday."}


def ours(base: str) -> Callable[[int], Awaitable[Any]]:
    """`toolkit.acompletion`."""
    import toolkit as tk

    async def call(number: int) -> None:
        answer = await tk.acompletion(
            model="langfuse/openai/gpt-4o-mini",
            prompt_id="support-reply",
            prompt_variables=question(number),
            api_key="sk-benchmark-0000",
            api_base=f"{base}/v1",
            langfuse_host=base,
            **KEYS,
        )
        assert answer.choices[0].message.content  # noqa: S101

    return call


def litellm(base: str) -> Callable[[int], Awaitable[Any]]:
    """`litellm.acompletion`."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True

    async def call(number: int) -> None:
        answer = await litellm.acompletion(
            model="langfuse/gpt-4o-mini",
            prompt_id="support-reply",
            prompt_variables=question(number),
            messages=[{"role": "user", "content": "ignored"}],
            api_key="sk-benchmark-0000",
            api_base=f"{base}/v1",
            langfuse_host=base,
            **KEYS,
        )
        assert answer.choices[0].message.content  # noqa: S101

    return call


def openai(base: str) -> Callable[[int], Awaitable[Any]]:
    """`openai.AsyncOpenAI` with messages that are ready."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="sk-benchmark-0000", base_url=f"{base}/v1")
    system = "You answer letters to a parcel service. " + "Be brief and polite. " * 12

    async def call(number: int) -> None:
        variables = question(number)
        answer = await client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": system},
                {"role": "user", "content": f"{variables['name']} writes: {variables['question']}"},
            ],
            temperature=0.2,
            max_tokens=200,
        )
        assert answer.choices[0].message.content  # noqa: S101

    return call


CONTENDERS = {"ours": ours, "litellm": litellm, "openai": openai}


def contend(name: str, base: str, *, calls: int) -> None:
    """Measures one contender and prints its figures, Python calls of a completion among them."""
    call = CONTENDERS[name](base)

    async def some(count: int) -> None:
        await asyncio.gather(*(call(number) for number in range(count)))

    with asyncio.Runner() as runner:
        figures = runner.run(measure(call, calls=calls, in_flight=IN_FLIGHT))
        counted = python_calls(lambda size: runner.run(some(size)), few=IN_FLIGHT, many=3 * IN_FLIGHT)
    print(json.dumps({**figures, "python_calls": counted}))


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of the service; 0 shows the CPU alone")
    parser.add_argument("--contender", choices=sorted(CONTENDERS))
    parser.add_argument("--base")
    asked = parser.parse_args()
    if asked.contender:
        contend(asked.contender, asked.base, calls=CALLS[asked.contender])
        return 0
    theirs = environment("peers", REQUIREMENTS)
    pythons = {"ours": sys.executable, "litellm": theirs, "openai": theirs}
    with upstream(latency_ms=asked.latency_ms, python=theirs) as base:
        commands = {name: [python, __file__, "--contender", name, "--base", base] for name, python in pythons.items()}
        figures = rounds(commands, count=asked.rounds)
    own = figures["ours"]["cpu_ms"]
    header = ["call", "CPU ms", "x ours", "calls/s", "p50 ms", "Python calls in the caller's thread", "MB"]
    rows = [
        [
            {"ours": "toolkit.acompletion", "litellm": "litellm.acompletion", "openai": "openai SDK, no prompt"}[name],
            f"{row['cpu_ms']:.3f}",
            f"{row['cpu_ms'] / own:.1f}",
            row["calls_per_s"],
            row["p50_ms"],
            f"{row['python_calls']:.0f}",
            row["rss_mb"],
        ]
        for name, row in figures.items()
    ]
    ratios = {name: figures[name]["cpu_ms"] / own for name in ("litellm", "openai")}
    verdict = (
        f"LiteLLM costs {ratios['litellm']:.1f} x ours (goal: at least 12), the openai SDK alone "
        f"{ratios['openai']:.1f} x (goal: at least 8)."
    )
    used = (
        f"{versions('promptsweep', 'httptools')}; {versions('litellm', 'langfuse', 'openai', 'httpx', python=theirs)}"
    )
    title = f"CPU of one completion with a Langfuse prompt, {IN_FLIGHT} in flight"
    keep("completion_cpu", title, f"{table(header, rows)}\n\n{verdict}", used)
    return int(ratios["litellm"] < 12 or ratios["openai"] < 8)


if __name__ == "__main__":
    sys.exit(main())
