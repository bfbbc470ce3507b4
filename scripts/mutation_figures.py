"""Prints what `make mutate` found: by module, how many changes the tests noticed; `--survivors` names the others."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[1] / "mutants" / "toolkit"
NOTICED = {1: "failed", 3: "failed", 24: "time", -24: "time", 36: "time", 152: "time", 255: "time"}
LIVED = {0: "lived", 5: "unreached", 33: "unreached"}


def main() -> int:
    """Prints the table; returns 1 when less than 85 % of what was tried in a module was noticed."""
    found = {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.rglob("*.py.meta"))}
    print("| module | changes | tried | noticed by a test | by the time | lived | of those tried |")
    print("|---|---|---|---|---|---|---|")
    is_enough, lived = True, []
    for path, result in found.items():
        codes = result["exit_code_by_key"]
        if not codes:
            continue
        ends = Counter({**NOTICED, **LIVED}.get(code, "other") for code in codes.values() if code is not None)
        tried = sum(ends.values())
        noticed = ends["failed"] + ends["time"]
        is_enough &= noticed >= 0.85 * tried
        share = f"{noticed / tried:.1%}" if tried else "-"
        name = path.relative_to(RESULTS).as_posix().removesuffix(".meta")
        figures = [len(codes), tried, ends["failed"], ends["time"], tried - noticed]
        print(f"| `{name}` | {' | '.join(map(str, figures))} | {share} |")
        lived += sorted(key for key, code in codes.items() if code is not None and code not in NOTICED)
    if "--survivors" in sys.argv:
        print("", *lived, sep="\n")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
