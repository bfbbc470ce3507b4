"""How large a file may be that is read into memory: bytes, rows and cells, told before or while it is read."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path

MOST_FILE_BYTES = 2 * 1024**3
"""Most bytes of a file that is read; as texts in Python it takes a few times as many."""
MOST_BYTES = 4 * 1024**3
"""Most bytes that the content of a compressed file may come to."""
MOST_ROWS = 10_000_000
"""Most rows of a table."""
MOST_CELLS = 200_000_000
"""Most rows times columns of a table: two million trials with a hundred columns."""


def check_size(path: Path) -> None:
    """Refuses what is no file with an end, and a file that is too large to be read into memory.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is not a regular file, or larger than `MOST_FILE_BYTES`.
    """
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError("it is not a regular file.")
    if size > MOST_FILE_BYTES:
        raise ValueError(f"it has {size:,} bytes, and the most is {MOST_FILE_BYTES:,}; read it in parts.")


def check_shape(rows: int, columns: int) -> None:
    """Refuses a table of too many rows or cells.

    Raises:
        ValueError: If there are more than `MOST_ROWS` or `MOST_CELLS`.
    """
    if rows > MOST_ROWS:
        raise ValueError(f"it has {rows:,} rows, and the most is {MOST_ROWS:,}; read it in parts.")
    if rows * columns > MOST_CELLS:
        raise ValueError(f"it has {rows:,} rows of {columns:,} columns, and the most is {MOST_CELLS:,} cells.")


class CellCount:
    """Counts the rows and cells of a table while it is read, and refuses the one that is too many."""

    def __init__(self) -> None:
        self._rows = 0
        self._cells = 0

    def add(self, row: Sized) -> None:
        """Counts one row.

        Raises:
            ValueError: If there are too many rows or cells now.
        """
        self._rows += 1
        self._cells += len(row)
        if self._rows > MOST_ROWS:
            raise ValueError(f"it has more than {MOST_ROWS:,} rows; read it in parts.")
        if self._cells > MOST_CELLS:
            raise ValueError(f"it has more than {MOST_CELLS:,} cells; read it in parts.")
