"""Keys in widgets that are made of ipywidgets: none of them makes, cuts or deletes a cell of the notebook."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, expect
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

SHOWN = """
import ipywidgets
form = tk.SweepForm(cases[:2], prompt="reply", models=["fake/m"])
run = tk.start_sweep(["reply@1"], variables=cases[:2], progress="off")
run.wait()
display(form, tk.PromptPicker("reply"), tk.RunProgress(run))
ipywidgets.VBox([tk.PromptPicker("greet")])
"""
KEYS = ("a", "b", "x", "d", "d", "z", "m", "y", "1", "2", "j", "k", "Shift+M", "c", "v", "Escape")


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook with the form, the picker, a run's progress, and a picker in a box of somebody else's."""
    with new_page() as page:
        notebook = OpenNotebook(page, lab, lab.write(SETUP, SHOWN)).open().run()
        expect(page.locator(".pk-form .pk-versions option")).to_have_count(3)
        expect(page.locator(".pk-versions").nth(2).locator("option")).to_have_count(1)
        yield notebook


@pytest.mark.parametrize(
    "place",
    [
        ".pk-form .pk-run-button",
        ".pk-form .pk-models select",
        ".pk-form .pk-baseline select",
        ".pk-form .pk-repeats input",
        ".pk-form .pk-params textarea",
        ".pk-form > .pk-code .pk-code-copy",
        ".pk-form .pk-name input",
        ".pk-form .pk-versions select",
        ".pk-form .pk-tabs [role=tab] >> nth=0",
        ".pk-picker .pk-refresh >> nth=1",
        ".pk-picker .pk-add >> nth=1",
        ".pk-picker .pk-add >> nth=2",
    ],
)
def test_no_key_reaches_the_notebook(opened, place) -> None:
    """Letters and digits pressed in a field, list, tab or button change no cell, in whatever box it stands."""
    page = opened.page
    before = [(each["cell_type"], each["source"]) for each in opened.cells()]
    for key in KEYS:
        page.locator(place).focus()
        page.keyboard.press(key)
    assert [(each["cell_type"], each["source"]) for each in opened.cells()] == before


def test_tab_goes_through_a_form(opened) -> None:
    """Tab goes on from field to field and is never taken."""
    page = opened.page
    page.get_by_label("Repeats", exact=True).focus()
    names = []
    for _ in range(2):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.labels[0].textContent"))
    assert names == ["Budget USD", "Concurrency"]
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.labels[0].textContent") == "Budget USD"


def test_tabs_of_the_picker_go_by_arrows(opened) -> None:
    """The arrow keys go from one tab of the picker to the next, as everywhere."""
    page = opened.page
    tab = page.locator(".pk-form .pk-tabs [role=tab]")
    tab.nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(tab.nth(1)).to_have_attribute("aria-selected", "true")
