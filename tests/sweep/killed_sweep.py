"""The sweep that other tests kill, interrupt and start twice: run as a program, it sweeps until it is done or shot.

`python -m tests.sweep.killed_sweep TRIALS`: each trial that is on record is told on stderr by its id, one a line, and
`watching` when another process has the run; the end is told on stdout as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import toolkit as tk
from toolkit.sweep._events import TrialFinished
from toolkit.sweep._tally import Tally

CONCURRENCY = 16


def main(trials: int) -> None:
    """Sweeps two arms over half as many cases and prints what became of them."""
    hear = Tally.hear

    def tell(tally: Tally, event: object) -> None:
        hear(tally, event)  # type: ignore[arg-type]
        if isinstance(event, TrialFinished):
            sys.stderr.write(event.outcome.trial_id + "\n")
            sys.stderr.flush()

    watch = Tally.watch

    def tell_watching(tally: Tally, **state: Any) -> None:
        watch(tally, **state)
        sys.stderr.write("watching\n")
        sys.stderr.flush()

    Tally.hear = tell  # type: ignore[method-assign]
    Tally.watch = tell_watching  # type: ignore[assignment]
    results = tk.sweep(
        ["folder:greet@*"],
        "openai/small",
        {"word": [f"w{number:04}" for number in range(trials // 2)]},
        concurrency=CONCURRENCY,
        progress="off",
    )
    df = results.df
    told = {
        "rows": len(df),
        "ids": int(df["trial_id"].nunique()),
        "ok": int((df["status"] == "ok").sum()),
        "run_id": results.run_id,
        "note": results.note,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]))
