"""The list of what the prompt sources hold, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from toolkit._records import PromptInfo
from toolkit.results._columns import TEXT
from toolkit.results._frame import to_series
from toolkit.results._pandas import pd

Frame: TypeAlias = "pd.DataFrame"
"""A pandas DataFrame, for signatures on the floors above."""

_DTYPES = {
    "source": TEXT,
    "prompt": TEXT,
    "kind": TEXT,
    "versions": "Int64",
    "newest": TEXT,
    "labels": TEXT,
    "tags": TEXT,
    "model": TEXT,
    "updated_at": "time",
}


def listing(infos: Sequence[PromptInfo]) -> pd.DataFrame:
    """Returns one row a prompt, in the order given.

    Columns: `source`, `prompt` and `kind` (string); `versions` (Int64, how many); `newest` (string, its newest
    version); `labels` and `tags` (string, separated by commas); `model` (string, of the newest version's config, `<NA>`
    without one); `updated_at` (datetime in UTC, `<NA>` where the source does not say).
    """
    rows = [_row(info) for info in infos]
    return pd.DataFrame(
        {name: to_series([row[index] for row in rows], dtype) for index, (name, dtype) in enumerate(_DTYPES.items())}
    )


def _row(info: PromptInfo) -> tuple[object, ...]:
    model = info.config.get("model")
    return (
        info.source,
        info.prompt_id,
        info.kind,
        len(info.versions),
        info.versions[-1] if info.versions else None,
        ", ".join(info.labels),
        ", ".join(info.tags),
        model if isinstance(model, str) else None,
        info.updated_at,
    )
