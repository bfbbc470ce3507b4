"""CSV, JSON Lines, Markdown and Parquet, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from toolkit._optional import require
from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._compare import verdict_text
from toolkit.results._display import header_line, summary_cells
from toolkit.results._frame import to_frame
from toolkit.results._screen import for_screen, for_utf8
from toolkit.results._summary import wide_table

# White space and zero-width characters that a spreadsheet passes over before it looks at the first character.
_PASSED_OVER = re.compile("^[\\s\u200b-\u200d\u2060\ufeff\u00ad]+")
_RUN_BY_SPREADSHEETS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MARKDOWN_MARKS = re.compile(r"([\\`*_\[\]|$~#])")


def export(view: RunView, path: str | Path, *, safe: bool = True) -> Path:
    r"""Writes a run to a file of the kind that the name ends with, and returns its path.

    `.csv`, `.jsonl` and `.parquet` have every column of the frame, one row a trial. `.md` is a report to read: header,
    verdict, one row an arm, the answers. The file appears whole or not at all, in place of an earlier one.

    Args:
        view: The run.
        path: Where to write; its folder must exist.
        safe: For `.csv`: whether text that a spreadsheet would run as a formula gets a `'` before it. This changes
            answers that begin with `=`, `+`, `-` or `@`; `.jsonl` and `.parquet` never change anything.

    In `.csv`, `.md` and `.parquet` NUL and lone surrogates, which UTF-8 or the format cannot hold, are written as
    escapes (`\x00`, `\ud800`); JSON Lines keeps them exactly. In CSV an empty cell is `<NA>` or an empty text, and
    `pandas.read_csv` also reads answers such as `NA` and `None` as empty unless told `keep_default_na=False`.

    Raises:
        UsageError: If the kind is not one of these, the folder does not exist, or the file cannot be written.
        MissingDependencyError: If it is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(f"{str(path)!r} cannot be written; choose a name that ends in {', '.join(_WRITERS)}.")
    if not path.parent.is_dir():
        raise UsageError(f"The folder {str(path.parent)!r} does not exist; make it first.")
    _write_whole(path, writer(view, safe))
    return path


def spreadsheet_safe(text: str) -> str:
    """Returns `text` with a `'` before it when a spreadsheet would run it; numbers stay.

    Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.

    Example:
        >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-5"), spreadsheet_safe("- item")
        ("'=1+1", '-5', "'- item")
    """
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return text
    bare = _PASSED_OVER.sub("", text)
    return f"'{text}" if text[:1] in ("\t", "\r", "\n") or bare.startswith(_RUN_BY_SPREADSHEETS) else text


def markdown_cell(text: str) -> str:
    r"""Returns `text` as one cell of a Markdown table that shows it as written.

    Example:
        >>> markdown_cell("a|b\n<c>")
        'a\\|b<br>&lt;c&gt;'
    """
    text = for_screen(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_MARKS.sub(r"\\\1", text).replace("\t", " ").replace("\n", "<br>")


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table; cells are escaped, and numbers stay the text they are."""
    return tabulate(
        [[markdown_cell(cell) for cell in row] for row in rows],
        headers=[markdown_cell(name) for name in headers],
        tablefmt="github",
        disable_numparse=True,
    )


def _csv(view: RunView, safe: bool) -> bytes:
    frame = to_frame(view)
    written = io.StringIO()
    # With both characters in the line end, the csv module quotes cells that hold either.
    lines = csv.writer(written, lineterminator="\r\n")
    lines.writerow([_csv_cell(name, safe) for name in frame.columns])
    for row in _records(frame):
        lines.writerow([_csv_cell(value, safe) for value in row.values()])
    return written.getvalue().encode("utf-8")


def _csv_cell(value: Any, safe: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return spreadsheet_safe(for_utf8(value)) if safe else for_utf8(value)
    return repr(value) if isinstance(value, float) else str(value)


def _jsonl(view: RunView, safe: bool) -> bytes:
    lines = (json.dumps(row, allow_nan=False) for row in _records(to_frame(view)))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _parquet(view: RunView, safe: bool) -> bytes:
    require("pyarrow", extra="parquet", purpose="to write Parquet files")
    frame = to_frame(view)
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = frame[name].map(for_utf8, na_action="ignore").astype(frame[name].dtype)
    written = io.BytesIO()
    frame.to_parquet(written, engine="pyarrow", index=False)
    return written.getvalue()


def _markdown(view: RunView, safe: bool) -> bytes:
    headers, rows = summary_cells(view)
    answers, statuses = wide_table(view), wide_table(view, "status")
    cases = []
    for place, key in enumerate(answers.index.tolist()):
        shown = [
            f"({status})" if text is pd.NA else str(text)
            for text, status in zip(answers.iloc[place], statuses.iloc[place], strict=True)
        ]
        cases.append([" / ".join(str(part) for part in key) if isinstance(key, tuple) else str(key), *shown])
    parts = [
        f"# Run {markdown_cell(view.run_id)}",
        markdown_cell(header_line(view)),
        *(markdown_cell(line) for line in verdict_text(view).splitlines()),
        markdown_table(headers, rows),
        markdown_table([" / ".join(str(name) for name in answers.index.names), *answers.columns], cases),
    ]
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns one dict a row of Python's own values, `None` for `<NA>` and ISO 8601 for times."""
    columns = {str(name): [_plain(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if value is pd.NA or value is pd.NaT:
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _write_whole(path: Path, content: bytes) -> None:
    """Writes beside the target, makes it durable, then renames: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


_WRITERS: dict[str, Callable[[RunView, bool], bytes]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".md": _markdown,
    ".parquet": _parquet,
}
