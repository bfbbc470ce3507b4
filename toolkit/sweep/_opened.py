"""The public calls about runs that are there already: list them, open one."""

from __future__ import annotations

from toolkit.engine import Engine, default_engine
from toolkit.results import Results
from toolkit.sweep._execution import Execution, results_of
from toolkit.sweep._live import prepare_asking


def open_run(run_id: str, *, engine: Engine | None = None) -> Results:
    """Returns the results of a run in the store; sends nothing.

    Args:
        run_id: As `results.run_id` or `runs()` gives it.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        RunNotFoundError: If the store has no such run; the message lists the newest.
    """
    return results_of(Execution(engine=engine or default_engine(), run_id=run_id), prepare_asking)


def runs(*, engine: Engine | None = None) -> list[str]:
    """Returns the ids of every run in the store, oldest first."""
    return [run_id for run_id, _ in (engine or default_engine()).store.runs()]
