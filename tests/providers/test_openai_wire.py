"""The rules by which a chat-completion body becomes a response."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.builders import make_body
from toolkit._records import Response, Usage
from toolkit.providers._openai_wire import EmptyAnswerError, StreamAssembler, read_completion, read_usage


def read(body: dict[str, Any]) -> Response:
    """The response of one body."""
    return read_completion(body, request_id=None, latency_s=0.1)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        ("", ""),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}], "b"),
        (["a", "b"], "ab"),
        ([], ""),
        (7, ""),
    ],
)
def test_content_becomes_text(content: Any, text: str) -> None:
    """Content is text, parts joined, or empty; parts of unknown kinds are passed over."""
    assert read(make_body(content)).text == text


@pytest.mark.parametrize("finish_reason", ["stop", "length", "content_filter", "tool_calls", "a_new_word", None])
def test_finish_reason_is_verbatim(finish_reason: str | None) -> None:
    """The finish reason is the provider's own word, known or not."""
    assert read(make_body(finish_reason=finish_reason)).finish_reason == finish_reason


@pytest.mark.parametrize(
    "fields",
    [{"refusal": "I cannot."}, {"content": [{"type": "refusal", "refusal": "I cannot."}]}],
)
def test_refusal_is_kept_apart(fields: dict[str, Any]) -> None:
    """A refusal is no text, whether it is a field or a part."""
    response = read(make_body(**{"content": None, **fields}))
    assert (response.text, response.refusal) == ("", "I cannot.")


def test_tool_calls_are_kept_raw() -> None:
    """Tool calls are kept as they came, with arguments that are no JSON too."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{not json"}}
    assert read(make_body(None, tool_calls=[call])).tool_calls == (call,)


def test_unknown_fields_are_kept() -> None:
    """Fields that nobody knows stay in the raw answer."""
    assert read({**make_body(), "new": {"deep": [1]}}).raw["new"] == {"deep": (1,)}


def test_body_id_stands_in_for_the_header() -> None:
    """Without a header the body's id is the request id."""
    assert read(make_body()).request_id == "chatcmpl-1"


@pytest.mark.parametrize(
    ("usage", "read_as"),
    [
        (None, Usage()),
        ("many", Usage()),
        ({}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(input_tokens=0, output_tokens=0)),
        ({"prompt_tokens": 5.0}, Usage(input_tokens=5)),
        ({"prompt_tokens": -5, "completion_tokens": 2}, Usage(output_tokens=2)),
        ({"prompt_tokens": "5"}, Usage()),
        ({"prompt_tokens": True}, Usage()),
        ({"prompt_tokens": math.nan, "completion_tokens": math.inf}, Usage()),
        ({"prompt_tokens": 2.5}, Usage()),
        ({"prompt_tokens": 10**30}, Usage()),
        ({"prompt_tokens_details": {"cached_tokens": 3}}, Usage(cached_tokens=3)),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": 4}, Usage(cached_tokens=4)),
        ({"completion_tokens_details": {"reasoning_tokens": 9}}, Usage(reasoning_tokens=9)),
        ({"completion_tokens_details": [1]}, Usage()),
    ],
)
def test_usage_is_a_count_or_unknown(usage: Any, read_as: Usage) -> None:
    """A token count that is no plausible count is unknown, never 0."""
    assert read_usage(usage) == read_as


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["choices", "usage", "model", "id", "message", "delta", "content", "tool_calls", "index"])
BODIES = st.recursive(
    JSON, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(FIELDS, BODIES))
def test_any_json_is_a_response_or_empty(body: dict[str, Any]) -> None:
    """Whatever JSON comes, it is a response that pickles or an empty answer."""
    try:
        response = read(body)
    except EmptyAnswerError:
        return
    assert pickle.loads(pickle.dumps(response)).text == response.text  # noqa: S301


@given(st.lists(st.dictionaries(FIELDS, BODIES), max_size=4))
def test_any_events_add_up_to_a_body(events: list[dict[str, Any]]) -> None:
    """Whatever events come, they add up to a body."""
    assembler = StreamAssembler()
    for event in events:
        assembler.add(event)
    assert isinstance(assembler.body()["choices"], list)


def test_calls_without_an_index_are_told_apart_by_id() -> None:
    """Pieces of tool calls without an index begin a new call with an id and continue the last without."""
    assembler = StreamAssembler()
    for call in (
        {"id": "a", "function": {"name": "f", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "b", "function": {"name": "g", "arguments": "{}"}},
    ):
        assembler.add({"choices": [{"delta": {"tool_calls": [call]}}]})
    calls = assembler.body()["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", "{}"), ("b", "{}")]


def test_other_choices_of_a_stream_are_passed_over() -> None:
    """Only the first of several choices is assembled."""
    assembler = StreamAssembler()
    assert assembler.add({"choices": [{"index": 1, "delta": {"content": "no"}}]}) == ""
    assert assembler.add({"choices": [{"index": 0, "delta": {"content": "yes"}}]}) == "yes"
    assert assembler.text == "yes"
