"""Turns the caller's variables into cases, and refuses what cannot be rendered, naming row and column."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias

from toolkit._records import Case, FrozenDict, freeze
from toolkit.errors import UsageError
from toolkit.prompts import is_nan
from toolkit.results import rows_of

EXPECTED = "expected"
"""Column that holds the expected answer unless the caller names another."""

_SHOWN_ROWS = 5

_PLAIN = frozenset({str, int, float, bool, type(None)})

OnNan = Literal["error", "empty"]
"""What a table's empty values become."""


class Table(Protocol):
    """A pandas DataFrame, or anything else with columns that can be read like one."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        ...


Variables: TypeAlias = "Table | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | str | PathLike[str] | None"
"""What `variables` may be: a table, one dict a row, one list a column, a path to a file, or nothing."""


def read_cases(
    variables: Any, *, expected: str | None = None, on_nan: OnNan = "error", labels: Collection[str] = ()
) -> tuple[Case, ...]:
    """Returns one case a row.

    Args:
        variables: DataFrame, list of dicts, dict of lists, path to a CSV, JSON, JSON Lines or Parquet file; `None` =
            one case without variables.
        expected: Column of the expected answers, which is not a variable; `None` = `expected` where there is one.
        on_nan: What an empty value (NaN, NA, NaT) is: `error`, or `empty` = it is rendered as an empty text.
        labels: Columns that no prompt reads: an empty value of theirs is `None`, in any case.

    Raises:
        UsageError: If there are no rows, the named column is missing, or a value is NaN.
    """
    rows = rows_of(variables)
    if not rows:
        raise UsageError("`variables` has no rows, so there is nothing to send; give at least one.")
    if not isinstance(expected, str | None):
        raise UsageError(f"`expected` is the name of a column, which is text; got {expected!r}.")
    if expected is not None and not any(expected in row for row in rows):
        columns = ", ".join(sorted({name for row in rows for name in row}))
        raise UsageError(f"The column {expected!r} of expected answers is not in `variables`; it has: {columns}.")
    column = EXPECTED if expected is None else expected
    if on_nan == "empty":
        rows = [{name: _filled(value) for name, value in row.items()} for row in rows]
    elif labels:
        rows = [{name: _filled(value) if name in labels else value for name, value in row.items()} for row in rows]
    _refuse_nan(rows, expected=column)
    _refuse_wordless(rows)
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
    if (
        type(value).__module__.partition(".")[0] == "numpy"
        and hasattr(value, "tolist")
        and value.dtype.kind not in "mM"
    ):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)


def is_missing(value: Any) -> bool:
    """Tells a hole in a table: `None`, NaN of any kind of number, NaT or pandas' NA."""
    return value is None or is_nan(value)


def _refuse_nan(rows: Sequence[Mapping[str, Any]], *, expected: str) -> None:
    holes: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        for name, value in row.items():
            if name != expected and value is not None and _holds_nan(value):
                holes.setdefault(name, []).append(index)
    if holes:
        places = "; ".join(f"column {name!r} in {rows_in_words(found)}" for name, found in holes.items())
        raise UsageError(
            f"`variables` has empty or infinite values (NaN, inf) that would be sent as the text 'nan': {places}. "
            "Fill them (for example `df.fillna('')`), drop those rows, or pass on_nan='empty' to send empty texts "
            "for NaN."
        )


def _refuse_wordless(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuses values whose text is another one each day, or is none that anybody means to send."""
    for index, row in enumerate(rows):
        for name, value in row.items():
            # Most values are text or numbers, and a large table has millions of them.
            if type(value) not in _PLAIN and (advice := _wordless(value)) is not None:
                raise UsageError(
                    f"`variables` has a {type(value).__name__} in column {name!r} of row {index}, which has no text of "
                    f"its own; {advice}."
                )


def _wordless(value: Any) -> str | None:
    """What to give in place of a value that has no text; `None` = it has one."""
    if isinstance(value, Mapping):
        return next((told for item in value.values() if (told := _wordless(item)) is not None), None)
    if isinstance(value, list | tuple):
        return next((told for item in value if (told := _wordless(item)) is not None), None)
    if isinstance(value, bytes | bytearray):
        return "decode it, such as value.decode()"
    if isinstance(value, set | frozenset):
        return "a set has no order, so give a list"
    kind: Any = type(value)
    has_own_words = kind.__repr__ is not object.__repr__ or kind.__str__ is not object.__str__
    if has_own_words and not callable(value) and not isinstance(value, Iterator):
        return None
    return "give text, a number, a list or a map"


def _holds_nan(value: Any) -> bool:
    if isinstance(value, str | bool | int):
        return False
    if isinstance(value, list | tuple):
        return any(_holds_nan(item) for item in value)
    if isinstance(value, Mapping):
        return any(_holds_nan(item) for item in value.values())
    return value is not None and (is_nan(value) or is_infinite(value))


def _filled(value: Any) -> Any:
    """Returns `value` with every NaN replaced by `None`, which is rendered as an empty text."""
    if isinstance(value, list | tuple):
        return [_filled(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _filled(item) for name, item in value.items()}
    return None if is_missing(value) else value


def is_infinite(value: Any) -> bool:
    """Tells an infinite number of any kind that has infinities."""
    return isinstance(value, numbers.Real | Decimal) and value in (math.inf, -math.inf)


def rows_in_words(indices: Sequence[int]) -> str:
    """Returns `row 3` or `rows 1, 2, 3, 4, 5 and 7 more`.

    Example:
        >>> rows_in_words([3]), rows_in_words([0, 2])
        ('row 3', 'rows 0, 2')
    """
    shown = ", ".join(str(index) for index in indices[:_SHOWN_ROWS])
    rest = f" and {len(indices) - _SHOWN_ROWS} more" if len(indices) > _SHOWN_ROWS else ""
    return f"{'row' if len(indices) == 1 else 'rows'} {shown}{rest}"
