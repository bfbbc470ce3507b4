"""A trial as a span: what it says, and that it is the same each time that it is made."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from tests.builders import NOON, make_arm, make_outcome, make_prompt, make_trial
from toolkit._records import Case, Failure, FrozenDict, RunView, Usage
from toolkit._redact import Secret, known_masker
from toolkit.langfuse._spans import (
    Experiment,
    RunFacts,
    dataset_experiment_id,
    experiment_name,
    experiments_of,
    item_id,
    span_key,
    span_of,
)

FACTS = RunFacts(run_id="run-1", created_at=NOON, target="http://host/project/p", mask=lambda text: text)
EXPERIMENT = Experiment(arm=0, label="greet@8", experiment_id="0123456789abcdef", name="nightly · greet@8")
ARM = make_arm(
    prompt=make_prompt(source="langfuse", version="8", label="production"),
    model="small",
    model_sent="gpt-small",
    params=FrozenDict({"temperature": 0, "stop": ["x"]}),
)
CASE = Case(index=3, variables=FrozenDict({"word": "hi"}), expected=FrozenDict({"label": "ok"}))
TRIAL = make_trial(arm=ARM, case=CASE, repeat=1)


def told(span):
    """The attributes of a span by name, `langfuse.` left out."""
    return {each["key"].removeprefix("langfuse."): next(iter(each["value"].values())) for each in span["attributes"]}


def changed(outcome, **fields):
    """The outcome with another response."""
    return dataclasses.replace(outcome, response=dataclasses.replace(outcome.response, **fields))


def test_a_span_says_what_is_known_of_a_trial():
    """A span has prompt and version, model, params, input, output, tokens, cost, times and what finds the run."""
    outcome = changed(
        make_outcome(text="Hi!", cost_usd=0.002, cost_source="list 2026-01-01", attempts=2),
        first_token_s=0.25,
        usage=Usage(input_tokens=10, output_tokens=7, cached_tokens=4, reasoning_tokens=2),
    )
    span = span_of(TRIAL, outcome, FACTS, EXPERIMENT)
    said = told(span)
    assert (span["name"], span["kind"], span["status"]) == ("greet", 1, {})
    # 2026-01-01 12:00:00 UTC, and half a second later.
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1767268800000000000", "1767268800500000000")
    assert {name: said[f"observation.{name}"] for name in ("type", "prompt.name", "prompt.version", "model.name")} == {
        "type": "generation", "prompt.name": "greet", "prompt.version": 8, "model.name": "model",
    }  # fmt: skip
    assert json.loads(said["observation.input"]) == [{"role": "user", "content": "Say hi."}]
    assert said["observation.output"] == "Hi!"
    assert json.loads(said["observation.model.parameters"]) == {"temperature": 0, "stop": ["x"]}
    assert json.loads(said["observation.usage_details"]) == {
        "input": 6, "input_cached_tokens": 4, "output": 5, "output_reasoning_tokens": 2, "total": 17,
    }  # fmt: skip
    assert json.loads(said["observation.cost_details"]) == {"total": 0.002}
    assert said["observation.completion_start_time"] == "2026-01-01T12:00:00.250000Z"
    assert "observation.level" not in said
    names = ("run_id", "trial_id", "case", "repeat", "prompt", "prompt_label", "model_asked", "model_served")
    assert [said[f"observation.metadata.{name}"] for name in (*names, "prompt_variables", "attempts")] == [
        "run-1", "t1:a", "3", "1", "langfuse:greet@8", "production", "small", "model-served", '{"word":"hi"}', "2",
    ]  # fmt: skip


def test_a_span_is_an_item_of_its_arm_s_experiment():
    """A span names its experiment, its item, and itself as the item's root."""
    span = span_of(TRIAL, make_outcome(), FACTS, dataclasses.replace(EXPERIMENT, dataset_id="ds-1"), item="item-7")
    said = {name: value for name, value in told(span).items() if name.startswith("experiment.")}
    assert json.loads(said.pop("experiment.metadata"))["arm"] == "greet@8"
    assert json.loads(said.pop("experiment.item.expected_output")) == {"label": "ok"}
    assert said == {
        "experiment.id": "0123456789abcdef",
        "experiment.name": "nightly · greet@8",
        "experiment.dataset.id": "ds-1",
        "experiment.item.id": "item-7",
        "experiment.item.root_observation_id": span["spanId"],
        "experiment.item.metadata": '{"case":3,"repeat":1}',
    }


def test_unknown_is_left_out():
    """What is not known has no attribute, and no number stands in for it."""
    outcome = changed(make_outcome(), usage=Usage(), model=None, latency_s=None)
    span = span_of(TRIAL, outcome, FACTS, EXPERIMENT)
    said = told(span)
    for name in ("usage_details", "cost_details", "completion_start_time", "metadata.model_served"):
        assert f"observation.{name}" not in said
    assert span["endTimeUnixNano"] == span["startTimeUnixNano"]


def test_a_failure_is_an_error_with_what_had_come():
    """A failed trial has the level ERROR, its reason without credentials, and the text that came before it broke."""
    failure = Failure(kind="auth", error_type="E", message="refused sk-abcdefgh12345678", partial="Half an ans")
    outcome = dataclasses.replace(make_outcome(), status="failed", response=None, failure=failure)
    span = span_of(TRIAL, outcome, FACTS, EXPERIMENT)
    said = told(span)
    assert (said["observation.level"], said["observation.output"]) == ("ERROR", "Half an ans")
    assert said["observation.status_message"] == "auth: refused ****"
    assert span["status"] == {"code": 2}


def test_tool_calls_and_refusals_are_told():
    """An answer with tool calls or a refusal is told whole, as a message."""
    call = FrozenDict({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}})
    said = told(span_of(TRIAL, changed(make_outcome(text=""), tool_calls=(call,)), FACTS, EXPERIMENT))
    assert json.loads(said["observation.output"])["tool_calls"][0]["function"]["name"] == "look"
    said = told(span_of(TRIAL, changed(make_outcome(text=""), refusal="I may not."), FACTS, EXPERIMENT))
    assert json.loads(said["observation.output"])["refusal"] == "I may not."


def test_no_credential_leaves():
    """A credential that this process knows is masked wherever it stands in a trial."""
    value = "pushed-credential-71c2"
    Secret(value)
    case = Case(index=0, variables=FrozenDict({"word": value}), expected=value)
    facts = dataclasses.replace(FACTS, mask=known_masker())
    span = span_of(make_trial(arm=ARM, case=case), make_outcome(text=f"it is {value}"), facts, EXPERIMENT)
    assert value not in json.dumps(span)


@pytest.mark.parametrize("source", ["folder", "fake", "humanloop"])
def test_only_prompts_from_langfuse_are_linked(source):
    """A prompt of another source is named in the metadata alone."""
    arm = make_arm(prompt=make_prompt(source=source, version="8"))
    said = told(span_of(make_trial(arm=arm), make_outcome(), FACTS, EXPERIMENT))
    assert not [name for name in said if name.startswith("observation.prompt.")]
    assert said["observation.metadata.prompt"] == f"{source}:greet@8"


def test_a_place_follows_from_what_a_trial_is():
    """The same trial of the same run has the same place; another run, experiment, case, repeat or project another."""
    first = span_key(TRIAL, make_outcome(), FACTS, EXPERIMENT)
    assert span_key(TRIAL, make_outcome(text="other", cost_usd=1.0), FACTS, EXPERIMENT) == first
    assert (len(first.trace_id), len(first.span_id)) == (32, 16)
    others = [
        span_key(TRIAL, make_outcome(), dataclasses.replace(FACTS, run_id="run-2"), EXPERIMENT),
        span_key(TRIAL, make_outcome(), dataclasses.replace(FACTS, target="http://host/project/q"), EXPERIMENT),
        span_key(TRIAL, make_outcome(), FACTS, dataclasses.replace(EXPERIMENT, experiment_id="f" * 16)),
        span_key(dataclasses.replace(TRIAL, repeat=2), make_outcome(), FACTS, EXPERIMENT),
        span_key(
            dataclasses.replace(TRIAL, case=dataclasses.replace(CASE, index=4)), make_outcome(), FACTS, EXPERIMENT
        ),
        span_key(dataclasses.replace(TRIAL, trial_id="t1:b"), make_outcome(), FACTS, EXPERIMENT),
    ]
    assert len({first, *others}) == 7


def test_each_try_that_failed_has_its_place():
    """A trial that failed, was asked again and answered is two generations; so are two failures."""
    failed = dataclasses.replace(make_outcome(), status="failed", response=None)
    again = dataclasses.replace(failed, started_at=NOON + dt.timedelta(minutes=5))
    keys = [span_key(TRIAL, each, FACTS, EXPERIMENT) for each in (failed, again, make_outcome())]
    assert len(set(keys)) == 3


def test_an_item_is_the_same_in_every_arm_and_run():
    """Without a dataset, an item is named by its case: the place in the plan and the content."""
    assert item_id(CASE) == item_id(Case(index=3, variables=FrozenDict({"word": "hi"}), expected={"label": "ok"}))
    assert item_id(CASE) != item_id(dataclasses.replace(CASE, index=4))
    assert item_id(CASE) != item_id(dataclasses.replace(CASE, expected="no"))


def test_an_experiment_on_a_dataset_has_the_id_that_langfuse_gives():
    """With a dataset, the id follows from project, dataset and name as Langfuse's own clients make it."""
    # SHA-256 of the text ["langfuse-experiment-v1","proj","ds","nächtlich"], computed with sha256sum.
    assert dataset_experiment_id("proj", "ds", "nächtlich") == "999958f500b20ee0"


def test_names_that_are_too_long_stay_apart():
    """Langfuse takes names of 200 characters: a longer one is cut, and two that differ at the end stay different."""
    names = [experiment_name("nightly", "x" * 300 + end) for end in ("a", "b")]
    assert [len(name) <= 200 for name in names] == [True, True]
    assert names[0] != names[1]


def test_arms_have_experiments_of_their_own():
    """Each arm of a run has an experiment with its label; another run of the same name has others."""
    arms = (make_arm(0), make_arm(1))
    view = RunView(run_id="run-1", created_at=NOON, arms=arms, trials=(), outcomes={})
    about = {"target": "t", "name": "n", "project_id": "p", "dataset_id": None}
    made = experiments_of(view, ["a", "b"], **about)
    other = experiments_of(dataclasses.replace(view, run_id="run-2"), ["a", "b"], **about)
    assert [made[0].name, made[1].name] == ["n · a", "n · b"]
    assert len({each.experiment_id for each in (*made.values(), *other.values())}) == 4


def test_messages_that_cannot_be_made_again_do_not_stop_a_push():
    """A prompt whose placeholder has no messages is told as such, and its answer is told all the same."""
    template = (FrozenDict({"type": "placeholder", "name": "history"}),)
    arm = make_arm(prompt=make_prompt(template, source="langfuse"))
    said = told(span_of(make_trial(arm=arm), make_outcome(text="Hi"), FACTS, EXPERIMENT))
    assert "cannot be rendered" in said["observation.input"]
    assert said["observation.output"] == "Hi"
