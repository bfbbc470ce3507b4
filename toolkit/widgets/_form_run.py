"""A run under way as a widget: how far each arm is, what failed, how to stop it, and the answers as they come."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import ipywidgets as w

from toolkit import _sync
from toolkit.engine import usd_words
from toolkit.errors import UsageError
from toolkit.results import CaseGrid, Results, Safe, element, grid_html, shorten
from toolkit.sweep import Progress, Run, live_run
from toolkit.widgets._grid import CompareGrid
from toolkit.widgets._paint import Coalescer, guarded
from toolkit.widgets._place import Place, Placed
from toolkit.widgets._status import StatusLine
from toolkit.widgets._theme import PREFIX, value

_EVERY_S = 0.2

# Reading the results of a long run takes a while: they are read again when that was a small part of the time since.
_RESULTS_EVERY_S = 1.0
_RESULTS_SHARE = 10.0

_MOST_HTML = 100_000
_MOST_FAILURES = 5
_CELL = "padding:.15em .7em;text-align:right"
_BARS = {"ended": "success", "stopped": "warning", "failed": "danger"}


class RunProgress(Placed, w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows a run while it goes, and stops it; any number of them may show the same run.

    The run goes on in the engine's own thread: a page that is reloaded, a closed notebook tab or a lost variable does
    not end it, and a new `RunProgress` of its id shows it again.

    Args:
        run: A run as `start_sweep` gives it, or the id of one that goes on in this process.
        on_end: Called once, when the run has ended and its last state is shown, unless this was closed before.

    Raises:
        UsageError: If no such run goes on in this process.

    Example:
        >>> RunProgress(start_sweep(["reply@*"], variables="cases.csv"))    # doctest: +SKIP
    """

    def __init__(self, run: Run | str, *, on_end: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._on_end = on_end
        self.run = _run_of(run)
        self._results_at, self._results_took_s = 0.0, 0.0
        self._given: Results | None = None
        self._closing = threading.Event()
        self._make_parts()
        self._paints = Coalescer(guarded(self.status.fail, self._paint), every_s=_EVERY_S)
        self._paints.flush()
        self._watch = _sync.start(self._follow())

    @property
    def results(self) -> Results:
        """What is there so far; when the run has ended, what it gave: the same object that the grid shows."""
        return self.run.results if self._given is None else self._given

    def settle(self, timeout_s: float = 30.0) -> bool:
        """Waits until the run has ended and its last state is shown, and tells whether it is.

        Args:
            timeout_s: Most seconds to wait.
        """
        return self._watch.join(timeout_s)

    def close(self) -> None:
        """Shows nothing more; the run goes on."""
        self._closing.set()
        self._paints.close()
        for grid in self.grid_box.children:
            grid.close()
        super().close()

    def static_html(self) -> Safe:
        """Returns how far the run is, and the answers so far, as HTML without a kernel."""
        arms = _table(self._progress()) if self._given is None else None
        line = element("p", self.static_text())
        return element("div", line, arms, _answers(self.results), class_=f"{PREFIX} mathjax_ignore")

    def static_text(self) -> str:
        """Returns how far the run is, in one line."""
        return f"{self.run.run_id}: {progress_words(self._progress())}"

    def _make_parts(self) -> None:
        self.bar = w.FloatProgress(description="Progress", min=0.0, max=1.0)
        self.stop_button = w.Button(description="Stop", tooltip="Send nothing new; what is in flight comes in")
        self.status, self.arms, self.failures, self.answers = StatusLine(), w.HTML(), w.HTML(), w.HTML()
        self.stop_button.on_click(guarded(self.status.fail, self._stop))
        row, self.grid_box, self.place = w.HBox([self.bar, self.stop_button]), w.VBox(), Place(self)
        for part, name in ((self.bar, "bar"), (self.stop_button, "stop"), (self.arms, "arms"), (row, "row"),
                           (self.failures, "failures"), (self.answers, "answers"), (self, "parts"),
                           (self, "run")):  # fmt: skip
            part.add_class(f"{PREFIX}-{name}")
        self.children = (row, self.status, self.arms, self.failures, self.answers, self.grid_box, self.place)

    def _progress(self) -> Progress:
        progress = self.run.progress
        if progress.state == "running" and self.run.is_stopping:
            return replace(progress, state="stopping", eta_s=None)
        return progress

    def _stop(self, _: object) -> None:
        # The second press cuts what is in flight.
        self.run.stop(now=self.run.is_stopping)
        self.stop_button.description = "Stop now"
        self.stop_button.tooltip = "Cut what is in flight; it stays on record as possibly billed"
        self._paints.ask()

    async def _follow(self) -> None:
        while not self.run.is_done and not self._closing.is_set():
            await asyncio.to_thread(self._paints.ask)
            await asyncio.sleep(_EVERY_S)
        self._results_at = 0.0
        await asyncio.to_thread(self._paints.flush)
        if self._on_end is not None and not self._closing.is_set():
            await asyncio.to_thread(guarded(self.status.fail, self._on_end))

    def _paint(self) -> None:
        is_done = self.run.is_done
        progress = self._progress()
        with self.hold_sync(), self.bar.hold_sync():
            self.bar.value = progress.done / progress.planned if progress.planned else 1.0
            self.bar.bar_style = _BARS.get(progress.state, "") if is_done else ""
            # What the results say of each arm at the end is more.
            self.arms.value = "" if is_done and progress.state != "failed" else str(_table(progress))
            self.stop_button.disabled = is_done
            self.stop_button.layout.display = "none" if is_done else None
        words = progress_words(progress)
        if progress.state == "failed":
            self.status.fail(f"{words}. tk.resume({progress.run_id!r}) goes on.")
        elif words != self.status.words:
            self.status.say(words)
        if time.monotonic() - self._results_at >= max(_RESULTS_EVERY_S, _RESULTS_SHARE * self._results_took_s):
            began = time.monotonic()
            results = self.results
            self.failures.value = str(_failures(results)) if progress.failed else ""
            if is_done:
                self._give(results)
            else:
                self.answers.value = str(_so_far(results) or "")
            self._results_at = time.monotonic()
            self._results_took_s = self._results_at - began

    def _give(self, results: Results) -> None:
        """Shows what the run gave: what there is to say of it, and the live grid of its answers."""
        self._given = results
        self.answers.value = str(element("div", results.head_html(), class_=f"{PREFIX} mathjax_ignore"))
        self.grid_box.children = (CompareGrid(results),)


def progress_words(progress: Progress) -> str:
    """Returns how far a run is, in one line: `61 of 144 · 2 failed · 12 s, about 16 s left · $0.0900`."""
    parts = [progress.state, f"{progress.done:,} of {progress.planned:,}"]
    for count, word in ((progress.stored, "from the store"), (progress.failed, "failed"),
                        (progress.skipped, "skipped"), (progress.in_flight, "in flight")):  # fmt: skip
        if count:
            parts.append(f"{count:,} {word}")
    left = f", about {progress.eta_s:.0f} s left" if progress.eta_s is not None else ""
    parts.append(f"{progress.elapsed_s:.0f} s{left}")
    parts.append("cost unknown" if progress.spent_usd is None else usd_words(progress.spent_usd))
    if progress.possibly_billed:
        parts.append(f"{progress.possibly_billed:,} possibly billed without an answer")
    return " · ".join([*parts, progress.note] if progress.note else parts)


def _table(progress: Progress) -> Safe:
    names = ("done", "planned", "ok", "failed", "skipped")
    titles = [element("th", name, scope="col", style=_CELL) for name in names]
    rows = [
        element(
            "tr",
            element("th", label, scope="row", style="text-align:left;font-weight:normal"),
            *(
                element("td", f"{count:,}", style=f"{_CELL};color:{value('bad')}" if is_bad else _CELL)
                for name in names
                for count in (getattr(arm, name),)
                for is_bad in (name == "failed" and count > 0,)
            ),
        )
        for label, arm in progress.by_arm.items()
    ]
    head = element("thead", element("tr", element("th", "arm", scope="col", style="text-align:left"), *titles))
    table = element("table", head, element("tbody", rows), style="border-collapse:collapse")
    return element("div", table, class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")


def _failures(results: Results) -> Safe:
    df = results.df
    failed = df[df["status"] == "failed"]
    counts = Counter(zip(failed["failure"].astype(str), failed["message"].astype(str), strict=True))
    rows = [
        element("div", f"{_times(count)} {kind}: {shorten(message, 300)}", style=f"color:{value('bad')}")
        for (kind, message), count in counts.most_common(_MOST_FAILURES)
    ]
    more = len(counts) - len(rows)
    rest = element("div", f"and {more:,} other failures: results.failures") if more > 0 else None
    return element("div", rows, rest, class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _answers(results: Results) -> Safe:
    """Returns the results' own HTML, which it builds escaped; its text where that is too long to send."""
    shown = results._repr_html_()
    if len(shown) <= _MOST_HTML:
        return Safe(shown)
    return element("pre", shorten(repr(results), _MOST_HTML // 4), class_=f"{PREFIX} mathjax_ignore")


def _so_far(results: Results) -> Safe | None:
    """Returns the answers alone of the first cases that have one: counts and a verdict wait for the end."""
    view = results.view
    begun = {trial.case.index for trial in view.trials if trial.trial_id in view.outcomes}
    if not begun:
        return None
    seen = replace(view, trials=tuple(trial for trial in view.trials if trial.case.index in begun))
    shown = grid_html(CaseGrid(seen), is_running=True)
    return element("div", shown, class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")


def _run_of(run: Run | str) -> Run:
    if isinstance(run, Run):
        return run
    if not isinstance(run, str):
        raise UsageError(f"`run` is a run, or the id of one; got {run!r}.")
    found = live_run(run)
    if found is None:
        raise UsageError(
            f"No run {run!r} goes on in this process; tk.open_run({run!r}) opens what the store has of it, and "
            f"tk.resume({run!r}) goes on with it."
        )
    return found
