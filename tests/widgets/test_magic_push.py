"""`%%prompt --push`: a draft in a cell becomes a version of its source, with the run of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import traitlets.config
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import toolkit as tk
from tests.faults.world import clean_environment
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit._records import Request
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.engine import Engine, set_default_engine
from toolkit.errors import ProviderError
from toolkit.prompts import ManagedPrompt, PromptReference
from toolkit.testing import Answer, FakeProvider, fake_engine
from toolkit.widgets._draft import Draft, push_code

Cell = Callable[[str, str], tuple[bool, str]]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A Langfuse in another process."""
    with serving("tests.servers.fake_langfuse") as started:
        yield started


@pytest.fixture
def provider() -> FakeProvider:
    """Answers every request but those that say boom."""

    def answer(request: Request) -> Answer:
        if "boom" in str(request.messages[-1].content):
            return ProviderError("down", provider="fake", model="m", retryable=False)
        return "an answer"

    return FakeProvider(answer)


@pytest.fixture(params=["folder", "langfuse"])
def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: ServerProcess,
    provider: FakeProvider,
) -> Iterator[str]:
    """The one source of the notebook's engine, folder or Langfuse, with `reply@1` in production."""
    clean_environment(monkeypatch, tmp_path)
    keys = None
    if request.param == "langfuse":
        server.control(reset=True)
        keys = LangfuseSettings(host=server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    settings = Settings(home=tmp_path / "home", prompts_folder=tmp_path / request.param, langfuse=keys)
    engine = fake_engine(settings, providers=[provider])
    writable: Any = engine.sources.get(request.param)
    _sync.run(writable.push("reply", "Dear {{name}}.", config={"model": "fake/m"}, labels=["production"]))
    set_default_engine(engine)
    yield request.param
    _sync.run(engine.aclose())
    set_default_engine(None)


@pytest.fixture
def cell(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    """Runs one `%%prompt` cell, and returns whether it is fine and everything that it printed and showed."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = traitlets.config.Config({"HistoryManager": {"enabled": False}, "TerminalInteractiveShell": {}})
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "toolkit")
    shell.user_ns["df"] = [{"name": "Ana"}, {"name": "Bo"}]

    def run(line: str, body: str) -> tuple[bool, str]:
        with capture_output() as captured:
            done = shell.run_cell(f"%%prompt {line}\n{body}")
        shown = [str(output.data["text/plain"]) for output in captured.outputs]
        return bool(done.success), "\n".join([*shown, captured.stderr])

    yield run
    shell.run_line_magic("unload_ext", "toolkit")
    InteractiveShell.clear_instance()


def history(source: str) -> list[tuple[str, str | None]]:
    """Versions of `reply` with their messages."""
    engine: Engine = tk.engine.default_engine()  # type: ignore[attr-defined]
    return [(each.version, each.message) for each in _sync.run(engine.sources.history("reply", source))]


def test_the_run_of_the_answers_speaks_for_the_version(source: str, cell: Cell) -> None:
    """The run of the answers in the cell is named in the new version's message; another one is named by --run."""
    is_fine, _ = cell("reply --cases df --push --message shorter --label staging", "Hi {{name}}.")
    assert is_fine
    (run_id,) = tk.runs()
    assert history(source)[-1] == ("2", f"shorter (run {run_id})")
    assert tk.prompt("reply@staging").version == "2"
    assert tk.prompt("reply@production").version == "1"


def test_the_new_reference_its_changes_and_its_code_are_shown(source: str, cell: Cell) -> None:
    """What is shown last: the new reference, the words that changed, and the line of Python that does the same."""
    _, said = cell("reply --push --message shorter", "Hi {{name}}.")
    assert f"{source}:reply@2" in said
    assert f"is written, after {source}:reply@1." in said
    assert "[-Dear -]{+Hi +}{{name}}." in said
    assert f"tk.push_prompt('{source}:reply@1', 'Hi {{{{name}}}}.', message='shorter')" in said


def test_the_shown_code_does_the_same(source: str, cell: Cell) -> None:
    """The line that is shown, run where the version was not written, writes the same version."""
    _, said = cell("reply --push --message 'it is \"shorter\"'", "---\ntemperature: 0.5\n---\nHi {{name}}.")
    (line,) = [line for line in said.splitlines() if line.startswith("tk.push_prompt(")]
    made = tk.prompt("reply@2")
    writable: Any = tk.engine.default_engine().sources.get(source)  # type: ignore[attr-defined]
    _sync.run(writable.push("reply", "Dear {{name}}.", config={"model": "fake/m"}))
    again = eval(line, {"tk": tk})  # noqa: S307  the line that people copy
    assert (again.version, again.fingerprint) == ("4", made.fingerprint)
    assert history(source)[-1] == ("4", 'it is "shorter"')


@pytest.mark.parametrize(
    ("line", "body", "says"),
    [
        ("reply", "Dear {{name}}.", "has this text and config already"),
        ("reply --label production", "Hi {{name}}.", "results.promote"),
        ("reply", "System: Hi", "is text, and the draft is chat"),
        ("reply --run run-nothing", "Hi {{name}}.", "run-nothing"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_anything_is_paid(
    source: str, cell: Cell, provider: FakeProvider, line: str, body: str, says: str
) -> None:
    """A push that would be refused is refused in one line before any model is asked."""
    is_fine, said = cell(f"{line} --push --cases df", body)
    assert not is_fine
    assert says in said
    assert provider.requests == []
    assert len(history(source)) == 1


def test_running_the_cell_again_writes_nothing(source: str, cell: Cell) -> None:
    """A cell that is run twice has written one version."""
    assert cell("reply --push", "Hi {{name}}.")[0]
    is_fine, said = cell("reply --push", "Hi {{name}}.")
    assert not is_fine
    assert f"'{source}:reply@2' has this text" in said
    assert len(history(source)) == 2


def test_the_code_names_what_no_reference_can_spell() -> None:
    """Where a prompt's name has a colon in it, the code names its parts."""
    stored = ManagedPrompt(prompt=tk.Prompt(prompt_id="a:b", version="1", kind="text", template="x", source="langfuse"))
    draft = Draft(prompt=replace(stored.prompt, template="y"), stored=stored, reference=PromptReference(name="a:b"))
    assert push_code(draft, {}) == "tk.push_prompt(tk.prompt(name='a:b', source='langfuse', version='1'), 'y')"


@pytest.mark.parametrize("option", ["--run run-1", "--message why", "--label staging"])
def test_what_is_for_a_version_needs_push(source: str, cell: Cell, option: str) -> None:
    """Options that are about a new version are refused without --push."""
    is_fine, said = cell(f"reply {option}", "Hi {{name}}.")
    assert not is_fine
    assert "nothing is written without --push" in said


def test_a_run_of_failures_speaks_for_nothing(source: str, cell: Cell) -> None:
    """Where every answer failed, the version is written without a run."""
    assert cell("reply --cases df --push --message hopeful", "boom {{name}}.")[0]
    assert history(source)[-1] == ("2", "hopeful")
