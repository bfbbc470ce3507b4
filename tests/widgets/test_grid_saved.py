"""A notebook that was run and is read without a kernel: on a page that hosts code, in a document, in print."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from notebooks.run import run_notebook
from tests.results.test_security import read

ROOT = Path(__file__).resolve().parents[2]

SETUP = """
import sys
sys.path.insert(0, {root!r})
from tests.widgets.answers import some_results
import toolkit as tk
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """A notebook with results, a grid and a line of code, run in a real kernel."""
    folder = tmp_path_factory.mktemp("saved")
    cells = [SETUP.format(root=str(ROOT)), "results = some_results()\nresults", "tk.CompareGrid(results)"]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(made, folder / "grid.ipynb")
    return run_notebook(folder / "grid.ipynb", home=folder / "home")


def test_the_outputs_are_html_and_text(notebook):
    """What is saved of results and of a grid is HTML and text, no reference to a widget, and below 0.1 MB each."""
    for cell in notebook.cells[1:]:
        (output,) = cell.outputs
        assert sorted(output.data) == ["text/html", "text/plain"]
        assert len(output.data["text/html"]) < 100_000
    assert "widgets" not in notebook.metadata


def test_the_answers_are_in_the_page_that_is_made_of_it(notebook):
    """As an HTML document the notebook shows answers with their marks, and nothing of ours in it is a script."""
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "Hi Ana! A-17 is on its way." in page
    assert "thanks </ins>" in page
    assert "model not found" not in page
    for cell in notebook.cells[1:]:
        found = read(cell.outputs[0].data["text/html"])
        assert not {"script", "style", "img", "iframe", "a"} & set(found.elements)


def test_the_answers_are_in_markdown_too(notebook):
    """As Markdown, which code hosts and language models read, the notebook keeps the same table."""
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    assert "Hi Ana! A-17 is on its way." in text
