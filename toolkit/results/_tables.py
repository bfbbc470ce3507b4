"""Reads a table of variables from a file or from what a notebook holds, as one plain dict a row."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.errors import UsageError
from toolkit.results._caps import CellCount, check_size
from toolkit.results._parquet import read_parquet

# The csv module refuses longer cells unless told otherwise.
_MOST_CELL_CHARACTERS = 16_000_000


def read_table(path: str | Path) -> list[dict[str, Any]]:
    """Returns the rows of a `.csv`, `.jsonl`, `.json` or `.parquet` file.

    A CSV file is UTF-8, with or without a byte-order mark, separated by commas; its cells stay text, as written. A
    JSON file is a list of objects; a JSON Lines file has one object a line.

    Raises:
        UsageError: If the file is missing, of another kind, empty, broken or larger than is sensible (2 GiB, 10 million
            rows, 200 million cells); the message names the file and the line.
        MissingDependencyError: If it is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{str(path)!r} cannot be read as a table; these can: {', '.join(_READERS)}.")
    try:
        check_size(path)
        return reader(path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {str(path)!r}; the current folder is {str(Path.cwd())!r}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{str(path)!r} is not UTF-8 (byte {error.start}); save it again with UTF-8 as its encoding."
        ) from error
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{str(path)!r} cannot be read as a table: {str(error).splitlines()[0]}") from error


def rows_of(variables: Any) -> list[dict[str, Any]]:
    """Returns one dict a row from whatever form the variables came in.

    Numbers of numpy become Python's. An empty cell stays what it is (NaN, NA, `None`); nothing is filled in.

    Args:
        variables: A DataFrame, a list of dicts, a dict of lists, or the path of a file for `read_table`; `None` = one
            row without variables.

    Raises:
        UsageError: If the form is another, columns have one name or different lengths, or a name is not text.

    Example:
        >>> rows_of({"city": ["Bonn", "Kiel"], "n": [1, 2]})
        [{'city': 'Bonn', 'n': 1}, {'city': 'Kiel', 'n': 2}]
    """
    if variables is None:
        return [{}]
    if isinstance(variables, str | Path):
        return [_plain_row(row, place) for place, row in enumerate(read_table(variables))]
    if hasattr(variables, "to_dict") and hasattr(variables, "columns"):
        return _rows_of_frame(variables)
    if isinstance(variables, Mapping):
        return _rows_of_columns(variables)
    if isinstance(variables, Sequence) and not isinstance(variables, bytes | bytearray):
        return [_plain_row(row, place) for place, row in enumerate(variables)]
    raise UsageError(
        f"`variables` is a {type(variables).__name__}; give a DataFrame, a list of dicts, a dict of lists or a path."
    )


def _rows_of_frame(frame: Any) -> list[dict[str, Any]]:
    names = list(frame.columns)
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise UsageError(f"The DataFrame has two columns called {twice[0]!r}; rename or drop one.")
    # pandas gives a hole as NaN, NA or None, by the column's type; here it is NaN, so that the plan can refuse it.
    return [
        {name: math.nan if value is None else value for name, value in _plain_row(row, place).items()}
        for place, row in enumerate(frame.to_dict("records"))
    ]


def _rows_of_columns(columns: Mapping[Any, Any]) -> list[dict[str, Any]]:
    listed: dict[Any, list[Any]] = {}
    for name, column in columns.items():
        if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__iter__"):
            raise UsageError(
                f"As a dict, `variables` holds a list for each name; {name!r} holds {_short(column)}. "
                "For a single case write a list with one dict: variables=[{...}]."
            )
        listed[name] = list(column)
    lengths = {name: len(column) for name, column in listed.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise UsageError(f"The lists in `variables` have different lengths: {told}.")
    count = next(iter(lengths.values()), 0)
    return [_plain_row({name: column[place] for name, column in listed.items()}, place) for place in range(count)]


def _plain_row(row: Any, place: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UsageError(f"Row {place} of `variables` is {_short(row)}; each row is a dict of names and values.")
    for name in row:
        if not isinstance(name, str):
            raise UsageError(
                f"Row {place} of `variables` has the name {name!r}; names are text, so write {str(name)!r}."
            )
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """Turns numpy's numbers and arrays into Python's; by their methods, so that other libraries' come along."""
    if isinstance(value, str | bytes | int | float | bool) and type(value).__module__ == "builtins":
        return value
    if type(value).__module__.split(".")[0] == "numpy" and hasattr(value, "tolist"):
        # Its times become None or a bare count of nanoseconds; they stay what they are, which says more.
        return value if value.dtype.kind in "mM" and value.ndim == 0 else value.tolist()
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _read_csv(path: Path) -> list[dict[str, Any]]:
    text = path.read_bytes().decode("utf-8-sig")
    usual = csv.field_size_limit(_MOST_CELL_CHARACTERS)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(_filled(lines), None)
        if header is None:
            raise UsageError(f"{str(path)!r} is empty; its first line names the columns.")
        _check_header(header, path)
        rows, count = [], CellCount()
        for cells in _filled(lines):
            count.add(cells)
            if len(cells) != len(header):
                raise UsageError(
                    f"{str(path)!r}, line {lines.line_num}: {len(cells)} cells under a header of {len(header)}; "
                    "a cell with a comma or a line break in it needs quotes."
                )
            rows.append(dict(zip(header, cells, strict=True)))
        return rows
    except csv.Error as error:
        raise UsageError(f"{str(path)!r}, line {lines.line_num}: not valid CSV: {error}.") from error
    finally:
        csv.field_size_limit(usual)


def _filled(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    return (cells for cells in lines if cells)


def _check_header(header: Sequence[str], path: Path) -> None:
    for place, name in enumerate(header):
        if not name.strip():
            raise UsageError(f"{str(path)!r}, line 1: column {place + 1} has no name.")
        if name in header[:place]:
            raise UsageError(f"{str(path)!r}, line 1: the column {name!r} stands twice; rename one.")


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    rows, count = [], CellCount()
    # Not splitlines(): a JSON string may hold U+2028 and its like as they are.
    for number, line in enumerate(path.read_bytes().decode("utf-8-sig").split("\n"), start=1):
        if line.strip():
            rows.append(_object(_parsed(line, f"{str(path)!r}, line {number}"), f"{str(path)!r}, line {number}"))
            count.add(rows[-1])
    if not rows:
        raise UsageError(f"{str(path)!r} is empty; it has one JSON object a line.")
    return rows


def _read_json(path: Path) -> list[dict[str, Any]]:
    where = repr(str(path))
    found = _parsed(path.read_bytes().decode("utf-8-sig"), where)
    if not isinstance(found, list):
        raise UsageError(f"{where} holds {_short(found)}; a table in JSON is a list of objects.")
    return [_object(row, f"{where}, row {place}") for place, row in enumerate(found)]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f" (line {error.lineno})" if error.lineno > 1 else ""
        raise UsageError(f"{where}{line}: not valid JSON: {error.msg} at character {error.colno}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not usable JSON: {type(error).__name__}.") from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected a JSON object, found {_short(value)}.")
    return value


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    return _rows_of_frame(read_parquet(path, flat=False))


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
