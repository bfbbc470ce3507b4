"""Runs notebooks from top to bottom and keeps their outputs; `make notebooks` runs them all as they are committed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent

# Kernel chatter about its transport says nothing about the notebook.
_CHATTER = ("Kernel is running over TCP",)


def run_notebook(path: Path, *, home: Path, timeout_s: float = 600.0) -> nbformat.NotebookNode:
    """Returns the notebook at `path` with fresh outputs; the file is left as it is.

    Args:
        path: The notebook; it runs in its own folder.
        home: Folder of the run store.
        timeout_s: Seconds that one cell may take.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TOOLKIT_", "LANGFUSE_"))}
    cache = {"TOOLKIT_CACHE": os.environ["TOOLKIT_CACHE"]} if "TOOLKIT_CACHE" in os.environ else {}
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        # Progress is updated in place: without this, each update would be kept as an output of its own.
        coalesce_streams=True,
    )
    client.execute(env=environment | cache | {"TOOLKIT_HOME": str(home)})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if not any(sign in output.get("text", "") for sign in _CHATTER)
            ]
    notebook.metadata.pop("widgets", None)
    return notebook


def main() -> int:
    """Runs every notebook in a store of its own and writes it back with its outputs."""
    for path in sorted(HERE.glob("*.ipynb")):
        print(f"running {path.name} ...", flush=True)
        with tempfile.TemporaryDirectory() as home:
            notebook = run_notebook(path, home=Path(home))
        nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
