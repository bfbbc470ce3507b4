"""CSV, JSON Lines and Parquet of a frame, and the readers that give exactly that frame back."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from toolkit._optional import require
from toolkit.errors import UsageError
from toolkit.results._caps import CellCount, check_size
from toolkit.results._columns import ANSWER, IDENTITY, TEXT
from toolkit.results._export_cells import spreadsheet_safe, spreadsheet_text, writable, written
from toolkit.results._frame import natural_dtype, to_series
from toolkit.results._pandas import pd
from toolkit.results._parquet import read_parquet

_OF_TRIALS = {column.name: column.dtype for column in (*IDENTITY, *ANSWER)}
# Of the comparison: its counts are whole numbers, everything else that can be unknown in every row is not.
_OF_ARMS = dict.fromkeys(("input_tokens", "output_tokens"), "Int64") | dict.fromkeys(
    ("cost_usd", "cost_usd_mean", "latency_s", "latency_s_p95"), "Float64"
)

# One cell and what ends it. Texts are always quoted, so that `""` is an empty text and nothing at all is <NA>.
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|\Z)')
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def csv_bytes(frame: pd.DataFrame, *, safe: bool) -> bytes:
    """Returns a frame as CSV: texts in quotes, numbers bare, `<NA>` as nothing.

    Args:
        frame: With our dtypes; its index is left out.
        safe: Whether a text that a spreadsheet would run gets a `'` before it.
    """

    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            text = writable(spreadsheet_safe(value) if safe else value)
            return '"' + text.replace('"', '""') + '"'
        return repr(value) if isinstance(value, float) else str(value)

    lines = [",".join(cell(str(name)) for name in frame.columns)]
    lines += [",".join(map(cell, row)) for row in _rows(frame)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def jsonl_bytes(frame: pd.DataFrame) -> bytes:
    """Returns a frame as JSON Lines, one object a row, `null` for `<NA>`; ASCII, so that every text survives."""
    names = [json.dumps(str(name)) for name in frame.columns]
    lines = (
        ", ".join(f"{name}: {_json_cell(value)}" for name, value in zip(names, row, strict=True))
        for row in _rows(frame)
    )
    return "".join(f"{{{line}}}\n" for line in lines).encode("ascii")


def _json_cell(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        # JSON has no word for infinity; a number too large for a float is read as one.
        return "1e999" if value > 0 else "-1e999"
    return json.dumps(value, allow_nan=False)


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Returns a frame as Parquet.

    Raises:
        MissingDependencyError: If pyarrow is not installed.
    """
    require("pyarrow", extra="parquet", purpose="to write Parquet files")
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.StringDtype):
            frame = frame.assign(**{str(name): frame[name].map(writable, na_action="ignore").astype(frame[name].dtype)})
    made = io.BytesIO()
    frame.to_parquet(made, engine="pyarrow", index=False)
    return made.getvalue()


def load_frame(path: str | Path) -> pd.DataFrame:
    """Returns the frame that `results.export` wrote to a `.csv`, `.jsonl` or `.parquet` file, dtypes and all.

    It takes off again what was put on for other programs: the `'` before formulas and the escapes of NUL and of lone
    surrogates. A param or variable without a single value is a column of texts. A run as a whole, with its verdict and
    its raw answers, is a `.sweep` file and is read by `load`.

    Args:
        path: A file that `export` wrote with `safe=True`, which is its default.

    Raises:
        UsageError: If there is no such file, it is not one that `export` wrote, or it is larger than is sensible:
            2 GiB, 10 million rows, 200 million cells, or 4 GiB once it is unpacked.
        MissingDependencyError: If it is Parquet and pyarrow is not installed.

    Example:
        >>> load_frame("results.csv").dtypes    # doctest: +SKIP
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{str(path)!r} is not read as a frame; these are: {', '.join(_READERS)}. tk.load reads .sweep."
        )
    try:
        check_size(path)
        return reader(path)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{str(path)!r} is not a table that results.export wrote: {reason}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    lines, count = [], CellCount()
    for line in _csv_rows(path.read_bytes().decode("utf-8-sig")):
        count.add(line)
        lines.append(line)
    if not lines:
        raise ValueError("it is empty.")
    header, rows = [str(name) for name in lines[0]], lines[1:]
    return _frame(header, rows, where="line")


def _csv_rows(text: str) -> Iterator[list[Any]]:
    place, row = 0, []
    while place < len(text):
        found = _CELL.match(text, place)
        if found is None:
            raise ValueError(f"no cell begins at character {place}.")
        quoted, bare, end = found.groups()
        row.append(_bare(bare) if quoted is None else spreadsheet_text(written(quoted.replace('""', '"'))))
        place = found.end()
        if end != ",":
            yield row
            row = []
        elif place == len(text):
            yield [*row, None]


def _bare(text: str) -> Any:
    if not text:
        return None
    if text in ("True", "False"):
        return text == "True"
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _read_jsonl(path: Path) -> pd.DataFrame:
    rows, count = [], CellCount()
    for line in path.read_bytes().decode("ascii").split("\n"):
        if line:
            rows.append(json.loads(line))
            count.add(rows[-1] if isinstance(rows[-1], dict) else ())
    if not rows or not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise ValueError("its lines are not objects with the same names.")
    return _frame(list(rows[0]), [list(row.values()) for row in rows], where="object")


def _read_parquet(path: Path) -> pd.DataFrame:
    found = read_parquet(path, flat=True)
    rows = [[written(value) if isinstance(value, str) else value for value in row] for row in _rows(found)]
    kinds = {str(name): "Float64" for name in found.columns if pd.api.types.is_float_dtype(found[name].dtype)}
    return _frame([str(name) for name in found.columns], rows, where="row", kinds=kinds)


def _frame(
    header: Sequence[str], rows: Sequence[Sequence[Any]], *, where: str, kinds: dict[str, str] | None = None
) -> pd.DataFrame:
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{where} {place + 2} has {len(row)} cells under a header of {len(header)}.")
    columns = dict(zip(header, ([row[place] for row in rows] for place in range(len(header))), strict=True))
    if len(columns) != len(header):
        raise ValueError("a column stands twice.")
    made = {}
    for name, values in columns.items():
        dtype = (
            _known_dtype(name, is_of_trials="trial_id" in columns) or (kinds or {}).get(name) or natural_dtype(values)
        )
        made[name] = to_series([str(v) if dtype == TEXT and v is not None else v for v in values], dtype)
    return pd.DataFrame(made)


def _known_dtype(name: str, *, is_of_trials: bool) -> str | None:
    if name.startswith("score."):
        is_count = not is_of_trials and name.endswith((".unscored", ".cases"))
        return "Int64" if is_count else "Float64"
    return (_OF_TRIALS if is_of_trials else _OF_ARMS).get(name)


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Gives the rows as Python's own values, `None` for `<NA>` and ISO 8601 for times."""
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame.columns]
    return zip(*columns, strict=True) if columns else iter(())


def _plain(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
