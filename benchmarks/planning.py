"""Plans a sweep of a million trials and measures it beside a bare loop that hashes the same bytes.

The bare loop joins and hashes one text a trial and one id a trial, and keeps 16 bytes of it: no identity for a trial
takes less. Goal: at most 12 CPU s and 400 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
import tempfile
from pathlib import Path

from _bench import Figures, cpu_s, keep, rounds, table, versions

# Prompt versions and models; the cases make up the rest.
VERSIONS, MODELS = 4, 5

GOAL_CPU_S, GOAL_MB = 12.0, 400.0


def measure_ours(trials: int) -> Figures:
    """Plans the grid: CPU seconds of the planning alone, and the most memory that the process ever held."""
    from toolkit import _sync
    from toolkit._records import Prompt
    from toolkit.config import Settings
    from toolkit.sweep import plan
    from toolkit.testing import FakeProvider, FakeSource, fake_engine

    prompts = [
        Prompt(
            prompt_id="reply",
            version=str(version),
            kind="chat",
            source="fake",
            template=(
                {"role": "system", "content": f"You answer in {version} sentences. {'Be kind and brief. ' * 5}"},
                {"role": "user", "content": "Question of {{name}}: {{question}}"},
            ),
        )
        for version in range(1, VERSIONS + 1)
    ]
    models = [f"fake/m{place}" for place in range(MODELS)]
    cases = trials // (VERSIONS * MODELS)
    rows = {
        "name": [f"customer {place}" for place in range(cases)],
        "question": [f"Where is my parcel number {place}? It was due last week." for place in range(cases)],
    }
    with tempfile.TemporaryDirectory() as folder:
        engine = fake_engine(
            Settings(home=Path(folder), prompts_folder=Path(folder)),
            providers=[FakeProvider()],
            sources=[FakeSource(prompts)],
        )
        started = cpu_s()
        made = plan("fake:reply@*", models, rows, engine=engine)
        figures = {"cpu_s": cpu_s() - started, "mb": _resident_mb(), "new": made.new}
        _sync.run(engine.aclose())
    return figures


def measure_bare(trials: int) -> Figures:
    """The least that giving every trial an identity takes: each request's text joined and hashed, its id hashed."""
    head = json.dumps({"system": f"You answer in 1 sentences. {'Be kind and brief. ' * 5}"})
    rest = json.dumps({"model": "m0", "params": {}, "provider": "fake"})
    kept = bytearray(trials * 16)
    started = cpu_s()
    for place in range(trials):
        asked = f"Question of customer {place}: Where is my parcel number {place}? It was due last week."
        text = f'{{"messages":[{head},{{"content":"{asked}","role":"user"}}],{rest}'
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        content = f'{{"prompt":"reply","repeat":0,"request":"r1:{key}","source":"fake","version":"1"}}'
        kept[place * 16 : place * 16 + 16] = hashlib.sha256(content.encode()).digest()[:16]
    return {"cpu_s": cpu_s() - started, "mb": _resident_mb(), "new": trials}


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Runs both at a tenth and at the whole, in turn, and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="ten times the size as well, once")
    parser.add_argument("--contender", choices=("ours", "bare"))
    asked = parser.parse_args()
    if asked.contender:
        measure = measure_ours if asked.contender == "ours" else measure_bare
        sys.stdout.write(json.dumps(measure(asked.trials)) + "\n")
        return 0
    rows, measured = [], {}
    for trials in (asked.trials // 10, asked.trials, *([asked.trials * 10] if asked.large else [])):
        command = [sys.executable, __file__, "--trials", str(trials), "--contender"]
        found = rounds(
            {name: [*command, name] for name in ("ours", "bare")}, count=asked.rounds if trials <= asked.trials else 1
        )
        ours, bare = found["ours"], found["bare"]
        measured[trials] = ours
        ratio = ours["cpu_s"] / bare["cpu_s"]
        rows.append(
            [f"{trials:,}", f"{ours['cpu_s']:.2f}", f"{ours['mb']:.0f}", f"{bare['cpu_s']:.2f}", f"{ratio:.1f}"]
        )
    header = ["trials", "plan, CPU s", "plan, MB at most", "bare loop, CPU s", "x of the bare loop"]
    own = measured[asked.trials]
    verdict = (
        f"Goal for 1,000,000: at most {GOAL_CPU_S:g} CPU s (figure / goal {own['cpu_s'] / GOAL_CPU_S:.2f}) and "
        f"{GOAL_MB:g} MB of the whole process (figure / goal {own['mb'] / GOAL_MB:.2f})."
    )
    title = f"Planning a sweep of {VERSIONS} prompt versions x {MODELS} models x cases"
    keep("planning", title, f"{table(header, rows)}\n\n{verdict}", versions("promptsweep", "pandas"))
    return int(own["cpu_s"] > GOAL_CPU_S or own["mb"] > GOAL_MB)


if __name__ == "__main__":
    sys.exit(main())
