"""What one completion call is in Langfuse: a generation, linked to the version that its prompt resolved to."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from typing import Any

from toolkit._records import messages_to_wire
from toolkit._traced import TracedCall
from toolkit.langfuse._generation import METADATA, Mask, as_json, generation_of, otlp_span

_HIDDEN = "(not recorded)"

# LiteLLM's names that steer a trace; what else its metadata says is told as it is.
_STEERING = frozenset(
    "trace_id existing_trace_id parent_observation_id trace_name generation_name trace_user_id session_id tags "
    "trace_version version trace_release release trace_metadata trace_environment mask_input mask_output".split()
)

# Langfuse drops longer texts in these places without a word.
_MOST_CHARACTERS = 190


def call_span(call: TracedCall, *, mask: Mask, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Returns a call as a span of OTLP's JSON.

    Args:
        call: The call.
        mask: Takes credentials out of what models and people wrote.
        environ: Says `LANGFUSE_TRACING_ENVIRONMENT` and `LANGFUSE_RELEASE`.
    """
    said, outcome = call.metadata, call.outcome
    began = outcome.started_at or call.ended_at
    response = outcome.response
    # An answer's own time; what a failure took is from the first try to the end.
    known_s = response.latency_s if response is not None else None
    ended = call.ended_at if known_s is None else began + dt.timedelta(seconds=known_s)
    name = _short(said.get("generation_name")) or (call.prompt.prompt_id if call.prompt is not None else "completion")
    attributes: dict[str, Any] = {
        **_of_trace(call, name, environ),
        # Masked below with all the rest: a credential may stand anywhere.
        **generation_of(outcome, call.prompt, params=call.params, began=began, mask=str),
        "langfuse.observation.input": as_json(messages_to_wire(call.messages)),
        "langfuse.observation.model.name": outcome.model_sent,
        **{METADATA + key: value for key, value in _metadata(call).items()},
    }
    if _is_true(said.get("mask_input")):
        attributes["langfuse.observation.input"] = _HIDDEN
        attributes.pop(f"{METADATA}prompt_variables", None)
    if _is_true(said.get("mask_output")):
        attributes["langfuse.observation.output"] = _HIDDEN
    return otlp_span(
        call.spot.trace_id,
        call.spot.span_id,
        mask(name),
        {key: _masked(value, mask) for key, value in attributes.items()},
        began=began,
        ended=max(began, ended),
        is_error=outcome.status == "failed",
        parent_id=call.spot.parent_id,
    )


def _of_trace(call: TracedCall, name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What holds for the whole trace: what the caller says of it, over what its parent says, over the usual."""
    said = call.metadata
    usual = {
        # Below somebody's span, the trace has its name.
        "langfuse.trace.name": name if call.spot.parent_id is None else None,
        "langfuse.environment": environ.get("LANGFUSE_TRACING_ENVIRONMENT") or None,
        "langfuse.release": environ.get("LANGFUSE_RELEASE") or None,
        "user.id": _short(call.user),
    }
    tags = said.get("tags")
    given = {
        "langfuse.trace.name": _short(said.get("trace_name")),
        "langfuse.environment": _short(said.get("trace_environment")),
        "langfuse.release": _short(said.get("trace_release") or said.get("release")),
        "langfuse.version": _short(said.get("trace_version") or said.get("version")),
        "user.id": _short(said.get("trace_user_id")),
        "session.id": _short(said.get("session_id")),
        "langfuse.trace.tags": [str(tag) for tag in tags] if isinstance(tags, list | tuple) else None,
    }
    of_trace = said.get("trace_metadata")
    if isinstance(of_trace, Mapping):
        given |= {f"langfuse.trace.metadata.{key}": _told(value) for key, value in of_trace.items()}
    inherited = {key: _plain(value) for key, value in call.spot.inherited.items()}
    return usual | inherited | {key: value for key, value in given.items() if value is not None}


def _metadata(call: TracedCall) -> dict[str, str]:
    """What has no field of its own, as texts; what the caller says goes last and hides nothing of ours."""
    prompt, response = call.prompt, call.outcome.response
    told: dict[str, Any] = {str(key): value for key, value in call.metadata.items() if key not in _STEERING}
    told |= {
        "prompt": prompt.reference if prompt is not None else None,
        "prompt_fingerprint": prompt.fingerprint if prompt is not None else None,
        "prompt_label": prompt.label if prompt is not None else None,
        "prompt_variables": _any_json(call.variables) if prompt is not None else None,
        "model_asked": call.model,
        "model_source": call.model_source,
        "model_served": response.model if response is not None else None,
        "provider": call.provider,
        "finish_reason": response.finish_reason if response is not None else None,
        "request_id": response.request_id if response is not None else None,
        "attempts": call.outcome.attempts,
        "cost_source": call.outcome.cost_source,
        "failed_before": " | ".join(call.failed_before) or None,
    }
    return {name: _told(value) for name, value in told.items() if value is not None}


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, list):
        return [mask(text) for text in value]
    return mask(value) if isinstance(value, str) else value


def _any_json(value: Any) -> str:
    """JSON of a caller's values; what JSON has not is told by its text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _told(value: Any) -> str:
    return value if isinstance(value, str) else _any_json(value)


def _short(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)[:_MOST_CHARACTERS]


def _plain(value: object) -> Any:
    """An attribute of somebody else's span as one of ours: texts, whole numbers, and lists of texts."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return value if type(value) in (str, int) else _told(value)


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"
