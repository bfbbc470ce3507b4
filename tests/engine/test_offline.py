"""Which of the copies that the store has seen a reference means, when its source is away."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.builders import NOON, make_prompt
from toolkit.engine._offline import last_seen
from toolkit.prompts import Selector


def seen(version, hours, text, *labels):
    """A copy that was seen so many hours after noon."""
    return make_prompt(text, version=version, labels=labels), NOON + dt.timedelta(hours=hours)


# Version 2 lost its label to version 3 when it was seen again.
COPIES = (
    seen("2", 0, "old two", "production"),
    seen("3", 2, "three", "production", "staging"),
    seen("2", 3, "new two"),
    seen("10", 1, "ten"),
    seen("draft", 4, "a draft"),
)


@pytest.mark.parametrize(
    ("selector", "texts"),
    [
        (Selector(), ["three"]),
        (Selector(kind="version", value="2"), ["new two"]),
        (Selector(kind="version", value="7"), []),
        (Selector(kind="label", value="staging"), ["three"]),
        (Selector(kind="label", value="none"), []),
        (Selector(kind="all"), ["a draft", "new two", "three", "ten"]),
        (Selector(kind="range", first=3, last=10), ["three", "ten"]),
    ],
)
def test_the_newest_copies_that_fit_are_meant(selector, texts):
    """Of each version the newest copy counts, and of a label the newest that bore it; versions go by number."""
    assert [prompt.template for prompt in last_seen(COPIES, selector)] == texts


def test_without_a_production_copy_the_newest_is_meant():
    """A bare name means production, and where no copy bears that label, the copy seen last."""
    (prompt,) = last_seen([seen("1", 0, "one"), seen("2", 5, "two"), seen("3", 3, "three")], Selector())
    assert (prompt.template, prompt.label, prompt.snapshot_at) == ("two", None, "2026-01-01T17:00:00Z")
