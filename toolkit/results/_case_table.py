"""Cases that were found elsewhere, as a table for a sweep's `variables`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.results._pandas import pd


def case_table(rows: Sequence[Mapping[str, Any]], *, attrs: Mapping[str, Any]) -> pd.DataFrame:
    """Returns one row a case; columns in the order in which they first appear, each value as it is.

    Columns of texts alone have pandas' type for text; all others are objects, so that no number changes its kind. A
    column that a row does not have is `None` there.

    Args:
        rows: Values by column.
        attrs: What the frame says of itself.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, pd.Series[Any]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        kind = "str" if all(isinstance(value, str) for value in values) else "object"
        columns[name] = pd.Series(values, dtype=kind)
    table = pd.DataFrame(columns)
    table.attrs.update(attrs)
    return table
