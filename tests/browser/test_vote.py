"""The blind vote in JupyterLab: voted by keys and clicks, undone, left and gone on with, safe and usable by all."""

from __future__ import annotations

import os
import re

import pytest

from tests.browser._lab import OpenNotebook, complaints_of, expect
from tests.results import payloads

pytestmark = pytest.mark.browser

SETUP = "import toolkit as tk\nfrom tests.widgets.answers import some_results\nresults = some_results(16, arms=2)"
SHOW = "vote = tk.BlindVote(results, voter='ana')\nvote"
SAID = "[(vote.verdict, vote.is_repeat, vote.note) for vote in results.view.votes if vote.verdict != 'same']"
NAMES = ("support/delivery", "delivery@", "t-0-", "t-1-", "fake/small", "Answer Ana")

HOSTILE = """
import toolkit as tk
from tests.results import payloads, runs
texts = [text.replace("alert(1)", "(window.__xss=1,alert(1))") for text in payloads.HTML]
arms = [runs.arm(place, prompt=runs.prompt(texts[place], texts[place])) for place in range(2)]
other = [text + " " for text in reversed(texts)]
results = tk.Results(runs.run([texts, other], arms=arms, variables=[{text: text} for text in texts]))
tk.BlindVote(results, voter=texts[0][:100])
"""


@pytest.fixture(scope="module")
def opened(new_page, lab):
    """A notebook that stays open for the tests of this file, and what its page complained of."""
    with new_page() as page:
        complaints = complaints_of(page)
        yield OpenNotebook(page, lab, lab.write(SETUP, SHOW, SAID)).open()
        assert complaints == []


@pytest.fixture
def vote(opened):
    """A new vote on new results, painted and focused, in a page of the usual size."""
    opened.run()
    opened.page.set_viewport_size({"width": 1280, "height": 1000})
    found = painted(opened.page)
    found.locator(".pk-body").focus()
    return found


def painted(page):
    """Returns the vote of a page once it shows a pair."""
    page.locator(".pk-vote .pk-answer").first.wait_for()
    return page.locator(".pk-vote").first


def at(place, number):
    """Waits until a vote shows its pair of a number."""
    expect(place.locator(".pk-place")).to_have_text(re.compile(rf"^Pair {number} of \d+$"))


def said(opened):
    """What the kernel keeps of the votes, asked by running the last cell again."""
    page = opened.page
    page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    opened.command("notebook:run-cell")
    opened.wait_idle()
    return eval(opened.cells()[2]["outputs"][0]["data"]["text/plain"], {})  # noqa: S307  our own list


def test_every_key_says_its_verdict(vote, opened):
    """The keys 1, 2, 0, 9 and both arrows say what they say, s skips, and each brings the next pair."""
    for number, key in enumerate(("1", "2", "0", "9", "ArrowLeft", "ArrowRight"), start=1):
        at(vote, number)
        opened.page.keyboard.press(key)
    at(vote, 7)
    opened.page.keyboard.press("s")
    expect(vote.locator(".pk-head")).to_contain_text("1 skipped")
    at(vote, 7)
    verdicts = [verdict for verdict, _, _ in said(opened)]
    assert verdicts == ["left", "right", "tie", "both_bad", "left", "right", "skip"]


def test_keys_do_not_reach_the_notebook(vote, opened):
    """Keys that make, cut and delete cells do nothing to the notebook, and keys without a meaning do not vote."""
    for key in ("b", "a", "x", "d", "d", "j", "k", "m", "Enter", "z"):
        opened.page.keyboard.press(key)
    assert len(opened.cells()) == 3
    at(vote, 1)
    opened.page.keyboard.press("1")
    at(vote, 2)
    assert opened.page.evaluate("document.activeElement.closest('.pk-vote') !== null")


def test_undo_and_note(vote, opened):
    """The key u brings the last pair back with its answers; a note goes with the next vote, its letters do not vote."""
    before = vote.locator(".pk-answer").all_inner_texts()
    expect(vote.get_by_role("button", name="Undo")).to_be_disabled()
    opened.page.keyboard.press("1")
    at(vote, 2)
    opened.page.keyboard.press("u")
    at(vote, 1)
    assert vote.locator(".pk-answer").all_inner_texts() == before
    opened.page.keyboard.press("n")
    opened.page.keyboard.type("1 is kinder, s2u")
    at(vote, 1)
    opened.page.keyboard.press("Enter")
    opened.page.keyboard.press("2")
    at(vote, 2)
    expect(vote.get_by_label("Note for this vote")).to_have_value("")
    assert said(opened) == [("right", False, "1 is kinder, s2u")]


def test_a_doubled_key_votes_once(vote, opened):
    """Two presses before the next pair is there are one vote."""
    opened.page.evaluate(
        """() => { const body = document.querySelector('.pk-vote .pk-body');
        for (let n = 0; n < 2; n++) body.dispatchEvent(new KeyboardEvent('keydown', { key: '1', bubbles: true })); }"""
    )
    at(vote, 2)
    assert [verdict for verdict, _, _ in said(opened)] == ["left"]


def test_no_name_is_in_the_page_until_the_end(vote, opened):
    """No arm, prompt, model or trial is named in the page's vote; finishing asks once more, then names the arms."""
    page = opened.page
    for number in range(1, 9):
        at(vote, number)
        assert [name for name in NAMES if name in vote.evaluate("(el) => el.outerHTML")] == []
        page.keyboard.press("0")
    at(vote, 9)
    vote.get_by_role("button", name="Finish").click()
    expect(vote.locator(".pk-said")).to_contain_text("Press again")
    assert [name for name in NAMES if name in vote.evaluate("(el) => el.outerHTML")] == []
    vote.get_by_role("button", name="Show who is who").click()
    expect(vote.locator(".pk-ranks tbody tr")).to_have_count(2)
    expect(vote.locator(".pk-ranks")).to_contain_text("support/delivery@5")
    expect(vote.locator(".pk-voters")).to_contain_text("ana")
    vote.get_by_role("button", name="Go on voting").click()
    at(vote, 9)


def test_the_end_tells_who_was_who(vote, opened):
    """After the last pair u takes the last vote back; names, ranking and voters are there once they are asked for."""
    vote.get_by_role("button", name="Left is better").click()
    judged = vote.locator(".pk-place", has_text="Every pair is judged")
    for _ in range(30):
        if judged.count():
            break
        place = vote.locator(".pk-place").inner_text()
        opened.page.keyboard.press("1")
        expect(vote.locator(".pk-place")).not_to_have_text(place)
    assert [name for name in NAMES if name in vote.evaluate("(el) => el.outerHTML")] == []
    opened.page.keyboard.press("u")
    expect(vote.locator(".pk-place")).to_have_text(place)
    opened.page.keyboard.press("2")
    expect(judged).to_be_visible()
    vote.get_by_role("button", name="Show who is who").click()
    expect(vote.locator(".pk-place")).to_have_text("Finished: who was who")
    expect(vote.get_by_role("button", name="Go on voting")).to_have_count(0)


def test_tab_leaves_by_every_control(vote, opened):
    """Tab goes through answers and buttons in their order and is never taken."""
    names = []
    for _ in range(9):
        opened.page.keyboard.press("Tab")
        names.append(opened.page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText"))
    assert [name.split("\n")[0].strip() for name in names[:4]] == [
        *("Left answer", "Right answer", "Left is better", "Tie"),
    ]
    assert names[7] == "Note for this vote"


def test_a_reload_shows_the_next_open_pair(vote, opened):
    """A page that is loaded anew, or a widget that is made anew, shows the pair that has no vote yet."""
    opened.page.keyboard.press("1")
    at(vote, 2)
    opened.page.keyboard.press("2")
    at(vote, 3)
    answers = vote.locator(".pk-answer").all_inner_texts()
    opened.save()
    opened.open()
    page = opened.page
    page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    opened.command("notebook:run-cell")
    opened.wait_idle()
    again = painted(page)
    at(again, 3)
    assert again.locator(".pk-answer").all_inner_texts() == answers


def test_what_is_saved_names_nobody(vote, opened):
    """The notebook that is saved has the next pairs without names, and no reference to a widget that will be gone."""
    saved = opened.save().cells[1].outputs[0]["data"]
    assert sorted(saved) == ["text/html", "text/plain"]
    assert "Blind vote by ana on run run-1" in saved["text/html"]
    assert "warehouse" in saved["text/html"]
    assert [name for name in NAMES if name in saved["text/html"]] == []


def test_nothing_that_a_model_wrote_runs_or_loads(page, lab, notebook):
    """Of a corpus of attacks in answers, variables and names, nothing runs, opens a dialog or asks for an address."""
    asked, dialogs = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    notebook(HOSTILE)
    vote = painted(page)
    vote.locator(".pk-body").focus()
    asked.clear()
    for number in range(1, len(payloads.HTML)):
        at(vote, number)
        page.keyboard.press("1")
    # The vote that is under way draws the next pair, and with it another button.
    at(vote, len(payloads.HTML))
    vote.get_by_role("button", name="Finish").click()
    vote.get_by_role("button", name="Show who is who").click()
    expect(vote.locator(".pk-ranks tbody tr")).to_have_count(2)
    assert page.evaluate("window.__xss") is None
    assert dialogs == []
    own = (f"{lab.url}/api/", f"{lab.url}/static/favicons/", f"{lab.url}/lab/api/", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert (
        vote.locator("script, img, iframe, svg, object, embed, link, style, form, a, video, audio, base").count() == 0
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_vote_is_accessible(page, notebook, theme):
    """In either theme and at either width, axe finds nothing wrong while voting, with the keys told, and at the end."""
    from axe_playwright_python.sync_playwright import Axe

    opened = notebook(SETUP, SHOW)
    opened.use_theme(theme)
    vote = painted(page)
    vote.locator(".pk-body").focus()
    found = []
    for step in ("pair", "keys", "report"):
        if step == "keys":
            page.keyboard.press("?")
            expect(vote.locator(".pk-keys")).to_be_visible()
        if step == "report":
            page.keyboard.press("?")
            for number, key in enumerate("1121112", start=1):
                at(vote, number)
                page.keyboard.press(key)
            at(vote, 8)
            vote.get_by_role("button", name="Finish").click()
            vote.get_by_role("button", name="Show who is who").click()
            expect(vote.locator(".pk-ranks tbody tr")).to_have_count(2)
        found += Axe().run(page, context=".pk-vote").response["violations"]
        shoot(page, vote, f"vote-{step}-{theme}")
    assert [(each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]][:3]) for each in found] == []


def shoot(page, vote, name):
    """Leaves pictures at two widths where a folder for them is named."""
    folder = os.environ.get("TOOLKIT_SHOTS")
    for width in (1280, 800) if folder else ():
        page.set_viewport_size({"width": width, "height": 1000})
        vote.scroll_into_view_if_needed()
        page.screenshot(path=f"{folder}/{name}-{width}.png")
