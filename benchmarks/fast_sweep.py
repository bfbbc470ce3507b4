"""A notebook's page while a sweep in it gets 1,000 answers a second from a scripted provider."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from _bench import keep, table, versions

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._fast_sweep import BACKGROUND, CELL, PLANNED, Seen, watched  # noqa: E402
from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, running_lab  # noqa: E402

ROUNDS = 3
WAYS = {"tk.start_sweep, its progress a widget": BACKGROUND, "tk.sweep, its progress a line": CELL}


def main() -> int:
    """Sweeps in every way in turn, and keeps the medians."""
    from playwright.sync_api import sync_playwright

    seen: dict[str, list[Seen]] = {name: [] for name in WAYS}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_lab(Path(folder) / "lab") as lab,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for number in range(ROUNDS):
            for name, way in WAYS.items():
                context = browser.new_context(viewport={"width": 1280, "height": 1000})
                page = context.new_page()
                seen[name].append(watched(page, lab, way))
                print(f"round {number + 1} {name:38} {seen[name][-1]}", file=sys.stderr, flush=True)
                page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
                context.close()
        browser.close()
    header = ["", "answers a second", "page frozen ms", "click answered ms", "messages/s", "of one view", "last state"]
    rows = [[name, *_figures(found)] for name, found in seen.items()]
    used = f"{versions('jupyterlab', 'anywidget', 'ipywidgets')}; load average {os.getloadavg()[1]:.1f}"
    keep(
        "fast_sweep",
        f"A sweep of {PLANNED:,} trials in JupyterLab",
        table(header, rows),
        f"medians of {ROUNDS}; {used}",
    )
    return 0


def _figures(found: list[Seen]) -> list[str]:
    whole = all(each.rows == each.answers == PLANNED for each in found)
    return [
        f"{statistics.median(each.given for each in found):,.0f}",
        f"{statistics.median(each.gap_s for each in found) * 1_000:.0f}",
        f"{statistics.median(each.answered_s for each in found) * 1_000:.0f}",
        f"{statistics.median(sum(each.messages.values()) / each.took_s for each in found):.1f}",
        f"{statistics.median(max(each.messages.values()) / each.took_s for each in found):.1f}",
        "arrived" if whole else "lost",
    ]


if __name__ == "__main__":
    sys.exit(main())
