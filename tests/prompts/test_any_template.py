"""Whatever a template says and whatever the variables are, rendering gives messages or a typed error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toolkit._records import FrozenDict, Message, Prompt
from toolkit.errors import PromptError
from toolkit.prompts import placeholders, render

FORMATS = ["mustache", "jinja2", "humanloop", "generic"]

PIECES = st.sampled_from(
    ["{{", "}}", "{", "}", "{%", "%}", "{#", "#}", " a ", "a.b", "a[0]", "if ", "endif", "for x in ", "endfor", "set ",
     "a|", "length", "default(1)", "join", "int", "raw", "endraw", "block b", "macro m()", "call ", "include 'x'",
     "range(9)", "9", " + ", " ** ", "/0", "'", '"', "(", ")", "\n", "\\", "-", "~", "\ud800", "\0", "é"]
)  # fmt: skip
TEMPLATES = st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join)

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "a"]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
VARIABLES = st.dictionaries(st.sampled_from(["a", "b", "x", "history"]) | st.text(max_size=3), VALUES, max_size=4)

MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant"]) | VALUES,
        "type": st.sampled_from(["placeholder", "chatmessage"]) | VALUES,
        "name": st.just("history") | VALUES,
        "content": TEMPLATES
        | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEMPLATES | VALUES}) | VALUES, max_size=2)
        | VALUES,
    },
)


def messages_or_our_error(prompt: Prompt, variables: dict[str, Any]) -> None:
    """Holds that reading and rendering give names and messages, or an error of ours about the prompt."""
    try:
        assert all(isinstance(name, str) for name in placeholders(prompt))
        for missing in ("error", "keep"):
            assert all(isinstance(message, Message) for message in render(prompt, variables, missing=missing))
    except PromptError as error:
        assert "critic" in str(error)  # noqa: PT017  an error is one of two right answers


@pytest.mark.parametrize("template_format", FORMATS)
@given(template=TEMPLATES, variables=VARIABLES)
@settings(max_examples=200, deadline=None)
def test_any_text_and_variables_are_messages_or_a_typed_error(template_format, template, variables):
    """Any text as a template with any variables gives messages, or an error of ours that names the prompt."""
    prompt = Prompt(
        prompt_id="critic",
        version="3",
        kind="text",
        template=template,
        source="folder",
        template_format=template_format,
    )
    messages_or_our_error(prompt, variables)


@pytest.mark.parametrize("template_format", FORMATS)
@given(messages=st.lists(MESSAGES, min_size=1, max_size=3), variables=VARIABLES)
@settings(max_examples=200, deadline=None)
@example(
    messages=[{"type": "placeholder", "name": "history"}], variables={"history": [{"role": "user", "content": {}}]}
)
def test_any_chat_and_variables_are_messages_or_a_typed_error(template_format, messages, variables):
    """Any list of maps as a chat template with any variables gives messages, or an error that names the prompt."""
    template = tuple(FrozenDict(message) for message in messages)
    prompt = Prompt(
        prompt_id="critic",
        version="3",
        kind="chat",
        template=template,
        source="folder",
        template_format=template_format,
    )
    messages_or_our_error(prompt, variables)
