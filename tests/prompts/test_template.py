"""Templates: which placeholders are found, what they are filled with, and what is refused before anything is sent."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit._records import FrozenDict, Message, Prompt
from toolkit.errors import MissingVariablesError, TemplateSyntaxError
from toolkit.prompts import compile_template, fill, placeholders, render


def text_prompt(template: str) -> Prompt:
    return Prompt(prompt_id="critic", version="3", kind="text", template=template, source="langfuse")


def chat_prompt(*messages: dict[str, Any]) -> Prompt:
    template = tuple(FrozenDict(message) for message in messages)
    return Prompt(prompt_id="critic", version="3", kind="chat", template=template, source="langfuse")


HISTORY = chat_prompt(
    {"role": "system", "content": "Be {{tone}}."},
    {"type": "placeholder", "name": "history"},
    {"role": "user", "content": "{{q}}"},
)


@pytest.mark.line("2.10")
@pytest.mark.parametrize(
    ("text", "variables", "filled"),
    [
        ("Hi {{name}}", {"name": "Ann"}, "Hi Ann"),
        ("{{ name }}|{{\tname\n}}", {"name": "Ann"}, "Ann|Ann"),
        ("{{name}}{{name}}", {"name": "Ann"}, "AnnAnn"),
        ("{{a}} {{b}}", {"a": "{{b}}", "b": "2"}, "{{b}} 2"),
        ("{{unknown}}", {"name": "Ann"}, "{{unknown}}"),
        ("{{ unknown }}", {}, "{{ unknown }}"),
        ("{name} {}", {"name": "Ann"}, "{name} {}"),
        ('{"a": {"b": 1}}', {"a": "x"}, '{"a": {"b": 1}}'),
        ('{"a": {"b": "{{name}}"}}', {"name": "Ann"}, '{"a": {"b": "Ann"}}'),
        ("{{{name}}}", {"name": "Ann"}, "{{{name}}}"),
        ("{{{name}}}", {"{name": "Ann"}, "Ann}"),
        ("{{name", {"name": "Ann"}, "{{name"),
        ("}}{{name}}", {"name": "Ann"}, "}}Ann"),
        ("{{}}", {"name": "Ann"}, "{{}}"),
        ("{{a {{b}}", {"b": "2"}, "{{a {{b}}"),
        ("{{größe}} {{a-b}} {{self}} {{a b}}", {"größe": 1, "a-b": 2, "self": 3, "a b": 4}, "1 2 3 4"),
        ("[{{none}}]", {"none": None}, "[]"),
        ("{{x}}", {"x": 1.0}, "1.0"),
        ("{{x}}", {"x": True}, "True"),
        ("{{x}}", {"x": [1, {"a": None}]}, "[1, {'a': None}]"),
        ("", {"x": 1}, ""),
    ],
)
def test_placeholders_are_filled_by_langfuses_rules(text: str, variables: dict[str, Any], filled: str):
    """`{{name}}` up to the next `}}`, stripped, is replaced in one pass; what has no value stays as written."""
    assert fill(text, variables) == filled


@pytest.mark.line("2.11")
@given(value=st.text())
def test_a_value_is_never_read_as_a_template(value: str):
    """A value stands in the text exactly as given, whatever braces it holds."""
    assert fill("<{{a}}|{{b}}>", {"a": value, "b": "{{a}}"}) == "<" + value + "|{{a}}>"


@given(text=st.text(alphabet="{}a "))
def test_a_template_without_values_is_itself(text: str):
    """Filling with no variables changes nothing."""
    assert fill(text, {}) == text


def test_frozen_variables_read_like_those_that_were_given():
    """A list reads the same whether it comes from the caller or from a case, where it was frozen to a tuple."""
    given_value = {"rows": [1, {"tags": ["a"]}]}
    assert fill("{{rows}}", FrozenDict(given_value)) == fill("{{rows}}", given_value) == "[1, {'tags': ['a']}]"


def test_names_come_in_order_of_first_appearance():
    """Placeholders are listed once each, in reading order, with message placeholders and content parts among them."""
    prompt = chat_prompt(
        {"role": "system", "content": "{{b}} {{ a }}"},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": [{"type": "text", "text": "{{c}}{{b}}"}, {"type": "image_url", "image_url": {}}]},
    )
    assert placeholders(prompt) == ("b", "a", "history", "c")


def test_a_text_prompt_is_one_user_message():
    """A text prompt makes one message of the role user."""
    assert render(text_prompt("Hi {{name}}"), {"name": "Ann", "more": 1}) == (Message(role="user", content="Hi Ann"),)


@pytest.mark.line("3.26")
def test_a_chat_prompt_keeps_roles_order_and_further_keys():
    """A chat prompt's messages keep their order, roles, tool calls and empty contents."""
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    prompt = chat_prompt(
        {"role": "user", "content": "{{q}}"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "{{q}}!", "tool_call_id": "c1"},
    )
    assert [message.to_wire() for message in render(prompt, {"q": "why"})] == [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": None, "tool_calls": tuple(FrozenDict(call) for call in calls)},
        {"role": "tool", "content": "why!", "tool_call_id": "c1"},
    ]


def test_a_prompt_managers_message_type_is_not_sent():
    """The `type` by which a prompt manager marks an ordinary message stays out of the request."""
    prompt = chat_prompt({"type": "chatmessage", "role": "user", "content": "hi"})
    assert render(prompt, {})[0].to_wire() == {"role": "user", "content": "hi"}


@pytest.mark.line("3.26")
def test_text_parts_are_filled_and_other_parts_kept():
    """In a content made of parts the texts are filled and everything else stays."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org/{{q}}.png"}}
    prompt = chat_prompt({"role": "user", "content": [{"type": "text", "text": "see {{q}}"}, image]})
    assert render(prompt, {"q": "1"})[0].content == ({"type": "text", "text": "see 1"}, image)


def test_a_message_placeholder_becomes_the_given_messages():
    """The variable's messages stand where the placeholder stood, with their own variables filled."""
    history = [{"role": "user", "content": "I am {{tone}}"}, {"role": "assistant", "content": None, "tool_calls": []}]
    assert [message.to_wire() for message in render(HISTORY, {"tone": "kind", "q": "?", "history": history})] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "I am kind"},
        {"role": "assistant", "content": None, "tool_calls": ()},
        {"role": "user", "content": "?"},
    ]
    assert history[0]["content"] == "I am {{tone}}"


def test_an_empty_history_leaves_no_message():
    """A message placeholder with an empty list is replaced by nothing."""
    assert [message.role for message in render(HISTORY, {"tone": "", "q": "", "history": ()})] == ["system", "user"]


def test_braces_in_a_given_message_are_the_callers_words():
    """A message put in for a placeholder may hold `{{names}}` that nobody gives; they stay as written."""
    history = [Message(role="user", content="What is {{ mustache }}?")]
    messages = render(HISTORY, {"tone": "kind", "q": "?", "history": history})
    assert messages[1].content == "What is {{ mustache }}?"


@pytest.mark.line("2.9")
@pytest.mark.parametrize("missing", ["error", "keep"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"history": "text"},
        {"history": None},
        {"history": {"role": "user"}},
        {"history": ["text"]},
        {"history": [{}]},
    ],
)
def test_a_message_placeholder_needs_a_list_of_messages(variables: dict[str, Any], missing: Any):
    """Without a list of messages a message placeholder is an error that names it, however missing texts are taken."""
    with pytest.raises(MissingVariablesError, match="'history'") as caught:
        render(HISTORY, {"tone": "kind", "q": "?", **variables}, missing=missing)
    assert caught.value.missing == ("history",)


def test_missing_variables_are_named_all_at_once():
    """The error for variables without a value names the prompt, all of them, and what was given."""
    with pytest.raises(MissingVariablesError) as caught:
        render(text_prompt("{{level}} {{movie}} {{year}} {{movie}}"), {"level": "kind", "extra": 1})
    assert str(caught.value) == (
        "Prompt 'critic' version '3' needs 'movie', 'year' and got 'extra', 'level'; "
        "add them to `variables` or render with missing='keep'."
    )
    assert (caught.value.missing, caught.value.given) == (("movie", "year"), ("extra", "level"))
    assert (caught.value.prompt_id, caught.value.source) == ("critic", "langfuse")


def test_missing_variables_can_be_kept():
    """With missing='keep' a variable without a value stays in the text as written."""
    assert render(text_prompt("{{a}} {{ b }}"), {"a": 1}, missing="keep")[0].content == "1 {{ b }}"


@pytest.mark.line("2.16")
@pytest.mark.parametrize(
    "value", [math.nan, np.float32("nan"), np.datetime64("NaT"), pd.NA, pd.NaT, Decimal("NaN"), Decimal("sNaN")]
)
def test_a_missing_number_is_not_rendered_as_a_word(value: Any):
    """NaN, NA and NaT are refused by name instead of being sent as the text `nan`."""
    with pytest.raises(MissingVariablesError, match=r"'price' of prompt 'critic' version '3'.*as the text 'nan'"):
        render(text_prompt("{{price}}"), {"price": value}, missing="keep")


def test_a_missing_number_that_nobody_reads_is_no_error():
    """A NaN in a variable that the prompt does not read is passed over."""
    assert render(text_prompt("hi"), {"price": math.nan})[0].content == "hi"


def test_an_array_is_a_value_like_any_other():
    """A value whose comparison has no single truth is rendered by its text."""
    assert fill("{{x}}", {"x": np.array([1, 2])}) == "[1 2]"


@pytest.mark.parametrize("message", [{"content": "hi"}, {"type": "tool_result"}, {"type": "placeholder"}])
def test_a_message_without_role_cannot_be_sent(message: dict[str, Any]):
    """A message that has no role and is no placeholder is an error that names its place."""
    with pytest.raises(TemplateSyntaxError, match="message 1 is neither"):
        render(chat_prompt({"role": "user", "content": ""}, message), {})


def test_a_prompt_is_parsed_once():
    """Equal prompts share one parsed form, also when the template was given as plain dicts."""
    plain = Prompt(prompt_id="p", version="1", kind="chat", template=({"role": "user", "content": "a"},), source="x")  # type: ignore[arg-type]
    assert compile_template(plain) is compile_template(plain)
    assert compile_template(text_prompt("{{a}}")) is compile_template(text_prompt("{{a}}"))
    assert compile_template(text_prompt("{{a}}")) is not compile_template(text_prompt("{{b}}"))
