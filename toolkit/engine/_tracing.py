"""What the engine asks of a tracer, and which one a configuration has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from toolkit._http import HttpClient
from toolkit._plugins import load_plugin
from toolkit._traced import Spot, TracedCall
from toolkit.config import BOTH, ConfigFile, LangfuseSettings
from toolkit.errors import UsageError

_GROUP = "toolkit.tracers"
_BUILTINS = {"langfuse": "toolkit.langfuse:CallTracer"}


class Tracer(Protocol):
    """Keeps traces of completion calls somewhere; it neither waits nor fails while a call is under way."""

    def spot(self, metadata: Mapping[str, Any], *, traceparent: str | None) -> Spot:
        """Returns where a call stands that begins now, in the context of whoever makes it.

        Args:
            metadata: What the caller says of the call.
            traceparent: W3C's header of the request that the call is made for; `None` = there is none.
        """
        ...

    def take(self, call: TracedCall, project: LangfuseSettings) -> None:
        """Takes a call that is over; returns at once. Called on the engine's loop."""
        ...

    def address(self, spot: Spot, project: LangfuseSettings) -> str:
        """Returns the address of the page that shows a call's trace."""
        ...

    async def aclose(self) -> None:
        """Hands on what is held, for a moment at most."""
        ...


def with_traces(config: ConfigFile | None, langfuse: bool | None) -> ConfigFile | None:
    """Returns a configuration whose calls are traced in Langfuse, or are not.

    Args:
        config: A config.yaml that has been read; `None` = none.
        langfuse: Whether they are; `None` = as the file says.

    Raises:
        UsageError: If `langfuse` is none of these.
    """
    if langfuse is not None and not isinstance(langfuse, bool):
        raise UsageError(f"`langfuse` is True, False or None; got {langfuse!r}.")
    if langfuse is None:
        return config
    return replace(config or ConfigFile(path=""), traces=BOTH if langfuse else frozenset())


def tracer_of(config: ConfigFile | None, http: HttpClient) -> Tracer | None:
    """Returns the tracer that a config.yaml asks for; `None` = no call is traced.

    `LANGFUSE_TRACING_ENABLED=false` says no to all of them, as it does to Langfuse's SDK.
    """
    if config is None or not config.traces or os.environ.get("LANGFUSE_TRACING_ENABLED", "").lower() == "false":
        return None
    tracer: Tracer = load_plugin(_GROUP, "langfuse", builtins=_BUILTINS, what="tracer")(http=http)
    return tracer
