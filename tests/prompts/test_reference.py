"""References: how a person names a prompt, and what is said when it cannot be read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UnknownNameError, UsageError
from toolkit.prompts import PromptReference, Selector, parse_reference

KNOWN = ("folder", "langfuse")


@pytest.mark.parametrize(
    ("text", "source", "name", "selector"),
    [
        ("reply", None, "reply", Selector()),
        ("  reply ", None, "reply", Selector()),
        ("support/reply v2", None, "support/reply v2", Selector()),
        ("reply@8", None, "reply", Selector(kind="version", value="8")),
        ("reply@08", None, "reply", Selector(kind="version", value="8")),
        ("reply@v8", None, "reply", Selector(kind="label", value="v8")),
        ("reply@production", None, "reply", Selector(kind="label", value="production")),
        ("reply@1.5", None, "reply", Selector(kind="label", value="1.5")),
        ("reply@*", None, "reply", Selector(kind="all")),
        ("reply@3..7", None, "reply", Selector(kind="range", first=3, last=7)),
        ("reply@3..3", None, "reply", Selector(kind="range", first=3, last=3)),
        ("langfuse:reply", "langfuse", "reply", Selector()),
        ("folder:drafts/reply@8", "folder", "drafts/reply", Selector(kind="version", value="8")),
        ("langfuse:team:reply", "langfuse", "team:reply", Selector()),
        ("reply@a:b", None, "reply", Selector(kind="label", value="a:b")),
    ],
)
def test_a_reference_is_source_name_and_selector(text: str, source: str | None, name: str, selector: Selector):
    """`[source:]name[@version or label]`: digits are a version, `*` all, `a..b` a range, every other word a label."""
    expected = PromptReference(source=source, name=name, selector=selector)
    assert parse_reference(text, known_sources=KNOWN) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no name"),
        ("   ", "has no name"),
        ("@3", "has no name"),
        ("folder:", "has no name"),
        ("folder:@3", "has no name"),
        (":reply", "has no source before its ':'"),
        ("reply@", "nothing after its '@'"),
        ("reply@1@2", "more than one '@'"),
        ("me@example.org@3", "more than one '@'"),
        ("reply@7..3", r"runs backwards; write 3\.\.7"),
        ("reply@3..", "needs two version numbers"),
        ("reply@..7", "needs two version numbers"),
        ("reply@a..b", "needs two version numbers"),
        ("reply@1..2..3", "needs two version numbers"),
        (3, "got 3"),
        (None, "got None"),
    ],
)
def test_a_reference_that_cannot_be_read_says_why(text: Any, says: str):
    """An empty part, a second `@`, an open or backward range, or no text at all is refused with the reason."""
    with pytest.raises(UsageError, match=says):
        parse_reference(text, known_sources=KNOWN)


def test_an_unknown_source_shows_the_known_ones_and_the_way_out():
    """A word before the colon that is no source is refused, with the sources and how to name such a prompt."""
    with pytest.raises(UnknownNameError) as caught:
        parse_reference("langfus:reply", known_sources=KNOWN)
    message = str(caught.value)
    assert "no prompt source 'langfus'. Did you mean 'langfuse'? Known: folder, langfuse." in message
    assert "PromptReference(source=..., name='langfus:reply')" in message
    assert (caught.value.name, caught.value.known) == ("langfus", ("folder", "langfuse"))


_words = st.text(alphabet="abcé-_. /", min_size=1).map(str.strip).filter(lambda word: word and ".." not in word)
_selectors = st.one_of(
    st.just(Selector()),
    st.just(Selector(kind="all")),
    st.integers(0, 999).map(lambda number: Selector(kind="version", value=str(number))),
    _words.map(lambda word: Selector(kind="label", value=word)),
    st.tuples(st.integers(0, 99), st.integers(0, 99)).map(
        lambda ends: Selector(kind="range", first=min(ends), last=max(ends))
    ),
)


@given(source=st.sampled_from([None, *KNOWN]), name=_words, selector=_selectors)
def test_a_reference_reads_back_as_it_is_written(source: str | None, name: str, selector: Selector):
    """What a reference is written as reads as the same reference."""
    reference = PromptReference(source=source, name=name, selector=selector)
    assert parse_reference(str(reference), known_sources=KNOWN) == reference
