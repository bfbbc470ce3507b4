"""The notebooks and the demo, on the real embedded model; few cases, since each answer takes half a second."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import html5lib
import nbformat
import pytest
import yaml
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from notebooks.run import run_notebook
from tests.servers._process import serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WITH_GRID = ["01_compare_prompt_versions", "05_widgets"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run store that the notebook fills and the demo finds."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def one_case(tmp_path_factory):
    """A copy of the notebooks' folder with the first case only."""
    folder = tmp_path_factory.mktemp("notebooks") / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    lines = (folder / "reviews.csv").read_text(encoding="utf-8").splitlines()
    (folder / "reviews.csv").write_text("\n".join(lines[:2]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.model
def test_the_notebook_runs_from_top_to_bottom_on_the_real_model(one_case, home):
    """Run with one case, every cell of the notebook ends without an error and the model answers six trials."""
    notebook = run_notebook(one_case / "01_compare_prompt_versions.ipynb", home=home)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    text = "\n".join(str(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert "6 trials" in text
    assert "6 sent" in text


@pytest.mark.model
def test_the_second_notebook_swaps_models_and_reads_the_proxy_s_traffic(one_case, tmp_path):
    """Run as committed, the notebook gets answers from the model, from a proxy and through the real openai client."""
    notebook = run_notebook(one_case / "02_swap_models.ipynb", home=tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "\n".join(str(output.get("text", "")) for output in outputs)
    assert "local · prompt sentiment@3 · cost 0.0 USD" in shown
    assert re.search(r"vllm@http://127\.0\.0\.1:\d+/v1 · prompt sentiment@3 · cost None USD", shown)
    traffic = [str(output.get("data", {}).get("text/plain", "")) for output in outputs][-2]
    assert len(re.findall(r"^\d +ok ", traffic, flags=re.MULTILINE)) == 3


@pytest.mark.model
def test_the_third_notebook_decides_and_the_fourth_hands_over(one_case, home):
    """Run with one case on one store, both notebooks end without an error, and the exported run opens as it was."""
    texts = []
    for name in ("03_which_one_wins.ipynb", "04_export_and_share.ipynb"):
        cells = [cell for cell in run_notebook(one_case / name, home=home).cells if cell.cell_type == "code"]
        outputs = [output for cell in cells for output in cell.outputs]
        texts.append("\n".join(output.get("text", "") or output.data.get("text/plain", "") for output in outputs))
    assert "No choice by cost: every arm costs $0 an answer." in texts[0]
    assert "repeats itself word for word" in texts[0]
    assert "True\nTrue\n" in texts[1]
    assert (one_case / "handed-over" / "sentiment.sweep").exists()


@pytest.mark.model
def test_the_fifth_notebook_picks_sweeps_and_shows_what_stays_of_a_widget(one_case, home):
    """Run with one case, the notebook sweeps from the form, and keeps of each widget its HTML, and no place's name."""
    notebook = run_notebook(one_case / "05_widgets.ipynb", home=home)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "\n".join(output.get("text", "") or output.data.get("text/plain", "") for output in outputs)
    assert "ended · 2 of 2" in shown
    assert "0 to send, 2 stored" in shown
    assert "sentiment@1 -> sentiment@3, by contains:" in shown
    assert "0 of 1 pair;" in shown
    assert "Draft of sentiment, against folder:sentiment@3" in shown
    assert "ok    folder        ./prompts: 1 prompt" in shown
    assert "widget-view" not in str(outputs)
    assert not [place for place in (one_case, home) if str(place) in str(outputs)]


@pytest.fixture
def six_cases(tmp_path):
    """A copy of the notebooks' folder with the first six cases: few answers, and enough for a gate to pass."""
    folder = tmp_path / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    lines = (folder / "reviews.csv").read_text(encoding="utf-8").splitlines()
    (folder / "reviews.csv").write_text("\n".join(lines[:7]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.model
def test_the_sixth_notebook_goes_from_production_and_back(six_cases, tmp_path):
    """Run in a folder, the notebook is refused a label, gets it, shows why, puts it back, and sees no drift."""
    notebook = run_notebook(six_cases / "06_from_production_and_back.ipynb", home=tmp_path / "home")
    shown = _shown(notebook)
    assert "Prompt source: folder." in shown
    assert "6 reviews came in." in shown
    assert "'folder:notebook-06-sentiment@2' does not get the label; 'production' stays where it is." in shown
    assert "moved - by loop/prompts/evidence/notebook-06-sentiment.production.yaml" in shown
    assert "- key: e1:" in shown
    assert "rolled back" in shown
    assert "No change beyond chance in 4 tests" in shown
    evidence = six_cases / "loop/prompts/evidence/notebook-06-sentiment.production.yaml"
    moves = yaml.safe_load(evidence.read_text(encoding="utf-8"))
    assert [(move["from"], move["to"]) for move in moves] == [("1", "2"), ("2", "1")]
    assert not [place for place in (six_cases, tmp_path) if str(place) in str(notebook)]


def test_the_sixth_notebook_goes_through_langfuse_where_its_keys_are_set(six_cases, tmp_path):
    """With keys of Langfuse, the same cells leave traces, experiments, scores and evidence there, linked by version."""
    path = six_cases / "06_from_production_and_back.ipynb"
    # The model is a server here: what the draft says is right, what production says is not.
    path.write_text(path.read_text("utf-8").replace("local/smollm2-135m-instruct", "openai/gpt-4o-mini"), "utf-8")
    with serving("tests.servers.fake_langfuse") as langfuse, serving("tests.servers.fake_openai") as openai:
        for match, text in (("one word only", "positive or negative"), ("waste of money", "no idea")):
            message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
            openai.control(match=match, times=None, status=200, body=body | {"choices": [message]})
        variables = {
            "LANGFUSE_HOST": langfuse.url,
            "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_SECRET_KEY": SECRET_KEY,
            "OPENAI_BASE_URL": f"{openai.url}/v1",
            "OPENAI_API_KEY": "sk-test",
        }
        shown = _shown(run_notebook(path, home=tmp_path / "home", variables=variables))
        held = langfuse.call("GET", "/_held")
    assert "Prompt source: langfuse." in shown
    assert "'langfuse:notebook-06-sentiment@2' does not get the label; 'production' stays where it is." in shown
    assert f"{langfuse.url}/project/proj-test/experiments/results?baseline=" in shown
    assert f"A comment at {langfuse.url}/project/proj-test/prompts/notebook-06-sentiment" in shown
    assert SECRET_KEY not in shown
    experiments = [row for row in held["observations"] if row["experiment"]]
    calls = [row for row in held["observations"] if not row["experiment"]]
    # Six questions of production and one after the rollback; one while the draft had the label.
    assert Counter(row["promptVersion"] for row in calls) == {1: 7, 2: 1}
    assert Counter(row["promptVersion"] for row in experiments) == {1: 6, 2: 6}
    assert len(held["scores"]) == 12
    assert len(held["items"]) == 6
    assert ["Promotion" in comment["content"] for comment in held["comments"]] == [True, False]


@pytest.mark.model
def test_the_demo_finds_the_answers_in_the_store_and_sends_nothing(home, one_case, tmp_path):
    """The demo on the same case and store prints the same plan as stored, sends nothing, and writes its files."""
    shown = subprocess.run(
        [sys.executable, "-m", "toolkit", "demo", "--cases", "1", "--out", str(tmp_path / "out")],
        env=os.environ | {"TOOLKIT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    assert "6 trials = 6 arms x 1 case x 1 repeat; 6 stored, 0 to send" in shown
    assert "0 sent" in shown
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.csv", "results.jsonl", "results.md"]


def test_an_error_in_a_cell_is_one_paragraph(tmp_path, monkeypatch):
    """In a real kernel a mistake shows the error's name and message, and no other library's traceback above it."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    source = "import toolkit as tk\ntk.sweep('nobody', 'openai/gpt-4o-mini', [{'a': 1}])"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "mistake.ipynb")
    with pytest.raises(CellExecutionError) as caught:
        run_notebook(tmp_path / "mistake.ipynb", home=tmp_path / "home")
    # nbclient puts the cell's source, between two rules, before what the kernel shows.
    shown = caught.value.traceback.rpartition("------------------\n")[2].split()
    assert shown[0] == "PromptNotFoundError:"
    assert "'nobody'." in shown
    assert not {"Traceback", "File", "raise"} & set(shown)


def test_a_sweep_in_a_real_kernel_works_in_each_way_of_calling(tmp_path):
    """In a kernel, whose loop runs, the plain and the awaited sweep give the same rows, twice in a row."""
    source = """
import pathlib, toolkit as tk
from toolkit.config import Settings
from toolkit.testing import FakeProvider, fake_engine
engine = fake_engine(Settings(home=pathlib.Path("home")), providers=[FakeProvider(["hello"])])
prompt = tk.Prompt(prompt_id="p", version="1", kind="text", template="{{a}}", source="memory")
grid = dict(prompts=prompt, models="fake/m", variables={"a": ["1", "2"]}, engine=engine)
frames = [tk.sweep(**grid).df, (await tk.asweep(**grid)).df, tk.sweep(**grid).df, (await tk.asweep(**grid)).df]
assert all(frame.equals(frames[0]) for frame in frames)
print(len(frames[0]), "rows")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "sweep.ipynb")
    (cell,) = run_notebook(tmp_path / "sweep.ipynb", home=tmp_path / "home").cells
    shown = [output.text if output.output_type == "stream" else output.data["text/plain"] for output in cell.outputs]
    assert "2 rows\n" in shown
    # One line of progress a sweep, updated in place.
    assert len([text for text in shown if text.startswith("2/2")]) == 4


def test_an_interrupted_await_in_a_real_kernel_gives_what_was_answered(tmp_path):
    """Interrupted, an awaited sweep ends with its results so far, and one that a timeout cancels with the timeout."""
    source = """
import asyncio, os, pathlib, signal, toolkit as tk
from toolkit.config import Settings
from toolkit.testing import FakeProvider, fake_engine
class Holding(FakeProvider):
    async def complete(self, request, *, timeout_s):
        if len(self.requests) >= 3:
            if on_hold:
                on_hold.pop()()
            await asyncio.Event().wait()
        return await super().complete(request, timeout_s=timeout_s)
on_hold = [lambda: os.kill(os.getpid(), signal.SIGINT)]
engine = fake_engine(Settings(home=pathlib.Path("home")), providers=[Holding(["hello"])])
prompt = tk.Prompt(prompt_id="p", version="1", kind="text", template="{{a}}", source="memory")
grid = dict(prompts=prompt, models="fake/m", variables={"a": list("123456")}, concurrency=1, engine=engine)
before = signal.getsignal(signal.SIGINT)
results = await tk.asweep(**grid)
assert signal.getsignal(signal.SIGINT) is before
print(results.df.status.value_counts().to_dict())
try:
    async with asyncio.timeout(0.3):
        await tk.asweep(**grid)
except TimeoutError:
    print("timeout")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, tmp_path / "interrupted.ipynb")
    (cell,) = run_notebook(tmp_path / "interrupted.ipynb", home=tmp_path / "home").cells
    shown = "".join(
        output.text if output.output_type == "stream" else output.data["text/plain"] for output in cell.outputs
    )
    assert "{'ok': 3, 'skipped': 2, 'unknown': 1}" in shown
    assert "timeout" in shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_show_their_outputs(path):
    """A committed notebook was run from top to bottom without errors, in under 15 code cells, and names no machine."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) < 15
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) - 1
    assert "/home/" not in path.read_text(encoding="utf-8")
    assert str(ROOT) not in path.read_text(encoding="utf-8")


def test_every_notebook_with_a_grid_is_looked_at_without_a_kernel():
    """The notebooks in whose outputs a grid of answers stands are those that are looked at as pages."""
    with_grid = [path.stem for path in NOTEBOOKS if "CompareGrid" in _outputs(path) or "pk-slot" in _outputs(path)]
    assert with_grid == WITH_GRID


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_committed_output_needs_a_widget_or_a_program(path):
    """As a page, no committed notebook refers to a widget, and no output of it has a script or runs one."""
    page = html5lib.parse(
        HTMLExporter().from_notebook_node(nbformat.read(path, as_version=4))[0], namespaceHTMLElements=False
    )
    assert "widget-view" not in _outputs(path)
    assert "Error displaying widget" not in "".join(page.itertext())
    outputs = [node for node in page.iter("div") if "jp-OutputArea-output" in node.get("class", "").split()]
    assert outputs
    parts = [part for output in outputs for part in output.iter()]
    assert not [part.tag for part in parts if part.tag in ("script", "iframe", "object", "embed", "link")]
    assert not [name for part in parts for name in part.attrib if name.startswith("on")]


@pytest.mark.parametrize("stem", WITH_GRID)
def test_committed_notebooks_show_the_grid_without_a_kernel(stem):
    """As a page, a committed notebook has the table of answers, a row for each case."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
    page = html5lib.parse(HTMLExporter().from_notebook_node(notebook)[0], namespaceHTMLElements=False)
    outputs = [node for node in page.iter("div") if "jp-OutputArea-output" in node.get("class", "").split()]
    tables = [table for output in outputs for table in output.iter("table")]
    grids = [rows for table in tables if (rows := _rows(table))[0].startswith("casesentiment@1 ")]
    rows = grids[-1]
    assert len(rows) == 1 + 16
    assert "The soup was cold and the waiter ignored us." in rows[1]
    assert "contains 1 (+1)" in rows[1]


def _shown(notebook):
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "\n".join(output.get("text", "") or output.data.get("text/plain", "") for output in outputs)


def _outputs(path):
    notebook = nbformat.read(path, as_version=4)
    return str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])


def _rows(table):
    return ["".join(row.itertext()) for row in table.iter("tr")]
