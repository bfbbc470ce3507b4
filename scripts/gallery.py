"""Takes a picture of every widget in every state that a person meets, light and dark, wide and narrow, to look at.

`scripts/gallery.py FOLDER` writes `STATE-WIDTH-THEME.png` of each; names behind the folder take those states alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser._lab import CHROMIUM, CHROMIUM_FLAGS, Lab, OpenNotebook, running_lab  # noqa: E402

WIDTHS = (1280, 800)
THEMES = ("light", "dark")
HEIGHT = 2600

DESK = (
    "import toolkit as tk\n"
    "from tests.widgets.desk import CASES, desk\n"
    "from tests.widgets.answers import some_results\n"
    "from toolkit.engine import set_default_engine\n"
    "cases = CASES[:8]\n"
)
SLOW = DESK + "set_default_engine(desk(seconds={seconds}))\n"
QUICK = SLOW.format(seconds=0)
PICKER = "picker = tk.PromptPicker('support/refund'{cases})\npicker.settle()\n{more}\npicker"
FORM = "form = tk.SweepForm(cases, prompt='support/refund', models=['desk/quick-1', 'desk/careful-2'])\nform.settle()\n"
PLANNED = (
    FORM + "form.picker.versions.value = ('2', '3')\nform.models.value = ('desk/quick-1', 'desk/careful-2')\n"
    "form.params.value = '{\"temperature\": 0}'\nform.settle()\n"
)
RUN = "form.run_button.click()\n"
SWEEP = (
    "results = tk.sweep(['support/refund@*'], ['desk/quick-1', 'desk/careful-2'], cases, progress='off')\n"
    "results.score(tk.contains('refund'))\n"
)
VOTES = (
    DESK + "from tests.widgets.ballots import Page\nresults = some_results(16, arms=3)\n"
    "def voted(voter, verdicts):\n"
    "    page = Page(results, voter=voter)\n"
    "    for verdict in verdicts:\n"
    "        page.say(verdict)\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One state of a widget.

    Args:
        cell: What makes it.
        shown: Selector of what is on the picture.
        act: What a person does first; takes the page and the widget.
        ready: Selector of what is waited for; empty = `shown`.
        is_static: Whether the notebook is shown as nbconvert writes it, without a kernel.
    """

    cell: str
    shown: str = ".jp-OutputArea-child"
    act: Callable[[Any, Any], None] = lambda page, shown: None
    ready: str = ""
    is_static: bool = False


def _tab(name: str) -> Callable[[Any, Any], None]:
    return lambda page, shown: shown.get_by_role("tab", name=name, exact=True).click()


def _grid(*acts: Callable[[Any, Any], None]) -> Scene:
    def all_of(page: Any, shown: Any) -> None:
        for act in acts:
            act(page, shown)

    return Scene(cell=f"{DESK}results = some_results()\nresults.grid()", shown=".pk-grid", ready=".pk-row", act=all_of)


def _press(name: str) -> Callable[[Any, Any], None]:
    return lambda page, shown: shown.get_by_role("button", name=name, exact=True).click()


def _cell(place: int, *keys: str) -> Callable[[Any, Any], None]:
    def act(page: Any, shown: Any) -> None:
        shown.locator(".pk-cell").nth(place).click()
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(400)

    return act


def _vote_end(page: Any, shown: Any) -> None:
    shown.get_by_role("button", name="Finish").click()
    shown.get_by_role("button", name="Show who is who").click()


def _vote_keys(page: Any, shown: Any) -> None:
    shown.locator(".pk-body").focus()
    for key in "12":
        page.keyboard.press(key)
        page.wait_for_timeout(400)
    page.keyboard.press("?")
    page.keyboard.press("n")
    page.keyboard.type("kinder, and says what comes next")


def _vote_all(page: Any, shown: Any) -> None:
    shown.locator(".pk-body").focus()
    while shown.locator(".pk-answer").count():
        page.keyboard.press("1")
        page.wait_for_timeout(150)


_PICKER_CASES = PICKER.format(cases=", cases=cases", more="")
_MISSING = PICKER.format(cases=", cases=[{'customer': 'Ana'}]", more="picker.versions.value = ('3',)\npicker.settle()")
_ADD = "picker.add_button.click()\n"
_ADDED = PICKER.format(cases=", cases=cases", more=f"{_ADD}picker.versions.value = ('1', '3')\n{_ADD}")
_BARE = PICKER.format(cases="", more="")
_DOCTOR = "import os\nos.environ['SSL_CERT_FILE'] = __import__('certifi').where()\n"
_MAGIC = (
    "get_ipython().run_line_magic('load_ext', 'toolkit')\n"
    "get_ipython().run_cell_magic('prompt', 'support/refund@3 --cases cases --first 2', "
    "'System: You are a friendly support agent. Answer in two sentences, and name the next step.\\n\\n"
    "User: {{customer}} asks about $5 for order {{order}}: {{question}}')"
)
_WARNED = PLANNED.replace("SweepForm(cases", "SweepForm([{**case, 'colour': 'red'} for case in cases]")
_VOTE = "vote = tk.BlindVote(results, voter='ana')\nvote"
_VOTED = VOTES + "voted('ana', ['left', 'right', 'tie'] * 9)\nvoted('bo', ['left', 'left', 'both_bad'] * 9)\n"

SCENES: dict[str, Scene] = {
    "picker-no-prompts": Scene(cell=f"{DESK}set_default_engine(desk(is_empty=True))\n" + _BARE),
    "picker-start": Scene(cell=f"{QUICK}tk.PromptPicker(cases=cases)"),
    "picker-preview": Scene(cell=QUICK + _PICKER_CASES),
    "picker-missing": Scene(cell=QUICK + _MISSING),
    "picker-diff": Scene(cell=QUICK + _PICKER_CASES, act=_tab("Diff")),
    "picker-config": Scene(cell=QUICK + _PICKER_CASES, act=_tab("Config")),
    "picker-json": Scene(cell=QUICK + _PICKER_CASES, act=_tab("JSON")),
    "picker-draft": Scene(cell=QUICK + _PICKER_CASES, act=_tab("Draft")),
    "picker-added": Scene(cell=QUICK + _ADDED),
    "picker-error": Scene(cell=f"{DESK}set_default_engine(desk(is_broken=True))\n" + _BARE),
    "form-start": Scene(cell=f"{QUICK}form = tk.SweepForm(cases)\nform.settle()\nform"),
    "form-planned": Scene(cell=f"{QUICK}{PLANNED}form"),
    "form-warned": Scene(cell=f"{QUICK}{_WARNED}form"),
    "form-refused": Scene(cell=f"{QUICK}cases = [{{'customer': 'Ana'}}]\n{PLANNED}form"),
    "form-mistyped": Scene(cell=f"{QUICK}{PLANNED}form.params.value = '{{temperature'\nform.settle()\nform"),
    "form-running": Scene(
        cell=SLOW.format(seconds=4) + f"{PLANNED}form.concurrency.value = 4\nform.settle()\n{RUN}form",
        act=lambda page, shown: page.wait_for_timeout(9000),
    ),
    "form-finished": Scene(cell=f"{QUICK}{PLANNED}{RUN}form.settle()\nform"),
    "form-stopped": Scene(
        cell=SLOW.format(seconds=2) + f"{PLANNED}form.concurrency.value = 4\nform.settle()\n{RUN}"
        "import time\ntime.sleep(3)\nform.progress_box.children[0].stop_button.click()\nform.settle()\nform"
    ),
    "run": Scene(
        cell=SLOW.format(seconds=3) + "run = tk.start_sweep(['support/refund@*'], ['desk/quick-1', 'desk/careful-2'], "
        "cases, concurrency=3)\ntk.RunProgress(run)",
        act=lambda page, shown: page.wait_for_timeout(8000),
    ),
    "results": Scene(cell=f"{QUICK}{SWEEP}results", ready=".pk-row"),
    "grid-diff": _grid(),
    "grid-side": _grid(_press("Side by side")),
    "grid-stacked": _grid(_press("Stacked")),
    "grid-expanded": _grid(_cell(2, "Enter")),
    "grid-filtered": _grid(lambda page, shown: shown.get_by_label("Show").select_option("failures")),
    "grid-none": _grid(lambda page, shown: shown.get_by_label("Find").fill("no such words")),
    "grid-keys": _grid(_press("Keys")),
    "grid-rated": _grid(_cell(2, "4", "f"), _cell(6, "2")),
    "vote-pair": Scene(cell=f"{VOTES}{_VOTE}", shown=".pk-vote", ready=".pk-answer"),
    "vote-keys": Scene(cell=f"{VOTES}{_VOTE}", shown=".pk-vote", ready=".pk-answer", act=_vote_keys),
    "vote-asked": Scene(cell=f"{VOTES}{_VOTE}", shown=".pk-vote", ready=".pk-answer", act=_press("Finish")),
    "vote-last": Scene(
        cell=f"{DESK}results = some_results(4, arms=2)\n{_VOTE}", shown=".pk-vote", ready=".pk-answer", act=_vote_all
    ),
    "vote-end": Scene(
        cell=_VOTED + _VOTE,
        shown=".pk-vote",
        ready=".pk-answer",
        act=_vote_end,
    ),
    "magic": Scene(cell=f"{QUICK}{_MAGIC}", shown=".jp-OutputArea"),
    "doctor": Scene(cell=f"{QUICK}{_DOCTOR}tk.doctor(check=False)"),
    "plan": Scene(cell=f"{QUICK}tk.plan(['support/refund@*'], ['desk/quick-1', 'desk/careful-2'], cases)"),
}
SCENES |= {
    f"still-{name}": Scene(cell=SCENES[name].cell, is_static=True)
    for name in ("picker-preview", "form-finished", "results", "grid-diff", "vote-pair", "magic", "doctor", "plan")
}
SCENES["still-vote-end"] = Scene(
    cell=_VOTED + _VOTE.replace("\nvote", "\nvote._is_finished = True\nvote"),
    is_static=True,
)


def main() -> int:
    """Writes the pictures into the folder that is named."""
    from playwright.sync_api import Error, sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", help="which states; none = all")
    asked = parser.parse_args()
    wanted = [name for name in SCENES if not asked.states or any(name.startswith(each) for each in asked.states)]
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, running_lab(Path(home) / "lab") as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT})
        for name in wanted:
            try:
                (still if SCENES[name].is_static else live)(page, lab, name, asked.folder)
                print(name, flush=True)
            except (AssertionError, OSError, Error) as error:
                print(f"{name}: {error}", flush=True)
        browser.close()
    return 0


def live(page: Any, lab: Lab, name: str, folder: Path) -> None:
    """Takes one state in JupyterLab."""
    scene = SCENES[name]
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    notebook = OpenNotebook(page, lab, lab.write(scene.cell, name=f"{name}.ipynb")).open()
    # A narrow page has no room for the list of files.
    if page.locator("#jp-left-stack").is_visible():
        notebook.command("application:toggle-left-area")
    notebook.use_theme("light")
    notebook.run()
    page.locator(scene.ready or scene.shown).first.wait_for()
    shown = page.locator(scene.shown).last
    page.wait_for_timeout(800)
    scene.act(page, shown)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in THEMES:
            notebook.use_theme(theme)
            page.wait_for_timeout(400)
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", clip=_room(shown.bounding_box(), width))
    notebook.command("docmanager:save")


def still(page: Any, lab: Lab, name: str, folder: Path) -> None:
    """Takes one state as nbconvert writes the notebook."""
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    path = lab.write(SCENES[name].cell, name=f"{name}.ipynb")
    notebook = nbformat.read(lab.folder / path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.outputs:
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    for theme in THEMES:
        text, _ = HTMLExporter(theme=theme, template_name="lab", embed_images=True).from_notebook_node(notebook)
        written = lab.folder / f"{name}-{theme}.html"
        written.write_text(text, encoding="utf-8")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.goto(written.as_uri())
            shown = page.locator(".jp-OutputArea").last
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png", clip=_room(shown.bounding_box(), width))


def _room(box: dict[str, float], width: int) -> dict[str, float]:
    """A little more than a widget's own box, and no more than the page."""
    top = max(0.0, box["y"] - 12)
    left = max(0.0, box["x"] - 12)
    height = min(box["height"] + 24, HEIGHT - top)
    return {"x": left, "y": top, "width": min(box["width"] + 24, width - left), "height": height}


if __name__ == "__main__":
    sys.exit(main())
