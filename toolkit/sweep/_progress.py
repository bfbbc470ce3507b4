"""Shows how a run goes: one line in a terminal or a notebook cell, redrawn in place."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import Any, Literal, Protocol, TextIO

from toolkit.errors import UsageError
from toolkit.sweep._tally import Tally

ProgressChoice = Literal["auto", "off"]

_BAR_WIDTH = 20


class Painter(Protocol):
    """Shows a tally; called on the caller's own thread, at most about ten times a second."""

    def open(self, plan: str) -> None:
        """Shows what is going to be sent, in one line, before anything is."""
        ...

    def paint(self, tally: Tally) -> None:
        """Shows the present state."""
        ...

    def close(self, tally: Tally) -> None:
        """Shows the last state and leaves it standing."""
        ...


class SilentPainter:
    """Shows nothing."""

    def open(self, plan: str) -> None:
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

    def open(self, plan: str) -> None:
        """Writes the plan on a line of its own."""
        self._stream.write(_printable(plan) + "\n")
        self._stream.flush()

    def paint(self, tally: Tally) -> None:
        """Redraws the line."""
        filled = round(tally.share * _BAR_WIDTH)
        text = f"{'█' * filled}{'░' * (_BAR_WIDTH - filled)} {tally.line()}"
        text = _printable(text)
        # Padding wipes what a longer line left behind.
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

    def open(self, plan: str) -> None:
        """Shows the plan above the line."""
        markup = f'<div class="tex2jax_ignore mathjax_ignore">{html.escape(plan)}</div>'
        self._display({"text/html": markup, "text/plain": plan}, raw=True)

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


def _printable(text: str) -> str:
    """Returns text without the control characters that may stand in a provider's words."""
    return "".join(character if character.isprintable() else " " for character in text)


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
