"""How the cost of a sweep of ours grows: with its size, and with the number in flight.

A tenth, the whole and ten times 900 trials (3 prompts x 3 models x cases), 64 in flight, latencies lognormal with a
median of 200 ms. CPU of the process while it sends, the plan and the frame left out, after a small sweep; the bound is
what the same latencies take on 64 places without any loss. The whole once more with a median of 20 ms: at 64 in flight
and 200 ms an answer comes every 4 ms, and each wakes three threads from their sleep, which costs what a busier process
saves. Python calls of a trial are the slope from 300 to 900
trials, in every thread, at 32 and at 256 in flight: no load on the machine disturbs them.
Goals: CPU a trial at ten times the size not above that at the whole (+10 %); at most 2,000 Python calls a trial, the
same at 32 and at 256 in flight (within 5 %).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _bench import keep, python_calls, rounds, table, versions
from _load import bound_s, load, marks, sweep
from _peers import CASES, IN_FLIGHT, MODELS, PROMPTS

SIZES = (CASES // 10, CASES, CASES * 10)
SEED, ROOM = 1, 1.10
GOAL_CALLS, GOAL_FLAT = 2_000, 0.05


def grow(base: str, cases: int) -> dict[str, float]:
    """A sweep of one size."""
    warm(base)
    found = sweep(base, prompts=PROMPTS, cases=cases, models=MODELS, concurrency=IN_FLIGHT)
    trials = PROMPTS * cases * MODELS
    if found.rows != trials:
        raise RuntimeError(f"Only {found.rows} of {trials} rows have an answer.")
    return {
        "cpu_ms": found.cpu_s / trials * 1000,
        "sweep_s": found.sending_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def calls_a_trial(base: str, in_flight: int) -> dict[str, float]:
    """Python calls of one trial, in every thread."""
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

    warm(base)
    return {"python_calls": python_calls(run, few=300, many=900)}


def warm(base: str) -> None:
    """A small sweep, so that what is done once only is done."""
    sweep(base, prompts=1, cases=64, models=1, concurrency=IN_FLIGHT, first=90_000)


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=("grow", "calls"))
    parser.add_argument("--size", type=int)
    parser.add_argument("--base")
    asked = parser.parse_args()
    if asked.contender:
        print(json.dumps((grow if asked.contender == "grow" else calls_a_trial)(asked.base, asked.size)))
        return 0
    start = [sys.executable, __file__, "--base"]
    with load("--seed", str(SEED)) as base:
        commands = {str(cases): [*start, base, "--contender", "grow", "--size", str(cases)] for cases in SIZES}
        grown = rounds(commands, count=asked.rounds)
    with load("--median-ms", "20") as base:
        command = [*start, base, "--contender", "grow", "--size", str(CASES * 3)]
        busy = rounds({"busy": command}, count=asked.rounds)["busy"]
        commands = {str(many): [*start, base, "--contender", "calls", "--size", str(many)] for many in (32, 256)}
        calls = {int(many): row["python_calls"] for many, row in rounds(commands, count=1).items()}
    return report({int(cases): row for cases, row in grown.items()}, busy, calls)


def report(grown: dict[int, dict[str, float]], busy: dict[str, float], calls: dict[int, float]) -> int:
    """Prints and keeps the figures; 1 when a goal is missed."""
    whole = grown[CASES]["cpu_ms"]
    rows = []
    for cases, row in grown.items():
        bound = bound_s(marks(PROMPTS, cases, MODELS), slots=IN_FLIGHT, seed=SEED, stray=0.0)
        cells = [f"{row['cpu_ms']:.2f}", f"{row['cpu_ms'] / whole:.2f}", f"{row['sweep_s']:.2f}"]
        rows.append([f"{PROMPTS * MODELS * cases:,}", *cells, f"{row['sweep_s'] / bound:.2f}", f"{row['rss_mb']:.0f}"])
    header = ["trials", "CPU ms a trial", "x that of 900", "sweep s", "x bound", "MB at most"]
    growth, most, flat = grown[SIZES[-1]]["cpu_ms"] / whole, max(calls.values()), calls[256] / calls[32] - 1
    goals = [
        ["CPU a trial at 9,000, x that at 900", f"{growth:.2f}", f"at most {ROOM:.2f}", f"{growth / ROOM:.2f}"],
        ["Python calls a trial, 32 in flight", f"{calls[32]:.0f}", f"at most {GOAL_CALLS:,}",
         f"{calls[32] / GOAL_CALLS:.2f}"],
        ["Python calls a trial, 256 in flight", f"{calls[256]:.0f}", f"at most {GOAL_CALLS:,}",
         f"{calls[256] / GOAL_CALLS:.2f}"],
        ["more calls at 256 than at 32", f"{flat:+.1%}", f"within {GOAL_FLAT:.0%}", f"{abs(flat) / GOAL_FLAT:.2f}"],
    ]  # fmt: skip
    said = (
        f"With a median of 20 ms, 2,700 trials take {busy['cpu_ms']:.2f} ms of CPU each, at "
        f"{CASES * 3 * PROMPTS * MODELS / busy['sweep_s']:,.0f} trials a second; with 200 ms, 900 take {whole:.2f}."
    )
    body = f"{table(header, rows)}\n\n{said}\n\n{table(['ours', 'figure', 'goal', 'figure / goal'], goals)}"
    keep("sweep_growth", "How the cost of a sweep grows", body, versions("promptsweep"))
    return int(growth > ROOM or most > GOAL_CALLS or abs(flat) > GOAL_FLAT)


if __name__ == "__main__":
    sys.exit(main())
