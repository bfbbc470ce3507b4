"""Takes pictures of the widgets as they are in JupyterLab, light and dark, on the embedded model: those of the README.

`make pictures` writes them into `pictures/` again; `scripts/gallery.py` takes many more, to look a change through.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, Lab, OpenNotebook, running_lab  # noqa: E402

THEMES = ("dark", "light")
_AROUND = 10

# Nothing of the cell stands beside its output.
_ALONE = ".jp-OutputPrompt,.jp-Cell-inputWrapper,.jp-Collapser{visibility:hidden}"

# By the picture's name: the cell, what is ready when it can be taken, and the most pixels of height.
SHOWN: dict[str, tuple[str, str, int]] = {
    "form": (
        "import toolkit as tk\n"
        "form = tk.SweepForm(cases='reviews.csv', prompt='sentiment')\n"
        "form.settle()\n"
        "form.picker.versions.value = ('1', '2', '3')\n"
        "form.params.value = '{\"temperature\": 0}'\n"
        "form.settle()\n"
        "form.run_button.click()\n"
        "form.settle(600)\n"
        "form",
        ".pk-form .pk-run",
        1500,
    ),
    "grid": (
        "import toolkit as tk\n"
        "prompts = ['sentiment@2', 'sentiment@3']\n"
        "results = tk.sweep(prompts, variables='reviews.csv', params={'temperature': 0}, progress='off')\n"
        "results.score(tk.contains())\n"
        "results.grid()",
        ".pk-grid .pk-row",
        640,
    ),
    "vote": (
        "import toolkit as tk\n"
        "results = tk.sweep(['sentiment@*'], variables='reviews.csv', params={'temperature': 0}, progress='off')\n"
        "results.vote(voter='you')",
        ".pk-vote .pk-answer",
        640,
    ),
    "picker": (
        "import toolkit as tk\n"
        "picker = tk.PromptPicker('sentiment', cases='reviews.csv')\n"
        "picker.settle()\n"
        "picker.versions.value = ('3',)\n"
        "picker.settle()\n"
        "picker",
        ".pk-picker .pk-versions",
        900,
    ),
}


def main() -> int:
    """Writes the README's pictures."""
    from playwright.sync_api import sync_playwright

    folder = ROOT / "pictures"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home) / "lab") as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        take_all(browser.new_page(), lab, folder)
        browser.close()
    return 0


def take_all(page: Any, lab: Lab, folder: Path) -> None:
    """Writes `NAME-THEME.png` of each widget, on the prompts and cases of the notebooks."""
    page.set_viewport_size({"width": 1120, "height": 1800})
    shutil.copytree(ROOT / "notebooks" / "prompts", lab.folder / "prompts")
    shutil.copy(ROOT / "notebooks" / "reviews.csv", lab.folder)
    for name, (cell, ready, most_height) in SHOWN.items():
        notebook = OpenNotebook(page, lab, lab.write(cell, name=f"{name}.ipynb")).open()
        # A narrow page has no room for the list of files.
        if page.locator("#jp-left-stack").is_visible():
            notebook.command("application:toggle-left-area")
        notebook.run()
        page.locator(ready).first.wait_for()
        page.add_style_tag(content=_ALONE)
        shown = page.locator(ready.partition(" ")[0]).first
        for theme in THEMES:
            notebook.use_theme(theme)
            shown.evaluate("(node) => { node.style.scrollMarginTop = '40px'; node.scrollIntoView(); }")
            page.wait_for_timeout(500)
            box = shown.bounding_box()
            # With some of the page around it: a widget has no border of its own.
            left, top = max(0, box["x"] - _AROUND), max(0, box["y"] - _AROUND)
            size = {"width": box["width"] + 2 * _AROUND, "height": min(box["height"], most_height) + 2 * _AROUND}
            page.screenshot(path=folder / f"{name}-{theme}.png", clip={"x": left, "y": top, **size})
            print(folder / f"{name}-{theme}.png")


if __name__ == "__main__":
    sys.exit(main())
