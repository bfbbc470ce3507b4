"""Sends spans to Langfuse over OTLP/HTTP, as JSON."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._spans import spans_body

MOST_SPANS = 100
MOST_BYTES = 3_000_000
"""Most of both in one request; Langfuse's own limit lies above it."""

_PATH = "/api/public/otel/v1/traces"
_HEADERS = {"x-langfuse-ingestion-version": "4"}


async def send_spans(client: LangfuseClient, spans: Sequence[Mapping[str, Any]]) -> str:
    """Sends spans in one request, and returns what the server says of those it rejects; empty when it took all.

    Raises:
        LangfuseError: If it cannot be reached or refuses.
    """
    return _rejected(await client.post(_PATH, spans_body(spans, version=_version()), headers=_HEADERS))


def _rejected(answer: Any) -> str:
    partial = answer.get("partialSuccess") if isinstance(answer, dict) else None
    if not isinstance(partial, dict) or not int(partial.get("rejectedSpans") or 0):
        return ""
    return f"{partial['rejectedSpans']} spans, {partial.get('errorMessage') or 'without a reason'}"


@functools.cache
def _version() -> str:
    from importlib import metadata

    return metadata.version("promptsweep")
