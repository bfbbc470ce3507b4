"""The results of a run as the store has them, and what the newest sweep of this process has so far."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toolkit import _sync
from toolkit._records import RunView
from toolkit.config import Settings
from toolkit.engine import Engine
from toolkit.errors import RunNotFoundError
from toolkit.langfuse import Outlet, project_settings, traces_of
from toolkit.results import LateTraces, Results
from toolkit.sweep._ask import ask_about
from toolkit.sweep._asking import Prepare
from toolkit.sweep._drift import find_drift

# Runs that are searched for the stored trial that comes nearest to one: enough for a day's work.
_SEARCHED_RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What one execution of a run has done, for the results that it returns."""

    engine: Engine
    run_id: str
    sent: int = 0
    """Trials sent."""
    since: dt.datetime | None = None
    """When it began; `None` = nothing was executed."""
    note: str = ""
    """How it was stopped; empty when it went to its end."""


_read_last: Callable[[], Results] | None = None


def remember(read: Callable[[], Results]) -> None:
    """Has `last_results` give what `read` does, from now on."""
    global _read_last
    _read_last = read


def results_of(done: Execution, prepare: Prepare, *, make: Callable[..., Results] = Results) -> Results:
    """Returns the results of a run, as the store has them now.

    Args:
        done: Which run, and what has just been done for it.
        prepare: Makes the run of a judge's calls, should the results be judged.
        make: Makes the results of their parts.

    Raises:
        RunNotFoundError: If the store has no such run.
    """
    engine, store = done.engine, done.engine.store
    return make(
        store.load_run(done.run_id),
        reload=lambda: store.load_run(done.run_id),
        save_scores=store.save_scores,
        ballots=store,
        outlet=functools.partial(outlet_of, engine),
        traces=LateTraces(lambda: traces_of(store.delivered_to(done.run_id))),
        find_source=engine.sources.get,
        sent=done.sent,
        since=done.since,
        note=done.note,
        others=lambda: _other_runs(engine, done.run_id),
        check_drift=lambda view: _sync.run(find_drift(engine, [arm.prompt for arm in view.arms])),
        ask=lambda view, scorer, again: ask_about(engine, view, scorer, prepare=prepare, again=again),
    )


def outlet_of(engine: Engine) -> Outlet:
    """Returns where a configuration's runs can be pushed, and where that is noted.

    The environment's own configuration takes the keys that are set now, not those of when the run began.

    Raises:
        MissingKeyError: If Langfuse's keys are not set.
    """
    settings = Settings.from_environment() if engine.follows_environment else engine.settings
    return Outlet(settings=project_settings(settings), http=engine.http, ledger=engine.store)


def last_results() -> Results:
    """Returns what the newest sweep of this process has so far, also when it was interrupted before it returned.

    Raises:
        RunNotFoundError: If no sweep has begun in this process.
    """
    if _read_last is None:
        raise RunNotFoundError(
            "No sweep has begun in this process; `tk.runs()` lists the runs of the store, `tk.open_run(run_id)` "
            "opens one."
        )
    return _read_last()


def _other_runs(engine: Engine, run_id: str) -> Iterator[RunView]:
    """Reads the newest other runs, one at a time, newest first."""
    for known, _ in engine.store.runs()[: -_SEARCHED_RUNS - 1 : -1]:
        if known != run_id:
            yield engine.store.load_run(known)
