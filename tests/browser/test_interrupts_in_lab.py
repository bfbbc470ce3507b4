"""The stop button of JupyterLab during a sweep, and the completion of prompt names while a cell is typed."""

from __future__ import annotations

import ast
import contextlib
import time

import pytest

from tests.browser._lab import MOST_MS, OpenNotebook, expect
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

# The first three calls are answered, the others never.
HOLDING = """
class Holding(FakeProvider):
    async def complete(self, request, *, timeout_s):
        if len(self.requests) >= 3:
            await asyncio.Event().wait()
        return await super().complete(request, timeout_s=timeout_s)

holding = Holding(lambda request: "Answer to " + request.messages[-1].content)
set_default_engine(make_engine(Path(tempfile.mkdtemp()), provider=holding))
"""
BLOCKING = "results = tk.sweep(['reply@1'], variables=cases, concurrency=4)"
AWAITED = "results = await tk.asweep(['reply@1'], variables=cases, concurrency=4)"
COUNTED = "results.df.status.value_counts().to_dict()"


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file."""
    with new_page() as page:
        yield OpenNotebook(
            page, lab, lab.write(SETUP, HOLDING, BLOCKING, AWAITED, COUNTED, "%load_ext toolkit", "")
        ).open()


@pytest.mark.parametrize("number", [2, 3], ids=["blocking", "awaited"])
def test_the_stop_button_keeps_what_was_answered(opened, number) -> None:
    """Interrupted, a cell that sweeps ends without an error and has the answers that had come, and says so."""
    page = opened.page
    opened.run_cell(0)
    opened.run_cell(1)
    opened.start_cell(number)
    cell = page.locator(".jp-CodeCell").nth(number)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("3/60")
    opened.command("notebook:interrupt-kernel")
    opened.wait_idle()
    expect(cell.locator(".jp-OutputArea")).to_contain_text("tk.resume(")
    assert [each for each in opened.cells()[number]["outputs"] if each["output_type"] == "error"] == []
    opened.run_cell(4)
    counts = ast.literal_eval(opened.printed(4))
    assert counts["ok"] == 3
    assert sum(counts.values()) == 60


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ('tk.prompt("rep', "reply"),
        ('tk.prompts["gr', "greet"),
        ('tk.sweep(["reply@pro', "reply@production"),
    ],
)
def test_tab_completes_names_of_prompts(opened, typed, wanted) -> None:
    """Behind the quote where a prompt is named, Tab offers the names and versions that the sources hold."""
    page = opened.page
    opened.run_cell(0)
    opened.run_cell(5)
    editor = page.locator(".jp-CodeCell").nth(6).locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(typed)
    found = page.locator(".jp-Completer-item", has_text=wanted).or_(editor.filter(has_text=wanted)).first
    # JupyterLab drops an answer that takes longer than a second, as the first one may: it is asked again.
    until = time.monotonic() + MOST_MS / 1_000
    while not found.is_visible() and time.monotonic() < until:
        page.keyboard.press("Tab")
        with contextlib.suppress(AssertionError):
            expect(found).to_be_visible(timeout=3_000)
    expect(found).to_be_visible(timeout=1)
    page.keyboard.press("Escape")
