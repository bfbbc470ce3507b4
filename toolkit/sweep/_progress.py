"""Live progress: counts, rate, failures, cost and time left, as one line in a terminal or a notebook cell."""

from __future__ import annotations

import html
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol, TextIO

from toolkit.errors import UsageError
from toolkit.sweep._events import Event, ModelSuspended, Preparing, SweepEnded, SweepStarted, TrialFinished

ProgressChoice = Literal["auto", "off"]

_BAR_WIDTH = 20


class Tally:
    """Counts what a run reports. Written on the engine's thread, read on the caller's.

    Args:
        now: Seconds that only ever grow.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.run_id = ""
        self.trials = 0
        self.stored = 0
        self.ok = 0
        self.failed = 0
        self.cost_usd: float | None = 0.0
        self.note = ""
        self.ended = False
        self._started_at = now()
        self._first_sent_at: float | None = None
        self._ended_at: float | None = None

    def hear(self, event: Event) -> None:
        """Takes one event in."""
        with self._lock:
            match event:
                case SweepStarted():
                    self.run_id, self.trials, self.stored = event.run_id, event.trials, event.stored
                    self._started_at = self._now()
                case Preparing():
                    self.note = f"preparing {event.model}"
                case TrialFinished():
                    self._count(event)
                case ModelSuspended():
                    self.note = f"{event.model} suspended: {event.reason}"
                case SweepEnded():
                    self.ended = True
                    self._ended_at = self._now()

    def _count(self, event: TrialFinished) -> None:
        outcome = event.outcome
        if self._first_sent_at is None:
            self._first_sent_at = self._started_at
            self.note = "" if self.note.startswith("preparing") else self.note
        if outcome.status == "ok":
            self.ok += 1
            unknown = self.cost_usd is None or outcome.cost_usd is None
            self.cost_usd = None if unknown else (self.cost_usd or 0.0) + (outcome.cost_usd or 0.0)
        else:
            self.failed += 1

    @property
    def done(self) -> int:
        """Trials that have an outcome, those of the store included."""
        return self.stored + self.ok + self.failed

    def line(self) -> str:
        """Returns the state in one line, without the bar.

        Shape: `61/144 · 2 failed · 4.1/s · $0.0900 · 12 s, about 16 s left`.
        """
        with self._lock:
            elapsed_s = (self._ended_at or self._now()) - self._started_at
            sent = self.ok + self.failed
            parts = [f"{self.done}/{self.trials}"]
            if self.stored:
                parts.append(f"{self.stored} from the store")
            if self.failed:
                parts.append(f"{self.failed} failed")
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
        if sent and left and not self.ended:
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


class Painter(Protocol):
    """Shows a tally; called on the caller's own thread, at most about ten times a second."""

    def paint(self, tally: Tally) -> None:
        """Shows the present state."""
        ...

    def close(self, tally: Tally) -> None:
        """Shows the last state and leaves it standing."""
        ...


class SilentPainter:
    """Shows nothing."""

    def paint(self, tally: Tally) -> None:
        """Shows nothing."""

    def close(self, tally: Tally) -> None:
        """Shows nothing."""


class TerminalPainter:
    """Redraws one line of a terminal.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def paint(self, tally: Tally) -> None:
        """Redraws the line."""
        filled = round(tally.share * _BAR_WIDTH)
        text = f"{'█' * filled}{'░' * (_BAR_WIDTH - filled)} {tally.line()}"
        # Padding wipes what a longer line left behind; control characters in a provider's words stay out.
        text = "".join(character if character.isprintable() else " " for character in text)
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)

    def close(self, tally: Tally) -> None:
        """Leaves the last line standing."""
        self.paint(tally)
        self._stream.write("\n")
        self._stream.flush()


class NotebookPainter:
    """Redraws one line of a cell's output.

    It is a display that is updated in place, not a widget: a widget in a notebook that is opened again without its
    kernel shows an error instead of its last state, a display shows what it said.

    Args:
        display: `IPython.display.display`.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def paint(self, tally: Tally) -> None:
        """Redraws the line."""
        percent = f"{tally.share * 100:.0f}"
        line = html.escape(tally.line())
        markup = (
            '<div class="tex2jax_ignore mathjax_ignore" role="status" aria-live="polite">'
            f'<progress max="100" value="{percent}" aria-label="trials done"></progress> {line}</div>'
        )
        bundle = {"text/html": markup, "text/plain": tally.line()}
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)

    def close(self, tally: Tally) -> None:
        """Leaves the last line standing."""
        self.paint(tally)


def painter_for(choice: ProgressChoice) -> Painter:
    """Returns what fits where this runs: a cell's line under a kernel, a bar in a terminal, otherwise nothing.

    Raises:
        UsageError: If `choice` is neither `auto` nor `off`.
    """
    if choice == "off":
        return SilentPainter()
    if choice != "auto":
        raise UsageError(f"`progress` is 'auto' or 'off'; got {choice!r}.")
    display = _kernel_display()
    if display is not None:
        return NotebookPainter(display)
    return TerminalPainter(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else SilentPainter()


def _kernel_display() -> Callable[..., Any] | None:
    """Returns IPython's `display` when this process is a kernel; never imports IPython by itself."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return None
    shell = ipython.get_ipython()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found
