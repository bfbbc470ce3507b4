"""What a generation is in Langfuse, whoever asked for it: attributes of a span in OTLP's JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from toolkit._records import Outcome, Prompt, Usage
from toolkit._redact import redact

Mask = Callable[[str], str]

SOURCE = "langfuse"
"""Prompts of this source are linked; of others only the name is told."""

METADATA = "langfuse.observation.metadata."
"""Begins the attributes that have no name of their own in Langfuse."""


def generation_of(
    outcome: Outcome, prompt: Prompt | None, *, params: Mapping[str, Any], began: dt.datetime, mask: Mask
) -> dict[str, Any]:
    """Returns what an answer or a failure says of its generation, as attributes; what is not known is `None`.

    Args:
        outcome: An answer or a failure.
        prompt: Linked where it is from Langfuse; `None` = there is none.
        params: As sent.
        began: When the request left (UTC).
        mask: Takes credentials out of what models and people wrote.
    """
    response = outcome.response
    attributes: dict[str, Any] = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.output": _output(outcome, mask),
        "langfuse.observation.model.parameters": mask(as_json(params)) if params else None,
        **_of_prompt(prompt),
        **_of_failure(outcome),
    }
    if response is not None:
        attributes |= {
            "langfuse.observation.usage_details": _usage(response.usage),
            "langfuse.observation.completion_start_time": (
                None if response.first_token_s is None else iso(began + dt.timedelta(seconds=response.first_token_s))
            ),
        }
    if outcome.cost_usd is not None:
        attributes["langfuse.observation.cost_details"] = as_json({"total": outcome.cost_usd})
    return attributes


def otlp_span(
    trace_id: str,
    span_id: str,
    name: str,
    attributes: Mapping[str, Any],
    *,
    began: dt.datetime,
    ended: dt.datetime,
    is_error: bool,
    parent_id: str | None = None,
) -> dict[str, Any]:
    """Returns a span of OTLP's JSON.

    Args:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        name: Of the span.
        attributes: Texts, whole numbers and lists of texts by name; `None` = left out.
        began: UTC.
        ended: UTC.
        is_error: Whether what it stands for went wrong.
        parent_id: Span that it is part of; `None` = it is the root.
    """
    return {
        "traceId": trace_id,
        "spanId": span_id,
        **({} if parent_id is None else {"parentSpanId": parent_id}),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": _nanos(began),
        "endTimeUnixNano": _nanos(ended),
        "attributes": [attribute(name, value) for name, value in attributes.items() if value is not None],
        "status": {"code": 2} if is_error else {},
    }


def attribute(name: str, value: Any) -> dict[str, Any]:
    """Returns one attribute: a text, a whole number or a list of texts."""
    if isinstance(value, list | tuple):
        return {"key": name, "value": {"arrayValue": {"values": [{"stringValue": text} for text in value]}}}
    # A number stays one: servers before 4 do not read the text that OTLP prescribes for it.
    return {"key": name, "value": {"intValue" if type(value) is int else "stringValue": value}}


def as_json(value: Any) -> str:
    """Returns JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_text(value: Any) -> str:
    """Returns a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else as_json(value)


def iso(moment: dt.datetime) -> str:
    """Returns a moment in UTC as Langfuse writes it."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _output(outcome: Outcome, mask: Mask) -> str | None:
    response = outcome.response
    if response is None:
        partial = outcome.failure.partial if outcome.failure is not None else None
        return None if partial is None else mask(partial)
    if not response.tool_calls and response.refusal is None:
        return mask(response.text)
    told: dict[str, Any] = {"role": "assistant", "content": response.text}
    if response.tool_calls:
        told["tool_calls"] = response.tool_calls
    if response.refusal is not None:
        told["refusal"] = response.refusal
    return mask(as_json(told))


def _of_prompt(prompt: Prompt | None) -> dict[str, Any]:
    if prompt is None or prompt.source != SOURCE or not prompt.version.isdigit():
        return {}
    return {
        "langfuse.observation.prompt.name": prompt.prompt_id,
        "langfuse.observation.prompt.version": int(prompt.version),
    }


def _of_failure(outcome: Outcome) -> dict[str, Any]:
    failure = outcome.failure
    if failure is None:
        return {}
    return {
        # Nobody's mistake: who asked has left.
        "langfuse.observation.level": "WARNING" if failure.kind == "cancelled" else "ERROR",
        "langfuse.observation.status_message": redact(f"{failure.kind}: {failure.message}"),
    }


def _usage(usage: Usage) -> str | None:
    """Tokens by kind, none of them counted twice."""
    cached, reasoning = usage.cached_tokens or 0, usage.reasoning_tokens or 0
    told: dict[str, int] = {}
    if usage.input_tokens is not None:
        told["input"] = max(usage.input_tokens - cached, 0)
    if usage.output_tokens is not None:
        told["output"] = max(usage.output_tokens - reasoning, 0)
    if cached:
        told["input_cached_tokens"] = cached
    if reasoning:
        told["output_reasoning_tokens"] = reasoning
    if usage.input_tokens is not None and usage.output_tokens is not None:
        told["total"] = usage.input_tokens + usage.output_tokens
    return as_json(told) if told else None


def _nanos(moment: dt.datetime) -> str:
    seconds, rest = divmod(moment - dt.datetime.fromtimestamp(0, dt.UTC), dt.timedelta(seconds=1))
    return str(seconds * 1_000_000_000 + rest // dt.timedelta(microseconds=1) * 1_000)
