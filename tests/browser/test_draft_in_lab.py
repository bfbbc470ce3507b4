"""The draft of a prompt picker in JupyterLab: typed with real keys, compared as it is typed, written by its button."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, complaints_of, expect

pytestmark = pytest.mark.browser

SETUP = """
import tempfile
from pathlib import Path
import toolkit as tk
from tests.widgets.worlds import make_engine
folder = Path(tempfile.mkdtemp())
engine = make_engine(folder)
picker = tk.PromptPicker("reply", engine=engine)
picker
"""
READ = "print(sorted(path.name for path in (folder / 'prompts').glob('reply*')), picker.value)"


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file, and what its page complained of."""
    with new_page() as page:
        complaints = complaints_of(page)
        yield OpenNotebook(page, lab, lab.write(SETUP, READ)).open()
        assert complaints == []


@pytest.fixture
def page(opened):
    """A page with a new picker whose draft has the text of `reply@1`."""
    opened.run_cell(0)
    page = opened.page
    page.get_by_role("tab", name="Draft").click()
    expect(field(page)).to_have_value("Dear {{name}}, order {{order}}.")
    return page


def field(page):
    """The field with the text."""
    return page.locator(".pk-draft-text textarea").first


def test_every_key_is_typed_and_none_reaches_the_notebook(opened, page) -> None:
    """Keys that mean something to a notebook are letters here, Enter a new line and Escape no command."""
    before = [(each["cell_type"], each["source"]) for each in opened.cells()]
    field(page).fill("")
    field(page).press_sequentially("abxddzmy12jk")
    field(page).press("Enter")
    field(page).press_sequentially("00cv {{name}}")
    expect(field(page)).to_have_value("abxddzmy12jk\n00cv {{name}}")
    for key in ("Escape", "d", "d", "a"):
        page.locator(".pk-draft-save").focus()
        page.keyboard.press(key)
    assert [(each["cell_type"], each["source"]) for each in opened.cells()] == before


def test_the_difference_follows_what_is_typed(page) -> None:
    """Words that are typed are marked as added while they are typed, and markup stays text."""
    field(page).press("End")
    field(page).press_sequentially(" <b>Bye</b>")
    expect(page.locator(".pk-draft ins", has_text="<b>Bye</b>")).to_be_visible()
    expect(page.locator(".pk-draft b")).to_have_count(0)


def test_the_button_writes_a_version_that_is_picked(opened, page) -> None:
    """The button writes the text as a new file, tells its reference and its code, and the picker picks it."""
    field(page).fill("Hi {{name}}.")
    page.get_by_label("Message", exact=True).fill("shorter")
    page.locator(".pk-draft-save").click()
    expect(page.locator(".pk-status").first).to_contain_text("folder:reply@3 is written.")
    expect(page.locator(".pk-draft")).to_contain_text("tk.push_prompt('folder:reply@1', 'Hi {{name}}.'")
    expect(page.locator(".pk-versions option", has_text="shorter")).to_have_count(1)
    expect(field(page)).to_have_value("Hi {{name}}.")
    opened.run_cell(1)
    expected = "['reply.v1.prompt', 'reply.v2.prompt', 'reply.v3.prompt'] ['folder:reply@3']"
    assert opened.printed(1).strip() == expected


def test_a_draft_that_changes_nothing_is_refused_on_the_page(page) -> None:
    """Pressed without a change, the button writes nothing, and the status line says why."""
    page.locator(".pk-draft-save").click()
    expect(page.locator(".pk-status").first).to_contain_text("Nothing is changed")
    expect(page.locator(".pk-draft-save")).to_be_enabled()
