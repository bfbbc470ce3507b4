"""Live calls as results: what the proxy kept, read from the run store, also while it goes on."""

from __future__ import annotations

import datetime as dt

from toolkit.engine import Engine, default_engine
from toolkit.errors import RunNotFoundError, UsageError
from toolkit.results import Results
from toolkit.store import TRAFFIC
from toolkit.sweep._ask import ask_about
from toolkit.sweep._live import prepare_asking


def traffic(day: dt.date | str | None = None, *, engine: Engine | None = None) -> Results:
    """Returns the calls that the proxy answered on one day: one row a call, oldest first; failures are rows too.

    The columns are those of every run; `trial_id` is the answer's `x-toolkit-request-id`. Calls that came with their
    own messages have them in `var.messages`. `refresh()` reads again while the proxy goes on, in this process or in
    another one.

    They are scored and judged as any run's. A split is compared as well: its deployments are arms, and as each answered
    calls of its own, they are compared as independent groups (`compare`, `verdict`).

    Args:
        day: UTC day, as a date or `YYYY-MM-DD`; `None` = the newest day that has calls.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If `day` is no date.
        RunNotFoundError: If there are no calls.

    Example:
        >>> traffic().df.groupby(["model", "status"]).size()    # doctest: +SKIP
        >>> traffic().score(judge("Polite.", model="openai/gpt-4o")).compare()    # doctest: +SKIP
    """
    engine = engine or default_engine()
    store = engine.store
    if day is None:
        days = [run_id for run_id, _ in store.runs() if run_id.startswith(TRAFFIC)]
        if not days:
            raise RunNotFoundError(
                f"The run store {str(store.path)!r} has no live calls; start `toolkit proxy --config config.yaml` with "
                "the same TOOLKIT_HOME and send it one."
            )
        run_id = max(days)
    else:
        run_id = TRAFFIC + _as_date(day).isoformat()
    return Results(
        store.load_run(run_id),
        reload=lambda: store.load_run(run_id),
        save_scores=store.save_scores,
        ballots=store,
        ask=lambda view, scorer, again: ask_about(engine, view, scorer, prepare=prepare_asking, again=again),
    )


def _as_date(day: dt.date | str) -> dt.date:
    try:
        return dt.date.fromisoformat(day) if isinstance(day, str) else dt.date(day.year, day.month, day.day)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"`day` is a date or text such as '2026-11-22'; got {day!r}.") from error
