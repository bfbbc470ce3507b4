"""Which stored answers may serve another run: none that failed, was cut off or was held back by a filter."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from toolkit._records import Outcome
from toolkit.store._bodies import json_text
from toolkit.store._places import in_groups

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
    words = ", ".join("?" * len(NOT_REUSED))
    query = (
        "SELECT outcome.trial_id FROM place CROSS JOIN outcome USING (place) "  # noqa: S608  marks only
        f"WHERE place.trial_id IN (SELECT value FROM json_each(?)) AND status = 'ok' AND finish_reason IN ({words})"
    )
    groups = in_groups(trial_ids)
    found = {row[0] for group in groups for row in connection.execute(query, (group, *NOT_REUSED))}
    query = "SELECT trial_id FROM trial WHERE run_id = ? AND trial_id IN (SELECT value FROM json_each(?))"
    return found.difference(row[0] for row in connection.execute(query, (run_id, json_text(list(found)))))
