"""What is told of a completion call once it is over, as plain values, and where it stands among the traces."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from toolkit._records import EMPTY, FrozenDict, Message, Outcome, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a call stands: a trace of its own, or below a span of a trace that somebody else began."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits, the call's own."""
    parent_id: str | None = None
    """The span that it is part of; `None` = the call is the whole trace."""
    inherited: Mapping[str, object] = EMPTY
    """What holds for the whole trace, as attributes of its spans."""
    public_key: str | None = None
    """Project that the parent goes to; `None` = not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """One call from asking to its end."""

    spot: Spot
    prompt: Prompt | None
    """The managed prompt with its resolved version; `None` for plain messages."""
    variables: FrozenDict = EMPTY
    messages: tuple[Message, ...]
    """As sent."""
    params: FrozenDict = EMPTY
    """As sent."""
    model: str
    """As asked: `openai/gpt-4o-mini`, or an alias."""
    model_source: str
    """`caller`, `prompt` or `alias`."""
    provider: str
    outcome: Outcome
    """Has `started_at`."""
    ended_at: dt.datetime
    """UTC."""
    failed_before: tuple[str, ...] = ()
    """Models that were asked before this one and failed, and how, in their order."""
    metadata: FrozenDict = EMPTY
    """What the caller says of the call, by LiteLLM's names."""
    user: str | None = None
