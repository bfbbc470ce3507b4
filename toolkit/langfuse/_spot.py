"""Where a call stands among the traces: on its own, below a span of Langfuse's SDK, or below a request's `traceparent`.

Source: W3C, "Trace Context" (2021), https://www.w3.org/TR/trace-context/#traceparent-header.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from toolkit._records import FrozenDict
from toolkit._traced import Spot

# How Langfuse's SDK calls itself among OpenTelemetry's tracers.
_SDK = "langfuse-sdk"

# What its spans say of the whole trace; ours in it says the same.
_OF_TRACE = ("user.id", "session.id", "langfuse.version", "langfuse.release", "langfuse.environment")
_OF_TRACE_PREFIXES = ("langfuse.trace.", "langfuse.experiment.")

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def spot_for(metadata: Mapping[str, Any], *, traceparent: str | None, new_id: Callable[[int], str]) -> Spot:
    """Returns where a call stands that begins now.

    The first of these that says it: `trace_id` or `existing_trace_id` in the metadata, with `parent_observation_id`;
    the `traceparent`; a span of Langfuse's SDK that is open here; else it is a trace of its own.

    Args:
        metadata: What the caller says of the call.
        traceparent: W3C's header; one that is not well-formed says nothing.
        new_id: Makes an id of so many bytes, as hex digits.

    Example:
        >>> header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        >>> spot_for({}, traceparent=header, new_id=lambda size: "a" * 2 * size).parent_id
        'b7ad6b7169203331'
    """
    named = _named(metadata)
    if named is not None:
        parent = metadata.get("parent_observation_id")
        parent_id = parent if isinstance(parent, str) and _SPAN_ID.fullmatch(parent) else None
        return Spot(trace_id=named, span_id=new_id(8), parent_id=parent_id)
    match = _TRACEPARENT.fullmatch(traceparent.strip().lower()) if traceparent is not None else None
    if match is not None and match[1].strip("0") and match[2].strip("0"):
        return Spot(trace_id=match[1], span_id=new_id(8), parent_id=match[2])
    return _below_sdk(new_id) or Spot(trace_id=new_id(16), span_id=new_id(8))


def _named(metadata: Mapping[str, Any]) -> str | None:
    for name in ("existing_trace_id", "trace_id"):
        value = metadata.get(name)
        if isinstance(value, str) and _TRACE_ID.fullmatch(value) and value.strip("0"):
            return value
    return None


def _below_sdk(new_id: Callable[[int], str]) -> Spot | None:
    """The place below the SDK's span that is open in this context; only where OpenTelemetry is in use already."""
    otel = sys.modules.get("opentelemetry.trace")
    if otel is None:
        return None
    span = otel.get_current_span()
    scope = getattr(span, "instrumentation_scope", None)
    # A span of another tool would be a parent that Langfuse never sees.
    if scope is None or scope.name != _SDK or not span.is_recording():
        return None
    context = span.get_span_context()
    said = getattr(span, "attributes", None) or {}
    return Spot(
        trace_id=f"{context.trace_id:032x}",
        span_id=new_id(8),
        parent_id=f"{context.span_id:016x}",
        inherited=FrozenDict(
            {key: value for key, value in said.items() if key in _OF_TRACE or key.startswith(_OF_TRACE_PREFIXES)}
        ),
        public_key=(getattr(scope, "attributes", None) or {}).get("public_key"),
    )
