"""Excel workbooks in which every text is text: no formula, no link, long cells split and marked, provenance beside."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

from toolkit._optional import require
from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._export_cells import writable
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen

MOST_CHARACTERS = 32_767
"""Most characters of a cell, counted as Excel does: one beyond the 16-bit range counts as two."""

_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_LARGEST_EXACT = 2**53

SPLIT = "split_cells"
"""Column that says which cells of the row go on in columns further right."""

# What XML has no place for, carriage returns (a reader of XML makes line breaks of them), and text that already looks
# like the escape of one.
_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_WIDE = {"text": 70, "message": 40, "expected": 40}


def xlsx_bytes(view: RunView, frame: pd.DataFrame, *, sheet: str) -> bytes:
    """Returns a frame as a workbook with the sheets `sheet` and `provenance`.

    A text of more than 32,767 characters goes on in the columns `NAME (2)`, `NAME (3)`, ..., and the column
    `split_cells` names it. Times are UTC, as text.

    Raises:
        UsageError: If it has more rows or columns than a sheet holds.
        MissingDependencyError: If openpyxl is not installed.
    """
    openpyxl = require("openpyxl", extra="excel", purpose="to write Excel workbooks")
    header, rows = _split(frame)
    if len(rows) >= _MOST_ROWS or len(header) > _MOST_COLUMNS:
        raise UsageError(
            f"{len(rows):,} rows of {len(header):,} columns do not fit a sheet, which holds {_MOST_ROWS - 1:,} of "
            f"{_MOST_COLUMNS:,}; export to .parquet or .csv instead."
        )
    book = openpyxl.Workbook(write_only=True)
    made = book.create_sheet(sheet)
    for place, name in enumerate(header):
        letters = openpyxl.utils.get_column_letter(place + 1)
        made.column_dimensions[letters].width = _width(name, [row[place] for row in rows[:50]])
    _fill(openpyxl, made, header, rows)
    facts = book.create_sheet("provenance")
    facts.column_dimensions["A"].width, facts.column_dimensions["B"].width = 24, 100
    _fill(openpyxl, facts, ["what", "value"], [list(pair) for pair in _provenance(view)])
    made_bytes = io.BytesIO()
    book.save(made_bytes)
    return made_bytes.getvalue()


def _fill(openpyxl: Any, sheet: Any, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from_styles = openpyxl.styles
    bold, wrapped = from_styles.Font(bold=True), from_styles.Alignment(wrap_text=True, vertical="top")
    top = from_styles.Alignment(vertical="top")
    sheet.freeze_panes = "A2"

    def cell(value: Any, *, is_header: bool = False) -> Any:
        is_text = isinstance(value, str)
        made = openpyxl.cell.WriteOnlyCell(sheet, value=_escaped(value) if is_text else value)
        if is_text:
            # Else `=1+1` would be a formula and `#N/A` an error.
            made.data_type = "s"
        made.alignment = wrapped if is_text else top
        if is_header:
            made.font = bold
        return made

    sheet.append([cell(name, is_header=True) for name in header])
    for row in rows:
        sheet.append([cell(value) if value is not None else None for value in row])


def _split(frame: pd.DataFrame) -> tuple[list[str], list[list[Any]]]:
    """Returns header and rows with every long text in as many cells as it needs, all in columns behind the others."""
    names = [str(name) for name in frame.columns]
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame.columns]
    further: dict[tuple[str, int], list[Any]] = {}
    marks: list[list[str]] = [[] for _ in range(len(frame))]
    for name, column in zip(names, columns, strict=True):
        for place, value in enumerate(column):
            if isinstance(value, str) and len(value) > MOST_CHARACTERS // 2:
                first, *rest = _pieces(value)
                column[place] = first
                for number, piece in enumerate(rest, start=2):
                    further.setdefault((name, number), [None] * len(frame))[place] = piece
                if rest:
                    marks[place].append(f"{name}: {len(rest) + 1} cells")
    header = names
    if further:
        header = [*names, SPLIT, *(f"{name} ({number})" for name, number in further)]
        columns = [*columns, ["; ".join(mark) or None for mark in marks], *further.values()]
    return header, [list(row) for row in zip(*columns, strict=True)]


def _pieces(text: str) -> Iterator[str]:
    start, units = 0, 0
    for place, character in enumerate(text):
        units += 2 if ord(character) > 0xFFFF else 1
        if units > MOST_CHARACTERS:
            yield text[start:place]
            start, units = place, 2 if ord(character) > 0xFFFF else 1
    yield text[start:]


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"_x{ord(found.group()):04X}_", text)


def _plain(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT or value is None:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST_EXACT:
        # A sheet's numbers are floats: a longer one would lose its last digits.
        return str(value)
    # Lone surrogates have no place in a workbook; NUL has.
    return "\x00".join(writable(part) for part in value.split("\x00")) if isinstance(value, str) else value


def _width(name: str, values: Sequence[Any]) -> int:
    if name in _WIDE or name.startswith("var."):
        return _WIDE.get(name, 40)
    longest = max((len(str(value)) for value in values if value is not None), default=0)
    return max(8, min(40, max(len(name), longest) + 2))


def _provenance(view: RunView) -> Iterator[tuple[str, str]]:
    yield "run", for_screen(view.run_id)
    yield "planned", f"{view.created_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "promptsweep", metadata.version("promptsweep")
    yield "trials", f"{len(view.trials):,}"
    for label, arm in zip(arm_labels(view.arms), view.arms, strict=True):
        baseline = " (baseline)" if arm.index == view.baseline else ""
        yield f"arm {arm.index}", f"{label}{baseline}"
        yield f"arm {arm.index}: prompt", for_screen(f"{arm.prompt.reference}, {arm.prompt.fingerprint}")
        yield f"arm {arm.index}: model", for_screen(arm.model)
