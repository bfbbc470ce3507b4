"""The sweep form in JupyterLab: typed, clicked, run, reloaded, stopped; the magic and the check-up beside it."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, expect

pytestmark = pytest.mark.browser

SETUP = """
import asyncio, tempfile
from pathlib import Path
import toolkit as tk
from tests.widgets.worlds import CASES, make_engine
from toolkit.engine import set_default_engine
from toolkit.testing import FakeProvider

class Held(FakeProvider):
    async def complete(self, request, *, timeout_s):
        while len(self.requests) >= held:
            await asyncio.sleep(0.05)
        return await super().complete(request, timeout_s=timeout_s)

held = 1_000_000
answering = Held(lambda request: "Answer to " + request.messages[-1].content)
set_default_engine(make_engine(Path(tempfile.mkdtemp()), provider=answering))
cases = [{**case, "name": f"{case['name']}{number}"} for number, case in enumerate(CASES * 20)]
"""
FORM = "form = tk.SweepForm(cases, models=['fake/m'])\nform"


def pick_reply(page):
    """Types a part of the prompt's name, then the rest, and waits for its versions."""
    name = page.locator(".pk-name input")
    name.click()
    page.keyboard.type("rep", delay=40)
    page.wait_for_function("document.querySelectorAll('.pk-name datalist option').length === 1")
    page.keyboard.type("ly", delay=40)
    expect(page.locator(".pk-versions option")).to_have_count(3)


def words_of_run(page):
    """Where the form says how far its run is."""
    return page.locator(".pk-run > .pk-status")


def test_prompts_are_picked_by_typing_and_compared(notebook, page) -> None:
    """Letters narrow the names, a name brings versions, preview and code, and the tab Diff the words that differ."""
    notebook(SETUP, FORM)
    pick_reply(page)
    expect(page.locator(".pk-picker .pk-code-text")).to_have_text("tk.prompt('folder:reply@1')")
    expect(page.locator(".pk-tabs")).to_contain_text("Dear Ana0, order A-17.")
    page.get_by_label("order", exact=True).fill("X-1")
    expect(page.locator(".pk-tabs")).to_contain_text("Dear Ana0, order X-1.")
    page.get_by_label("Versions").select_option(index=[1, 2])
    page.get_by_role("tab", name="Diff").click()
    expect(page.locator(".pk-tabs ins").first).to_be_visible()
    expect(page.locator(".pk-form > .pk-code .pk-code-text")).to_contain_text(
        "prompts=['folder:reply@1', 'folder:reply@2']"
    )


def test_a_run_survives_a_reload_and_is_stopped(notebook, page) -> None:
    """The plan follows what is clicked; the run goes on while the page is reloaded, shows again, and Stop ends it."""
    opened: OpenNotebook = notebook(SETUP.replace("held = 1_000_000", "held = 8"), FORM)
    pick_reply(page)
    expect(page.locator(".pk-form > .widget-html .pk").filter(has_text="60 to send, 0 stored").first).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(words_of_run(page)).to_contain_text("8 of 60")
    opened.command("docmanager:save")
    opened.open(as_it_was=True)
    expect(words_of_run(page)).to_contain_text("running")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Stop now", exact=True)).to_be_visible()
    opened.execute("held = 1_000_000")
    expect(words_of_run(page)).to_contain_text("tk.resume(")
    expect(page.locator(".pk-run")).to_contain_text("Answer to Dear")


def test_a_prompt_is_worked_on_in_a_cell(notebook, page) -> None:
    """`%%prompt` shows words that changed and answers, with dollars as dollars; the check-up shows itself beside."""
    notebook(
        SETUP, "%load_ext toolkit", "%%prompt reply@1 -c cases\nHey {{name}}, $5 and then $6.", "tk.doctor(check=False)"
    )
    outputs = page.locator(".jp-OutputArea-output")
    expect(outputs.filter(has_text="Answer to Hey Ana0, $5 and then $6.").last).to_be_visible()
    expect(page.locator(".jp-OutputArea-output ins").first).to_be_visible()
    assert page.locator(".jp-OutputArea-output mjx-container").count() == 0
    expect(page.locator(".toolkit-doctor")).to_contain_text("things looked at")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_form_is_accessible(notebook, page, theme) -> None:
    """In either theme, axe finds nothing wrong in the form once its prompt, its plan and a run are shown."""
    from axe_playwright_python.sync_playwright import Axe

    opened = notebook(SETUP, FORM)
    opened.use_theme(theme)
    pick_reply(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(words_of_run(page)).to_contain_text("ended")
    found = Axe().run(page, context=".pk-form").response["violations"]
    assert [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found] == []
