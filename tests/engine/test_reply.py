"""An answer reads as attributes and as items, cannot be changed, and has OpenAI's form whoever gave it."""

from __future__ import annotations

import copy
import pickle

import pytest

from tests.engine.world import MESSAGES, World
from toolkit._records import FrozenDict, Message, Request, Response, Usage
from toolkit.engine import completion_body
from toolkit.engine._reply import WireObject

BODY = {"id": "r1", "choices": [{"message": {"content": "Hi"}}]}
CALL = FrozenDict({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}})
REQUEST = Request(provider="fake", model="m", messages=(Message(role="user", content="hi"),))


def test_an_answer_is_also_a_map():
    """Names of fields can be looked for, listed and asked for with a default, as in a map."""
    body = WireObject(BODY)
    assert ("id" in body, "usage" in body) == (True, False)
    assert list(body) == body.keys() == ["id", "choices"]
    assert (body.get("id"), body.get("usage"), body.get("usage", 0)) == ("r1", None, 0)
    assert body.get("choices")[0].message.content == "Hi"


def test_an_answer_cannot_be_changed():
    """Setting a field is refused, and the error says where a copy is to be had that can be changed."""
    body = WireObject(BODY)
    with pytest.raises(AttributeError, match="model_dump"):
        body.id = "other"
    assert body.id == "r1"


def test_equal_answers_are_one_in_a_set():
    """Answers of the same fields are equal and hash alike; an answer never equals a map."""
    same, other = WireObject(dict(BODY)), WireObject({"id": "r2"})
    assert {WireObject(BODY), same, other} == {same, other}
    assert WireObject(BODY) != BODY


def test_an_answer_shows_its_fields():
    """The repr of an answer holds its fields as plain values."""
    assert repr(WireObject(BODY)) == "WireObject({'id': 'r1', 'choices': [{'message': {'content': 'Hi'}}]})"


def test_a_part_of_an_answer_pickles():
    """A message taken out of an answer comes back from a pickle and from a copy as it was."""
    message = WireObject(BODY).choices[0].message
    assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == message  # noqa: S301  our own bytes


def test_a_field_that_is_missing_is_named_with_those_there_are():
    """Asking for a field that is not there names it, and the fields that are."""
    with pytest.raises(AttributeError, match="No 'usage' here; there is id, choices"):
        _ = WireObject(BODY).usage


def test_a_call_of_a_tool_has_no_content(tmp_path):
    """An answer that is a tool call and no text has the content None, as OpenAI's has, whoever gave it."""
    world = World(tmp_path, openai=[Response(text="", finish_reason="tool_calls", tool_calls=(CALL,))])
    message = world("openai/m", MESSAGES).choices[0].message
    assert (message.content, message.tool_calls[0].function.name) == (None, "f")


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(), None),
        (Usage(output_tokens=2), {"prompt_tokens": None, "completion_tokens": 2, "total_tokens": 2}),
        (
            Usage(input_tokens=7, output_tokens=9, cached_tokens=3, reasoning_tokens=5),
            {
                "prompt_tokens": 7,
                "completion_tokens": 9,
                "total_tokens": 16,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
        ),
    ],
)
def test_usage_has_openai_s_names(usage, told):
    """Counted tokens are told under OpenAI's names, cached and reasoned ones as their parts; uncounted are None."""
    assert completion_body(Response(text="Hi", finish_reason="stop", usage=usage), REQUEST)["usage"] == told
