"""Traces from the grid in JupyterLab: a link where an answer has one, a key that opens it, words where none is."""

from __future__ import annotations

import re

import pytest

from tests.browser._lab import OpenNotebook
from tests.browser.test_grid_in_lab import cell, expect, painted

pytestmark = pytest.mark.browser

SETUP = """
from tests.widgets.answers import some_results
from toolkit.results import Results
results = Results(some_results(cases=3).view, traces={traces!r})
"""


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file.

    Its first answer has a trace, at the address of a page that is there, and its second has a bad one.
    """
    traces = {"t-0-0": f"{lab.url}/api/status", "t-1-0": "javascript:window.__xss=1"}
    with new_page() as page:
        yield OpenNotebook(page, lab, lab.write(SETUP.format(traces=traces), "results")).open()


@pytest.fixture
def traced(opened):
    """A new grid of that notebook, painted."""
    opened.run()
    return painted(opened.page)


def opened_by(page, act) -> str:
    """Returns the address of the page that something opens, once it is seen that it knows nothing of the notebook."""
    with page.context.expect_page() as found:
        act()
    popup = found.value
    popup.wait_for_load_state()
    assert popup.evaluate("[window.opener, document.referrer]") == [None, ""]
    address = popup.url
    popup.close()
    return address


def test_o_opens_the_trace(traced, lab):
    """The key o opens the selected answer's trace in a tab of its own, and the grid says so."""
    cell(traced, 0, 1).click()
    assert opened_by(traced.page, lambda: traced.page.keyboard.press("o")) == f"{lab.url}/api/status"
    expect(traced.locator(".pk-said")).to_have_text("The trace is opened in a tab of its own.")


def test_a_trace_that_is_made_later_is_opened_too(notebook, page, lab):
    """When the run is pushed after its grid was shown, o opens the trace without the grid being shown again."""
    opened = notebook(SETUP.format(traces={}), "results")
    cell(painted(page), 0, 1).click()
    opened.execute(f"results._traces = {{'t-0-0': '{lab.url}/api/status'}}")
    assert opened_by(page, lambda: page.keyboard.press("o")) == f"{lab.url}/api/status"


@pytest.mark.parametrize(("row", "column"), [(1, 1), (0, 2)])
def test_o_says_how_to_make_a_trace(traced, row, column):
    """Where an answer has no trace, or an address that is no page, o opens nothing and says what makes one."""
    before = len(traced.page.context.pages)
    cell(traced, row, column).click()
    traced.page.keyboard.press("o")
    expect(traced.locator(".pk-said")).to_have_text("No trace: results.to_langfuse() makes one.")
    assert len(traced.page.context.pages) == before


def test_a_trace_is_a_link(traced, lab):
    """An answer with a trace has a link to it among its chips and in its opened cell, to a tab of its own."""
    cell(traced, 0, 1).click()
    traced.page.keyboard.press("Enter")
    expect(traced.locator(".pk-open")).to_be_visible()
    links = traced.locator("a")
    expect(links).to_have_count(2)
    for place in range(2):
        expect(links.nth(place)).to_have_attribute("href", f"{lab.url}/api/status")
        expect(links.nth(place)).to_have_attribute("target", "_blank")
        expect(links.nth(place)).to_have_attribute("rel", re.compile("^noopener"))
        expect(links.nth(place)).to_have_attribute("referrerpolicy", "no-referrer")


def test_links_are_opened_by_click_and_by_key(traced, lab):
    """A click on the chip's link opens the trace, and so does Enter on the opened cell's."""
    assert opened_by(traced.page, cell(traced, 0, 1).locator("a").click) == f"{lab.url}/api/status"
    cell(traced, 0, 1).locator(".pk-answer").click()
    traced.page.keyboard.press("Enter")
    traced.locator(".pk-open a").focus()
    assert opened_by(traced.page, lambda: traced.page.keyboard.press("Enter")) == f"{lab.url}/api/status"
    expect(traced.locator(".pk-open")).to_be_visible()


def test_tab_goes_past_the_links_in_the_table(traced):
    """Tab goes from an answer with a trace to the control after the table."""
    cell(traced, 0, 1).locator(".pk-answer").click()
    traced.page.keyboard.press("Tab")
    expect(traced.page.locator(":focus")).to_have_text("Keys")


def test_the_help_has_the_key(traced):
    """The key ? shows that o opens the trace."""
    cell(traced, 1, 1).click()
    traced.page.keyboard.press("?")
    expect(traced.locator(".pk-keys")).to_contain_text("open the answer's trace")
