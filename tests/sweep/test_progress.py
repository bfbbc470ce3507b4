"""Live progress: one line that tells counts, rate, failures, cost and time left."""

from __future__ import annotations

import io

import pytest

from tests.builders import make_outcome
from toolkit._records import Failure
from toolkit.errors import UsageError
from toolkit.sweep._events import ModelSuspended, SweepEnded, SweepStarted, TrialFinished
from toolkit.sweep._progress import NotebookPainter, SilentPainter, Tally, TerminalPainter, painter_for

KEPT = "2 from the store"


def told(*events, seconds=10.0, trials=8, stored=2):
    """A tally that heard these events, `seconds` after the start."""
    now = [0.0]
    tally = Tally(now=lambda: now[0])
    tally.hear(SweepStarted(run_id="run-1", trials=trials, stored=stored))
    now[0] = seconds
    for event in events:
        tally.hear(event)
    return tally


def finished(**fields):
    """A trial that has ended."""
    return TrialFinished(outcome=make_outcome(**fields))


FAILED = finished(status="failed", response=None, failure=Failure(kind="auth", error_type="X", message="no"))


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ((), "2/8 · 2 from the store · 10 s"),
        (
            (finished(cost_usd=0.01), finished(cost_usd=0.02)),
            f"4/8 · {KEPT} · 0.2/s · $0.0300 · 10 s, about 20 s left",
        ),
        ((finished(cost_usd=0.0),), "3/8 · 2 from the store · 0.1/s · $0 · 10 s, about 50 s left"),
        ((finished(cost_usd=0.01), finished()), f"4/8 · {KEPT} · 0.2/s · cost unknown · 10 s, about 20 s left"),
        ((FAILED,), "3/8 · 2 from the store · 1 failed · 0.1/s · $0 · 10 s, about 50 s left"),
        (
            (FAILED, ModelSuspended(model="openai/m", reason="no key")),
            "3/8 · 2 from the store · 1 failed · 0.1/s · $0 · 10 s, about 50 s left · openai/m suspended: no key",
        ),
        ((finished(cost_usd=1.0), SweepEnded(sent=1)), "3/8 · 2 from the store · 0.1/s · $1.0000 · 10 s"),
    ],
)  # fmt: skip
def test_the_line_tells_counts_rate_failures_cost_and_time_left(events, line):
    """The line has counts, what came from the store, failures, rate, cost, time passed and time left."""
    assert told(*events).line() == line


def test_the_plan_stands_above_the_bar():
    """Before anything is sent, a terminal and a cell show the plan in one line, control characters as blanks."""
    terminal, cell = io.StringIO(), []
    TerminalPainter(terminal).open("4 to send\x1b[2J, about $1")
    NotebookPainter(lambda bundle, **_: cell.append(bundle)).open("4 <to> send")
    assert terminal.getvalue() == "4 to send [2J, about $1\n"
    assert cell[0]["text/plain"] == "4 <to> send"
    assert "4 &lt;to&gt; send" in cell[0]["text/html"]


def test_a_terminal_shows_a_bar_and_leaves_the_last_line():
    """The bar is redrawn in place, wipes a longer line before it, and ends with a line break."""
    stream = io.StringIO()
    painter = TerminalPainter(stream)
    painter.paint(told(ModelSuspended(model="m", reason="a long reason\x1b[31m with escapes")))
    painter.close(told(finished(cost_usd=0.0), trials=2, stored=1))
    first, last = stream.getvalue().split("\r")[1:]
    assert first.startswith("█████░░░░░░░░░░░░░░░ 2/8")
    assert "\x1b" not in first
    assert last.rstrip() == "████████████████████ 2/2 · 1 from the store · 0.1/s · $0 · 10 s"
    assert len(last) == len(first) + 1
    assert last.endswith("\n")


def test_a_notebook_shows_one_line_updated_in_place():
    """The first paint displays, later ones update; what a provider said is escaped, and plain text stands beside."""
    shown = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(("update", bundle))

    def display(bundle, raw, display_id):
        shown.append(("display", bundle))
        return Handle()

    painter = NotebookPainter(display)
    hostile = told(ModelSuspended(model="m", reason="<img src=x onerror=alert(1)>"))
    painter.paint(hostile)
    painter.close(hostile)
    assert [kind for kind, _ in shown] == ["display", "update"]
    assert "<img" not in shown[0][1]["text/html"]
    assert "&lt;img" in shown[0][1]["text/html"]
    assert shown[0][1]["text/plain"] == hostile.line()


def test_nothing_is_shown_where_nobody_looks(monkeypatch):
    """Without a terminal and a kernel there is no output; `off` is silent everywhere; other words are refused."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(painter_for("auto"), SilentPainter)
    assert isinstance(painter_for("off"), SilentPainter)
    with pytest.raises(UsageError, match="'auto' or 'off'; got 'loud'"):
        painter_for("loud")
