"""Exports of a run: the frame, the comparison or a report, in the format that the file's name ends with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._export_file import as_path, suffix_of, write_whole
from toolkit.results._export_report import html_bytes, latex_bytes, markdown_bytes
from toolkit.results._export_summary import comparison_frame
from toolkit.results._export_tables import csv_bytes, jsonl_bytes, parquet_bytes
from toolkit.results._export_xlsx import xlsx_bytes
from toolkit.results._frame import to_frame
from toolkit.results._pandas import pd
from toolkit.results._portable import portable_bytes

ExportView = Literal["trials", "summary"]
"""What is exported: one row a trial, or one row an arm with intervals and its gap to the baseline."""


def export(run: RunView, path: str | Path, *, view: ExportView = "trials", safe: bool = True) -> Path:
    r"""Writes a run to a file of the kind that the name ends with, and returns its path.

    `.csv`, `.jsonl`, `.parquet` and `.xlsx` hold a table: every column of the frame, or with `view="summary"` the
    comparison. `.md`, `.html` and `.tex` are reports to read: header, verdict, one row an arm with intervals, and for
    `trials` the answers. `.sweep` holds the run as a whole, for `load` elsewhere. The file appears whole or not at
    all, in place of an earlier one.

    Args:
        run: The run.
        path: Where to write; its folder must exist.
        view: `trials`, or `summary` = one row an arm.
        safe: For `.csv`: whether text that a spreadsheet would run as a formula gets a `'` before it. This changes
            answers that begin with `=`, `+`, `-` or `@`; `load_frame` takes it off again.

    In `.csv` and `.parquet` NUL and lone surrogates, which UTF-8 or the format cannot hold, are escapes (`\x00`,
    `\ud800`) that `load_frame` reads back; JSON Lines keeps them exactly, and reports show them as escapes. In CSV
    texts stand in quotes: nothing between the commas is `<NA>`, and `""` is an empty text. `pandas.read_csv` reads
    both as empty, and also answers such as `NA`, unless told `keep_default_na=False`.

    Raises:
        UsageError: If the kind or the view is not one of these, the folder does not exist, or it cannot be written.
        MissingDependencyError: If the kind needs a package that is not installed; the message names it.
    """
    path = as_path(path, "Where to export to")
    if view not in get_args(ExportView):
        raise UsageError(f"There is no view {view!r}; choose {' or '.join(map(repr, get_args(ExportView)))}.")
    suffix = check_target(path)
    if suffix in _TABLES:
        frame = to_frame(run) if view == "trials" else comparison_frame(run)
        content = _TABLES[suffix](run, frame, view, safe)
    elif suffix in _REPORTS:
        content = _REPORTS[suffix](run, answers=view == "trials")
    elif view != "trials":
        raise UsageError("A .sweep file holds the whole run; leave out `view`, or choose .csv, .xlsx, .md or .html.")
    else:
        content = portable_bytes(run)
    write_whole(path, content)
    return path


def check_target(path: Path) -> str:
    """Returns the kind that a file's name ends with, without writing it.

    Raises:
        UsageError: If it is no kind of export, or the folder does not exist.
    """
    return suffix_of(path, {*_TABLES, *_REPORTS, _WHOLE})


_TABLES: dict[str, Callable[[RunView, pd.DataFrame, str, bool], bytes]] = {
    ".csv": lambda run, frame, view, safe: csv_bytes(frame, safe=safe),
    ".jsonl": lambda run, frame, view, safe: jsonl_bytes(frame),
    ".parquet": lambda run, frame, view, safe: parquet_bytes(frame),
    ".xlsx": lambda run, frame, view, safe: xlsx_bytes(run, frame, sheet=view),
}

_REPORTS: dict[str, Callable[..., bytes]] = {".html": html_bytes, ".md": markdown_bytes, ".tex": latex_bytes}
_WHOLE = ".sweep"
