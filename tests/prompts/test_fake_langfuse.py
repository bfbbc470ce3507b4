"""The fake Langfuse is held against the recordings: the same calls in the same order get the same answers."""

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.prompts.conftest import RECORDINGS, recording
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION

# In the order in which they were recorded; the numbers between are calls about other things than prompts.
REPLAYED = [*range(1, 38), 39, 51]

_CHANGING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|2026-11-22T[0-9:.]+Z")


def call(server: ServerProcess, request: dict[str, Any]) -> tuple[int, str, str]:
    """Makes a recorded call; gives status, content type and body text."""
    keys = {"basic, valid": AUTHORIZATION, "basic, wrong": "Basic d3Jvbmc6d3Jvbmc="}
    headers = {"authorization": keys[request["authorization"]]} if request["authorization"] in keys else {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        body = json.dumps(request["body"]) if request["body"] is not None else None
        connection.request(request["method"], request["path"], body, headers)
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


@pytest.fixture(scope="module")
def replayed() -> dict[int, tuple[int, str, str]]:
    """The fake's answers to the recorded calls, made in order against a server of its own."""
    with serving("tests.servers.fake_langfuse") as server:
        server.control(seed=list(seeds()))
        return {number: call(server, recording(number)["request"]) for number in REPLAYED}


def same_kind(text: str) -> str:
    """Leaves out what differs from server to server: identifiers and times."""
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
