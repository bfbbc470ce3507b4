"""Looks at the run store: where it is, how much is in it, whether it can be written, what killed runs left behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from toolkit._doctor._checkup import Finding
from toolkit.engine import Engine
from toolkit.errors import StoreError
from toolkit.store import FILE_NAME, TRAFFIC

_SHOWN_RUNS = 5


def look_at_store(engine: Engine) -> list[Finding]:
    """Returns the lines on the run store; a store that is not there yet is not made."""
    folder = engine.settings.home
    path = folder / FILE_NAME
    if not path.exists():
        return [_not_made(folder)]
    try:
        store = engine.store
        runs = store.runs()
        left_over = store.left_over()
    except StoreError as error:
        return [Finding(topic="store", name="runs", state="fail", text=str(error), remedy="tk.repair_store saves what "
                        "is whole of a damaged file; a folder elsewhere is named by TOOLKIT_HOME.")]  # fmt: skip
    size = sum(part.stat().st_size for part in folder.glob(f"{FILE_NAME}*") if part.is_file())
    can_write = os.access(path, os.W_OK) and os.access(folder, os.W_OK)
    found = [
        Finding(
            topic="store",
            name="runs",
            state="ok" if can_write else "fail",
            text=f"{path.absolute()}: {_counted(len(runs), 'run')}, {_bytes(size)}"
            + ("" if can_write else "; it cannot be written"),
            remedy="" if can_write else "make the folder and the file writable, or set TOOLKIT_HOME to another folder.",
        )
    ]
    if left_over:
        shown = ", ".join(
            f"{run_id} ({_counted(unknown, 'request')} sent without an outcome)" if unknown else run_id
            for run_id, unknown in left_over[:_SHOWN_RUNS]
        )
        more = f" and {len(left_over) - _SHOWN_RUNS} more" if len(left_over) > _SHOWN_RUNS else ""
        found.append(
            Finding(
                topic="store",
                name="left by killed processes",
                state="note",
                text=f"{shown}{more}",
                remedy=_go_on([run_id for run_id, _ in left_over]),
            )
        )
    return found


def _go_on(run_ids: Sequence[str]) -> str:
    grids = [run_id for run_id in run_ids if not run_id.startswith(TRAFFIC)]
    billed = "what was sent without an outcome may have been billed."
    return f"tk.resume({grids[0]!r}) goes on; {billed}" if grids else f"live calls are over; {billed}"


def _not_made(folder: Path) -> Finding:
    above = folder.absolute()
    while not above.exists():
        above = above.parent
    if above.is_dir() and os.access(above, os.W_OK):
        return Finding(topic="store", name="runs", text=f"none yet; {folder.absolute()} is made with the first run")
    return Finding(
        topic="store",
        name="runs",
        state="fail",
        text=f"{folder.absolute()} cannot be made: {above} " + ("cannot be written" if above.is_dir() else "is a file"),
        remedy="make it writable, or set TOOLKIT_HOME to another folder.",
    )


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _bytes(size: int) -> str:
    """Returns a size in words.

    Example:
        >>> _bytes(900), _bytes(2_500_000)
        ('0.9 kB', '2.5 MB')
    """
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
