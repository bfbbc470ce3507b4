"""toolkit runs: lists the runs of the store, shows one, and repairs a damaged store."""

from __future__ import annotations

import argparse
from typing import Any


def add_runs(commands: Any) -> None:
    """Adds the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "runs",
        help="list the runs of the store, or show one",
        description="Lists the runs of the run store in TOOLKIT_HOME, newest first; `show` prints one as a notebook "
        "would; `show --audit` proves that nothing of it is lost or counted twice.",
    )
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", dest="action")
    show = actions.add_parser("show", help="show one run")
    show.add_argument("run_id", metavar="ID", help="as `toolkit runs` lists it")
    show.add_argument("--audit", action="store_true", help="print the audit instead of the table")
    show.set_defaults(run=run_show)
    repair = actions.add_parser("repair", help="save what is whole of a damaged run store into a new file")
    repair.add_argument("path", metavar="FILE", help="the damaged file, which is left as it is")
    repair.add_argument("--into", metavar="NEW", help="the new file; default: beside it, with -repaired in its name")
    repair.set_defaults(run=run_repair)


def run_list(options: argparse.Namespace) -> int:
    """Prints one line a run: id, when it was first planned (UTC), and who is at work on it.

    Raises:
        StoreError: If the store cannot be read.
    """
    from toolkit.engine import default_engine

    store = default_engine().store
    known = store.runs()
    if not known:
        print(f"The run store {str(store.path)!r} has no runs yet.")
    for run_id, created_at in reversed(known):
        holder = store.holder(run_id)
        at_work = f"  {holder}" if holder is not None else ""
        print(f"{run_id:<24}  {created_at:%Y-%m-%d %H:%M:%S}{at_work}")
    return 0


def run_repair(options: argparse.Namespace) -> int:
    """Saves what is whole of a damaged store and prints what could not be saved.

    Raises:
        StoreError: If there is no such file, or the new one cannot be written.
    """
    from toolkit.store import repair_store

    print(repair_store(options.path, options.into))
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Prints one run.

    Raises:
        RunNotFoundError: If the store has no such run.
    """
    # Here and not above: pandas comes with it, and the other commands need none.
    from toolkit.sweep import open_run

    results = open_run(options.run_id)
    print(results.audit() if options.audit else results)
    return 0
