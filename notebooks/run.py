"""Runs notebooks from top to bottom and keeps their outputs; `make notebooks` runs them all as they are committed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent

# Kernel chatter about its transport says nothing about the notebook.
_CHATTER = ("Kernel is running over TCP",)

# A reference to a widget is an error message in a notebook whose kernel is gone; the HTML beside it is not.
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# What the reader's outputs must not depend on.
_OWN_SETTINGS = ("TOOLKIT_", "LANGFUSE_")


def run_notebook(
    path: Path, *, home: Path, timeout_s: float = 600.0, variables: Mapping[str, str] | None = None
) -> nbformat.NotebookNode:
    """Returns the notebook at `path` with fresh outputs; the file is left as it is.

    Outputs name no place of this machine: the notebook's folder reads `.`, the run store's `.toolkit`. Of a widget they
    keep what it shows without a kernel.

    Args:
        path: The notebook; it runs in its own folder.
        home: Folder of the run store.
        timeout_s: Seconds that one cell may take.
        variables: Environment variables that the notebook finds; `None` = no key and no setting of the toolkit.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OWN_SETTINGS) and not name.endswith("_API_KEY")
    }
    cache = {"TOOLKIT_CACHE": os.environ["TOOLKIT_CACHE"]} if "TOOLKIT_CACHE" in os.environ else {}
    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        # Progress is updated in place: without this, each update would be kept as an output of its own.
        coalesce_streams=True,
    )
    client.execute(env=environment | cache | {"TOOLKIT_HOME": str(home)} | dict(variables or {}))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                _without_places(output, {str(path.parent.resolve()): ".", str(home.resolve()): ".toolkit"})
                for output in cell.outputs
                if not any(sign in output.get("text", "") for sign in _CHATTER)
            ]
    notebook.metadata.pop("widgets", None)
    return notebook


def _without_places(output: nbformat.NotebookNode, places: dict[str, str]) -> nbformat.NotebookNode:
    """Returns the output without its reference to a live widget, each place in its texts as it is called instead."""
    output.get("data", {}).pop(_WIDGET_VIEW, None)
    for texts in (output, output.get("data", {})):
        for name, text in texts.items():
            if isinstance(text, str):
                for place, called in places.items():
                    text = text.replace(place, called)
                texts[name] = text
    return output


def main() -> int:
    """Runs every notebook in a folder and a store of its own and writes it back with its outputs."""
    for path in sorted(HERE.glob("*.ipynb")):
        print(f"running {path.name} ...", flush=True)
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
            # What another notebook writes, a config.yaml say, must not be found by this one.
            shutil.copytree(HERE / "prompts", Path(folder) / "prompts")
            for each in (HERE / "reviews.csv", path):
                shutil.copy(each, folder)
            notebook = run_notebook(Path(folder) / path.name, home=Path(home))
        nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
