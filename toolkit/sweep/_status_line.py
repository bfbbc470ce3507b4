"""One line that says how far something is: redrawn in a terminal or a notebook cell, otherwise nothing."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from typing import Any, TextIO

from toolkit._notebook import has_kernel
from toolkit.errors import UsageError


class StatusLine:
    """Keeps the newest words from any thread; `paint` shows them, on the thread of who waits.

    Args:
        show: Shows a line in place of the one before; `None` = nothing is shown.
        end: Leaves the last line standing.
    """

    def __init__(self, show: Callable[[str], None] | None, end: Callable[[], None] = lambda: None) -> None:
        self._show = show
        self._end = end
        self._words = ""
        self._shown = ""

    def tell(self, words: str) -> None:
        """Takes the newest words."""
        self._words = words

    def add(self, words: str) -> None:
        """Puts words behind those that are there, until the next ones are told."""
        self._words = f"{self._words}; {words}" if self._words else words

    def paint(self) -> None:
        """Shows them, if they are new."""
        words = self._words
        if self._show is not None and words != self._shown:
            self._show(words)
            self._shown = words

    def close(self, words: str) -> None:
        """Shows the last words and leaves them standing."""
        self.tell(words)
        self.paint()
        if self._show is not None:
            self._end()


def status_line(choice: str) -> StatusLine:
    """Returns what fits where this runs: a cell's line under a kernel, a line in a terminal, otherwise nothing.

    Raises:
        UsageError: If `choice` is neither `auto` nor `off`.
    """
    if choice not in ("auto", "off"):
        raise UsageError(f"`progress` is 'auto' or 'off'; got {choice!r}.")
    if choice == "off":
        return StatusLine(None)
    if has_kernel():
        return StatusLine(_Cell().show)
    stream = sys.stderr
    if stream is None or not stream.isatty():
        return StatusLine(None)
    terminal = _Terminal(stream)
    return StatusLine(terminal.show, terminal.end)


class _Cell:
    """A display of a notebook cell that is updated in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, words: str) -> None:
        from IPython.display import display

        markup = f'<div class="tex2jax_ignore mathjax_ignore" role="status">{html.escape(words)}</div>'
        bundle = {"text/html": markup, "text/plain": words}
        if self._handle is None:
            show: Callable[..., Any] = display
            self._handle = show(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class _Terminal:
    """The last line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def show(self, words: str) -> None:
        text = "".join(character if character.isprintable() else " " for character in words)
        # Padding wipes what a longer line left behind.
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)

    def end(self) -> None:
        self._stream.write("\n")
        self._stream.flush()
