"""Spans of the real SDK: it sends protobuf, and what it says of a generation is what the fake holds and gives back."""

from typing import Any

import pytest

pytestmark = pytest.mark.langfuse_sdk

_GENERATION = """
client.create_prompt(name="reply", prompt="Hello {{name}}", labels=["production"])
prompt = client.get_prompt("reply")
with client.start_as_current_observation(as_type="span", name="outer", input={"q": 1}, metadata={"k": "v"}) as outer:
    with client.start_as_current_observation(
        as_type="generation", name="reply", model="small", prompt=prompt, output="Good day",
        input=[{"role": "user", "content": "Hello Ann"}], model_parameters={"temperature": 0.5},
        usage_details={"input": 3, "output": 2}, cost_details={"input": 0.25, "output": 0.5},
    ) as generation:
        generation.score(name="polite", value=1, data_type="BOOLEAN", comment="very")
    outer.update(output="done")
client.flush()
"""


def test_a_generation_is_held_with_its_prompt(sdk: Any, held: Any, ask: Any):
    """Model, parameters, usage, cost and the linked prompt version of a generation arrive, below its span."""
    ids = sdk(_GENERATION + "print(json.dumps([outer.trace_id, outer.id, generation.id]))")
    generation, outer = held()["observations"]
    assert ids == [outer["traceId"], outer["id"], generation["id"]]
    assert (generation["traceId"], generation["parentObservationId"]) == (outer["traceId"], outer["id"])
    expected = {
        "type": "GENERATION",
        "name": "reply",
        "level": "DEFAULT",
        "model": "small",
        "modelParameters": {"temperature": 0.5},
        "usageDetails": {"input": 3, "output": 2, "total": 5},
        "costDetails": {"input": 0.25, "output": 0.5, "total": 0.75},
        "totalCost": 0.75,
        "input": '[{"role": "user", "content": "Hello Ann"}]',
        "output": "Good day",
        "promptId": ask("GET", "v2/prompts/reply")["id"],
        "promptName": "reply",
        "promptVersion": 1,
        "isRootObservation": False,
    }
    assert {name: generation[name] for name in expected} == expected
    assert (outer["type"], outer["input"], outer["output"], outer["metadata"]) == (
        "SPAN",
        '{"q": 1}',
        "done",
        {"k": "v"},
    )


def test_a_score_on_a_generation_names_it(sdk: Any, held: Any):
    """A score from inside a generation is held once, on that observation of that trace."""
    ids = sdk(_GENERATION + "client.flush(); print(json.dumps([generation.trace_id, generation.id]))")
    (score,) = held()["scores"]
    assert score["subject"] == {"kind": "observation", "id": ids[1], "traceId": ids[0]}
    assert (score["name"], score["dataType"], score["value"], score["comment"]) == ("polite", "BOOLEAN", True, "very")


def test_observations_are_read_back(sdk: Any):
    """The SDK's list of observations finds the generation by its trace, by a filter, and page by page."""
    read = sdk(
        _GENERATION
        + """
where = [{"type": "string", "column": "promptName", "operator": "=", "value": "reply"},
         {"type": "number", "column": "promptVersion", "operator": "=", "value": 1}]
of = client.api.observations
found = [
    of.get_many(trace_id=outer.trace_id, type="GENERATION", fields="core,basic,prompt,model,usage,io,metrics"),
    of.get_many(filter=json.dumps(where), fields="core,basic,prompt,model,usage,io,metrics"),
]
first = of.get_many(trace_id=outer.trace_id, limit=1)
second = of.get_many(trace_id=outer.trace_id, limit=1, cursor=first.meta.cursor)
pages = sorted(row.name for page in (first, second) for row in page.data)
print(json.dumps([[[o.name, o.prompt_name, o.prompt_version, o.total_cost] for o in page.data] for page in found]
                 + [pages, second.meta.cursor]))
"""
    )
    assert read == [[["reply", "reply", 1, 0.75]], [["reply", "reply", 1, 0.75]], ["outer", "reply"], None]


def test_a_link_to_an_unknown_version_is_none(sdk: Any, held: Any):
    """A generation that names a version which the server does not hold is held without a prompt."""
    sdk(
        """
        known = client.create_prompt(name="reply", prompt="Hello", labels=["production"])
        known.version = 7
        with client.start_as_current_observation(as_type="generation", name="reply", prompt=known):
            pass
        client.flush()
        print(json.dumps(None))
        """
    )
    (generation,) = held()["observations"]
    assert (generation["promptId"], generation["promptName"], generation["promptVersion"]) == ("", "", None)


def test_an_error_and_who_asked(sdk: Any, held: Any):
    """Level, message, user, session, tags and environment of a failed call arrive."""
    sdk(
        """
        from langfuse import propagate_attributes
        with client.start_as_current_observation(as_type="generation", name="reply") as generation:
            with propagate_attributes(user_id="ann", session_id="s-1", tags=["a", "b"], trace_name="ask"):
                generation.update(level="ERROR", status_message="timed out")
        client.flush()
        print(json.dumps(None))
        """
    )
    (generation,) = held()["observations"]
    assert (generation["level"], generation["statusMessage"]) == ("ERROR", "timed out")
    assert (generation["userId"], generation["sessionId"], generation["traceName"]) == ("ann", "s-1", "ask")
    assert generation["tags"] == ["a", "b"]


def test_prompt_metrics(sdk: Any):
    """The SDK's metrics count the generations of each prompt version, and what is linked to none."""
    rows = sdk(
        _GENERATION
        + """
query = {"view": "observations", "dimensions": [{"field": "promptName"}, {"field": "promptVersion"}],
         "metrics": [{"measure": "count", "aggregation": "count"}, {"measure": "totalCost", "aggregation": "sum"}],
         "filters": [], "fromTimestamp": "2020-01-01T00:00:00Z", "toTimestamp": "2100-01-01T00:00:00Z"}
print(json.dumps(client.api.metrics.metrics(query=json.dumps(query)).data))
"""
    )
    assert rows == [
        {"promptName": None, "promptVersion": None, "count_count": 1, "sum_totalCost": 0},
        {"promptName": "reply", "promptVersion": 1, "count_count": 1, "sum_totalCost": 0.75},
    ]
