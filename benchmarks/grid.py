"""The grid of answers in JupyterLab beside two widgets for tables: 10,000 cases by 6 arms of 100 words."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _bench import environment, keep, table, versions

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, OpenNotebook, running_lab  # noqa: E402

PEERS = ("itables", "ipydatagrid")
ROUNDS = 3
PAGES = 10

MAKE = """
import random
from tests.results import runs
from toolkit.results import Results
rng = random.Random(1)
words = [f"word{n}" for n in range(2_000)]
first = [rng.choices(words, k=100) for _ in range(10_000)]
def edited(line):
    return " ".join(rng.choice(words) if rng.random() < 0.15 else word for word in line)
lines = [[edited(line) if arm else " ".join(line) for line in first] for arm in range(6)]
scores = {"right": [[float(rng.random() < 0.5 + 0.05 * arm) for _ in first] for arm in range(6)]}
results = Results(runs.run(lines, scores=scores))
wide = results.wide()
import itables.widget, ipydatagrid, ipywidgets, toolkit.widgets, IPython.display
"""

# What shows it, and what is there once the first row is painted.
SHOWN = {
    "CompareGrid(results)": ("import toolkit as tk; tk.CompareGrid(results)", ".pk-grid .pk-row"),
    "results, with verdict and table": ("results", ".pk-grid .pk-row"),
    "itables": ("itables.widget.ITable(wide, maxBytes=0)", ".dt-container tbody td"),
    "ipydatagrid": ("ipydatagrid.DataGrid(wide)", ".ipydatagrid-widget canvas, .lm-DataGrid canvas"),
}

# The longest time for which the page could do nothing else.
WATCH = """() => { window.__gap = 0; let last = performance.now();
  clearInterval(window.__timer);
  window.__timer = setInterval(() => { const now = performance.now();
    window.__gap = Math.max(window.__gap, now - last - 20); last = now; }, 20); }"""


def measured(page: Any, lab: Any, code: str, painted: str) -> dict[str, float]:
    """Opens a notebook, makes the results, shows them, and saves it."""
    name = lab.write(MAKE, code)
    notebook = OpenNotebook(page, lab, name).open()
    notebook.command("notebook:run-cell-and-select-next")
    page.wait_for_timeout(300)
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.content.widgets[0].model.toJSON().execution_count", timeout=180_000
    )
    notebook.wait_idle()
    page.evaluate(WATCH)
    received = [0]
    counting.append(received)
    began = time.perf_counter()
    notebook.command("notebook:run-cell")
    page.locator(painted).first.wait_for(timeout=180_000)
    visible = time.perf_counter() - began
    page.wait_for_timeout(1_000)
    counting.remove(received)
    freeze = page.evaluate("window.__gap")
    turns = [turned(page) for _ in range(PAGES)] if "pk-grid" in painted else []
    saved = json.dumps(notebook.save().cells[1].outputs)
    return {
        "visible_s": visible,
        "sent_mb": received[0] / 1e6,
        "freeze_ms": freeze,
        "turn_ms": statistics.median(turns) * 1000 if turns else float("nan"),
        "nodes": page.locator(".jp-OutputArea").last.evaluate("(node) => node.querySelectorAll('*').length"),
        "saved_mb": len(saved) / 1e6,
    }


def turned(page: Any) -> float:
    """Seconds from pressing n to the next page, its first row painted."""
    before = page.evaluate("document.querySelector('.pk-row').ariaRowIndex")
    page.locator(".pk-row .pk-cell").nth(1).focus()
    began = time.perf_counter()
    page.keyboard.press("n")
    page.wait_for_function("(old) => document.querySelector('.pk-row').ariaRowIndex !== old", arg=before, polling="raf")
    return time.perf_counter() - began


counting: list[list[int]] = []


def count(frame: Any) -> None:
    """Adds what a websocket brought to every measurement that is under way."""
    for received in counting:
        received[0] += len(frame) if isinstance(frame, bytes) else len(frame.encode())


def main() -> int:
    """Measures every way in turn, and keeps the medians."""
    from playwright.sync_api import sync_playwright

    python = environment("grid", ["jupyterlab", *PEERS, "-e", str(ROOT)])
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in SHOWN}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_lab(Path(folder) / "lab", python=python) as lab,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for number in range(ROUNDS):
            for name, (code, painted) in SHOWN.items():
                page = browser.new_page(viewport={"width": 1280, "height": 1000})
                page.on("websocket", lambda socket: socket.on("framereceived", count))
                figures[name].append(measured(page, lab, code, painted))
                print(f"round {number + 1} {name:32} {figures[name][-1]}", file=sys.stderr, flush=True)
                page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
                page.close()
        browser.close()
    rows = []
    for name, seen in figures.items():
        middle = {key: statistics.median(each[key] for each in seen) for key in seen[0]}
        turn = "-" if middle["turn_ms"] != middle["turn_ms"] else f"{middle['turn_ms']:.0f}"
        rows.append(
            [
                name,
                f"{middle['visible_s']:.2f}",
                turn,
                f"{middle['sent_mb']:.2f}",
                f"{middle['freeze_ms']:.0f}",
                f"{middle['nodes']:,.0f}",
                f"{middle['saved_mb']:.3f}",
            ]
        )
    header = ["", "first row after s", "page turn ms", "websocket MB", "page frozen ms", "DOM nodes", "saved MB"]
    # A page and a kernel take turns on the same cores: what else ran there belongs to the figures.
    used = versions("jupyterlab", "anywidget", "ipywidgets", *PEERS, python=python)
    used = f"{used}; load average {os.getloadavg()[1]:.1f}"
    keep(
        "grid", "10,000 cases by 6 arms of 100 words in JupyterLab", table(header, rows), f"medians of {ROUNDS}; {used}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
