"""The fake Langfuse on the plain wire: how spans come in, what is kept of them, and what goes wrong on demand."""

import contextlib
import gzip
import http.client
import json
import time
import urllib.error
from typing import Any

import pytest

from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION

_TRACES = "/api/public/otel/v1/traces"
_BOUNDS = {"fromStartTime": "2020-01-01T00:00:00Z"}


def post(server: ServerProcess, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Sends bytes to the ingestion; gives status, headers and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", _TRACES, body, {"authorization": AUTHORIZATION, **sent})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def span(number: int, **attributes: Any) -> dict[str, Any]:
    """A span of half a second in OTLP's JSON, with text attributes below `langfuse.`."""
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": f"span {number}",
        "startTimeUnixNano": "1795000000000000000",
        "endTimeUnixNano": "1795000000500000000",
        "attributes": [
            {"key": "langfuse." + name.replace("__", "."), "value": {"stringValue": value}}
            for name, value in attributes.items()
        ],
    }


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    """An export request in OTLP's JSON."""
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def refused(server: ServerProcess, path: str) -> tuple[int, dict[str, str], Any]:
    """Reads a path; gives status, headers and JSON or text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"authorization": AUTHORIZATION})
        answer = connection.getresponse()
        text = answer.read().decode()
        with contextlib.suppress(ValueError):
            text = json.loads(text)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
    finally:
        connection.close()


def as_protobuf(body: dict[str, Any]) -> bytes:
    """The same export request as the SDKs send it."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ParseDict(body, ExportTraceServiceRequest())
    for group in request.resource_spans[0].scope_spans:
        for made, given in zip(group.spans, body["resourceSpans"][0]["scopeSpans"][0]["spans"], strict=True):
            made.trace_id, made.span_id = bytes.fromhex(given["traceId"]), bytes.fromhex(given["spanId"])
    return bytes(request.SerializeToString())


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
def test_spans_come_as_json_and_protobuf(server: ServerProcess, held: Any, kind: str, is_zipped: bool):
    """A span is the same observation in either encoding, zipped or not, and is answered in the encoding it came in."""
    body = export(span(1, observation__type="generation", observation__model__name="m", trace__name="t"))
    sent = as_protobuf(body) if "protobuf" in kind else json.dumps(body).encode()
    headers = {"content_type": kind} | ({"content_encoding": "gzip"} if is_zipped else {})
    status, answered, answer = post(server, gzip.compress(sent) if is_zipped else sent, **headers)
    assert (status, answered["content-type"].split(";")[0]) == (200, kind)
    assert answer == (b"" if "protobuf" in kind else b"{}")
    (row,) = held()["observations"]
    assert (row["id"], row["traceId"], row["type"], row["model"], row["traceName"]) == (
        "0000000000000001",
        "00000000000000000000000000000001",
        "GENERATION",
        "m",
        "t",
    )
    assert (row["startTime"], row["endTime"], row["latency"]) == (
        "2026-11-18T11:06:40.000Z",
        "2026-11-18T11:06:40.500Z",
        0.5,
    )


def test_a_span_that_comes_twice_is_two_records(server: ServerProcess, ask: Any):
    """What is ingested is never changed: a second span of the same identifier stands beside the first."""
    for _ in range(2):
        ask("POST", "otel/v1/traces", export(span(1)))
    rows = ask("GET", "v2/observations", traceId=f"{1:032x}")["data"]
    assert [row["id"] for row in rows] == ["0000000000000001"] * 2


def test_a_cursor_misses_no_copy(server: ServerProcess, ask: Any):
    """Pages of one row show both copies of a span that came twice."""
    for _ in range(2):
        ask("POST", "otel/v1/traces", export(span(1), span(2)))
    seen, query = [], {"limit": 1}
    while True:
        page = ask("GET", "v2/observations", **query)
        seen += [row["id"][-1] for row in page["data"]]
        if "cursor" not in page["meta"]:
            break
        query["cursor"] = page["meta"]["cursor"]
    assert seen == ["2", "2", "1", "1"]


def test_a_span_without_identifiers_is_rejected(server: ServerProcess, held: Any):
    """A span that OTLP forbids is counted as rejected, and the others of the request are taken."""
    body = export({**span(1), "traceId": "short"}, span(2))
    status, _, answer = post(server, json.dumps(body).encode(), content_type="application/json")
    partial = json.loads(answer)["partialSuccess"]
    assert (status, partial["rejectedSpans"]) == (200, "1")
    assert "'short'" in partial["errorMessage"]
    assert [row["name"] for row in held()["observations"]] == ["span 2"]


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", {"content_type": "application/json"}),
        (b"\xff\xff", {"content_type": "application/x-protobuf"}),
        (b"{}", {"content_type": "text/plain"}),
        (b"{}", {"content_type": "application/json", "content_encoding": "gzip"}),
        (b"{}", {"content_type": "application/json", "x_langfuse_ingestion_version": "5"}),
    ],
)
def test_what_cannot_be_read_is_a_400(server: ServerProcess, content: bytes, headers: dict[str, str]):
    """A body, an encoding or a version of the ingestion that the server does not know is refused in words."""
    status, _, answer = post(server, content, **headers)
    assert status == 400
    assert json.loads(answer)["error"]


def test_a_span_is_readable_after_the_lag(server: ServerProcess, ask: Any, held: Any):
    """While the lag lasts a span is held and nowhere readable; afterwards it is, also in its experiment."""
    server.control(lag_s=60)
    said = {"experiment__id": "e", "experiment__item__root_observation_id": f"{1:016x}"}
    ask("POST", "otel/v1/traces", export(span(1, **said)))
    readers = [("v2/observations", {}), ("experiments", _BOUNDS), ("experiment-items", _BOUNDS)]
    assert [ask("GET", path, **query)["data"] for path, query in readers] == [[], [], []]
    assert len(held()["observations"]) == 1
    server.control(lag_s=0)
    assert [len(ask("GET", path, **query)["data"]) for path, query in readers] == [1, 1, 1]


def test_a_used_up_limit_says_when_to_come_again(server: ServerProcess, ask: Any):
    """Beyond a path's limit the answer is a 429 with Retry-After and the limit's headers; then requests pass again."""
    path = "/api/public/v2/observations"
    server.control(limit={path: [2, 3600]})
    for _ in range(2):
        ask("GET", "v2/observations")
    status, headers, body = refused(server, path)
    assert (status, headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == (429, "2", "0")
    assert 3500 < int(headers["retry-after"]) <= 3600
    assert body["code"] == "rate_limited"
    assert ask("GET", "projects")["data"][0]["id"] == "proj-test"
    server.control(limit={path: [1, 0.2]})
    ask("GET", "v2/observations")
    deadline = time.monotonic() + 10
    while refused(server, path)[0] == 429:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_answers_take_the_latency():
    """Started with `--latency`, the server lets each answer wait so long."""
    with serving("tests.servers.fake_langfuse", "--latency", "0.2") as slow:
        began = time.monotonic()
        assert refused(slow, "/api/public/health")[0] == 200
        assert time.monotonic() - began >= 0.2


def test_a_plan_that_refuses(server: ServerProcess):
    """A path that the plan does not cover is a 403 with message and error."""
    server.control(refuse=["/api/public/v2/observations"])
    status, _, body = refused(server, "/api/public/v2/observations")
    assert (status, sorted(body)) == (403, ["error", "message"])


@pytest.mark.parametrize("path", ["v2/observations", "v2/metrics", "experiments", "experiment-items", "v3/scores"])
def test_an_older_server_knows_no_such_page(server: ServerProcess, ask: Any, path: str):
    """A server before version 4 answers its newer paths with a page in HTML, and takes spans all the same."""
    server.control(version="3.114.0")
    status, headers, body = refused(server, f"/api/public/{path}")
    assert (status, headers["content-type"], body[:15]) == (404, "text/html; charset=utf-8", "<!DOCTYPE html>")
    assert ask("GET", "health")["version"] == "3.114.0"
    assert ask("POST", "otel/v1/traces", export(span(1))) == {}


def test_a_connection_that_dies_after_the_work(server: ServerProcess, held: Any):
    """With `drop_after` a span is stored and its sender hears nothing."""
    server.control(next=[{"path": _TRACES, "drop_after": True}])
    with pytest.raises(http.client.RemoteDisconnected):
        post(server, json.dumps(export(span(1))).encode(), content_type="application/json")
    assert len(held()["observations"]) == 1


def test_a_fault_waits_for_its_path(server: ServerProcess, ask: Any):
    """A fault with a path and a method lets other requests through and meets the first that fits."""
    server.control(next=[{"path": "/api/public/v2/datasets", "method": "GET", "status": 503, "body": "down"}])
    assert ask("POST", "v2/datasets", {"name": "d"})["name"] == "d"
    assert ask("GET", "projects")["data"]
    assert refused(server, "/api/public/v2/datasets")[0] == 503
    assert refused(server, "/api/public/v2/datasets")[0] == 200


@pytest.fixture
def linked(ask: Any) -> list[str]:
    """Generations of two versions of a prompt, and one of none."""
    for text in ("one", "two"):
        ask("POST", "v2/prompts", {"name": "reply", "prompt": text})
    about = {"observation__type": "generation", "observation__prompt__name": "reply"}
    spans = [span(number, **about, observation__prompt__version=str(number)) for number in (1, 2)]
    ask("POST", "otel/v1/traces", export(*spans, span(3, observation__type="generation", observation__level="ERROR")))
    return [f"{number:016x}" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3]),
        ({"traceId": f"{2:032x}"}, [2]),
        ({"name": "span 3"}, [3]),
        ({"type": "SPAN"}, []),
        ({"level": "ERROR"}, [3]),
        ({"fromStartTime": "2026-11-18T11:06:40Z"}, [1, 2, 3]),
        ({"fromStartTime": "2026-11-18T11:06:41Z"}, []),
        ({"toStartTime": "2026-11-18T11:06:40Z"}, []),
        ({"filter": [("string", "promptName", "=", "reply")]}, [1, 2]),
        ({"filter": [("number", "promptVersion", ">=", 2)]}, [2]),
        ({"filter": [("stringOptions", "promptName", "any of", ["reply"]), ("number", "promptVersion", "=", 1)]}, [1]),
        ({"filter": [("datetime", "startTime", ">", "2026-11-18T11:00:00Z")], "type": "SPAN"}, [1, 2, 3]),
    ],
)
def test_observations_are_found(ask: Any, linked: list[str], query: dict[str, Any], found: list[int]):
    """Parameters narrow the list of observations; a filter takes their place."""
    if "filter" in query:
        names = ("type", "column", "operator", "value")
        query = {**query, "filter": json.dumps([dict(zip(names, each, strict=True)) for each in query["filter"]])}
    rows = ask("GET", "v2/observations", **query)["data"]
    assert sorted(row["id"] for row in rows) == [linked[number - 1] for number in found]


def test_fields_come_in_groups(ask: Any, linked: list[str]):
    """Without `fields` an observation has its core and basics; metadata is cut unless a key is asked for whole."""
    ask("POST", "otel/v1/traces", export(span(9, observation__metadata__long="x" * 300)))
    (row,) = ask("GET", "v2/observations", traceId=f"{9:032x}")["data"]
    assert {"input", "promptName", "metadata", "model"}.isdisjoint(row)
    assert {"id", "traceId", "name", "level", "environment"} <= set(row)
    asked = {"traceId": f"{9:032x}", "fields": "metadata"}
    lengths = [
        len(ask("GET", "v2/observations", **asked, **more)["data"][0]["metadata"]["long"])
        for more in ({}, {"expandMetadata": "long"})
    ]
    assert lengths == [200, 300]


def test_repeats_of_an_item_are_counted_each(ask: Any):
    """An experiment has as many items as root spans: repeats of one item are several, a copied span is one."""
    said = {"experiment__id": "e", "experiment__name": "E", "experiment__item__id": "same"}
    spans = [span(number, **said, experiment__item__root_observation_id=f"{number:016x}") for number in (1, 2, 2)]
    ask("POST", "otel/v1/traces", export(*spans, span(3, **said, experiment__item__root_observation_id=f"{1:016x}")))
    assert [row["itemCount"] for row in ask("GET", "experiments", **_BOUNDS)["data"]] == [2]
    assert len(ask("GET", "experiment-items", **_BOUNDS)["data"]) == 3


def test_experiments_need_a_start(server: ServerProcess):
    """A list of experiments without `fromStartTime` is refused."""
    assert refused(server, "/api/public/experiments")[0] == 400


def test_a_batch_of_scores_counts_what_it_refuses(server: ServerProcess, ask: Any, held: Any):
    """A list of scores is accepted whole, or answered with how many were taken and why others were not."""
    good = {"id": "a", "name": "n", "value": 1, "traceId": "t", "timestamp": "2026-11-22T10:00:00Z"}
    assert ask("POST", "scores", [good, good]) == {"message": "Accepted"}
    answer = ask("POST", "scores", [{**good, "id": "b"}, {"name": "n", "value": 1}])
    assert (answer["accepted"], answer["rejected"], len(answer["errors"])) == (1, 1, 1)
    assert [score["id"] for score in held()["scores"]] == ["a", "b"]


def test_a_single_score_is_updated_by_its_identifier(ask: Any, held: Any):
    """A single score without a timestamp takes the place of the one with its identifier, at that one's time."""
    for value in (0, 1):
        ask("POST", "scores", {"id": "a", "name": "n", "value": value, "traceId": "t"})
    assert [score["value"] for score in held()["scores"]] == [1]


def test_a_score_of_another_time_is_another(ask: Any, held: Any):
    """The same identifier with another timestamp is a second score: both are needed to change one."""
    for hour in (10, 11):
        score = {"id": "a", "name": "n", "value": 1, "traceId": "t", "timestamp": f"2026-11-22T{hour}:00:00Z"}
        ask("POST", "scores", [score])
    assert len(held()["scores"]) == 2


@pytest.mark.parametrize(
    ("comment", "status"),
    [
        ({"objectType": "TRACE", "objectId": "nothing", "content": "x"}, 404),
        ({"objectType": "PROMPT", "objectId": "nothing", "content": "x" * 5001}, 400),
        ({"objectType": "MODEL", "objectId": "nothing", "content": "x"}, 400),
    ],
)
def test_comments_are_about_what_there_is(ask: Any, comment: dict[str, str], status: int):
    """A comment on nothing is a 404; one of an unknown kind or above 5,000 characters is a 400."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask("POST", "comments", {"projectId": "proj-test", **comment})
    assert caught.value.code == status
    caught.value.close()
