"""The fake Langfuse is held against the recordings: the same calls in the same order get the same answers."""

import datetime as dt
import http.client
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.prompts.conftest import RECORDINGS, recording
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION

# In the order in which they were recorded; the number between was never written down.
REPLAYED = [number for number in range(1, 55) if number != 48]

_CHANGING = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # identifiers
    r"|cm[0-9a-z]{23}"  # identifiers of datasets
    r"|eyJ[\w-]+"  # cursors
    r"|20\d\d-\d\d-\d\dT[0-9:.]+Z"  # times
)


def call(server: ServerProcess, request: dict[str, Any]) -> tuple[int, str, str]:
    """Makes a recorded call; gives status, content type and body text."""
    keys = {"basic, valid": AUTHORIZATION, "basic, wrong": "Basic d3Jvbmc6d3Jvbmc="}
    headers = {"authorization": keys[request["authorization"]]} if request["authorization"] in keys else {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        body = json.dumps(request["body"]) if request["body"] is not None else None
        connection.request(request["method"], request["path"], body, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("content-type", ""), answer.read().decode()
    finally:
        connection.close()


def seeds() -> Iterator[dict[str, Any]]:
    """What stood on the recorded server before the first call, read from its list."""
    for entry in recording(7)["response"]["body"]["data"]:
        labels = [label for label in entry["labels"] if label != "latest"]
        for version in entry["versions"]:
            is_last = version == entry["versions"][-1]
            yield {
                "name": entry["name"],
                "type": entry["type"],
                "prompt": "x" if entry["type"] == "text" else [],
                "labels": labels if is_last else [],
                "tags": entry["tags"],
                "config": entry["lastConfig"] if is_last else {},
            }


def nanoseconds(time: str) -> str:
    """Writes a recorded time as OTLP does."""
    return str(int(dt.datetime.fromisoformat(time).timestamp() * 1000) * 1_000_000)


def span(shown: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """The span that a recorded answer speaks of."""
    said = {
        "langfuse.observation.type": shown.get("type", "SPAN").lower(),
        "langfuse.environment": "sdk-experiment",
        "langfuse.observation.level": shown.get("level"),
        "langfuse.observation.status_message": shown.get("statusMessage"),
        "langfuse.observation.input": shown.get("input"),
        "langfuse.observation.output": shown.get("output"),
        **{"langfuse." + name.replace("__", "."): value for name, value in attributes.items()},
    }
    return {
        "traceId": shown["traceId"],
        "spanId": shown["id"],
        "parentSpanId": shown.get("parentObservationId") or "",
        "name": shown.get("name", ""),
        "startTimeUnixNano": nanoseconds(shown["startTime"]),
        "endTimeUnixNano": nanoseconds(shown["endTime"]),
        "attributes": [
            {"key": name, "value": {"stringValue": str(value)}} for name, value in said.items() if value is not None
        ],
    }


def spans() -> Iterator[dict[str, Any]]:
    """The spans of the recorded server, as far as its answers show them: experiments first, then what only counts."""
    numbers = itertools.count(1)
    failed, *others = recording(52)["response"]["body"]["data"]
    # The spans of the last experiment are shown whole; of the older ones only the times, and one item of one of them.
    task, item_run = recording(49)["response"]["body"]["data"]
    for shown in (task, item_run):
        yield span(shown, **experiment(failed, item=1, root=task["id"]))
    older = {**others[-1], "id": "0" * 16, "startTime": "2026-11-22T12:00:00.000Z", "name": "one more"}
    (item,) = recording(53)["response"]["body"]["data"]
    for named in (*others, older):
        for index in range(named["itemCount"]):
            is_shown = named["id"] == item["experimentId"]
            shown = {**made_up(next(numbers)), **{name: named[name] for name in ("startTime", "endTime")}}
            shown = {**item, "endTime": named["endTime"]} if is_shown else shown
            said = experiment(named, item=item["experimentItemId"] if is_shown else index, root=shown["id"])
            if is_shown:
                said["experiment__item__expected_output"] = item["expectedOutput"]
            yield span(shown, **said)
    written = 2 + sum(named["itemCount"] for named in (*others, older))
    for row in recording(50)["response"]["body"]["data"]:
        count = row["count_count"] - (0 if row["promptName"] else written)
        for _ in range(count):
            linked = {} if row["promptName"] is None else {"observation__prompt__name": row["promptName"]}
            if linked:
                linked["observation__prompt__version"] = row["promptVersion"]
            yield span({**made_up(next(numbers)), "type": "GENERATION" if linked else "SPAN"}, **linked)


def made_up(number: int) -> dict[str, Any]:
    """A span of which the recordings say only that there was one."""
    times = dict.fromkeys(("startTime", "endTime"), "2026-11-22T11:00:00.000Z")
    return {"traceId": f"{number:032x}", "id": f"{number:016x}", **times}


def experiment(shown: dict[str, Any], *, item: Any, root: str) -> dict[str, Any]:
    """Attributes by which a span belongs to an experiment."""
    return {
        "experiment__id": shown["id"],
        "experiment__name": shown["name"],
        "experiment__item__id": item,
        "experiment__item__root_observation_id": root,
    }


@pytest.fixture(scope="module")
def replayed() -> dict[int, tuple[int, str, str]]:
    """The fake's answers to the recorded calls, made in order against a server of its own."""
    with serving("tests.servers.fake_langfuse") as server:
        server.control(seed=list(seeds()))

        def post(path: str, body: Any) -> None:
            request = {"method": "POST", "path": path, "authorization": "basic, valid", "body": body}
            assert call(server, request)[0] == 200

        for name in ("one", "two", "three", "s5b-ds"):
            post("/api/public/v2/datasets", {"name": name})
        post("/api/public/otel/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": list(spans())}]}]})
        for year, name in ((2019, "even older"), (2020, "direct-run")):
            score = {"name": name, "value": 0.5, "timestamp": f"{year}-01-01T00:00:00Z", "traceId": "0" * 32}
            post("/api/public/scores", score)
        return {number: call(server, recording(number)["request"]) for number in REPLAYED}


def same_kind(text: str) -> str:
    """Leaves out what differs from server to server: identifiers, cursors and times."""
    return _CHANGING.sub("<changing>", text)


@pytest.mark.parametrize("number", REPLAYED)
def test_the_fake_answers_as_the_recorded_server_did(replayed: dict[int, tuple[int, str, str]], number: int):
    """Status, content type and JSON are those of the recording, apart from identifiers and times."""
    expected = recording(number)["response"]
    status, content_type, body = replayed[number]
    assert (status, content_type) == (expected["status"], expected["headers"].get("content-type", content_type))
    if isinstance(expected["body"], str):
        assert body[:15] == expected["body"][:15]
    else:
        assert json.loads(same_kind(body)) == json.loads(same_kind(json.dumps(expected["body"])))


def test_every_recording_is_replayed():
    """No recording lies about unused."""
    assert sorted(int(path.name[:2]) for path in RECORDINGS.glob("*.json")) == REPLAYED
