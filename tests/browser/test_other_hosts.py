"""Notebook 7 and Voila: the widgets do there what they do in JupyterLab."""

from __future__ import annotations

import pytest

from tests.browser._lab import OpenNotebook, expect, running_lab, running_voila
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

FORM = "tk.SweepForm(cases[:2], prompt='reply', models=['fake/m'])"
PICKER = "tk.PromptPicker('reply', cases=cases)"
GRID = "from tests.widgets.answers import some_results\nsome_results()"
VOTE = "tk.BlindVote(some_results(16, arms=2), voter='ana')"


@pytest.fixture(scope="module", params=["notebook", "voila"])
def shown(request, new_page, tmp_path_factory):
    """A page with a form, a picker, a grid and a vote, and the notebook where there are cells to be counted."""
    folder = tmp_path_factory.mktemp(request.param)
    is_voila = request.param == "voila"
    with running_voila(folder) if is_voila else running_lab(folder, app="notebook") as host, new_page() as page:
        name = host.write(SETUP, FORM, PICKER, GRID, VOTE)
        notebook = None if is_voila else OpenNotebook(page, host, name).open().run()
        if is_voila:
            page.goto(host.address(name))
        page.locator(".pk-grid .pk-row").first.wait_for()
        page.locator(".pk-vote .pk-answer").first.wait_for()
        yield page, notebook


def grid_of(page):
    """The grid that stands by itself."""
    return page.locator(".pk-grid:visible").filter(has_text="support/delivery").first


def test_the_grid_turns_and_opens_by_keys(shown) -> None:
    """In each host the grid moves, turns its page and opens a cell by keys."""
    page, _ = shown
    grid = grid_of(page)
    grid.locator(".pk-row").first.locator(".pk-cell").nth(1).click()
    page.keyboard.press("n")
    expect(grid.locator(".pk-range")).to_have_text("26\N{EN DASH}50 of 60")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(grid.locator(".pk-open")).to_contain_text("Raw response")
    page.keyboard.press("Escape")
    expect(grid.locator(".pk-open")).to_have_count(0)


def test_the_vote_takes_keys(shown) -> None:
    """In each host a key votes, and u takes the vote back."""
    page, _ = shown
    vote = page.locator(".pk-vote:visible")
    vote.locator(".pk-body").focus()
    page.keyboard.press("1")
    expect(vote.locator(".pk-place")).to_contain_text("Pair 2 of")
    page.keyboard.press("u")
    expect(vote.locator(".pk-place")).to_contain_text("Pair 1 of")


def test_the_picker_shows_and_the_form_runs(shown) -> None:
    """In each host the picker fills its preview, and the form sweeps when Run is pressed, with its progress shown."""
    page, _ = shown
    expect(page.locator(".pk-picker .pk-tabs").last).to_contain_text("Dear Ana0, order A-17.")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".pk-form .pk-run > .pk-status")).to_contain_text("ended · 2 of 2")
    expect(page.locator(".pk-form .pk-run")).to_contain_text("Answer to Dear Ana0")


def test_ctrl_enter_runs_the_form(shown) -> None:
    """In each host Ctrl with Enter presses Run, also where a button or a list has the focus."""
    page, _ = shown
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    page.locator(".pk-form .pk-models select").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".pk-form .pk-run > .pk-status")).to_contain_text("2 from the store")


def test_no_key_reaches_the_notebook(shown) -> None:
    """Where there are cells, no letter that is pressed in a widget makes, cuts or deletes one."""
    page, notebook = shown
    places = (".pk-form .pk-run-button", ".pk-form .pk-models select", ".pk-vote:visible .pk-body", ".pk-mode:visible")
    for place in places:
        for key in ("a", "b", "x", "d", "d", "z", "m", "y", "j", "k"):
            page.locator(place).first.focus()
            page.keyboard.press(key)
    if notebook is not None:
        assert [each["cell_type"] for each in notebook.cells()] == ["code"] * 5
        assert [sorted(output["data"]) for cell in notebook.cells()[1:] for output in cell["outputs"]] == [
            ["text/html", "text/plain"]
        ] * 4
    expect(page.locator(".pk-form:visible, .pk-vote:visible")).to_have_count(2)
