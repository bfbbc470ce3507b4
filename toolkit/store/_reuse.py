"""Which stored answers may serve another run: none that failed, was cut off or was held back by a filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from toolkit._records import Outcome

CACHE_SOURCE = "cache"
"""`cost_source` of an answer that another trial of the same run paid for."""

NOT_REUSED = (
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "model_length",
    "content_filter",
    "safety",
    "SAFETY",
)
"""Words by which providers say that an answer is cut off or held back."""

# SQLite takes at most 32,766 values in one statement.
_LOOKUP_GROUP = 10_000


def is_reusable(outcome: Outcome) -> bool:
    """Tells whether an outcome is an answer that may serve other trials.

    Example:
        >>> is_reusable(Outcome(trial_id="t1:a", request_key="r1:a", status="failed"))
        False
    """
    return outcome.response is not None and outcome.response.finish_reason not in NOT_REUSED


def not_for(connection: sqlite3.Connection, trial_ids: Sequence[str], run_id: str) -> set[str]:
    """Returns those of `trial_ids` that another run has answered in a way that does not serve this one.

    A trial that is on record as one of this run's stays what it is.
    """
    found: set[str] = set()
    words = ", ".join("?" * len(NOT_REUSED))
    for start in range(0, len(trial_ids), _LOOKUP_GROUP):
        group = trial_ids[start : start + _LOOKUP_GROUP]
        marks = ", ".join("?" * len(group))
        query = (
            f"SELECT trial_id FROM outcome WHERE trial_id IN ({marks}) AND status = 'ok' "  # noqa: S608  marks only
            f"AND finish_reason IN ({words}) AND NOT EXISTS "
            "(SELECT 1 FROM trial WHERE trial.trial_id = outcome.trial_id AND trial.run_id = ?)"
        )
        found.update(row[0] for row in connection.execute(query, (*group, *NOT_REUSED, run_id)))
    return found
