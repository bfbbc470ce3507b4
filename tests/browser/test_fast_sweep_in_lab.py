"""A sweep at 1,000 answers a second: the page stays usable, gets few messages, and shows the last state."""

from __future__ import annotations

import re

import pytest

from tests.browser._fast_sweep import BACKGROUND, CELL, PLANNED, watched

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=[BACKGROUND, CELL], ids=["background", "cell"])
def swept(request, new_page, lab):
    """A way to sweep in a notebook, and what its page showed while it went."""
    with new_page() as page:
        yield request.param, watched(page, lab, request.param)


def test_the_last_state_arrives(swept):
    """The last words in the page have every trial that was planned, and so have the results."""
    _, seen = swept
    assert re.search(rf"\b{PLANNED:,} of {PLANNED:,}\b|\b{PLANNED}/{PLANNED}\b", seen.words)
    assert (seen.rows, seen.answers) == (PLANNED, PLANNED)


def test_the_page_is_never_busy_for_a_second(swept):
    """From the first answer to the last, the page is never busy for a second longer than a page with nothing in it."""
    _, seen = swept
    assert seen.gap_s < 1.0 + seen.empty_gap_s


def test_another_widget_answers_meanwhile(swept):
    """A click on another widget of the notebook brings what it should while the sweep goes on."""
    way, seen = swept
    assert not way.last.search(seen.words_then)


def test_no_view_gets_more_than_ten_messages_a_second(swept):
    """Of thousands of answers each part of a widget, and each output, gets at most ten messages a second."""
    _, seen = swept
    assert sum(seen.messages.values()) > 0
    # A part is told its first state and its last one besides.
    assert max(seen.messages.values()) <= 10 * seen.took_s + 2
