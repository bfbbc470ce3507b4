"""The public calls about runs that are there already: list them, open one."""

from __future__ import annotations

import functools
from typing import Any

from toolkit._notebook import has_kernel, maker_of
from toolkit.engine import Engine, default_engine
from toolkit.results import Results
from toolkit.sweep._execution import Execution, results_of
from toolkit.sweep._live import Run, live_run, prepare_asking


class OpenedRun(Results):
    """The results of a run that still goes on here: what there was when it was opened; a notebook shows it go on.

    Args:
        run: The run.
        *parts: As for `Results`.
        **more: As for `Results`.
    """

    def __init__(self, run: Run, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._run = run

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if self._run.is_done:
            return self._run.results._repr_mimebundle_(include, exclude)
        if not has_kernel():
            return super()._repr_mimebundle_(include, exclude)
        return dict(maker_of("progress")(self._run)._repr_mimebundle_())


def open_run(run_id: str, *, engine: Engine | None = None) -> Results:
    """Returns the results of a run in the store; sends nothing.

    Of a run that still goes on in this process they are what there is so far, and a notebook shows it go on.

    Args:
        run_id: As `results.run_id` or `runs()` gives it.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        RunNotFoundError: If the store has no such run; the message lists the newest.
    """
    engine = engine or default_engine()
    run = live_run(run_id, engine=engine)
    make = Results if run is None else functools.partial(OpenedRun, run)
    return results_of(Execution(engine=engine, run_id=run_id), prepare_asking, make=make)


def runs(*, engine: Engine | None = None) -> list[str]:
    """Returns the ids of every run in the store, oldest first."""
    return [run_id for run_id, _ in (engine or default_engine()).store.runs()]
