"""What a sweep makes of limits that nobody tells it: 30 calls a second, and a number in flight that moves.

Storm: 900 trials, 64 allowed in flight, a provider that refuses whatever goes beyond 30 calls in any second; the bound
is the time that 900 calls take at that rate. Moving: a provider that takes 5 calls at once, then 20, then 80, for 24 s
each; what of them was in use is measured from 8 s after each move. Refusals say Retry-After 1 s and come at once.
Goals: storm: every row, at most 1.15 x the bound, at most 8 % of the calls refused; moving: at least 85 % of the limit
used, at most 3 % refused.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _bench import NotInstalledError, keep, rounds, table, versions
from _load import load, share_used, stats, sweep
from _peers import CASES, MODELS, PEERS, PROMPTS, installed

PER_S, TRIALS = 30, PROMPTS * CASES * MODELS
OTHERS = tuple(name for name, peer in PEERS.items() if peer.make is not None)
"""Those that can be asked in Python."""
LIMITS, PHASE_S, WARM_UP_S, MEAN_S = (5, 20, 80), 24.0, 8.0, 0.2 * 1.1331
"""The mean of a lognormal with sigma 0.5 is 1.1331 times its median."""


def contend(name: str, base: str) -> dict[str, float]:
    """One tool in the storm: seconds, rows, and the share of calls that were refused."""
    # One model, so that all its trials meet the same limit.
    sweep(base, prompts=1, cases=2, models=1, concurrency=2, first=9_000) if name == "ours" else None
    stats(base)
    ours = functools.partial(sweep, base, prompts=PROMPTS, cases=CASES * MODELS, models=1, concurrency=64)
    make = None if name == "ours" else PEERS[name].make
    run = (lambda: ours().rows) if make is None else make(base)
    started = time.perf_counter()
    rows = run()
    wall = time.perf_counter() - started
    counted = stats(base)
    return {"sweep_s": round(wall, 2), "rows": rows, "refused": round(counted["refused"] / counted["sent"], 4)}


def moving(base: str) -> dict[str, float]:
    """Ours against a moving limit: the smallest share of it in use after the warm-up, and the share of refusals."""
    count = int(sum(LIMITS) * PHASE_S / MEAN_S)
    rows = sweep(base, prompts=1, cases=count, models=1, concurrency=100).rows
    counted = stats(base)
    used = [
        share_used(counted["busy"], limit, number * PHASE_S + WARM_UP_S, (number + 1) * PHASE_S)
        for number, limit in enumerate(LIMITS)
    ]
    figures = {f"used_{limit}": round(share, 3) for limit, share in zip(LIMITS, used, strict=True)}
    return {**figures, "lost": count - rows, "refused": round(counted["refused"] / counted["sent"], 4)}


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contender", choices=("ours", "moving", *OTHERS))
    parser.add_argument("--base")
    asked = parser.parse_args()
    if asked.contender:
        print(json.dumps(moving(asked.base) if asked.contender == "moving" else contend(asked.contender, asked.base)))
        return 0
    pythons, missing = {"ours": sys.executable}, {}
    for name in OTHERS:
        try:
            pythons[name] = installed(name)[0]
        except NotInstalledError as error:
            missing[name] = str(error)
    storm: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for number in range(asked.rounds):
        for name, python in pythons.items():
            with load("--per-s", str(PER_S), "--seed", str(number)) as base:
                command = [python, __file__, "--contender", name, "--base", base]
                storm[name].append(rounds({name: command}, count=1)[name])
    limits = ",".join(str(limit) for limit in LIMITS)
    with load("--in-flight", limits, "--phase-s", str(PHASE_S)) as base:
        command = [sys.executable, __file__, "--contender", "moving", "--base", base]
        moved = rounds({"moving": command}, count=1)["moving"]
    return report(
        {
            name: {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
            for name, runs in storm.items()
        },
        moved,
        ", ".join(versions(PEERS[name].used, python=pythons[name]) for name in OTHERS if name in pythons),
        missing,
    )


def report(storm: dict[str, dict[str, float]], moved: dict[str, float], peers: str, missing: dict[str, str]) -> int:
    """Prints and keeps the figures; 1 when a goal is missed."""
    bound = TRIALS / PER_S
    rows = [
        [name, f"{row['sweep_s']:.1f}", f"{row['sweep_s'] / bound:.2f}", f"{row['rows']:.0f}", f"{row['refused']:.1%}"]
        for name, row in storm.items()
    ]
    rows += [[name, f"not measured: {reason}", "", "", ""] for name, reason in missing.items()]
    own, least = storm["ours"], min(moved[f"used_{limit}"] for limit in LIMITS)
    used = ", ".join(f"{moved[f'used_{limit}']:.0%} of {limit}" for limit in LIMITS)
    body = (
        f"{table(['tool', 'sweep s', 'x bound', 'rows of 900', 'calls refused'], rows)}\n\n"
        f"The bound is {bound:.0f} s. Ours keeps {own['rows']:.0f} rows at {own['sweep_s'] / bound:.2f} x the bound "
        f"(goal: at most 1.15) with {own['refused']:.1%} refused (goal: at most 8 %).\n\n"
        f"With a limit in flight that moves, ours uses {used} from {WARM_UP_S:g} s after each move (goal: at least "
        f"85 %), {moved['refused']:.1%} of the calls are refused (goal: at most 3 %), and {moved['lost']:.0f} rows are "
        "lost."
    )
    keep("rate_storm", "Limits that nobody tells: 30 calls a second, and a moving number in flight", body,
         f"{versions('promptsweep')}; {peers}")  # fmt: skip
    kept = own["rows"] == TRIALS and own["sweep_s"] <= 1.15 * bound and own["refused"] <= 0.08
    return int(not kept or least < 0.85 or moved["refused"] > 0.03 or moved["lost"] > 0)


if __name__ == "__main__":
    sys.exit(main())
