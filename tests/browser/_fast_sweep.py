"""A sweep at 1,000 answers a second in a notebook, and what its page was like meanwhile."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.browser._lab import OpenNotebook, expect

PLANNED = 6_000
"""Trials: 3,000 cases in two arms."""

_MOST_MS = 120_000

SETUP = """
import asyncio, json, tempfile
from pathlib import Path
import toolkit as tk
from tests.widgets.answers import some_results
from tests.widgets.worlds import make_engine
from toolkit.testing import FakeProvider
from toolkit.widgets import RunProgress

class Paced(FakeProvider):
    # Answers 1,000 calls a second, however many are under way.
    began = ended = None
    taken = 0

    async def complete(self, request, *, timeout_s):
        loop = asyncio.get_running_loop()
        self.began = self.began or loop.time()
        self.taken += 1
        await asyncio.sleep(self.began + self.taken / 1_000 - loop.time())
        self.ended = loop.time()
        return await super().complete(request, timeout_s=timeout_s)

provider = Paced(lambda request: "Answer to " + request.messages[-1].content, max_concurrency=200)
engine = make_engine(Path(tempfile.mkdtemp()), provider=provider)
cases = [{"name": f"name {number}", "order": f"A-{number}"} for number in range(3_000)]
"""
GRID = "some_results()"
COUNTED = """
given = provider.taken / (provider.ended - provider.began)
print(json.dumps([len(results), len(results) - len(results.failures), given]))
"""

# The longest time for which the page could do nothing else.
WATCH = """() => { window.__gap = 0; let last = performance.now();
  window.__timer = setInterval(() => { const now = performance.now();
    window.__gap = Math.max(window.__gap, now - last - 20); last = now; }, 20); }"""

# What a message to the page is for: a widget, or an output that is drawn again.
_ID = re.compile(rb'"(?:comm_id|display_id)": ?"([\w-]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way in which a notebook sweeps."""

    code: str
    """Of the cell."""
    after: str
    """Code that leaves the results in `results`."""
    said: str
    """Selector of what says how far the sweep is."""
    last: re.Pattern[str]
    """The words at its end."""
    button: str
    """Of the grid above: what is clicked meanwhile."""
    answer: str
    """Selector of what a click on it brings."""


BACKGROUND = Way(
    code='run = tk.start_sweep("reply@*", variables=cases, progress="off", engine=engine)\nRunProgress(run)',
    after="results = run.results\n",
    said=".pk-run > .pk-status",
    last=re.compile("^ended"),
    button="Next",
    answer=".pk-grid .pk-range:has-text('26')",
)
"""A run in the background, its progress a widget: the kernel is free."""

CELL = Way(
    code='results = tk.sweep("reply@*", variables=cases, engine=engine)',
    after="",
    said=".jp-OutputArea-output [role=status]:has(progress)",
    last=re.compile(rf"\b{PLANNED}/{PLANNED}\b"),
    button="Keys",
    answer=".pk-grid .pk-keys",
)
"""A cell that ends with the sweep, its progress a line: the kernel is busy, the page is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a sweep from its page."""

    words: str
    """The last of them."""
    rows: int
    """Trials in the results."""
    answers: int
    """Those with an answer."""
    given: float
    """Answers a second that the provider gave."""
    took_s: float
    """From the start of the cell to the last words."""
    gap_s: float
    """From the first answers to the last words: the longest for which the page did nothing else."""
    empty_gap_s: float
    """The same of an empty page beside it: what else the machine does, both wait for."""
    answered_s: float
    """From a click on another widget to what it brings."""
    words_then: str
    """What the page said of the sweep when that was there."""
    messages: Counter[bytes]
    """Messages that changed what is shown, by widget or output."""


def watched(page: Any, lab: Any, way: Way) -> Seen:
    """Runs a sweep in a cell below a grid of other answers, clicks in the grid meanwhile, and waits for its end.

    Args:
        page: A page of the browser that has nothing open.
        lab: The server.
        way: How the notebook sweeps.
    """
    messages: Counter[bytes] = Counter()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: _count(messages, frame)))
    notebook = OpenNotebook(page, lab, lab.write(SETUP, GRID, way.code, way.after + COUNTED)).open()
    notebook.run_cell(0)
    notebook.run_cell(1)
    page.locator(".pk-grid .pk-row").first.wait_for()
    empty = page.context.new_page()
    page.bring_to_front()
    messages.clear()
    began = time.monotonic()
    notebook.start_cell(2)
    place = page.locator(way.said).last
    expect(place).to_contain_text(re.compile(r"[1-9][\d,]*(/| of )"), timeout=_MOST_MS)
    for each in (page, empty):
        each.evaluate(WATCH)
    clicked = time.monotonic()
    page.locator(".pk-grid").first.get_by_role("button", name=way.button).click()
    page.locator(way.answer).first.wait_for()
    answered_s, words_then = time.monotonic() - clicked, place.inner_text()
    expect(place).to_contain_text(way.last, timeout=_MOST_MS)
    took_s, words = time.monotonic() - began, place.inner_text()
    gap_s, empty_gap_s = [each.evaluate("window.__gap") / 1_000 for each in (page, empty)]
    counts = messages.copy()
    empty.close()
    notebook.wait_idle()
    notebook.run_cell(3)
    rows, answers, given = json.loads(notebook.printed(3))
    return Seen(
        words=words,
        rows=rows,
        answers=answers,
        given=given,
        took_s=took_s,
        gap_s=gap_s,
        empty_gap_s=empty_gap_s,
        answered_s=answered_s,
        words_then=words_then,
        messages=counts,
    )


def _count(messages: Counter[bytes], frame: str | bytes) -> None:
    told = frame if isinstance(frame, bytes) else frame.encode()
    if b'"comm_msg"' in told or b'"update_display_data"' in told:
        found = _ID.search(told)
        messages[found.group(1) if found else b""] += 1
