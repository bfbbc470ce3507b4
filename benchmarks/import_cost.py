"""What `import toolkit` costs beyond an empty Python, in CPU seconds; the goal is at most 60 ms.

Runs `python -c pass` and `python -c "import toolkit"` in turn and prints the medians and their difference, and beside
them what importing the parts behind the first touch of `toolkit.sweep` costs.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _bench import keep, table, versions

PAIRS = 9
GOAL_S = 0.060


def cpu_s(code: str) -> float:
    """CPU seconds, user and system, of one Python process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measures, prints, and ends with 1 when the goal is missed."""
    codes = {"pass": "pass", "import toolkit": "import toolkit", "toolkit.sweep": "import toolkit; toolkit.sweep"}
    for code in codes.values():
        cpu_s(code)  # compiles what is not compiled yet
    runs: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(PAIRS):
        for name, code in codes.items():
            runs[name].append(cpu_s(code))
    median = {name: statistics.median(values) for name, values in runs.items()}
    extra_s = median["import toolkit"] - median["pass"]
    empty = median["pass"]
    rows = [[f"`{name}`", f"{value * 1000:.1f}", f"{(value - empty) * 1000:.1f}"] for name, value in median.items()]
    verdict = (
        f"`import toolkit` costs {extra_s * 1000:.1f} ms more than an empty Python (goal: at most {GOAL_S * 1000:.0f}; "
        f"figure / goal {extra_s / GOAL_S:.2f}). Medians of {PAIRS} pairs."
    )
    body = f"{table(['code', 'CPU ms', 'beyond an empty Python'], rows)}\n\n{verdict}"
    keep("import_cost", "What the import costs", body, versions("promptsweep"))
    return int(extra_s > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
