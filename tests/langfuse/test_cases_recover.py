"""Variables out of what a prompt was rendered to: exactly one reading, or none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.builders import make_prompt
from toolkit._records import FrozenDict, Message
from toolkit.langfuse._cases_recover import CHANGED, LANGUAGE, SEVERAL, UNFILLED, readings, recover
from toolkit.prompts import placeholders, render


def chat(*messages: dict[str, Any]) -> Any:
    return make_prompt(tuple(map(FrozenDict, messages)))


def said(role: str, content: Any, **extra: Any) -> Message:
    return Message.from_wire({"role": role, "content": content, **extra})


@pytest.mark.parametrize(
    ("template", "rendered", "variables"),
    [
        ("Say {{word}}.", "Say hello.", {"word": "hello"}),
        ("{{word}}", "any text at all", {"word": "any text at all"}),
        ("Say {{word}}.", "Say .", {"word": ""}),
        ("{{a}} or {{b}}?", "tea or milk?", {"a": "tea", "b": "milk"}),
        ("{{ a }}\n---\n{{b}}", "1\n2\n---\n3", {"a": "1\n2", "b": "3"}),
        ("{{a}}, {{b}}, {{a}}", "x, y, x", {"a": "x", "b": "y"}),
        ("{{a}} and {{a}}", "x and y and x and y", {"a": "x and y"}),
        ("{{a}}{{b}}", "", {"a": "", "b": ""}),
        ("Hello.", "Hello.", {}),
        ("a.*b {{x}}", "a.*b c", {"x": "c"}),
        ("{{x}} \ue0000:0\ue001", "c \ue0000:0\ue001", {"x": "c"}),
    ],
)
def test_a_text_that_can_be_read_in_one_way_gives_its_variables(template: str, rendered: str, variables: Any):
    """Literal parts are found as they are, values take what is between, and a name that stands twice has one value."""
    assert recover(make_prompt(template), rendered).variables == variables


@pytest.mark.parametrize(
    ("template", "rendered", "reason"),
    [
        ("{{a}}{{b}}", "xy", SEVERAL),
        ("{{a}} or {{b}}?", "tea or milk or water?", SEVERAL),
        ("{{a}} is {{b}}.", "a is is is b.", SEVERAL),
        ("{{a}}, {{b}}, {{a}}", "x, y, z", CHANGED),
        ("Say {{word}}.", "Say hello!", CHANGED),
        ("Say {{word}}.", "Please say hello.", CHANGED),
        ("ab{{x}}ba", "aba", CHANGED),
        ("Hello.", "Hello!", CHANGED),
        ("Say {{word}}.", "Say {{word}}.", UNFILLED),
        ("Say {{word}}.", "Say {{ word }}.", UNFILLED),
    ],
)
def test_a_text_that_cannot_be_read_in_one_way_gives_a_reason(template: str, rendered: str, reason: str):
    """Variables side by side, separators within values, edited texts and unfilled names give no variables."""
    reading = recover(make_prompt(template), rendered)
    assert (reading.variables, reading.reason) == (None, reason)


def test_a_template_in_jinja_is_not_read_backwards():
    """A language with conditions and filters gives no variables."""
    reading = recover(make_prompt("{% if a %}{{ a }}{% endif %}", template_format="jinja2"), "x")
    assert (reading.variables, reading.reason) == (None, LANGUAGE)


def test_one_message_settles_what_another_leaves_open():
    """A value that one message shows for certain is used to read the others."""
    prompt = chat({"role": "system", "content": "{{a}}{{b}}"}, {"role": "user", "content": "b: {{b}}"})
    reading = recover(prompt, [said("system", "xyz"), said("user", "b: z")])
    assert reading.variables == {"a": "xy", "b": "z"}


def test_messages_that_contradict_each_other_give_no_variables():
    """A name with two values in two messages does not fit."""
    prompt = chat({"role": "system", "content": "{{a}}"}, {"role": "user", "content": "{{a}}"})
    assert recover(prompt, [said("system", "x"), said("user", "y")]).reason == CHANGED


def test_a_message_placeholder_gives_its_list_of_messages():
    """What stands between the prompt's own messages is the list, tool calls included."""
    prompt = chat(
        {"role": "system", "content": "Be {{tone}}."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{q}}"},
    )
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    sent = [
        said("system", "Be kind."),
        said("user", "hi"),
        said("assistant", None, tool_calls=calls),
        said("user", "why?"),
    ]
    assert recover(prompt, sent).variables == {
        "tone": "kind",
        "history": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": calls}],
        "q": "why?",
    }
    assert recover(prompt, [sent[0], sent[-1]]).variables == {"tone": "kind", "history": [], "q": "why?"}


def test_two_message_placeholders_cannot_be_told_apart():
    """Where one list ends and the next begins is not guessed."""
    prompt = chat({"type": "placeholder", "name": "a"}, {"type": "placeholder", "name": "b"})
    assert recover(prompt, [said("user", "hi")]).reason == SEVERAL


@pytest.mark.parametrize(
    "sent",
    [
        [said("system", "Be kind.")],
        [said("system", "Be kind."), said("user", "hi"), said("assistant", "hello")],
        [said("user", "Be kind."), said("user", "hi")],
        [said("system", "Be kind."), said("user", "hi", name="ann")],
        [said("system", "Be kind."), said("user", ["hi"])],
    ],
)
def test_a_conversation_of_another_form_is_left_out(sent: list[Message]):
    """Messages too few or too many, other roles and other fields are another conversation than the prompt's."""
    prompt = chat({"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{q}}"})
    assert recover(prompt, sent).reason == CHANGED


def test_a_text_prompt_is_read_from_whatever_message_carried_it():
    """A text prompt is one message, of any role, whose content may be a single text part."""
    prompt = make_prompt("Say {{word}}.")
    parts = [{"type": "text", "text": "Say hello."}]
    assert recover(prompt, [said("system", "Say hello.")]).variables == {"word": "hello"}
    assert recover(prompt, [said("user", parts)]).variables == {"word": "hello"}


def test_texts_beside_pictures_are_read():
    """Of a message of parts, the texts are read and the rest must be the prompt's."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    prompt = chat({"role": "user", "content": [{"type": "text", "text": "What is {{thing}}?"}, picture]})
    other = {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}
    text = {"type": "text", "text": "What is this?"}
    assert recover(prompt, [said("user", [text, picture])]).variables == {"thing": "this"}
    assert recover(prompt, [said("user", [text, other])]).reason == CHANGED


def test_a_text_with_very_many_turns_counts_as_open():
    """A search that would take long is given up, and the row left out."""
    literals, names = ["", *["a"] * 30, ""], [f"v{place % 8}" for place in range(31)]
    assert len(readings(literals, names, "a" * 400 + "b", {})) == 2


PIECES = st.text(alphabet="ab {}", max_size=3)
NAMES = st.sampled_from(["x", "y", "z"])
VALUES = st.fixed_dictionaries({name: st.text(alphabet="ab {}xyz", max_size=4) for name in "xyz"})


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A text with up to four placeholders between short pieces, so that readings collide often."""
    count = draw(st.integers(min_value=0, max_value=4))
    pieces = [draw(PIECES) for _ in range(count + 1)]
    return pieces[0] + "".join("{{" + draw(NAMES) + "}}" + piece for piece in pieces[1:])


@given(template=templates(), values=VALUES)
def test_what_is_read_is_what_was_put_in(template: str, values: dict[str, str]):
    """Rendering and reading back gives the variables again, or none; never others."""
    prompt = make_prompt(template)
    names = set(placeholders(prompt))
    assume(names <= values.keys())
    (message,) = render(prompt, values)
    reading = recover(prompt, str(message.content))
    assert reading.variables in (None, {name: values[name] for name in names})


@given(first=templates(), second=templates(), values=VALUES)
def test_what_is_read_from_messages_is_what_was_put_in(first: str, second: str, values: dict[str, str]):
    """The same holds when two messages share variables."""
    prompt = chat({"role": "system", "content": first}, {"role": "user", "content": second})
    names = set(placeholders(prompt))
    assume(names <= values.keys())
    reading = recover(prompt, render(prompt, values))
    assert reading.variables in (None, {name: values[name] for name in names})


@given(pieces=st.lists(PIECES, min_size=1, max_size=4), text=st.text(alphabet="ab {}", max_size=8))
def test_readings_are_those_that_trying_all_cuts_finds(pieces: list[str], text: str):
    """The number of readings, up to two, is the one that trying every cut of the text finds."""
    names = [f"v{place}" for place in range(len(pieces) - 1)]
    assert len(readings(pieces, names, text, {})) == min(2, len(cuts(pieces, text)))


def cuts(pieces: list[str], text: str) -> list[list[str]]:
    """Every list of values that makes the text of the pieces, by brute force."""
    if not text.startswith(pieces[0]):
        return []
    rest = text[len(pieces[0]) :]
    if len(pieces) == 1:
        return [[]] if not rest else []
    return [[rest[:at], *more] for at in range(len(rest) + 1) for more in cuts(pieces[1:], rest[at:])]
