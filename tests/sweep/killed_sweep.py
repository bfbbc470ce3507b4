"""The sweep that the kill test ends: run as a program, it sweeps until it is done or shot."""

from __future__ import annotations

import json
import sys

import toolkit as tk

TRIALS = 200


def main() -> None:
    """Sweeps two arms over 100 cases and prints what was sent."""
    results = tk.sweep(
        ["folder:greet@*"],
        "openai/small",
        {"word": [f"w{number:03}" for number in range(TRIALS // 2)]},
        concurrency=16,
        progress="off",
    )
    df = results.df
    counts = {"rows": len(df), "ids": df["trial_id"].nunique(), "ok": int((df["status"] == "ok").sum())}
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    sys.exit(main())
