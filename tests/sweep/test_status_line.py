"""The line that says how far something is: in a cell, in a terminal, or nowhere."""

from __future__ import annotations

import io
import sys

import IPython.display

from toolkit.sweep import _status_line
from toolkit.sweep._status_line import StatusLine, status_line


def test_the_newest_words_are_shown_once():
    """Each paint shows what is new, and nothing when nothing is; the last words stay."""
    shown: list[str] = []
    line = StatusLine(shown.append, lambda: shown.append("end"))
    for words in ("one", "one", "two"):
        line.tell(words)
        line.paint()
        line.paint()
    line.add("wait")
    line.paint()
    line.close("three")
    assert shown == ["one", "two", "two; wait", "three", "end"]


def test_a_cell_is_updated_in_place(monkeypatch):
    """Under a kernel the first words are displayed and later ones replace them, as text and as escaped HTML."""
    shown: list[tuple[str, str, str]] = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(("update", bundle["text/plain"], bundle["text/html"]))

    def display(bundle, raw, display_id):
        shown.append(("display", bundle["text/plain"], bundle["text/html"]))
        return Handle()

    monkeypatch.setattr(_status_line, "has_kernel", lambda: True)
    monkeypatch.setattr(IPython.display, "display", display)
    line = status_line("auto")
    line.tell("<b>1")
    line.paint()
    line.close("2")
    assert [each[:2] for each in shown] == [("display", "<b>1"), ("update", "2")]
    assert "&lt;b&gt;1" in shown[0][2]


def test_a_terminal_s_line_is_wiped_and_has_no_control_characters(monkeypatch):
    """A shorter line covers a longer one, and foreign words cannot move the cursor."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    line = status_line("auto")
    line.tell("a long\x1b[2J line")
    line.paint()
    line.close("short")
    assert stream.getvalue() == "\ra long [2J line\rshort          \n"
