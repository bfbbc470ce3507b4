"""What the store has seen of a model: how long its answers take and how long they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

# Enough for a mean. The first that were planned are taken: those of the cases in front, of every arm.
_ENOUGH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Means over stored answers of one model."""

    answers: int
    """Number that they are taken from, at most 200."""
    latency_s: float | None
    output_tokens: float | None
    """`None` = no provider counted them."""


def read_habits(connection: sqlite3.Connection, models: Iterable[str]) -> dict[str, Habits]:
    """Returns the habits of those models that have answers, by provider-side name."""
    found = {}
    for model in dict.fromkeys(models):
        row = connection.execute(
            "SELECT count(*) AS answers, avg(latency_s) AS latency_s, avg(output_tokens) AS output_tokens FROM "
            "(SELECT latency_s, output_tokens FROM outcome WHERE model_sent = ? AND status = 'ok' LIMIT ?)",
            (model, _ENOUGH),
        ).fetchone()
        if row["answers"]:
            found[model] = Habits(
                answers=row["answers"], latency_s=row["latency_s"], output_tokens=row["output_tokens"]
            )
    return found
