"""The grid of answers in JupyterLab: painted, driven by keys and clicks, saved, restarted and opened again."""

from __future__ import annotations

import re

import pytest

from tests.browser._lab import OpenNotebook, complaints_of, expect

pytestmark = pytest.mark.browser

SETUP = "from tests.widgets.answers import some_results"
SHOW = "results = some_results()\nresults"


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file, and what its page complained of."""
    with new_page() as page:
        complaints = complaints_of(page)
        notebook = OpenNotebook(page, lab, lab.write(SETUP, SHOW)).open()
        yield notebook
        assert complaints == []


@pytest.fixture
def grid(opened):
    """A new grid, painted, in a page of the usual size and theme."""
    opened.run()
    opened.page.set_viewport_size({"width": 1280, "height": 1000})
    return painted(opened.page)


def painted(page):
    """Returns the grid of a page once it has rows."""
    page.locator(".pk-grid .pk-row").first.wait_for()
    return page.locator(".pk-grid").first


def cell(grid, row, column):
    """Returns a cell by its place on the page; column 0 is the case."""
    return grid.locator(".pk-row").nth(row).locator(".pk-cell").nth(column)


def focused(page):
    """Returns the row and column that the focused cell tells to screen readers."""
    return page.evaluate(
        "[document.activeElement.parentElement.ariaRowIndex, document.activeElement.ariaColIndex].map(Number)"
    )


def at_cases(place, first, last):
    """Waits until a grid of 60 cases says that it shows these."""
    expect(place.locator(".pk-range")).to_have_text(f"{first}\N{EN DASH}{last} of 60")


def test_results_show_their_grid(grid, opened):
    """A cell that ends with results shows the first 25 cases with marked words, and its output has no widget in it."""
    expect(grid.locator(".pk-row")).to_have_count(25)
    expect(cell(grid, 0, 2).locator("ins").first).to_have_text("thanks ")
    expect(cell(grid, 1, 3)).to_contain_text("failed: timeout")
    expect(grid.locator(".pk-count")).to_have_text("60 cases")
    expect(opened.page.locator(".pk-static").first).to_be_hidden()
    assert sorted(opened.cells()[-1]["outputs"][0]["data"]) == ["text/html", "text/plain"]


def test_arrows_and_letters_move(grid, opened):
    """Arrows and h j k l move by one cell, Home and End to the ends, and nothing moves beyond them."""
    page = opened.page
    cell(grid, 0, 1).click()
    walked = []
    for key in ("ArrowDown", "j", "ArrowRight", "l", "l", "k", "h", "Home", "ArrowLeft", "End", "ArrowUp", "k"):
        page.keyboard.press(key)
        walked.append(focused(page))
    assert walked == [
        *([3, 2], [4, 2], [4, 3], [4, 4], [4, 4], [3, 4], [3, 3], [3, 1], [3, 1], [3, 4], [2, 4], [2, 4]),
    ]
    assert page.locator('.pk-grid [role="grid"] [tabindex="0"]').count() == 1


def test_pages_turn_by_keys_and_buttons(grid, opened):
    """The keys n and Page Down show the next 25 cases, p and Page Up those before, and the focus stays in the grid."""
    page = opened.page
    cell(grid, 3, 2).click()
    page.keyboard.press("n")
    at_cases(grid, 26, 50)
    assert focused(page) == [27, 3]
    page.keyboard.press("PageDown")
    at_cases(grid, 51, 60)
    page.keyboard.press("n")
    page.keyboard.press("p")
    at_cases(grid, 26, 50)
    grid.get_by_role("button", name="Previous").click()
    at_cases(grid, 1, 25)
    expect(grid.get_by_role("button", name="Previous")).to_be_disabled()


def test_filters_search_and_order(grid, opened):
    """Show, Find and Order change what is seen, and the count says how many of how many."""
    grid.get_by_label("Show").select_option("failures")
    expect(grid.locator(".pk-count")).to_have_text("2 of 60 cases")
    expect(grid.locator(".pk-row")).to_have_count(2)
    grid.get_by_label("Show").select_option("all")
    grid.get_by_label("Find").fill("a-40.")
    expect(grid.locator(".pk-count")).to_have_text("0 of 60 cases")
    expect(grid.locator(".pk-said")).to_contain_text("No case fits")
    grid.get_by_label("Find").fill("A-40")
    expect(grid.locator(".pk-count")).to_have_text("1 of 60 cases")
    grid.get_by_label("Find").fill("")
    grid.get_by_label("Order").select_option("difference")
    expect(cell(grid, 0, 0)).to_contain_text("Goran")
    grid.get_by_label("Show").select_option("regressions")
    expect(grid.locator(".pk-row").first).to_contain_text("▼ polite 0 (-1)")


def test_another_baseline_is_pinned(grid, opened):
    """Choosing a baseline marks the others against it, and its column says that it is the baseline."""
    grid.get_by_label("Baseline").select_option("1")
    expect(grid.locator(".pk-head").nth(2)).to_contain_text("baseline")
    expect(cell(grid, 0, 1).locator("ins").first).to_have_text("thank you ")
    expect(cell(grid, 0, 2).locator("ins, del")).to_have_count(0)


def test_marks_and_layouts(grid, opened):
    """The key d takes the marks away and brings them back; side by side has none; stacked names the arms."""
    removed = cell(grid, 0, 2).locator("del").first
    cell(grid, 0, 2).click()
    opened.page.keyboard.press("d")
    expect(removed).to_be_hidden()
    expect(cell(grid, 0, 2).locator(".pk-answer")).to_have_text(
        "Hello Ana, thanks for your message. Order A-17 left our warehouse yesterday and should arrive within three "
        "working days. If it does not, reply to this mail and we will refund the shipping.",
        use_inner_text=True,
    )
    opened.page.keyboard.press("d")
    expect(removed).to_be_visible()
    grid.get_by_role("button", name="Side by side").click()
    expect(removed).to_be_hidden()
    grid.get_by_role("button", name="Stacked").click()
    expect(cell(grid, 0, 2).locator(".pk-arm")).to_be_visible()


def test_a_cell_opens_and_closes(grid, opened):
    """Enter opens the whole answer, the messages and the raw response; Escape closes it and gives the focus back."""
    page = opened.page
    cell(grid, 0, 3).click()
    page.keyboard.press("Enter")
    box = grid.locator(".pk-open")
    expect(box).to_contain_text("Answer Ana, who asks where order A-17 is. Be polite.")
    box.get_by_text("Raw response").click()
    expect(box.locator(".pk-mono").last).to_contain_text('"finish_reason": "stop"')
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    assert focused(page) == [2, 4]
    page.keyboard.press("Enter")
    expect(grid.locator(".pk-open")).to_be_visible()
    page.keyboard.press("Enter")
    expect(grid.locator(".pk-open")).to_have_count(0)


def test_an_opened_cell_is_as_wide_as_what_is_seen(grid, opened):
    """A cell that was opened in a wide window is read without moving sideways in a narrow one."""
    cell(grid, 0, 1).dblclick()
    expect(grid.locator(".pk-open")).to_be_visible()
    opened.page.set_viewport_size({"width": 800, "height": 1000})
    scroll, box = grid.locator(".pk-scroll").bounding_box(), grid.locator(".pk-open").bounding_box()
    assert grid.locator(".pk-table").bounding_box()["width"] > scroll["width"]
    assert box["x"] + box["width"] <= scroll["x"] + scroll["width"]


def test_a_double_click_opens_a_cell(grid):
    """A cell is opened by a double click too, and closed by its button."""
    cell(grid, 1, 1).dblclick()
    expect(grid.locator(".pk-open")).to_contain_text("Raw response")
    grid.get_by_role("button", name="Close (Esc)").click()
    expect(grid.locator(".pk-open")).to_have_count(0)


def test_e_goes_to_the_next_failure(grid, opened):
    """The key e focuses the next cell without an answer, and says when the page has no more."""
    cell(grid, 0, 1).click()
    opened.page.keyboard.press("e")
    assert focused(opened.page) == [3, 4]
    opened.page.keyboard.press("e")
    expect(grid.locator(".pk-said")).to_contain_text("No further failure on this page")


def test_answers_are_rated_and_starred(grid, opened):
    """4 rates the focused answer and f stars it; both are in the cell, in words."""
    cell(grid, 0, 1).click()
    opened.page.keyboard.press("4")
    expect(cell(grid, 0, 1)).to_contain_text("human 4")
    opened.page.keyboard.press("f")
    expect(cell(grid, 0, 1)).to_contain_text("★ starred")
    opened.page.keyboard.press("f")
    expect(cell(grid, 0, 1)).not_to_contain_text("★ starred")
    assert focused(opened.page) == [2, 2]


@pytest.mark.parametrize("digit", ["1", "2", "3", "5"])
def test_each_digit_rates(grid, opened, digit):
    """The digits from 1 to 5 rate the focused answer; 0 and 6 do not."""
    cell(grid, 2, 1).click()
    opened.page.keyboard.press(digit)
    expect(cell(grid, 2, 1)).to_contain_text(f"human {digit}")
    for other in ("0", "6"):
        opened.page.keyboard.press(other)
    expect(cell(grid, 2, 1)).to_contain_text(f"human {digit}")


def test_the_score_that_counts_is_chosen(page, notebook):
    """With several scores, Score chooses the one by which regressions are told."""
    notebook(
        "from tests.results import runs\nfrom toolkit.results import Results\n"
        "scores = {'kind': [[1, 1], [1, 0]], 'short': [[1, 1], [0, 1]]}\n"
        "Results(runs.run([['a', 'b'], ['c', 'd']], scores=scores))"
    )
    grid = painted(page)
    grid.get_by_label("Show").select_option("regressions")
    expect(grid.locator(".pk-row")).to_have_count(1)
    expect(cell(grid, 0, 2)).to_contain_text("d")
    grid.get_by_label("Score").select_option("short")
    expect(cell(grid, 0, 2)).to_contain_text("c")


def test_ctrl_enter_is_the_notebook_s(grid, opened):
    """Ctrl with Enter in the grid runs the cell of the notebook, as anywhere else in it."""
    count = opened.cells()[-1]["execution_count"]
    cell(grid, 0, 1).click()
    opened.page.keyboard.press("Control+Enter")
    opened.page.wait_for_function(
        "(count) => window.jupyterapp.shell.currentWidget.content.widgets.at(-1).model.executionCount > count",
        arg=count,
    )
    opened.wait_idle()


def test_answers_and_pages_are_copied(grid, opened):
    """The key c copies the focused answer whole; Copy takes the page as a table."""
    page = opened.page
    cell(grid, 0, 3).click()
    page.keyboard.press("c")
    expect(grid.locator(".pk-said")).to_have_text("The answer is copied.")
    wanted = "Hi Ana! A-17 is on its way. Arrives in 3 days, or shipping is on us."
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    grid.get_by_role("button", name="Copy").click()
    expect(grid.locator(".pk-said")).to_have_text("The page is copied.")
    assert page.evaluate("navigator.clipboard.readText()").startswith("case\tsupport/delivery@5\t")


@pytest.mark.parametrize(
    ("button", "name"),
    [
        ("CSV", "results-run-1.csv"),
        ("Excel", "results-run-1.xlsx"),
        ("JSONL", "results-run-1.jsonl"),
        ("Markdown", "results-run-1.md"),
    ],
)
def test_an_export_is_downloaded_and_written(grid, opened, lab, button, name):
    """Each export gives the browser a file and writes the same one beside the notebook, and the grid says where."""
    written = lab.folder / name
    with opened.page.expect_download() as download:
        grid.get_by_role("button", name=button).click()
    assert download.value.suggested_filename == name
    assert download.value.path().read_bytes() == written.read_bytes()
    expect(grid.locator(".pk-said")).to_contain_text(f"Wrote {written}")


def test_an_error_in_the_kernel_is_said_in_the_grid(grid, lab):
    """When an export fails, the grid says what and why; Jupyter itself would show nothing."""
    blocked = lab.folder / "results-run-1.md"
    blocked.unlink(missing_ok=True)
    blocked.mkdir()
    grid.get_by_role("button", name="Markdown").click()
    expect(grid.locator(".pk-said.pk-failed")).to_contain_text("UsageError: ")
    blocked.rmdir()


@pytest.mark.parametrize("place", [".pk-row .pk-cell >> nth=1", ".pk-mode >> nth=1", ".pk-select >> nth=0", ".pk-find"])
def test_no_key_reaches_the_notebook(grid, opened, place):
    """Letters and digits pressed in the grid neither make nor cut nor merge nor retype cells of the notebook."""
    before = [(each["cell_type"], each["source"]) for each in opened.cells()]
    grid.locator(place).focus()
    for key in ("a", "b", "x", "d", "d", "z", "m", "y", "1", "2", "j", "k", "Shift+M", "c", "v"):
        opened.page.keyboard.press(key)
    assert [(each["cell_type"], each["source"]) for each in opened.cells()] == before


def test_tab_is_never_taken(grid, opened):
    """Tab goes from a cell to the control after the table, and back."""
    page = opened.page
    cell(grid, 2, 1).click()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Next \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
    page.keyboard.press("Shift+Tab")
    assert focused(page) == [4, 2]


def test_find_and_help_and_leaving(grid, opened):
    """/ goes to Find, Enter there back to the cells, ? shows the keys, and Escape leaves the grid."""
    page = opened.page
    cell(grid, 0, 1).click()
    page.keyboard.press("/")
    page.keyboard.type("Hanna")
    page.keyboard.press("Enter")
    expect(grid.locator(".pk-count")).to_have_text("7 of 60 cases")
    assert focused(page) == [2, 2]
    page.keyboard.press("?")
    expect(grid.locator(".pk-keys")).to_be_visible()
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('.pk-grid').contains(document.activeElement)")


def test_the_last_of_many_updates_arrives(grid, opened, page, notebook):
    """After 2,000 refreshes as fast as Python makes them, the grid shows the last state."""
    code = (
        f"{SETUP}\nresults = some_results(cases=4)\ngrid = results.grid()\ndisplay(results)\n"
        "for place in range(2000):\n"
        "    if place % 100 == 0: results.mark('t-0-0', place // 100)\n"
        "    grid.refresh()\n"
        "results.mark('t-0-0', 77)\ngrid.refresh()"
    )
    notebook(code)
    expect(cell(painted(page), 0, 1)).to_contain_text("human 77")


def test_the_page_can_be_loaded_again(page, lab):
    """After a reload of the page the grid is live again, on the page of cases where it was."""
    name = lab.write(SETUP, SHOW)
    notebook = OpenNotebook(page, lab, name).open().run()
    painted(page).get_by_role("button", name="Next").click()
    at_cases(page, 26, 50)
    notebook.save()
    notebook.open()
    at_cases(painted(page), 26, 50)
    page.locator(".pk-grid").get_by_role("button", name="Previous").click()
    at_cases(page, 1, 25)


def test_without_its_kernel_the_notebook_shows_the_answers(page, lab):
    """Saved, restarted and opened again, the output is the static grid, and no message of a widget that is missing."""
    notebook = OpenNotebook(page, lab, lab.write(SETUP, SHOW)).open().run()
    painted(page)
    saved = notebook.save()
    output = saved.cells[-1].outputs[0].data
    assert sorted(output) == ["text/html", "text/plain"]
    assert len(output["text/html"]) < 100_000
    assert "widgets" not in saved.metadata
    notebook.restart()
    expect(page.locator(".pk-static")).to_be_visible()
    expect(page.locator(".pk-grid")).to_have_count(0)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    notebook.open()
    expect(page.locator(".pk-static")).to_contain_text("Hi Ana! A-17 is on its way.")
    assert not re.search("Error displaying widget|Loading widget", page.locator(".jp-Notebook").inner_text())


def test_a_grid_that_is_closed_is_static_again(page, notebook):
    """Of ten results in one notebook the first two are static, since eight grids stay live, and none is an error."""
    notebook(SETUP, *["some_results(cases=2)"] * 10)
    expect(page.locator(".pk-grid:visible")).to_have_count(8)
    expect(page.locator(".pk-static").nth(0)).to_be_visible()
    expect(page.locator(".pk-static").nth(1)).to_be_visible()
    expect(page.locator(".pk-static").nth(2)).to_be_hidden()


def test_the_widget_can_be_part_of_another(page, notebook):
    """Inside a box of ipywidgets the grid is a view like any other."""
    notebook(f"{SETUP}\nimport ipywidgets, toolkit as tk\nipywidgets.VBox([tk.CompareGrid(some_results(cases=3))])")
    expect(painted(page).locator(".pk-row")).to_have_count(3)
