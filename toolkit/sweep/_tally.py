"""Counts what a run reports while it goes: trials, failures, cost and time left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from toolkit._records import EMPTY, Outcome
from toolkit.sweep._events import (
    Event,
    ModelSuspended,
    Preparing,
    SweepEnded,
    SweepStarted,
    TrialFinished,
    TrialStarted,
)

State = Literal["preparing", "running", "waiting", "stopping", "stopped", "ended", "failed"]
"""What a run is doing; `waiting` = another process has it, `failed` = it ended by an error that `wait` raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmProgress:
    """How far one arm is, in trials of distinct content."""

    planned: int
    done: int
    ok: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is at one moment, in trials of distinct content."""

    run_id: str
    state: State
    planned: int
    done: int
    """Trials that have an outcome: `ok + failed + skipped`."""
    stored: int
    """Part of `ok` that was in the store before."""
    ok: int
    failed: int
    skipped: int
    """Trials that were not sent, and say why."""
    in_flight: int
    """Trials under way, those that wait for a place or for their next try included."""
    by_arm: Mapping[str, ArmProgress] = field(default_factory=lambda: EMPTY)
    """By the arm's label."""
    spent_usd: float | None
    """USD that the answers since the start cost; `None` when the price of one is unknown."""
    possibly_billed: int
    """Attempts since the start that were sent and have no recorded answer."""
    elapsed_s: float
    eta_s: float | None
    """Seconds left at the pace so far; `None` before the first outcome and after the last."""
    note: str
    """What else to know: a model suspended, another process at work, how the run was stopped."""


class Tally:
    """Counts what a run reports. Written on the engine's thread, read on the caller's.

    Args:
        now: Seconds that only ever grow.
        arm_of: Index of each trial's arm, by `trial_id`.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, *, arm_of: Mapping[str, int] = EMPTY) -> None:
        self._now = now
        self._arm_of = arm_of
        self._lock = threading.Lock()
        self.run_id = ""
        self.trials = 0
        self.stored = 0
        self.ok = 0
        self.failed = 0
        self.skipped = 0
        self.possibly_billed = 0
        self.cost_usd: float | None = 0.0
        self.note = ""
        self.state: State = "preparing"
        self._of_arm: dict[int, Counter[str]] = {}
        self._started: set[str] = set()
        self._started_at = now()
        self._ended_at: float | None = None

    def hear(self, event: Event) -> None:
        """Takes one event in."""
        with self._lock:
            match event:
                case SweepStarted():
                    self.run_id, self.trials, self.stored = event.run_id, event.trials, event.stored
                    self._started_at = self._now()
                    self.state = "running"
                case Preparing():
                    self.note = f"preparing {event.model}"
                case TrialStarted():
                    self._started.add(event.trial_id)
                case TrialFinished():
                    self._count(event.outcome)
                case ModelSuspended():
                    self.note = f"{event.model} suspended: {event.reason}"
                case SweepEnded():
                    self._end("ended")

    def _count(self, outcome: Outcome) -> None:
        if self.note.startswith("preparing"):
            self.note = ""
        self._started.discard(outcome.trial_id)
        self.possibly_billed += outcome.possibly_billed
        if outcome.status == "ok":
            self.ok += 1
            unknown = self.cost_usd is None or outcome.cost_usd is None
            self.cost_usd = None if unknown else (self.cost_usd or 0.0) + (outcome.cost_usd or 0.0)
        elif outcome.status == "failed":
            self.failed += 1
        else:
            self.skipped += 1
        arm = self._arm_of.get(outcome.trial_id)
        if arm is not None:
            self._of_arm.setdefault(arm, Counter())[outcome.status] += 1

    def of_arm(self, arm: int) -> Counter[str]:
        """Returns how often each status came since the start, for one arm."""
        with self._lock:
            return Counter(self._of_arm.get(arm, ()))

    def end(self, state: State, note: str = "") -> None:
        """Stops the clock and says how it ended."""
        with self._lock:
            self.note = note or self.note
            self._end(state)

    def _end(self, state: State) -> None:
        self.state = state
        self._ended_at = self._ended_at or self._now()
        self._started.clear()

    def watch(self, *, run_id: str, trials: int, stored: int, note: str) -> None:
        """Takes over the counts of a run that another process works on."""
        with self._lock:
            self.run_id, self.trials, self.stored, self.note = run_id, trials, stored, note
            self.state = "waiting"

    def snapshot(self, by_arm: Mapping[str, ArmProgress] = EMPTY) -> Progress:
        """Returns the counts as they are now."""
        with self._lock:
            left = self.trials - self.done
            return Progress(
                run_id=self.run_id,
                state=self.state,
                planned=self.trials,
                done=self.done,
                stored=self.stored,
                ok=self.stored + self.ok,
                failed=self.failed,
                skipped=self.skipped,
                in_flight=len(self._started),
                by_arm=by_arm,
                spent_usd=self.cost_usd,
                possibly_billed=self.possibly_billed,
                elapsed_s=self._elapsed_s,
                eta_s=self._elapsed_s / self._sent * left if self._sent and left and self.state == "running" else None,
                note=self.note,
            )

    @property
    def done(self) -> int:
        """Trials that have an outcome, those of the store included."""
        return self.stored + self.ok + self.failed + self.skipped

    @property
    def _sent(self) -> int:
        return self.ok + self.failed

    @property
    def _elapsed_s(self) -> float:
        return (self._ended_at or self._now()) - self._started_at

    def line(self) -> str:
        """Returns the state in one line, without the bar.

        Shape: `61/144 · 2 failed · 4.1/s · $0.0900 · 12 s, about 16 s left`.
        """
        with self._lock:
            elapsed_s, sent = self._elapsed_s, self._sent
            parts = [f"{self.done}/{self.trials}"]
            counts = ((self.stored, "from the store"), (self.failed, "failed"), (self.skipped, "skipped"))
            parts += [f"{count} {word}" for count, word in counts if count]
            if sent and elapsed_s > 0:
                parts.append(f"{sent / elapsed_s:.1f}/s")
            if sent:
                parts.append(_cost_words(self.cost_usd))
            parts.append(self._time_words(elapsed_s, sent))
            if self.note:
                parts.append(self.note)
            return " · ".join(parts)

    def _time_words(self, elapsed_s: float, sent: int) -> str:
        left = self.trials - self.done
        if sent and left and self._ended_at is None:
            return f"{elapsed_s:.0f} s, about {elapsed_s / sent * left:.0f} s left"
        return f"{elapsed_s:.0f} s"

    @property
    def share(self) -> float:
        """Part of the trials that have an outcome, from 0 to 1."""
        return self.done / self.trials if self.trials else 1.0


def _cost_words(cost_usd: float | None) -> str:
    if cost_usd is None:
        return "cost unknown"
    return f"${cost_usd:.4f}" if cost_usd else "$0"
