"""Reads which calls a config.yaml wants traced in Langfuse, by LiteLLM's names for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Traced = Literal["success", "failure"]
"""Which end of a call is traced."""

BOTH: frozenset[Traced] = frozenset({"success", "failure"})

# LiteLLM's own way to Langfuse, and its way there over OpenTelemetry.
_NAMES = frozenset({"langfuse", "langfuse_otel"})


def traces_of(settings: Mapping[str, Any]) -> frozenset[Traced]:
    """Returns which calls `litellm_settings` want traced; callbacks to other services mean nothing here.

    Example:
        >>> traces_of({"success_callback": ["langfuse", "prometheus"]})
        frozenset({'success'})
    """
    wanted: set[Traced] = set()
    if _names_langfuse(settings.get("success_callback")):
        wanted.add("success")
    if _names_langfuse(settings.get("failure_callback")):
        wanted.add("failure")
    return BOTH if _names_langfuse(settings.get("callbacks")) else frozenset(wanted)


def _names_langfuse(given: Any) -> bool:
    listed = [given] if isinstance(given, str) else given
    return isinstance(listed, list) and any(name in _NAMES for name in listed if isinstance(name, str))
