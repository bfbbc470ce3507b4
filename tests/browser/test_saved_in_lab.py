"""Notebooks with widgets, saved: what is in the file, what a reader sees without a kernel, and that no key is in it."""

from __future__ import annotations

import re

import pytest

from tests.browser._lab import OpenNotebook, expect
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

KEYS = ("osprey-credential-4412", "kestrel-credential-9034")
SHOWN = """
import os
os.environ["OPENAI_API_KEY"], os.environ["ANTHROPIC_API_KEY"] = "KEY-0", "KEY-1"
form = tk.SweepForm(cases[:2], prompt="reply", models=["fake/m", "openai/gpt-4o-mini"])
form
"""
PICKED = "picker = tk.PromptPicker('reply', cases=cases[:2])\npicker.settle()\npicker"
RUN = "run = tk.start_sweep(['reply@1'], variables=cases[:2], progress='off')\nrun.wait()\ntk.RunProgress(run)"
ENDED = "form.results"
DOCTOR = "tk.doctor(check=False)"


@pytest.fixture(scope="module")
def saved(new_page, lab):
    """A notebook in which a form was run and everything was shown, saved with the state of its widgets."""
    shown = SHOWN.replace("KEY-0", KEYS[0][:6] + "' + '" + KEYS[0][6:]).replace(
        "KEY-1", KEYS[1][:6] + "' + '" + KEYS[1][6:]
    )
    with new_page() as page:
        notebook = OpenNotebook(page, lab, lab.write(SETUP, shown.replace('"', "'"), PICKED, RUN, DOCTOR, ENDED)).open()
        notebook.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
        for number in range(5):
            notebook.run_cell(number)
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".pk-form .pk-run > .pk-status")).to_contain_text("ended · 2 of 2")
        notebook.run_cell(5)
        expect(page.locator(".pk-grid:visible").first).to_contain_text("Answer to Dear Ana0")
        yield notebook, notebook.save()


def test_no_key_is_in_a_saved_notebook(saved, lab) -> None:
    """With the state of every widget saved, no key of the environment is in the file."""
    notebook, content = saved
    assert len(content.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]) > 50
    text = (lab.folder / notebook.name).read_text(encoding="utf-8")
    assert [key for key in KEYS if key in text] == []


def test_no_output_refers_to_a_widget(saved) -> None:
    """Every output of ours is HTML and text: a reference to a widget would be an error message one day."""
    _, content = saved
    kinds = [sorted(output.data) for cell in content.cells[1:] for output in cell.outputs]
    assert kinds == [["text/html", "text/plain"]] * 5


def test_a_saved_notebook_reads_without_a_kernel(saved, page, lab) -> None:
    """Opened again without its kernel, form, picker, run and results read as HTML, and no error is shown."""
    notebook, _ = saved
    text = (lab.folder / notebook.name).read_text(encoding="utf-8")
    (lab.folder / "again.ipynb").write_text(text, encoding="utf-8")
    again = OpenNotebook(page, lab, "again.ipynb").open()
    still = page.locator(".pk-static")
    expect(still).to_have_count(4)
    expect(still.nth(0)).to_contain_text("Sweep form.")
    expect(still.nth(1)).to_contain_text("Prompts picked: folder:reply@1")
    expect(still.nth(1)).to_contain_text("Dear Ana0, order A-17.")
    expect(still.nth(2)).to_contain_text("Answer to Dear Bo1, order B-2.")
    expect(still.nth(3)).to_contain_text("Answer to Dear Bo1, order B-2.")
    assert not re.search("Error displaying widget|Loading widget", page.locator(".jp-Notebook").inner_text())
    assert len(again.cells()) == 6


def test_a_restart_leaves_the_static_form(saved) -> None:
    """When the kernel is restarted, boxes make way for their static form; run again, they are live again."""
    notebook, _ = saved
    page = notebook.page
    expect(page.locator(".pk-form:visible")).to_have_count(1)
    notebook.restart()
    expect(page.locator(".pk-form, .pk-picker, .pk-grid")).to_have_count(0)
    expect(page.locator(".pk-static:visible")).to_have_count(4)
    for number in range(3):
        notebook.run_cell(number)
    expect(page.locator(".pk-form .pk-versions option")).to_have_count(3)
    expect(page.locator(".pk-static:visible")).to_have_count(2)
