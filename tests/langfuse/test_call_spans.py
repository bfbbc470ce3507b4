"""What one completion call is in Langfuse: its span, attribute by attribute."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from tests.builders import NOON, make_outcome, make_prompt
from tests.langfuse.tracing import make_call
from toolkit._records import Failure, FrozenDict
from toolkit._traced import Spot
from toolkit.langfuse._call_spans import call_span

PROMPT = make_prompt(source="langfuse", version="7", label="production")


def span(call, **environ):
    return call_span(call, mask=lambda text: text.replace("secret-1", "****"), environ=environ)


def told(call, **environ):
    """The attributes of a call's span, without `langfuse.` before their names."""
    return {
        each["key"].removeprefix("langfuse."): next(iter(each["value"].values()))
        for each in span(call, **environ)["attributes"]
    }


def test_a_span_says_what_is_known_of_a_call():
    """A span has prompt and version, models, params, input, output, tokens, cost and variables."""
    call = make_call(
        "Hi!",
        prompt=PROMPT,
        variables=FrozenDict({"word": "hi"}),
        params=FrozenDict({"temperature": 0.5}),
        outcome=make_outcome("", "Hi!", cost_usd=0.25, cost_source="list"),
        failed_before=("m: timeout: slow",),
    )
    said = told(call)
    assert (said["observation.prompt.name"], said["observation.prompt.version"]) == ("greet", 7)
    assert (said["trace.name"], span(call)["name"], said["observation.output"]) == ("greet", "greet", "Hi!")
    assert json.loads(said["observation.input"]) == [{"role": "user", "content": "Hello"}]
    assert json.loads(said["observation.usage_details"]) == {"input": 7, "output": 2, "total": 9}
    assert json.loads(said["observation.cost_details"]) == {"total": 0.25}
    names = "prompt prompt_label prompt_variables model_asked model_source model_served provider attempts failed_before"
    assert [said[f"observation.metadata.{name}"] for name in names.split()] == [
        "langfuse:greet@7", "production", '{"word":"hi"}', "openai/model", "caller", "model-served", "openai", "1",
        "m: timeout: slow",
    ]  # fmt: skip


def test_an_answer_has_its_own_time_and_a_failure_all_of_its():
    """An answer's span is as long as its latency; a failure's reaches from its first try to the end."""
    answered = span(make_call())
    assert (answered["startTimeUnixNano"], answered["endTimeUnixNano"]) == (
        "1767268800000000000", "1767268800500000000",
    )  # fmt: skip
    failure = Failure(kind="timeout", error_type="E", message="slow", partial="Half")
    outcome = dataclasses.replace(make_outcome(), status="failed", response=None, failure=failure)
    failed = make_call(outcome=outcome)
    assert span(failed)["endTimeUnixNano"] == "1767268803000000000"
    said = told(failed)
    assert (said["observation.level"], said["observation.status_message"], said["observation.output"]) == (
        "ERROR", "timeout: slow", "Half",
    )  # fmt: skip
    assert span(failed)["status"] == {"code": 2}


def test_a_call_that_was_left_is_no_error():
    """A call that nobody waited for has the level WARNING and no error status."""
    failure = Failure(kind="cancelled", error_type="CancelledError", message="left")
    outcome = dataclasses.replace(make_outcome(), status="cancelled", response=None, failure=failure)
    call = make_call(outcome=outcome)
    assert (told(call)["observation.level"], span(call)["status"]) == ("WARNING", {})


def test_a_clock_that_was_set_back_ends_no_span_before_its_beginning():
    """A span ends when it began at the earliest."""
    call = make_call(outcome=make_outcome(response=None), ended_at=NOON - dt.timedelta(hours=1))
    assert span(call)["endTimeUnixNano"] == span(call)["startTimeUnixNano"]


@pytest.mark.parametrize(
    ("metadata", "name", "value"),
    [
        ({"trace_user_id": "ann"}, "user.id", "ann"),
        ({"trace_user_id": 5}, "user.id", "5"),
        ({"session_id": "s" * 300}, "session.id", "s" * 190),
        ({"tags": ["a", 5]}, "trace.tags", {"values": [{"stringValue": "a"}, {"stringValue": "5"}]}),
        ({"trace_name": "ask"}, "trace.name", "ask"),
        ({"trace_version": "v2"}, "version", "v2"),
        ({"trace_release": "r"}, "release", "r"),
        ({"trace_environment": "staging"}, "environment", "staging"),
        ({"trace_metadata": {"k": {"a": 1}}}, "trace.metadata.k", '{"a":1}'),
        ({"mine": [1, "b"]}, "observation.metadata.mine", '[1,"b"]'),
        ({"model_served": "a lie"}, "observation.metadata.model_served", "model-served"),
        ({"mask_input": True}, "observation.input", "(not recorded)"),
        ({"mask_output": "true"}, "observation.output", "(not recorded)"),
        ({"mask_output": False}, "observation.output", "hello"),
    ],
)
def test_litellm_s_names_say_it(metadata, name, value):
    """Each of LiteLLM's keys has its place; further keys are metadata, and none takes the place of ours."""
    assert told(make_call(metadata=FrozenDict(metadata)))[name] == value


def test_what_is_not_to_be_recorded_is_nowhere():
    """`mask_input` keeps the variables back with the messages."""
    call = make_call(prompt=PROMPT, variables=FrozenDict({"word": "hi"}), metadata=FrozenDict({"mask_input": True}))
    assert "observation.metadata.prompt_variables" not in told(call)


def test_steering_words_are_no_metadata():
    """What says where and how a call is told is not repeated as metadata."""
    said = told(make_call(metadata=FrozenDict({"trace_user_id": "ann", "tags": ["a"], "trace_id": "x"})))
    assert not {"trace_user_id", "tags", "trace_id"} & {name.rpartition("metadata.")[2] for name in said}


def test_a_child_says_what_its_trace_says():
    """Below somebody's span, a call has its parent and the trace's user and tags, unless the caller says others."""
    inherited = {"user.id": "ann", "session.id": "s", "langfuse.trace.tags": ("a",), "langfuse.experiment.id": "e"}
    spot = Spot(trace_id="a" * 32, span_id="b" * 16, parent_id="c" * 16, inherited=FrozenDict(inherited))
    call = make_call(spot=spot, user="bob", metadata=FrozenDict({"session_id": "mine"}))
    said = told(call)
    assert span(call)["parentSpanId"] == "c" * 16
    assert (said["user.id"], said["session.id"], said["experiment.id"]) == ("ann", "mine", "e")
    assert said["trace.tags"] == {"values": [{"stringValue": "a"}]}
    assert "trace.name" not in said


def test_environment_and_release_are_langfuse_s_variables():
    """`LANGFUSE_TRACING_ENVIRONMENT` and `LANGFUSE_RELEASE` say what the SDK says by them."""
    said = told(make_call(), LANGFUSE_TRACING_ENVIRONMENT="staging", LANGFUSE_RELEASE="r-7")
    assert (said["environment"], said["release"]) == ("staging", "r-7")
    assert "environment" not in told(make_call())


def test_values_that_are_no_json_are_told_by_their_text():
    """Variables and metadata of any kind are told."""
    moment = dt.date(2026, 1, 1)
    call = make_call(prompt=PROMPT, variables=FrozenDict({"day": moment}), metadata=FrozenDict({"at": moment}))
    said = told(call)
    assert (said["observation.metadata.prompt_variables"], said["observation.metadata.at"]) == (
        '{"day":"2026-01-01"}', '"2026-01-01"',
    )  # fmt: skip


def test_a_credential_is_masked_wherever_it_stands():
    """Answers, variables, names, tags and metadata leave without the credentials that are known."""
    call = make_call(
        "secret-1",
        prompt=PROMPT,
        variables=FrozenDict({"word": "secret-1"}),
        user="secret-1",
        metadata=FrozenDict({"tags": ["secret-1"], "mine": "secret-1", "generation_name": "secret-1"}),
    )
    assert "secret-1" not in json.dumps(span(call))
