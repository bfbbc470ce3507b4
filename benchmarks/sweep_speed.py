"""How near a sweep comes to the time that nobody can beat, and what it costs: ours beside other tools, paired.

900 trials (3 prompts x 100 cases x 3 models) at 64 in flight, latencies lognormal with a median of 200 ms, the first
call of 2 % of the requests refused with Retry-After 1 s. Ours keeps every attempt and answer in its durable run store.
The bound is what the same latencies and waits take on 64 places without any loss. Every tool is a process of its own
that begins with nothing imported; the server's clock says when its first request came and its last answer went. What
the engine costs a trial is the slope from 900 to 2,700 trials: imports, plan and frame are not in it, the row is.
Goals: at most 1.10 x the bound, 1.3 x from import to frame; at most 0.6 ms of the engine's CPU a trial, which is to be
1/15 of LiteLLM's and 1/6 of the openai SDK's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _bench import NotInstalledError, cpu_s, keep, plain_environ, rounds, table, versions
from _load import bound_s, load, marks, stats, sweep
from _peers import CASES, IN_FLIGHT, MODELS, PEERS, PROMPTS, installed, promptfoo_command, promptfoo_rows

SEED, STRAY = 1, 0.02
TRIALS = PROMPTS * CASES * MODELS
SIZES = (1, 3)
"""Times 900 trials, for the slope."""
GIVE_UP_S = 600.0
GOALS = {"x_bound": 1.10, "to_frame": 1.3, "engine_ms": 0.6, "litellm": 15.0, "openai": 6.0}

Figures = dict[str, float]


def contend(name: str, base: str) -> dict[str, float]:
    """One Python tool's sweep, from within: its rows, and the CPU of the sweep without imports and set-up."""
    if name == "ours":
        found = sweep(base, prompts=PROMPTS, cases=CASES, models=MODELS, concurrency=IN_FLIGHT)
        return {"rows": found.rows, "framed_at": time.time(), "recorded_s": found.sending_s, "sweep_cpu_s": found.cpu_s}
    make = PEERS[name].make
    assert make is not None  # noqa: S101  promptfoo is no Python
    run = make(base)
    cpu = cpu_s()
    rows = run()
    return {"rows": rows, "sweep_cpu_s": cpu_s() - cpu}


def engine(base: str, times: int) -> dict[str, float]:
    """CPU seconds of our engine for `times` 900 trials, after a small sweep before which nothing was imported."""
    sweep(base, prompts=1, cases=64, models=1, concurrency=IN_FLIGHT, first=9_000)
    found = sweep(base, prompts=PROMPTS, cases=CASES * times, models=MODELS, concurrency=IN_FLIGHT)
    return {"cpu_s": found.cpu_s, "rows": found.rows}


def race(name: str, start: list[str]) -> Figures:
    """Runs one tool's whole process against a server of its own.

    Raises:
        RuntimeError: If it fails, with the end of what it said.
    """
    with load("--seed", str(SEED), "--stray", str(STRAY)) as base, tempfile.TemporaryDirectory() as folder:
        command, more = [*start, __file__, "--contender", name, "--base", base], {}
        if name == "promptfoo":
            command, more = promptfoo_command(start, base, Path(folder))
        figures, said = whole_process(command, Path(folder), {**plain_environ(), **more})
        served = stats(base)
        try:
            told = {"rows": promptfoo_rows(Path(folder))} if name == "promptfoo" else json.loads(said.splitlines()[-1])
        except (OSError, ValueError, IndexError):
            raise RuntimeError(f"{name} failed:\n{said[-3000:]}") from None
    sweep_s = max(served["busy"][-1][0], told.pop("recorded_s", 0.0)) if served["busy"] else 0.0
    if "framed_at" in told:
        told["to_frame_s"] = told.pop("framed_at") - figures["started_at"]
    return {**figures, **told, "sweep_s": sweep_s, "sent": served["sent"]}


def whole_process(command: list[str], folder: Path, environ: dict[str, str]) -> tuple[Figures, str]:
    """Runs a command to its end: wall and CPU seconds and most memory of the process, and what it said."""
    with (folder / "said.txt").open("w+") as out:
        started_at, wall = time.time(), time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environ, cwd=folder)
        timer = threading.Timer(GIVE_UP_S, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - wall
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    cpu, rss_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"started_at": started_at, "whole_s": wall, "whole_cpu_s": cpu, "rss_mb": rss_mb}, said


def main() -> int:
    """Measures, prints, keeps, and ends with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tools", default=",".join(PEERS), help="peers to run, with commas; all when not given")
    parser.add_argument("--contender", choices=("ours", "engine", *PEERS))
    parser.add_argument("--base")
    parser.add_argument("--times", type=int, default=1)
    asked = parser.parse_args()
    if asked.contender:
        is_engine = asked.contender == "engine"
        print(json.dumps(engine(asked.base, asked.times) if is_engine else contend(asked.contender, asked.base)))
        return 0
    starts, missing = {"ours": [sys.executable]}, {}
    for name in filter(None, asked.tools.split(",")):
        try:
            starts[name] = installed(name)
        except NotInstalledError as error:
            missing[name] = str(error)
    return report(*measure(starts, missing, asked.rounds), starts=starts)


def measure(
    starts: dict[str, list[str]], missing: dict[str, str], count: int
) -> tuple[dict[str, Figures], dict[str, str], list[float]]:
    """Medians of each tool over all rounds, the tools that could not be measured with the reason, and our slopes.

    Each tool and size meets a server of its own, and so the same first calls.
    """
    seen: dict[str, list[Figures]] = {name: [] for name in starts}
    slopes = []
    for _ in range(count):
        for name, start in starts.items():
            if name in missing:
                continue
            try:
                seen[name].append(race(name, start))
            except RuntimeError as error:
                if name == "ours":
                    raise
                missing[name] = str(error).splitlines()[-1][:200]
                continue
            print({key: round(value, 3) for key, value in seen[name][-1].items()}, name, file=sys.stderr, flush=True)
        cpu = []
        for times in SIZES:
            with load("--seed", str(SEED), "--stray", str(STRAY)) as base:
                command = [sys.executable, __file__, "--contender", "engine", "--times", str(times), "--base", base]
                cpu.append(rounds({f"engine x {times}": command}, count=1)[f"engine x {times}"]["cpu_s"])
        slopes.append((cpu[1] - cpu[0]) / (SIZES[1] - SIZES[0]) / TRIALS * 1000)
    kept = {name: runs for name, runs in seen.items() if runs and name not in missing}
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in kept.items()
    }
    return medians, missing, slopes


def line(name: str, row: Figures, own: Figures, bound: float) -> list[Any]:
    """A line of the table."""
    title = "toolkit.sweep, durable store" if name == "ours" else PEERS[name].title
    whole_ms, sweep_ms = row["whole_cpu_s"] / TRIALS * 1000, row.get("sweep_cpu_s", 0.0) / TRIALS * 1000
    return [
        title, f"{row['sweep_s']:.2f}", f"{row['sweep_s'] / bound:.2f}", f"{row['whole_s']:.1f}",
        f"{row['whole_s'] / bound:.2f}", f"{sweep_ms:.2f}" if sweep_ms else "", f"{whole_ms:.2f}",
        f"{row['whole_cpu_s'] / own['whole_cpu_s']:.1f}", f"{row['rows']:.0f}", f"{row['sent']:.0f}",
        f"{row['rss_mb']:.0f}",
    ]  # fmt: skip


def report(
    figures: dict[str, Figures], missing: dict[str, str], slopes: list[float], *, starts: dict[str, list[str]]
) -> int:
    """Prints and keeps the figures; 1 when a goal is missed."""
    own, slope = figures["ours"], statistics.median(slopes)
    bound = bound_s(marks(PROMPTS, CASES, MODELS), slots=IN_FLIGHT, seed=SEED, stray=STRAY)
    header = ["tool", "sweep s", "x bound", "process s", "x bound", "CPU ms a trial, sweep", "CPU ms a trial, process",
              "x ours", "rows of 900", "requests", "MB"]  # fmt: skip
    rows = [line(name, row, own, bound) for name, row in figures.items()]
    rows += [
        [PEERS[name].title, f"not measured: {reason}", *[""] * (len(header) - 2)] for name, reason in missing.items()
    ]
    x_bound, to_frame = own["sweep_s"] / bound, own["to_frame_s"] / bound
    ratios = {
        name: figures[name]["sweep_cpu_s"] / TRIALS * 1000 / slope for name in ("litellm", "openai") if name in figures
    }
    spread = f"{min(slopes):.2f} to {max(slopes):.2f} in {len(slopes)} rounds"
    goals = [
        ["sweep, x bound", f"{x_bound:.2f}", f"at most {GOALS['x_bound']:.2f}", f"{x_bound / GOALS['x_bound']:.2f}"],
        ["start of Python to frame, x bound", f"{to_frame:.2f}", f"at most {GOALS['to_frame']:.2f}",
         f"{to_frame / GOALS['to_frame']:.2f}"],
        [f"engine's CPU ms a trial ({spread})", f"{slope:.2f}", f"at most {GOALS['engine_ms']}",
         f"{slope / GOALS['engine_ms']:.2f}"],
        *([f"{name}'s CPU of the sweep, x our engine's", f"{found:.1f}", f"at least {GOALS[name]:g}",
           f"{found / GOALS[name]:.2f}"] for name, found in ratios.items()),
    ]  # fmt: skip
    body = (
        f"The bound is {bound:.2f} s. Sweep: from the first request to the last answer, by the server's clock; ours to "
        "the last answer on record. Process: from its start to its end, with imports, set-up, plan and frame. CPU of "
        f"the sweep: without imports and set-up; promptfoo cannot tell.\n\n{table(header, rows)}\n\n"
        f"{table(['ours', 'figure', 'goal', 'figure / goal'], goals)}"
    )
    used = ", ".join(used_by(name, starts[name]) for name in figures)
    keep("sweep_speed", f"A sweep of 900 trials, {IN_FLIGHT} in flight, 2 % refused once", body, used)
    missed = x_bound > GOALS["x_bound"] or to_frame > GOALS["to_frame"] or slope > GOALS["engine_ms"]
    return int(missed or own["rows"] < TRIALS or any(found < GOALS[name] for name, found in ratios.items()))


def used_by(name: str, start: list[str]) -> str:
    """Name and version of a tool."""
    if name == "ours":
        return versions("promptsweep")
    if name != "promptfoo":
        return versions(PEERS[name].used, python=start[0])
    number = json.loads((Path(start[1]).parents[2] / "package.json").read_text(encoding="utf-8"))["version"]
    node = subprocess.run([start[0], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"promptfoo {number} on Node {node.removeprefix('v')}"


if __name__ == "__main__":
    sys.exit(main())
