"""What a run reports while it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit._records import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStarted:
    """The plan is on record and sending begins."""

    run_id: str
    trials: int
    """Trials of distinct content."""
    stored: int
    """Those that have an answer already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """A model is being made ready (weights fetched, loaded)."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStarted:
    """A trial is about to be sent, as soon as there is a place for it."""

    trial_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFinished:
    """An outcome is on record."""

    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSuspended:
    """No later call of this model can succeed; its other trials are not sent."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepEnded:
    """Every trial that could be sent has an outcome."""

    sent: int
    """Trials sent in this execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged:
    """How many calls of a model may be in flight, or how fast they may leave, was found, raised or lowered."""

    model: str
    limit: int
    """Calls that may be in flight."""
    per_s: float | None
    """Calls a second; `None` = as many as there are places."""
    reason: str


Event = LimitChanged | SweepStarted | Preparing | TrialStarted | TrialFinished | ModelSuspended | SweepEnded

Listener = Callable[[Event], None]
"""Called on the engine's thread; must return at once."""
