"""Turns the caller's variables into cases, and refuses what cannot be rendered, naming row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Protocol, TypeAlias

from toolkit._records import Case, FrozenDict, freeze
from toolkit.errors import UsageError
from toolkit.results import rows_of

EXPECTED = "expected"
"""Column that holds the expected answer unless the caller names another."""

_SHOWN_ROWS = 5


class Table(Protocol):
    """A pandas DataFrame, or anything else with columns that can be read like one."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        ...


Variables: TypeAlias = "Table | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | str | PathLike[str] | None"
"""What `variables` may be: a table, one dict a row, one list a column, a path to a file, or nothing."""


def read_cases(variables: Any, *, expected: str | None = None) -> tuple[Case, ...]:
    """Returns one case a row.

    Args:
        variables: DataFrame, list of dicts, dict of lists, path to a CSV, JSON, JSON Lines or Parquet file; `None` =
            one case without variables.
        expected: Column of the expected answers, which is not a variable; `None` = `expected` where there is one.

    Raises:
        UsageError: If there are no rows, the named column is missing, or a value is NaN.
    """
    rows = rows_of(variables)
    if not rows:
        raise UsageError("`variables` has no rows, so there is nothing to send; give at least one.")
    if expected is not None and not any(expected in row for row in rows):
        columns = ", ".join(sorted({name for row in rows for name in row}))
        raise UsageError(f"The column {expected!r} of expected answers is not in `variables`; it has: {columns}.")
    column = EXPECTED if expected is None else expected
    _refuse_nan(rows, expected=column)
    return tuple(
        Case(
            index=index,
            variables=FrozenDict({name: plain(value) for name, value in row.items() if name != column}),
            expected=None if is_missing(row.get(column)) else freeze(plain(row.get(column))),
        )
        for index, row in enumerate(rows)
    )


def plain(value: Any) -> Any:
    """Returns `value` as JSON data: text, numbers, booleans, `None`, lists and maps stay; the rest becomes its `str()`.

    Example:
        >>> import datetime
        >>> plain([1, datetime.date(2026, 1, 2)])
        [1, '2026-01-02']
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)


def is_missing(value: Any) -> bool:
    """Tells a hole in a table: `None`, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _refuse_nan(rows: Sequence[Mapping[str, Any]], *, expected: str) -> None:
    holes: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        for name, value in row.items():
            if name != expected and value is not None and _holds_nan(value):
                holes.setdefault(name, []).append(index)
    if holes:
        places = "; ".join(f"column {name!r} in {rows_in_words(found)}" for name, found in holes.items())
        raise UsageError(
            f"`variables` has empty values (NaN) that would be sent as the text 'nan': {places}. "
            "Fill them (for example `df.fillna('')`) or drop those rows."
        )


def _holds_nan(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_nan(item) for item in value)
    if isinstance(value, Mapping):
        return any(_holds_nan(item) for item in value.values())
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    return value is not None and is_missing(value)


def rows_in_words(indices: Sequence[int]) -> str:
    """Returns `row 3` or `rows 1, 2, 3, 4, 5 and 7 more`.

    Example:
        >>> rows_in_words([3]), rows_in_words([0, 2])
        ('row 3', 'rows 0, 2')
    """
    shown = ", ".join(str(index) for index in indices[:_SHOWN_ROWS])
    rest = f" and {len(indices) - _SHOWN_ROWS} more" if len(indices) > _SHOWN_ROWS else ""
    return f"{'row' if len(indices) == 1 else 'rows'} {shown}{rest}"
