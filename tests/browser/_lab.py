"""JupyterLab as a process of its own, and notebooks in it that a browser opens, runs and reads."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[2]

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()

START_S = 120.0

# How long anything in a page may take to be there; what is there earlier is not waited for.
MOST_MS = 120_000

# The proxy settings of the environment are not for loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_FOLDERS = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")


class Lab:
    """A running JupyterLab.

    Args:
        url: Its address.
        folder: Where its notebooks are.
        path: Where a notebook is shown, with `{stem}` and `{name}` in it. In JupyterLab each has a workspace of its
            own: of two pages in one workspace, the later one moves away while it is being loaded.
    """

    def __init__(self, url: str, folder: Path, path: str = "lab/workspaces/{stem}/tree/{name}") -> None:
        self.url = url
        self.folder = folder
        self._path = path

    def address(self, name: str) -> str:
        """Returns where a page finds a notebook."""
        return f"{self.url}/{self._path.format(stem=Path(name).stem, name=name)}"

    def write(self, *cells: str, name: str | None = None) -> str:
        """Writes a notebook with these cells and returns its name."""
        name = name or f"{uuid.uuid4().hex[:8]}.ipynb"
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, self.folder / name)
        return name

    def read(self, name: str) -> nbformat.NotebookNode:
        """Returns a notebook as it was saved."""
        return nbformat.read(self.folder / name, as_version=4)


@contextlib.contextmanager
def running_lab(folder: Path, *, python: str = sys.executable, app: str = "lab") -> Iterator[Lab]:
    """Runs a JupyterLab with settings of its own for the length of the block.

    Args:
        folder: Where its notebooks, settings and log are put.
        python: One that has JupyterLab.
        app: `lab`, or `notebook` for Notebook 7, which opens one notebook without Lab around it.
    """
    config = folder / "home" / "config" / "labconfig"
    config.mkdir(parents=True)
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "page_config.json").write_text(json.dumps(news), encoding="utf-8")
    name = "LabApp" if app == "lab" else "JupyterNotebookApp"
    port, notebooks = _free_port(), folder / "notebooks"
    command = [
        *(python, "-m", "jupyter", app, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={notebooks}"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True"),
        f"--{name}.expose_app_in_browser=True",
    ]
    url = f"http://127.0.0.1:{port}"
    with _running(folder, command, f"{url}/api/status"):
        yield Lab(url, notebooks) if app == "lab" else Lab(url, notebooks, "notebooks/{name}")


@contextlib.contextmanager
def running_voila(folder: Path, *, python: str = sys.executable) -> Iterator[Lab]:
    """Runs a Voila with settings of its own for the length of the block; `URL/voila/render/NAME` shows a notebook.

    Args:
        folder: Where its notebooks, settings and log are put.
        python: One that has Voila.
    """
    port, notebooks = _free_port(), folder / "notebooks"
    command = [*(python, "-m", "voila", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", str(notebooks))]
    url = f"http://127.0.0.1:{port}"
    with _running(folder, command, url):
        yield Lab(url, notebooks, "voila/render/{name}")


@contextlib.contextmanager
def _running(folder: Path, command: list[str], ready: str) -> Iterator[None]:
    """Runs a server that is ready once an address of it answers."""
    notebooks, home = folder / "notebooks", folder / "home"
    notebooks.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT)}
    environment |= {"JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data")}
    environment |= {"JUPYTER_RUNTIME_DIR": str(home / "runtime"), "TOOLKIT_HOME": str(home / "toolkit")}
    environment |= {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    log_path = folder / "server.log"
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=notebooks)
        try:
            _wait(ready, process, log_path)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class OpenNotebook:
    """A notebook in a page of the browser.

    Args:
        page: Playwright's page.
        lab: The server.
        name: The notebook's name.
    """

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        self.lab = lab
        self.name = name

    def open(self, *, as_it_was: bool = False) -> OpenNotebook:
        """Opens it, and waits for its kernel.

        Args:
            as_it_was: Whether with what JupyterLab keeps of the last time.
        """
        self.page.goto(self.lab.address(self.name) + ("" if as_it_was else "?reset"))
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=MOST_MS)
        self.page.evaluate("window.jupyterapp.restored")
        self.wait_idle()
        return self

    def wait_idle(self) -> None:
        """Waits until the kernel is there and has nothing to do."""
        self.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=MOST_MS
        )

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Does what a menu would, and waits for it."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments or {}])

    def run(self) -> OpenNotebook:
        """Runs every cell.

        Raises:
            AssertionError: If one ends with an error.
        """
        self.command("notebook:run-all-cells")
        self.wait_idle()
        for cell in self.cells():
            for output in cell["outputs"]:
                assert output["output_type"] != "error", output
            assert cell["execution_count"] is not None, cell
        return self

    def cells(self) -> list[dict[str, Any]]:
        """Returns the cells as the page holds them."""
        found: list[dict[str, Any]] = self.page.evaluate(
            "window.jupyterapp.shell.currentWidget.content.widgets.map((each) => each.model.toJSON())"
        )
        return found

    def start_cell(self, number: int) -> None:
        """Begins to run one cell, the first of which is 0, and does not wait for its end."""
        self.page.evaluate(
            "(number) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number; "
            "void window.jupyterapp.commands.execute('notebook:run-cell'); }",
            number,
        )

    def run_cell(self, number: int) -> None:
        """Runs one cell, the first of which is 0."""
        self.page.evaluate(
            "(number) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number; }", number
        )
        self.command("notebook:run-cell")
        self.wait_idle()

    def execute(self, code: str) -> None:
        """Has the kernel run some code that is in no cell."""
        kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        reply = self.page.evaluate(f"async (code) => (await {kernel}.requestExecute({{code}}).done).content", code)
        assert reply["status"] == "ok", reply

    def printed(self, number: int) -> str:
        """Returns what a cell printed and what its value is, as text."""
        outputs = self.cells()[number]["outputs"]
        return "".join(
            "".join(each.get("text", "")) + "".join(each.get("data", {}).get("text/plain", "")) for each in outputs
        )

    def save(self) -> nbformat.NotebookNode:
        """Saves it and returns what was written."""
        self.command("docmanager:save")
        return self.lab.read(self.name)

    def restart(self) -> None:
        """Ends its kernel and starts another."""
        self.page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.wait_idle()

    def use_theme(self, theme: str) -> None:
        """Switches Lab to `light` or `dark`."""
        name = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        self.command("apputils:change-theme", {"theme": name})
        wanted = "false" if theme == "dark" else "true"
        self.page.wait_for_function(f"document.body.dataset.jpThemeLight === '{wanted}'")


def complaints_of(page: Any) -> list[str]:
    """Returns the list that gets every error of a page's programs that nobody catches.

    Left out is what anywidget says of a widget that begins later than after 2 seconds, as on a busy machine it may: the
    widget begins all the same.
    """
    complaints: list[str] = []

    def note(error: Any) -> None:
        if str(error) != "[anywidget] Failed to initialize model.":
            complaints.append(str(error))

    page.on("pageerror", note)
    return complaints


def expect(locator: Any) -> Any:
    """Returns Playwright's assertions on what is found, each of which waits until it holds."""
    # Here, not above: without the browser's extra these files must still be collected.
    from playwright.sync_api import expect as waiting

    return waiting(locator)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with _OPENER.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The server did not start: {log.read_text(errors='replace')[-3000:]}")
