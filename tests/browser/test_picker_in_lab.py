"""The prompt picker in JupyterLab: every field typed in, every list chosen from, every button pressed."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, complaints_of, expect

pytestmark = pytest.mark.browser

SETUP = """
import tempfile
from pathlib import Path
import toolkit as tk
from tests.widgets.worlds import CASES, make_engine
folder = Path(tempfile.mkdtemp())
engine = make_engine(folder)
picker = tk.PromptPicker("reply", cases=CASES, engine=engine)
picker
"""


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file, and what its page complained of."""
    with new_page() as page:
        complaints = complaints_of(page)
        yield OpenNotebook(page, lab, lab.write(SETUP, "picker.value")).open()
        assert complaints == []


@pytest.fixture
def page(opened):
    """A page with a new picker, which shows the three choices of `reply`."""
    opened.run()
    expect(opened.page.locator(".pk-versions option")).to_have_count(3)
    expect(panel(opened.page)).to_contain_text("Dear Ana, order A-17.")
    return opened.page


def panel(page):
    """What the tabs show."""
    return page.locator(".pk-tabs .widget-tab-contents, .pk-tabs .lm-StackedPanel").first


def test_a_name_is_found_by_a_part_of_it(page) -> None:
    """Letters narrow the names that are offered, and a whole name brings its versions."""
    name = page.get_by_label("Name", exact=True)
    name.fill("")
    name.press_sequentially("gre")
    expect(page.locator(".pk-name datalist option")).to_have_count(1)
    name.press_sequentially("et")
    expect(panel(page)).to_contain_text("no value: tone")
    expect(page.locator(".pk-versions option")).to_have_count(1)


def test_every_tab_shows_its_view(page) -> None:
    """Diff has the words that differ from what is compared with, Config the params, JSON the record."""
    page.get_by_label("Versions").select_option(index=[1])
    expect(panel(page)).to_contain_text("Hello Ana")
    page.get_by_role("tab", name="Diff").click()
    expect(page.locator(".pk-tabs ins", has_text="Hello")).to_be_visible()
    page.get_by_label("Compare with").select_option("nothing")
    expect(panel(page)).to_contain_text("Compare with: nothing.")
    page.get_by_role("tab", name="Config").click()
    expect(page.locator(".pk-tabs td", has_text="0.5")).to_be_visible()
    page.get_by_role("tab", name="JSON").click()
    expect(page.locator(".pk-tabs pre", has_text='"template"')).to_be_visible()


def test_the_preview_follows_the_case_and_what_is_typed(page) -> None:
    """Another case fills the preview anew; a value that is typed stands in it at once; an emptied one is empty."""
    case = page.get_by_label("Case", exact=True)
    case.fill("1")
    case.press("Enter")
    expect(panel(page)).to_contain_text("Dear Bo, order B-2.")
    page.get_by_label("order", exact=True).fill("X-1")
    expect(panel(page)).to_contain_text("Dear Bo, order X-1.")
    page.get_by_label("order", exact=True).fill("")
    expect(panel(page)).to_contain_text("Dear Bo, order .")


def test_versions_are_added_and_removed(page, opened) -> None:
    """Added versions are the value, whatever is highlighted next, until their button removes them."""
    page.get_by_role("button", name="Add to sweep").click()
    remove = page.get_by_role("button", name="Remove folder:reply@1")
    expect(remove).to_be_visible()
    page.get_by_label("Versions").select_option(index=[1])
    page.get_by_role("button", name="Add to sweep").click()
    expect(page.get_by_role("button", name="Remove folder:reply@2")).to_be_visible()
    remove.click()
    expect(remove).to_have_count(0)
    opened.run_cell(1)
    assert opened.printed(1) == "['folder:reply@2']"


def test_refresh_shows_what_was_written_meanwhile(page, opened) -> None:
    """After Refresh a version is there that was written since the picker was made."""
    opened.execute("(folder / 'prompts' / 'reply.v3.prompt').write_text('Third {{name}}.')")
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.locator(".pk-versions option", has_text="3 · ")).to_have_count(1)


def test_the_code_is_copied(page) -> None:
    """Copy puts the line of Python on the clipboard, and says so."""
    page.locator(".pk-code").get_by_role("button", name="Copy").click()
    expect(page.locator(".pk-code-status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "tk.prompt('folder:reply@1')"


def test_what_a_source_refuses_is_said_in_the_picker(page, opened) -> None:
    """When a source breaks, the picker says what and why in its own line; Jupyter itself would show nothing."""
    opened.execute("(folder / 'prompts' / 'reply.v2.prompt').write_text('---\\nmodel: [\\n---\\nx')")
    page.get_by_role("button", name="Refresh", exact=True).click()
    page.get_by_label("Versions").select_option(index=[1])
    expect(page.locator(".pk-status").last).to_contain_text("reply.v2.prompt")
