"""Reads OTLP/HTTP as the fake Langfuse receives it, protobuf or JSON, and makes observations of the spans."""

from __future__ import annotations

import binascii
import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.servers._fake import Refused
from tests.servers._langfuse_common import PROJECT_ID, Row, moment, nanos, stamp

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
_OBSERVATION = "langfuse.observation."
_EXPERIMENT = "langfuse.experiment."
_GENERATIONS = ("GENERATION", "EMBEDDING")

FindPrompt = Callable[[str, int], str | None]
"""Gives the identifier of a prompt's version; `None` when there is no such version."""


def read(content: bytes, content_type: str) -> Row:
    """Returns an export request as OTLP's JSON writes it: identifiers in hex, times as text.

    Raises:
        Refused: 400, for a content type or a body that the server does not understand.
    """
    if PROTOBUF in content_type:
        return _from_protobuf(content)
    if JSON not in content_type:
        raise Refused(400, {"error": "Invalid content type"})
    try:
        body = json.loads(content)
    except ValueError:
        raise Refused(400, {"error": "Failed to parse OTel JSON Trace"}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"error": "Failed to parse OTel JSON Trace"})
    return body


def as_protobuf(answer: Row) -> bytes:
    """Returns an export response in the encoding of a request that came as protobuf."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    written: bytes = ParseDict(answer, ExportTraceServiceResponse()).SerializeToString()
    return written


def _from_protobuf(content: bytes) -> Row:
    # Here, so that servers whose tests send JSON start without it.
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(content)
    except DecodeError:
        raise Refused(400, {"error": "Failed to parse OTel Protobuf Trace"}) from None
    body: Row = MessageToDict(request, use_integers_for_enums=True)
    for _, _, span in spans_of(body):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = binascii.a2b_base64(span[name]).hex()
    return body


def spans_of(body: Row) -> Iterator[tuple[Row, Row, Row]]:
    """Gives each span with its resource's attributes and its scope."""
    for resource in body.get("resourceSpans") or []:
        shared = attributes_of(resource.get("resource") or {})
        for scoped in resource.get("scopeSpans") or []:
            for span in scoped.get("spans") or []:
                yield shared, scoped.get("scope") or {}, span


def attributes_of(holder: Row) -> Row:
    """Returns OpenTelemetry's list of attributes as a map."""
    return {entry["key"]: _value(entry.get("value") or {}) for entry in holder.get("attributes") or []}


def _value(held: Row) -> Any:
    for kind, value in held.items():
        if kind == "intValue":
            return int(value)
        if kind == "arrayValue":
            return [_value(part) for part in value.get("values") or []]
        if kind == "kvlistValue":
            return {part["key"]: _value(part.get("value") or {}) for part in value.get("values") or []}
        return value
    return None


def problem_of(span: Row) -> str | None:
    """Says what OTLP forbids about a span; `None` when nothing is wrong."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", str(span.get("traceId"))):
        return f"invalid traceId {span.get('traceId')!r}"
    if not re.fullmatch(r"[0-9a-fA-F]{16}", str(span.get("spanId"))):
        return f"invalid spanId {span.get('spanId')!r}"
    if not span.get("startTimeUnixNano") or not span.get("endTimeUnixNano"):
        return "a span needs startTimeUnixNano and endTimeUnixNano"
    return None


def observation_of(shared: Row, scope: Row, span: Row, find_prompt: FindPrompt) -> Row:
    """Returns what a span becomes: the recorded observation's fields, and under `_` what other answers are made of."""
    said = {**shared, **attributes_of(span)}
    about = {name.removeprefix(_OBSERVATION): value for name, value in said.items() if name.startswith(_OBSERVATION)}
    kind = str(about.get("type", "generation" if "model.name" in about else "span")).upper()
    failed = (span.get("status") or {}).get("code") == 2
    started, ended = nanos(span["startTimeUnixNano"]), nanos(span["endTimeUnixNano"])
    parent = span.get("parentSpanId") or None
    first_token = _first_token_s(about.get("completion_start_time"), started)
    return {
        "id": span["spanId"].lower(),
        "traceId": span["traceId"].lower(),
        "startTime": stamp(started),
        "endTime": stamp(ended),
        "projectId": PROJECT_ID,
        "parentObservationId": parent.lower() if parent else None,
        "type": kind,
        "name": span.get("name", ""),
        "level": about.get("level", "ERROR" if failed else "DEFAULT"),
        "statusMessage": about.get("status_message", (span.get("status") or {}).get("message", "")),
        "version": said.get("langfuse.version", ""),
        "environment": said.get("langfuse.environment", said.get("deployment.environment.name", "default")),
        "input": _as_text(about.get("input")),
        "output": _as_text(about.get("output")),
        "model": about.get("model.name", ""),
        "internalModelId": "",
        "modelParameters": as_json(about.get("model.parameters"), {}),
        **_usage(as_json(about.get("usage_details"), {}), as_json(about.get("cost_details"), {})),
        **_link(about if kind in _GENERATIONS else {}, find_prompt),
        "usagePricingTierId": None,
        "usagePricingTierName": None,
        "latency": round((ended - started).total_seconds(), 3),
        "timeToFirstToken": first_token,
        "userId": said.get("user.id", ""),
        "sessionId": said.get("session.id", ""),
        "isRootObservation": parent is None or _is_true(said.get("langfuse.internal.is_app_root")),
        "bookmarked": False,
        "public": _is_true(said.get("langfuse.trace.public")),
        "completionStartTime": as_json(about.get("completion_start_time"), None),
        "metadata": _metadata(said, decoded=_is_major_5(scope)),
        "tags": said.get("langfuse.trace.tags", []),
        "release": said.get("langfuse.release", ""),
        "traceName": said.get("langfuse.trace.name", ""),
        "_experiment": {
            name.removeprefix(_EXPERIMENT): value for name, value in said.items() if name.startswith(_EXPERIMENT)
        },
    }


def _link(about: Row, find_prompt: FindPrompt) -> Row:
    """The server looks the prompt up: a name or version that it does not hold links to nothing."""
    name, version = about.get("prompt.name"), about.get("prompt.version")
    key = find_prompt(name, int(version)) if name and version is not None else None
    if key is None:
        return {"promptId": "", "promptName": "", "promptVersion": None}
    return {"promptId": key, "promptName": name, "promptVersion": int(version)}


def _usage(usage: Row, cost: Row) -> Row:
    """Adds the sums that the server shows beside the details."""

    def part(details: Row, word: str) -> list[Any]:
        return [value for name, value in details.items() if word in name]

    if usage:
        usage = {**usage, "total": usage.get("total", sum(value for name, value in usage.items() if name != "total"))}
    if cost:
        cost = {**cost, "total": cost.get("total", sum(value for name, value in cost.items() if name != "total"))}
    return {
        "usageDetails": usage,
        "inputUsage": sum(part(usage, "input")),
        "outputUsage": sum(part(usage, "output")),
        "totalUsage": usage.get("total", 0),
        "costDetails": cost,
        "inputCost": sum(part(cost, "input")) if part(cost, "input") else None,
        "outputCost": sum(part(cost, "output")) if part(cost, "output") else None,
        "totalCost": cost.get("total", 0),
    }


def _metadata(said: Row, *, decoded: bool) -> Row:
    found: Row = {}
    for prefix in ("langfuse.trace.metadata", _OBSERVATION + "metadata"):
        for name, value in said.items():
            if name == prefix or name.startswith(prefix + "."):
                key = name.removeprefix(prefix).lstrip(".") or "metadata"
                found[key] = as_json(value, value) if decoded else value
    return found


def _is_major_5(scope: Row) -> bool:
    """From major 5 on the SDK writes each value of the metadata as JSON, and the server reads it so."""
    major = str(scope.get("version", "")).split(".")[0]
    return scope.get("name") == "langfuse-sdk" and major.isdigit() and int(major) >= 5


def _first_token_s(said: Any, started: Any) -> float | None:
    text = as_json(said, said)
    return round((moment(text) - started).total_seconds(), 3) if isinstance(text, str) else None


def _is_true(value: Any) -> bool:
    return value in (True, "true")


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def as_json(value: Any, otherwise: Any) -> Any:
    """Reads an attribute that holds JSON as text; `otherwise` stands for what is not there or not JSON."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return otherwise if value is None or isinstance(value, str) else value
