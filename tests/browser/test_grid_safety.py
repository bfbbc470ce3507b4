"""What models write stays text in the grid, and people who do not see or click can use it."""

from __future__ import annotations

import pytest

from tests.browser._lab import expect
from tests.browser.test_grid_in_lab import SETUP, SHOW, cell, painted
from tests.results import payloads

pytestmark = pytest.mark.browser

HOSTILE = """
from tests.results import payloads, runs
from toolkit.results import Results
texts = [text.replace("alert(1)", "(window.__xss=1,alert(1))") for text in payloads.HTML]
raw = [runs.response(text, raw={text: [text]}) for text in texts]
view = runs.run([texts, raw, [runs.failure(text, text) for text in texts]], variables=[{text: text} for text in texts],
                expected=texts, scores={texts[0]: [[1] * len(texts)] * 2 + [[None] * len(texts)]})
Results(view)
"""


def test_nothing_that_a_model_wrote_runs_or_loads(page, lab, notebook):
    """Of a corpus of attacks, nothing on a page or in an opened cell runs, opens a dialog or asks for an address."""
    asked, dialogs = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    notebook(HOSTILE)
    grid = painted(page)
    asked.clear()
    for _ in range(-(-len(payloads.HTML) // 25) - 1):
        page.wait_for_function("!document.querySelector('.pk-grid').ariaBusy")
        for row in range(0, 25, 6):
            cell(grid, row, 2).click()
            page.keyboard.press("Enter")
            expect(grid.locator(".pk-open")).to_be_visible()
            page.keyboard.press("Escape")
        before = grid.locator(".pk-range").inner_text()
        grid.get_by_role("button", name="Next").click()
        expect(grid.locator(".pk-range")).not_to_have_text(before)
    assert page.evaluate("window.__xss") is None
    assert dialogs == []
    # Lab itself asks its server how the kernel is, and for the picture of a busy one.
    own = (f"{lab.url}/api/", f"{lab.url}/static/favicons/", f"{lab.url}/lab/api/", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert (
        grid.locator("script, img, iframe, svg, object, embed, link, style, form, a, video, audio, base").count() == 0
    )


def test_dollars_are_money(page, notebook):
    """Answers with dollars are not set as mathematics, live or static."""
    notebook(
        "from tests.results import runs\nfrom toolkit.results import Results\n"
        r"Results(runs.run([[r'Costs $5 and then $6, or \(7\)']]))"
    )
    expect(cell(painted(page), 0, 1).locator(".pk-answer")).to_have_text(r"Costs $5 and then $6, or \(7\)")
    assert page.locator(".toolkit-results mjx-container, .toolkit-results .MathJax").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_grid_is_accessible(page, notebook, theme):
    """In either theme, axe finds nothing wrong in the grid: names, roles, focus, contrast; a cell opened or not."""
    from axe_playwright_python.sync_playwright import Axe

    opened = notebook(SETUP, SHOW)
    opened.use_theme(theme)
    grid = painted(page)
    cell(grid, 0, 2).click()
    page.keyboard.press("Enter")
    expect(grid.locator(".pk-open")).to_be_visible()
    page.keyboard.press("?")
    found = Axe().run(page, context=".pk-grid").response["violations"]
    assert [(each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]][:3]) for each in found] == []
