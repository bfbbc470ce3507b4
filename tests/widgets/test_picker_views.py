"""What a prompt picker shows: messages filled in, gaps marked, differences told word by word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import make_prompt
from toolkit.widgets._picker_views import as_json, changes, config_table, difference, preview

GAP = "{{%s}}</mark>"


def test_messages_have_their_roles() -> None:
    """A chat is shown message by message, each under its role."""
    chat = make_prompt(({"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "Hi"}))
    shown = preview(chat, {"tone": "kind"})
    assert shown.index(">system<") < shown.index("Be kind.") < shown.index(">user<") < shown.index("Hi")


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("A {{word}}.", {}),
        ("A {{ word }}.", {"template_format": "jinja2"}),
        ("A {{word}}.", {"template_format": "humanloop"}),
        ("A {word}.", {"template_format": "generic"}),
    ],
)
def test_a_gap_is_marked_in_every_language(template: str, fields: dict[str, Any]) -> None:
    """A variable without a value is marked where it stands, however the template is written."""
    shown = preview(make_prompt(template, **fields), {})
    assert GAP % "word" in shown
    assert "⚠ no value: word" in shown
    assert GAP % "word" not in preview(make_prompt(template, **fields), {"word": "x"})


def test_a_list_of_messages_without_a_value_is_marked() -> None:
    """A place for whole messages that nothing was given for is shown as a gap, the others as they are."""
    chat = make_prompt(({"type": "placeholder", "name": "history"}, {"role": "user", "content": "{{word}}"}))
    shown = preview(chat, {"word": "now"})
    assert GAP % "history" in shown
    assert ">now<" in shown


def test_a_value_is_not_read_again() -> None:
    """A value that itself looks like a variable, like markup or like mathematics is shown as it is."""
    shown = preview(make_prompt("{{a}}"), {"a": "{{b}} <i> $5 and $6"})
    assert "{{b}} &lt;i&gt; $5 and $6" in shown
    assert "mathjax_ignore" in shown


def test_a_template_that_cannot_be_read_is_shown_with_its_error() -> None:
    """A template that is broken is shown as written, with what is wrong with it."""
    shown = preview(make_prompt("{% if %}", template_format="jinja2"), {})
    assert "{% if %}" in shown
    assert "error" in shown.lower() or "Jinja" in shown


def test_a_difference_is_told_in_words() -> None:
    """Words that are gone are struck through, words that are new underlined; both can be told without colour."""
    shown = difference(make_prompt("a red house"), make_prompt("a blue house", version="2"))
    assert "text-decoration:line-through" in shown
    assert "text-decoration:underline" in shown
    assert "fake:greet@1 → fake:greet@2" in shown


def test_equal_texts_have_no_difference() -> None:
    """Two equal texts are said to be equal."""
    assert "no difference" in changes("same", "same", "title")


def test_a_version_without_config_says_so() -> None:
    """Without config there is a sentence instead of an empty table."""
    assert "no config" in config_table(make_prompt())


def test_the_record_is_json() -> None:
    """The record is shown as JSON with its content hash."""
    assert "&quot;fingerprint&quot;: &quot;p1:" in as_json(make_prompt())
