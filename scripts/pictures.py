"""Takes pictures of the widgets as they are in JupyterLab: light and dark, wide and narrow, into a folder."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, OpenNotebook, running_lab  # noqa: E402

GRID = ("from tests.widgets.answers import some_results\nresults = some_results()", "results")
SIZES = {"wide": 1280, "narrow": 800}


def main(folder: Path) -> int:
    """Writes `grid-THEME-SIZE.png` and pictures of an opened cell, the keys, the stacked form and the static one."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home) / "lab") as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        notebook = OpenNotebook(page, lab, lab.write(*GRID)).open().run()
        notebook.command("application:toggle-left-area")
        grid = page.locator(".pk-grid")
        grid.locator(".pk-row").first.wait_for()

        def picture(name: str) -> None:
            page.wait_for_timeout(500)
            page.screenshot(path=folder / f"{name}.png")
            print(folder / f"{name}.png")

        for theme in ("dark", "light"):
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
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")))
