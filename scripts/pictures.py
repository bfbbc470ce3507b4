"""Takes pictures of the widgets as they are in JupyterLab, light and dark, on the embedded model: those of the README.

`make pictures` writes them into `pictures/` again; `scripts/pictures.py --all FOLDER` takes more, to look through a
change of the grid: wide and narrow, opened, stacked, its keys, and what stays without a kernel.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, Lab, OpenNotebook, running_lab  # noqa: E402

GRID = ("from tests.widgets.answers import some_results\nresults = some_results()", "results")
SIZES = {"wide": 1280, "narrow": 800}
THEMES = ("dark", "light")

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
        1310,
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
    """Writes the pictures into the folder that is named, by default the README's."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", metavar="FOLDER", type=Path, help="take the larger set of the grid, into this folder")
    folder: Path | None = parser.parse_args().all
    take, into = (take_readme, ROOT / "pictures") if folder is None else (take_all, folder)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home) / "lab") as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        take(browser.new_page(viewport={"width": 1280, "height": 1000}), lab, into)
        browser.close()
    return 0


def take_readme(page: Any, lab: Lab, folder: Path) -> None:
    """Writes `NAME-THEME.png` of each widget, on the prompts and cases of the notebooks."""
    page.set_viewport_size({"width": 1120, "height": 1700})
    shutil.copytree(ROOT / "notebooks" / "prompts", lab.folder / "prompts")
    shutil.copy(ROOT / "notebooks" / "reviews.csv", lab.folder)
    for name, (cell, ready, most_height) in SHOWN.items():
        notebook = OpenNotebook(page, lab, lab.write(cell, name=f"{name}.ipynb")).open()
        # A narrow page has no room for the list of files.
        if page.locator("#jp-left-stack").is_visible():
            notebook.command("application:toggle-left-area")
        notebook.run()
        page.locator(ready).first.wait_for()
        shown = page.locator(ready.partition(" ")[0]).first
        for theme in THEMES:
            notebook.use_theme(theme)
            shown.evaluate("(node) => node.scrollIntoView()")
            page.wait_for_timeout(500)
            box = shown.bounding_box()
            box["height"] = min(box["height"], most_height)
            page.screenshot(path=folder / f"{name}-{theme}.png", clip=box)
            print(folder / f"{name}-{theme}.png")


def take_all(page: Any, lab: Lab, folder: Path) -> None:
    """Writes `grid-THEME-SIZE.png` and pictures of an opened cell, the keys, the stacked form and the static one."""
    notebook = OpenNotebook(page, lab, lab.write(*GRID)).open().run()
    notebook.command("application:toggle-left-area")
    grid = page.locator(".pk-grid")
    grid.locator(".pk-row").first.wait_for()

    def picture(name: str) -> None:
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}.png")
        print(folder / f"{name}.png")

    for theme in THEMES:
        notebook.use_theme(theme)
        for size, width in SIZES.items():
            page.set_viewport_size({"width": width, "height": 1000})
            grid.evaluate("(node) => node.scrollIntoView()")
            picture(f"grid-{theme}-{size}")
    page.set_viewport_size({"width": 1280, "height": 1000})
    grid.locator(".pk-cell").nth(2).click()
    page.keyboard.press("Enter")
    grid.locator(".pk-open").wait_for()
    picture("grid-opened")
    page.keyboard.press("Escape")
    grid.get_by_role("button", name="Stacked").click()
    picture("grid-stacked")
    page.keyboard.press("Escape")
    grid.get_by_role("button", name="Keys").click()
    grid.locator(".pk-keys").scroll_into_view_if_needed()
    picture("grid-keys")
    notebook.restart()
    page.locator(".pk-static").wait_for()
    page.locator(".pk-static").evaluate("(node) => node.scrollIntoView()")
    picture("grid-static")


if __name__ == "__main__":
    sys.exit(main())
