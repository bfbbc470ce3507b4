"""The rules of the token estimate: always a band, and the truth within it."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit._records import FrozenDict, Message
from toolkit.providers import Estimate, estimate_tokens

ENGLISH = (
    "The committee met on Tuesday to discuss the proposal, which had been circulated a week before. Several members "
    "asked whether the budget would cover the additional costs, and the treasurer explained that it would not."
)
CODE = "def add(one: int, other: int) -> int:\n    # Adds.\n    return one + other\n\n\nprint(add(1234, 5678))\n"

# Counted with tiktoken 0.14.0: cl100k_base, o200k_base.
COUNTED = [
    (ENGLISH, (39, 40)),
    (CODE, (33, 33)),
    ("Der Ausschuss trat am Dienstag zusammen, um über den Vorschlag zu beraten.", (20, 16)),
    ("委员会星期二开会讨论了这项提案。", (18, 12)),
    ("Комитет собрался во вторник, чтобы обсудить предложение.", (24, 15)),
    ("समिति ने मंगलवार को प्रस्ताव पर चर्चा की।", (38, 10)),
    ('{"name": "a", "values": [1, 2, 3], "ok": true}', (23, 23)),
]


@pytest.mark.parametrize(("text", "counts"), COUNTED)
def test_truth_is_within_the_band(text: str, counts: tuple[int, ...]) -> None:
    """What real vocabularies count lies between `low` and `high`, which enclose `expected`."""
    estimate = estimate_tokens(text)
    assert estimate.low <= min(counts) <= max(counts) <= estimate.high
    assert estimate.low <= estimate.expected <= estimate.high


def test_nothing_is_nothing() -> None:
    """No text and no messages are no tokens."""
    assert estimate_tokens("") == estimate_tokens([]) == Estimate(low=0, expected=0, high=0)


def test_messages_cost_more_than_their_text() -> None:
    """Each message adds what a chat's form adds, beside its text."""
    text = estimate_tokens(ENGLISH)
    one = estimate_tokens([Message(role="user", content=ENGLISH)])
    two = estimate_tokens([Message(role="user", content=ENGLISH), {"role": "assistant", "content": ""}])
    assert text.expected < one.expected < two.expected
    assert text.high < one.high < two.high


def test_parts_count_like_text() -> None:
    """Text in parts is text."""
    parts = FrozenDict({"content": [{"type": "text", "text": ENGLISH}]})["content"]
    assert estimate_tokens([Message(role="user", content=parts)]) == estimate_tokens(
        [Message(role="user", content=ENGLISH)]
    )


def test_image_has_a_wide_band() -> None:
    """An image counts between 70 and 5,000 tokens, because what it costs is each provider's own."""
    content: Any = ({"type": "image_url", "image_url": {"url": "https://h/a.png"}},)
    estimate = estimate_tokens([Message(role="user", content=content)])
    assert (estimate.low, estimate.high) == (72, 5033)


def test_tool_calls_count() -> None:
    """Tool calls are read too."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"at": "' + ENGLISH + '"}'}}
    message = Message(role="assistant", content=None, extra=FrozenDict({"tool_calls": [call]}))
    assert estimate_tokens([message]).expected > estimate_tokens(ENGLISH).expected


def test_estimates_add_up() -> None:
    """The sum of two estimates is the estimate of both."""
    one, other = Estimate(low=1, expected=2, high=3), Estimate(low=10, expected=20, high=30)
    assert one + other == Estimate(low=11, expected=22, high=33)


def test_long_text_is_estimated_in_no_time() -> None:
    """A million characters of one letter are estimated, without a pattern that runs away."""
    assert estimate_tokens("a" * 1_000_000).expected > 100_000
