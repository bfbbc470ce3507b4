"""The sweep form in JupyterLab, field by field: what each does to plan and code, and what is said of mistakes."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, complaints_of, expect
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

FORM = """
from toolkit.errors import AuthenticationError
others = [{"name": "Zoe", "order": "Z-9"}]
form = tk.SweepForm({"cases": cases, "others": others}, prompt="reply", models=["fake/m", "fake/n"])
form
"""

REFUSING = """
async def refuse(self, request, *, timeout_s):
    raise AuthenticationError("no such key", provider="fake", model="m")
Held.complete = refuse
"""


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file, and what its page complained of."""
    with new_page() as page:
        complaints = complaints_of(page)
        yield OpenNotebook(page, lab, lab.write(SETUP, FORM, "form.results.df.status.value_counts().to_dict()")).open()
        assert complaints == []


@pytest.fixture
def page(opened):
    """A page with a new form, which shows the plan of 60 trials."""
    opened.run_cell(0)
    opened.run_cell(1)
    plan_says(opened.page, "60 to send")
    return opened.page


def plan_says(page, words):
    """Waits until the plan's line holds these words."""
    expect(page.locator(".pk-form > .pk-status").first).to_contain_text(words)


def code_says(page, words):
    """Waits until the code of the whole form holds these words."""
    expect(page.locator(".pk-form > .pk-code .pk-code-text")).to_contain_text(words)


def typed(page, label, text):
    """Types into a field and leaves it."""
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")


def test_models_make_arms(page) -> None:
    """Each model that is chosen or typed is an arm of the plan, and stands in the code."""
    page.get_by_label("Models", exact=True).select_option(["fake/m", "fake/n"])
    plan_says(page, "120 to send")
    typed(page, "More models", "fake/o")
    plan_says(page, "180 to send")
    code_says(page, "models=['fake/m', 'fake/n', 'fake/o']")


def test_cases_rows_and_seed_choose_what_is_swept(page) -> None:
    """Another table, the first rows or a sample of them change the plan; seed and number are seen while they count."""
    expect(page.get_by_label("How many", exact=True)).to_be_hidden()
    page.get_by_label("Rows", exact=True).select_option("the first")
    plan_says(page, "5 to send")
    typed(page, "How many", "7")
    plan_says(page, "7 to send")
    expect(page.get_by_label("Seed", exact=True)).to_be_hidden()
    page.get_by_label("Rows", exact=True).select_option("a sample of")
    typed(page, "Seed", "3")
    code_says(page, "3")
    page.get_by_label("Cases", exact=True).select_option(index=1)
    page.get_by_label("Rows", exact=True).select_option("all rows")
    plan_says(page, "1 to send")


def test_a_file_of_cases_is_named(page, lab) -> None:
    """A path that is typed is read as the cases; one that is not there is told, and Run cannot be pressed."""
    (lab.folder / "named.csv").write_text("name,order\nUma,U-1\nVic,V-2\n", encoding="utf-8")
    page.get_by_label("Cases", exact=True).select_option("a file")
    plan_says(page, "Name a file with the cases")
    typed(page, "File", "not-there.csv")
    plan_says(page, "not-there.csv")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    typed(page, "File", "named.csv")
    plan_says(page, "2 to send")


def test_params_repeats_and_limits_are_in_the_code(page) -> None:
    """Params, repeats, baseline, budget and concurrency change the plan and the code; what cannot be read is told."""
    typed(page, "Params", '{"temperature": 0}\n{"temperature": 1}')
    plan_says(page, "120 to send")
    typed(page, "Repeats", "3")
    plan_says(page, "360 to send")
    page.get_by_label("Baseline", exact=True).select_option("folder:reply@1")
    typed(page, "Concurrency", "4")
    for words in ("repeats=3", "baseline='folder:reply@1'", "concurrency=4", "{'temperature': 1}"):
        code_says(page, words)
    typed(page, "Params", "hot")
    plan_says(page, "Params, line 1")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    typed(page, "Params", "")
    typed(page, "Budget USD", "lots")
    plan_says(page, "'lots'")
    typed(page, "Budget USD", "0.5")
    code_says(page, "budget_usd=0.5")
    # No price is known for the model: a budget could not be kept.
    plan_says(page, "price")


def test_ctrl_enter_runs(page, opened) -> None:
    """Ctrl with Enter in a field presses Run, and runs no cell."""
    count = opened.cells()[1]["execution_count"]
    page.get_by_label("Rows", exact=True).select_option("the first")
    plan_says(page, "5 to send")
    typed(page, "How many", "2")
    plan_says(page, "2 to send")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    page.get_by_label("How many", exact=True).press("Control+Enter")
    expect(page.locator(".pk-run > .pk-status")).to_contain_text("ended · 2 of 2")
    expect(page.locator(".pk-run")).to_contain_text("Answer to Dear Ana0")
    assert opened.cells()[1]["execution_count"] == count


def test_failures_are_told_while_a_run_goes(page, opened) -> None:
    """A provider that refuses is counted and told by kind and message in the form; the rows say it too."""
    opened.execute(REFUSING)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".pk-failures")).to_contain_text("times auth: no such key")
    expect(page.locator(".pk-run > .pk-status")).to_contain_text("ended")
    opened.run_cell(2)
    assert "'failed'" in opened.printed(2)


def test_what_breaks_in_the_form_is_said_in_it(page, opened) -> None:
    """An error behind a button is words in the form's own line, never lost; Jupyter itself would show nothing."""
    opened.execute("import toolkit.widgets._form as broken\ndef begin(*a, **k): raise OSError('the disk is full')")
    opened.execute("kept, broken.start_sweep = broken.start_sweep, begin")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".pk-form > .pk-status").nth(1)).to_contain_text("OSError: the disk is full")
    opened.execute("broken.start_sweep = kept")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
