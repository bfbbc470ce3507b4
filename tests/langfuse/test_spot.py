"""Where a call stands among the traces: on its own, below a request's span, below a span of Langfuse's SDK."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from toolkit.langfuse._spot import spot_for

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OWN_TRACE, OWN_SPAN = "1" * 32, "2" * 16


def place(metadata=None, traceparent=None):
    """Trace, span and parent of a call; its own ids are ones and twos."""
    made = spot_for(metadata or {}, traceparent=traceparent, new_id=lambda size: {16: OWN_TRACE, 8: OWN_SPAN}[size])
    return made.trace_id, made.span_id, made.parent_id


@pytest.fixture(autouse=True)
def no_span_open(monkeypatch):
    """OpenTelemetry is not in use, unless a case says so."""
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)


@pytest.mark.parametrize(
    "header",
    [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f" 00-{TRACE.upper()}-{SPAN}-01 ", f"cc-{TRACE}-{SPAN}-01-more"],
)
def test_a_well_formed_traceparent_is_the_parent(header):
    """A call of a request with a W3C `traceparent` stands below the span that it names."""
    assert place(traceparent=header) == (TRACE, OWN_SPAN, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\r\nx: y",
        f"00-{'g' * 32}-{SPAN}-01",
    ],
)
def test_any_other_traceparent_says_nothing(header):
    """A `traceparent` that is not well-formed leaves the call a trace of its own."""
    assert place(traceparent=header) == (OWN_TRACE, OWN_SPAN, None)


@pytest.mark.parametrize(
    ("metadata", "placed"),
    [
        ({"trace_id": TRACE}, (TRACE, OWN_SPAN, None)),
        ({"existing_trace_id": TRACE, "trace_id": "3" * 32}, (TRACE, OWN_SPAN, None)),
        ({"trace_id": TRACE, "parent_observation_id": SPAN}, (TRACE, OWN_SPAN, SPAN)),
        ({"trace_id": TRACE, "parent_observation_id": "no"}, (TRACE, OWN_SPAN, None)),
        ({"trace_id": "my-trace"}, (OWN_TRACE, OWN_SPAN, None)),
        ({"trace_id": "0" * 32}, (OWN_TRACE, OWN_SPAN, None)),
        ({"parent_observation_id": SPAN}, (OWN_TRACE, OWN_SPAN, None)),
    ],
)
def test_the_metadata_may_name_the_trace(metadata, placed):
    """LiteLLM's `trace_id`, `existing_trace_id` and `parent_observation_id` place a call where they are proper ids."""
    assert place(metadata) == placed


def test_the_metadata_goes_before_the_request():
    """A trace that the caller names goes before the `traceparent`."""
    assert place({"trace_id": "3" * 32}, f"00-{TRACE}-{SPAN}-01")[0] == "3" * 32


def open_span(monkeypatch, *, scope="langfuse-sdk", recording=True, **attributes):
    """Has a span of OpenTelemetry open in this context."""
    span = SimpleNamespace(
        instrumentation_scope=scope and SimpleNamespace(name=scope, attributes={"public_key": "pk-1"}),
        attributes=attributes,
        is_recording=lambda: recording,
        get_span_context=lambda: SimpleNamespace(trace_id=int(TRACE, 16), span_id=int(SPAN, 16)),
    )
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", SimpleNamespace(get_current_span=lambda: span))


def test_an_open_span_of_the_sdk_is_the_parent(monkeypatch):
    """A call inside a span of Langfuse's SDK stands below it, and says what the span says of the whole trace."""
    of_trace = {"user.id": "ann", "session.id": "s", "langfuse.trace.tags": ("a",), "langfuse.experiment.id": "e"}
    open_span(monkeypatch, **of_trace, **{"langfuse.observation.input": "theirs", "other": 1})
    made = spot_for({}, traceparent=None, new_id=lambda size: "2" * 2 * size)
    assert (made.trace_id, made.span_id, made.parent_id, made.public_key) == (TRACE, OWN_SPAN, SPAN, "pk-1")
    assert made.inherited == of_trace


@pytest.mark.parametrize(("scope", "recording"), [("another-tool", True), (None, True), ("langfuse-sdk", False)])
def test_a_span_that_langfuse_never_sees_is_no_parent(monkeypatch, scope, recording):
    """A span of another tool, or one that is not recorded, leaves the call a trace of its own."""
    open_span(monkeypatch, scope=scope, recording=recording)
    assert place() == (OWN_TRACE, OWN_SPAN, None)
