"""Scores 100,000 trials by five scorers and compares every arm, and measures it beside the frame alone.

Four prompt versions on five models, 5,000 cases, answers of about 60 words, read from a run store: scoring, keeping the
scores, the frame with them, and `compare` by each score. What the process held before, when the frame without a score
had been made, is taken off its memory. Goal: at most 20 s and 1 GB beyond the frame.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from _bench import Figures, cpu_s, keep, rounds, table, versions

# Prompt versions and models; the cases make up the rest.
VERSIONS, MODELS = 4, 5

GOAL_S, GOAL_MB = 20.0, 1000.0

_WORDS = "parcel refund sorry order today please account number week help kind reply money late box card".split()


def measure(trials: int) -> Figures:
    """Scores a stored run and compares its arms; seconds on the clock and of the processor, and MB beyond the frame."""
    import toolkit as tk
    from toolkit import _sync
    from toolkit.config import Settings
    from toolkit.sweep import open_run
    from toolkit.testing import FakeProvider, FakeSource, fake_engine

    with tempfile.TemporaryDirectory() as folder:
        engine = fake_engine(
            Settings(home=Path(folder), prompts_folder=Path(folder)),
            providers=[FakeProvider()],
            sources=[FakeSource([])],
        )
        _sync.run(_fill(engine.store, trials))
        results = open_run("run-bench", engine=engine)
        frame_mb = results.df.memory_usage(deep=True).sum() / 1024**2
        before_mb, cpu, wall = _resident_mb(), cpu_s(), time.perf_counter()
        results.score(tk.exact(), tk.contains(), tk.one_of(["refund", "parcel"]), tk.length(), _polite)
        scored_s = time.perf_counter() - wall
        frame = results.df
        framed_s = time.perf_counter() - wall - scored_s
        names = [name.removeprefix("score.") for name in frame.columns if name.startswith("score.")]
        for name in names:
            results.compare(name)
        all_s = time.perf_counter() - wall
        figures = {
            "score_s": scored_s,
            "frame_s": framed_s,
            "compare_s": all_s - scored_s - framed_s,
            "all_s": all_s,
            "cpu_s": cpu_s() - cpu,
            "mb": _resident_mb() - before_mb,
            "frame_mb": float(frame_mb),
        }
        _sync.run(engine.aclose())
    return figures


def _polite(text: str) -> bool:
    """A scorer as people write one."""
    return "please" in text and "sorry" in text


async def _fill(store, trials: int) -> None:  # type: ignore[no-untyped-def]
    """Puts a run with an answer to every trial into the store."""
    from toolkit._records import Arm, Case, FrozenDict, Outcome, Prompt, Response, Trial, Usage

    rng = random.Random(7)  # noqa: S311  words, not secrets
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    cases = [
        Case(index=place, variables=FrozenDict({"question": f"Where is parcel {place}?"}), expected=rng.choice(_WORDS))
        for place in range(trials // (VERSIONS * MODELS))
    ]
    arms = [
        Arm(
            index=version * MODELS + model,
            prompt=Prompt(
                prompt_id="reply", version=str(version + 1), kind="text", source="fake", template="{{question}}"
            ),
            model=f"fake/m{model}",
            provider="fake",
            model_sent=f"m{model}",
        )
        for version in range(VERSIONS)
        for model in range(MODELS)
    ]
    grid = [
        Trial(trial_id=f"t1:{arm.index:04x}{case.index:028x}", arm=arm, case=case) for case in cases for arm in arms
    ]
    await store.save_run(run_id="run-bench", created_at=now, arms=arms, trials=grid, baseline=0)
    for start in range(0, len(grid), 1_000):
        ended = []
        for trial in grid[start : start + 1_000]:
            response = Response(
                text=" ".join(rng.choices(_WORDS, k=60)),
                finish_reason="stop",
                model=trial.arm.model_sent,
                usage=Usage(input_tokens=40, output_tokens=80),
                latency_s=0.8,
            )
            outcome = Outcome(
                trial_id=trial.trial_id,
                request_key=f"r1:{trial.trial_id[3:]}",
                status="ok",
                response=response,
                attempts=1,
                cost_usd=0.0001,
                cost_source="prices=",
                model_sent=trial.arm.model_sent,
                started_at=now,
                run_id="run-bench",
            )
            ended.append((outcome, None))
        await store.finish_all(ended, run_id="run-bench")


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measures a tenth and the whole, and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", choices=("ours",))
    asked = parser.parse_args()
    if asked.contender:
        sys.stdout.write(json.dumps(measure(asked.trials)) + "\n")
        return 0
    rows = []
    for trials in (asked.trials // 10, asked.trials):
        command = [sys.executable, __file__, "--trials", str(trials), "--contender", "ours"]
        found = rounds({"ours": command}, count=asked.rounds)["ours"]
        names = ("score_s", "frame_s", "compare_s", "all_s", "cpu_s")
        cells = [f"{found[name]:.2f}" for name in names]
        rows.append([f"{trials:,}", *cells, f"{found['mb']:.0f}", f"{found['frame_mb']:.0f}"])
    header = [
        "trials",
        "score, s",
        "frame, s",
        "compare, s",
        "all, s",
        "all, CPU s",
        "MB beyond the frame",
        "frame, MB",
    ]
    verdict = f"Goal for 100,000: at most {GOAL_S:g} s and {GOAL_MB:g} MB beyond the frame."
    title = f"Scoring and comparing {VERSIONS * MODELS} arms by 5 scorers"
    keep("scoring", title, f"{table(header, rows)}\n\n{verdict}", versions("promptsweep", "pandas", "numpy"))
    return int(found["all_s"] > GOAL_S or found["mb"] > GOAL_MB)


if __name__ == "__main__":
    sys.exit(main())
