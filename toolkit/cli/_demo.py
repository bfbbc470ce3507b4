"""toolkit demo: a real comparison on the embedded model, with no key, no server and no account."""

from __future__ import annotations

import argparse
import csv
import io
import os
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.results import Results

PROMPTS = ("folder:sentiment@*",)
PARAMS = ({"temperature": 0}, {"temperature": 0.8})
BASELINE = "sentiment@production"


def add_demo(commands: Any) -> None:
    """Adds the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="compare three prompt versions on a small model in this process",
        description="Compares three versions of a prompt at two temperatures on 16 reviews, answered by a small "
        "language model in this process, and writes the results. The first run fetches the model (98 MB).",
    )
    parser.add_argument("--out", type=Path, default=Path("demo-results"), help="folder for the results")
    parser.add_argument("--cases", type=int, default=None, metavar="N", help="only the first N reviews")
    parser.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Runs the comparison, prints the table and the verdict, and writes the results.

    Raises:
        ToolkitError: If the model cannot be fetched or the store cannot be written.
    """
    # Here and not above: pandas comes with them, and the other commands need none.
    from toolkit.config import Settings
    from toolkit.engine import Engine
    from toolkit.scorers import contains
    from toolkit.sweep import plan, sweep

    reviews = _reviews(options.cases)
    with resources.as_file(resources.files("toolkit.cli") / "sample" / "prompts") as folder:
        # Only the store's place is taken from the environment: the demo needs no prompt manager.
        home = {name: value for name, value in os.environ.items() if name == "TOOLKIT_HOME"}
        engine = Engine(replace(Settings.from_environment(home), prompts_folder=folder))
        grid: dict[str, Any] = {"prompts": PROMPTS, "variables": reviews, "params": PARAMS, "baseline": BASELINE}
        print(f"{plan(**grid, engine=engine)}\n")
        results = sweep(**grid, engine=engine)
    if results.note:
        # It was interrupted: a command ends then, where a notebook goes on with what there is.
        raise KeyboardInterrupt
    results.score(contains())
    print(f"\n{results}\n")
    print(str(results.audit()).splitlines()[0])
    for path in _write(results, options.out):
        print(f"wrote {path}")
    return 0


def _reviews(first: int | None) -> list[dict[str, str]]:
    text = (resources.files("toolkit.cli") / "sample" / "reviews.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    if first is not None and not 1 <= first <= len(rows):
        raise UsageError(f"--cases is a number from 1 to {len(rows)}; got {first}.")
    return rows[:first]


def _write(results: Results, folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}; choose another --out."
        ) from error
    return [results.export(folder / name) for name in ("results.csv", "results.jsonl", "results.md")]
