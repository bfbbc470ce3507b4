"""The end of a blind vote: names, the report, what a notebook keeps; and foreign text."""

from __future__ import annotations

import pytest

from tests.results import payloads, runs
from tests.results.test_security import read
from tests.widgets.ballots import Box, Page, plain_results
from toolkit import BlindVote
from toolkit.results import Results
from toolkit.widgets._bundle import VIEW


def test_finishing_tells_names_and_going_on_hides_them():
    """Finished early, the page gets the ranking with names; going on shows the pair that was open."""
    page = Page(plain_results())
    page.say("left")
    before = page.shown["pair"]
    report = page.finish()
    assert report["has_more"] is True
    assert {arm["words"][0] for arm in report["arms"]} == {"reply@1", "reply@2"}
    assert report["voters"] == [["ana", "1", "0", "0", "0", "100 %", "none yet", "0.0"]]
    assert page.say("left") == [page.shown]
    page.press("go_on")
    assert page.shown["pair"] == before


def test_after_the_last_pair_names_wait_for_a_press():
    """When all is judged, nobody is named before the voter asks; then there is nothing to go on with."""
    page = Page(plain_results(3))
    for _ in range(3):
        page.say("both_bad")
    assert page.shown == {"turn": page.shown["turn"], "end": {"all": 3}}
    assert "reply@" not in str(page.vote.static_html())
    assert page.finish()["has_more"] is False
    page.press("go_on")
    assert "report" in page.shown


def test_the_last_vote_can_be_taken_back():
    """After the last pair, undo brings it back as it stood, until the names are told."""
    results = plain_results(3)
    page = Page(results)
    for _ in range(2):
        page.say("left")
    last = page.shown["pair"]
    page.say("right")
    page.press("undo")
    assert (page.shown["pair"], len(results.view.votes)) == (last, 2)
    page.say("right")
    page.finish()
    page.press("undo")
    assert ("report" in page.shown, len(results.view.votes)) == (True, 3)


def test_whoever_knows_the_names_gets_the_report_at_the_end():
    """Who finished early and went on is not asked again after the last pair: the names are told already."""
    page = Page(plain_results(2))
    page.say("left")
    page.finish()
    page.press("go_on")
    page.say("left")
    assert page.shown["report"]["has_more"] is False


def test_a_widget_made_anew_after_the_last_pair_names_nobody():
    """Whoever opens a vote again after judging all of it can still take the last one back."""
    results = plain_results(2)
    page = Page(results)
    for _ in range(2):
        page.say("left")
    again = Page(results)
    assert "end" in again.shown
    again.press("undo")
    assert again.shown["pair"]["done"] == 1


def test_intervals_lie_within_the_picture():
    """Each interval, its middle and 0 lie between 0 and 100 per cent of the track, the ends of the widest on them."""
    page = Page(plain_results())
    for number in range(13):
        page.say("left" if number % 3 else "right")
    arms = page.finish()["arms"]
    ends = [arm[name] for arm in arms for name in ("from", "at", "to", "zero")]
    assert (min(ends), max(ends)) == (0.0, 100.0)
    assert all(arm["from"] <= arm["at"] <= arm["to"] for arm in arms)


def test_votes_of_others_are_read_at_the_end():
    """Who finishes sees the votes that others have kept in the store meanwhile."""
    view = runs.run([["a"], ["b"]])
    theirs = Results(view)
    Page(theirs, voter="bo").say("left")
    mine = Results(view, reload=lambda: theirs.view, ballots=Box())
    report = Page(mine).finish()
    assert [row[0] for row in report["voters"]] == ["bo"]


def test_a_saved_notebook_has_the_next_pairs_until_the_end():
    """The static form counts pairs and shows the next ones, naming nobody; finished, it has the report."""
    page = Page(plain_results())
    page.say("left")
    pair = page.shown["pair"]
    shown = str(page.vote.static_html())
    assert "Blind vote by ana on run run-1: 1 of 13 pairs; the same call goes on" in shown
    assert shown.index(f">{pair['left']}<") < shown.index(f">{pair['right']}<")
    assert (shown.count("<tr>"), "reply@" in shown) == (1 + 5, False)
    page.finish()
    assert "reply@1" in str(page.vote.static_html())


@pytest.mark.parametrize(("show_case", "has_case"), [(True, True), (False, False)])
def test_a_saved_notebook_hides_the_case_where_the_page_does(show_case, has_case):
    """Without `show_case` the static form has the two answers alone, too."""
    shown = str(Page(plain_results(), show_case=show_case).vote.static_html())
    assert ("q: word" in shown, ">Case<" in shown) == (has_case, has_case)


@pytest.mark.parametrize(("in_place", "kinds"), [(True, []), (False, [VIEW])])
def test_what_a_cell_keeps(monkeypatch, in_place, kinds):
    """A cell's output has HTML and text, and a reference to the widget only where the page must be told of it."""
    monkeypatch.setattr("toolkit.widgets._vote.takes_place_of_html", lambda: in_place)
    bundle = BlindVote(plain_results(), voter="ana")._repr_mimebundle_()
    assert sorted(bundle) == sorted([*kinds, "text/html", "text/plain"])


def test_results_give_the_widget():
    """`results.vote()` is the same widget, with the same options."""
    vote = plain_results().vote(voter="ana", arms=["reply@1", "reply@2"], seed=3)
    assert isinstance(vote, BlindVote)


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_no_markup_comes_from_foreign_text(payload):
    """The static form has the same elements whatever models, prompts and voters say, finished or not."""

    def shown(text):
        arms = [runs.arm(place, prompt=runs.prompt(text, str(place))) for place in range(2)]
        page = Page(Results(runs.run([[f"{text} 1"], [f"{text} 2"]], arms=arms)), voter=text[:90] or "x")
        before = read(str(page.vote.static_html()))
        page.say("left", note=text)
        after = read(str(page.vote.static_html()))
        return before.elements + after.elements, before.others + after.others

    assert shown(payload) == (shown("harmless")[0], [])


def test_text_is_made_safe_to_show():
    """Control and bidirectional characters of answers and variables travel as visible escapes."""
    view = runs.run([["a\x1b[31m"], ["b\u202e"]], variables=[{"q\x00": "v\u2066"}])
    pair = Page(Results(view)).shown["pair"]
    assert sorted([pair["left"], pair["right"]]) == ["a\\x1b[31m", "b\\u202e"]
    assert pair["variables"] == [["q\\x00", "v\\u2066"]]


def test_a_very_long_answer_is_cut():
    """An answer of a million characters does not go to the page whole."""
    pair = Page(Results(runs.run([["a" * 1_000_000], ["b"]]))).shown["pair"]
    assert len(max(pair["left"], pair["right"], key=len)) == 100_000


def test_the_program_is_small_and_writes_no_markup():
    """What travels with a vote is below 16 KB of program and 8 KB of style, and puts texts in as text alone."""
    assert len(BlindVote._esm) < 16_000
    assert len(str(BlindVote._css)) < 8_000
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "//cdn", "http:", "https:"):
        assert word not in BlindVote._esm, word
