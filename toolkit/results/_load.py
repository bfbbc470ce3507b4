"""Opens a run that someone else made: a `.sweep` file, with no key, no network and no run store."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import UsageError
from toolkit.results._export_file import as_path
from toolkit.results._portable import load_view
from toolkit.results._results import Results


def load(path: str | Path) -> Results:
    """Returns the results in a `.sweep` file: the same frame, comparison, scores and raw answers as where it was made.

    The file is data: nothing in it is run, and nothing is unpacked to the disk. It may be scored and exported again;
    scores that are added stay in this object.

    Args:
        path: A file that `results.export("x.sweep")` wrote.

    Raises:
        UsageError: If there is no such file, it is of another kind, damaged, newer than this version, or unpacks to
            more than is sensible.
        MissingDependencyError: If pyarrow is not installed.

    Example:
        >>> load("monday.sweep").verdict    # doctest: +SKIP
    """
    path = as_path(path, "What to load")
    if path.suffix.lower() in (".csv", ".jsonl", ".parquet"):
        raise UsageError(f"{str(path)!r} holds a table, not a run; read it with tk.load_frame({str(path)!r}).")
    return Results(load_view(path))
