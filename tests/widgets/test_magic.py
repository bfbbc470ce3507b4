"""`%load_ext toolkit`: a prompt worked on in a cell, and names of prompts that complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import traitlets.config
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import toolkit as tk
from tests.faults.world import PROMPTS, clean_environment, post_prompt
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION, PUBLIC_KEY, SECRET_KEY
from tests.widgets.worlds import CASES, make_engine
from toolkit import _sync
from toolkit._records import Request
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.engine import Engine, set_default_engine
from toolkit.testing import FakeProvider, fake_engine


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A notebook's shell with the extension loaded, and nothing kept of it afterwards."""
    clean_environment(monkeypatch, tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = traitlets.config.Config({"HistoryManager": {"enabled": False}, "TerminalInteractiveShell": {}})
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=config)
    made.run_line_magic("load_ext", "toolkit")
    yield made
    made.run_line_magic("unload_ext", "toolkit")
    InteractiveShell.clear_instance()
    set_default_engine(None)


def answering(request: Request) -> str:
    """An answer that repeats what it was asked."""
    return f"I read: {request.messages[-1].content}"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The engine of every call: a folder with `reply` in two versions and `greet`, and a provider that answers."""
    made = make_engine(tmp_path, provider=FakeProvider(answering))
    set_default_engine(made)
    yield made
    _sync.run(made.aclose())


class Shown:
    """What a cell showed."""

    def __init__(self, captured: Any, is_fine: bool) -> None:
        self.is_fine = is_fine
        self.error = captured.stderr
        self.texts = [str(output.data["text/plain"]) for output in captured.outputs]
        self.html = "".join(output.data.get("text/html", "") for output in captured.outputs)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture
def cell(shell: InteractiveShell) -> Callable[[str, str], Shown]:
    """Runs one `%%prompt` cell."""

    def run(line: str, body: str) -> Shown:
        with capture_output() as captured:
            done = shell.run_cell(f"%%prompt {line}\n{body}")
        return Shown(captured, done.success)

    return run


def test_a_cell_shows_what_it_changes(engine: Engine, cell: Callable[[str, str], Shown]) -> None:
    """A prompt in a cell is compared with the stored version word by word, and what it reads is told."""
    shown = cell("reply@1", "Dear {{name}}, parcel {{order}}.")
    assert shown.is_fine
    assert shown.texts[0].startswith("Draft of reply, against folder:reply@1; reads name, order.")
    assert "[-order -]{+parcel +}{{order}}." in shown.texts[0]
    assert "<ins" in shown.html


def test_answers_come_for_the_first_three_cases(
    engine: Engine, shell: InteractiveShell, cell: Callable[[str, str], Shown]
) -> None:
    """With cases, models answer the draft for the first three of them, and the run is in the store like any other."""
    shell.user_ns["df"] = pd.DataFrame([*CASES, {"name": "Di", "order": "D-4"}])
    shown = cell("reply@1 --cases df", "Hey {{name}}, {{order}}!")
    assert shown.is_fine
    for name in ("Ana", "Bo", "Cy"):
        assert f"I read: Hey {name}, " in shown.html
    assert "Hey Di" not in shown.html
    assert "ended · 3 of 3" in shown.text
    (run_id,) = tk.runs()
    assert tk.open_run(run_id).df["prompt_source"].unique().tolist() == ["draft"]


def test_answers_come_from_several_models_and_from_a_file(
    engine: Engine, tmp_path: Path, cell: Callable[[str, str], Shown]
) -> None:
    """Models are given by -m, cases also as a file, and their number by -n."""
    pd.DataFrame(CASES).to_csv(tmp_path / "cases.csv", index=False)
    shown = cell("reply -m fake/a -m fake/b --cases cases.csv -n 1", "Hey {{name}}!")
    assert "ended · 2 of 2" in shown.text
    assert tk.open_run(tk.runs()[-1]).df["model"].tolist() == ["fake/a", "fake/b"]


def test_nothing_is_written_unless_asked(
    engine: Engine, tmp_path: Path, shell: InteractiveShell, cell: Callable[[str, str], Shown]
) -> None:
    """A cell writes no version; with --push it writes one, with its label and message, and shows its reference."""
    before = sorted((tmp_path / "prompts").iterdir())
    assert cell("reply", "Short {{name}}").is_fine
    assert sorted((tmp_path / "prompts").iterdir()) == before
    shown = cell("reply --push --label staging --message 'as short as can be'", "Short {{name}}")
    assert shown.texts[-1].startswith("folder:reply@3 [staging]")
    pushed = tk.prompt("reply@staging")
    assert (pushed.version, pushed.template, dict(pushed.config)) == (
        "3",
        "Short {{name}}",
        {"model": "fake/m", "temperature": 0.5},
    )
    assert "as short as can be" in (tmp_path / "prompts" / "reply.v3.prompt").read_text(encoding="utf-8")


def test_a_cell_may_bring_its_own_config(engine: Engine, cell: Callable[[str, str], Shown]) -> None:
    """Front matter in the cell is the config of the draft, in place of the stored version's."""
    shown = cell("greet --push", "---\nmodel: fake/other\n---\nSystem: Be {{tone}}.\n\nUser: Hi")
    assert shown.is_fine
    assert (tk.prompt("greet@2").kind, dict(tk.prompt("greet@2").config)) == ("chat", {"model": "fake/other"})


def test_a_new_prompt_is_begun_in_a_cell(engine: Engine, cell: Callable[[str, str], Shown]) -> None:
    """A name that no source has is a new prompt; pushed, it is its first version."""
    shown = cell("folder:fresh --push", "New {{word}}")
    assert "new: the sources have none" in shown.texts[0]
    assert tk.prompt("fresh").reference == "folder:fresh@1"


def test_braces_and_dollars_arrive_as_they_are(
    engine: Engine, shell: InteractiveShell, cell: Callable[[str, str], Shown]
) -> None:
    """What the notebook would fill in elsewhere reaches the prompt as it was written."""
    shell.user_ns["order"] = "filled by the notebook"
    cell("reply -o draft", 'JSON {"a": {order}} and $5 and {{name}} and %s')
    assert shell.user_ns["draft"].template == 'JSON {"a": {order}} and $5 and {{name}} and %s'


def test_a_draft_can_be_swept(engine: Engine, shell: InteractiveShell, cell: Callable[[str, str], Shown]) -> None:
    """The draft that -o puts into a variable is a prompt for a sweep, beside stored ones."""
    cell("reply@1 -o draft", "Hey {{name}}, {{order}}!")
    draft = shell.user_ns["draft"]
    assert (draft.source, len(draft.version)) == ("draft", 8)
    results = tk.sweep(["reply@1", draft], variables=CASES, progress="off")
    assert list(results.df["status"]) == ["ok"] * 6


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "the following arguments are required: prompt"),
        ("reply --nonsense", "unrecognized arguments: --nonsense"),
        ("reply -n many", "invalid int value: 'many'"),
        ("reply -n -1", "--first is a number of cases from 0 up"),
        ("reply@99", "has no version '99'"),
        ("reply@*", "names 2 versions"),
        ("nowhere:reply", "There is no prompt source 'nowhere'"),
        ("reply --label x", "--label is for a new version"),
        ("reply -o 1x", "'1x' cannot be the name of a variable"),
        ("reply -c none.csv", "There is no file 'none.csv'"),
        ("reply -c df -m nobody/x", "There is no provider 'nobody'"),
    ],
)
def test_what_is_wrong_is_one_line(
    engine: Engine, shell: InteractiveShell, cell: Callable[[str, str], Shown], line: str, says: str
) -> None:
    """Arguments that are wrong give one line that says what, not a traceback."""
    shell.user_ns["df"] = CASES
    shown = cell(line, "Hey {{name}}")
    assert not shown.is_fine
    assert shown.error.startswith("UsageError: ")
    assert says in shown.error
    assert len(shown.error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "body", "says"),
    [("reply", "Hey {{name}}", "give --cases"), ("greeting", "Hello.", "give one by -m")],
)
def test_without_cases_or_a_model_nothing_is_sent(
    engine: Engine, cell: Callable[[str, str], Shown], line: str, body: str, says: str
) -> None:
    """A draft that has no cases for its variables, or no model, is compared and not sent; the cell says what to add."""
    shown = cell(line, body)
    assert shown.is_fine
    assert says in shown.text
    assert tk.runs() == []


def test_nothing_in_a_cell_is_markup(
    engine: Engine, shell: InteractiveShell, cell: Callable[[str, str], Shown]
) -> None:
    """Texts, values and answers that look like markup are shown as they are written."""
    shell.user_ns["df"] = [{"name": "<img src=x onerror=alert(1)>"}]
    shown = cell("reply -c df", "<script>alert(1)</script> {{name}}")
    assert "<img" not in shown.html
    assert "<script" not in shown.html
    assert "&lt;img" in shown.html


@pytest.fixture
def langfuse() -> Iterator[ServerProcess]:
    """A Langfuse in another process with one version of `support/refund`."""
    with serving("tests.servers.fake_langfuse") as server:
        post_prompt(server, "Refund {{order}}.", name="support/refund", labels=["production"])
        yield server


def test_it_works_with_langfuse(
    langfuse: ServerProcess, tmp_path: Path, shell: InteractiveShell, cell: Callable[[str, str], Shown]
) -> None:
    """A prompt of Langfuse is compared in the same way, and pushed there only when asked."""
    settings = LangfuseSettings(host=langfuse.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    engine = fake_engine(
        Settings(home=tmp_path / "home", prompts_folder=tmp_path / "none", langfuse=settings),
        providers=[FakeProvider(answering)],
    )
    set_default_engine(engine)
    shell.user_ns["df"] = [{"order": "A-17"}]
    shown = cell("support/refund -m fake/m -c df", "Refund {{order}} now.")
    assert "against langfuse:support/refund@1" in shown.texts[0]
    assert "I read: Refund A-17 now." in shown.html
    headers = {"authorization": AUTHORIZATION}
    assert langfuse.call("GET", PROMPTS, headers=headers)["data"][0]["versions"] == [1]
    assert cell("support/refund --push --message shorter", "Refund {{order}} now.").is_fine
    stored = langfuse.call("GET", f"{PROMPTS}/support%2Frefund?version=2", headers=headers)
    assert (stored["prompt"], stored["commitMessage"]) == ("Refund {{order}} now.", "shorter")
    _sync.run(engine.aclose())


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ('tk.prompt("re', ["reply"]),
        ("tk.prompt('reply@", ["reply@*", "reply@1", "reply@2", "reply@production"]),
        ('tk.prompt("reply@pro', ["reply@production"]),
        ('tk.sweep(["gr', ["greet"]),
        ('tk.sweep(prompts=["reply@1", "gr', ["greet"]),
        ('tk.PromptPicker("gre', ["greet"]),
        ('tk.prompts["gr', ['tk.prompts["greet']),
        ('tk.prompts["reply", "pro', ['tk.prompts["reply", "production']),
    ],
)
def test_names_complete_where_a_prompt_is_named(
    engine: Engine, shell: InteractiveShell, typed: str, offered: list[str]
) -> None:
    """Names of prompts, and behind an @ or a comma their versions and labels, complete where a prompt is named."""
    shell.user_ns["tk"] = tk
    tk.prompts.forget()
    _, matches = shell.complete(typed, typed, len(typed))
    assert sorted(each.rstrip('"]') for each in matches) == offered


def test_other_strings_are_left_alone(engine: Engine, shell: InteractiveShell) -> None:
    """A string that names no prompt gets no names of prompts."""
    line = 'open("re'
    assert "reply" not in shell.complete(line, line, len(line))[1]


def test_the_magic_completes(shell: InteractiveShell) -> None:
    """The name of the magic completes like any other."""
    assert "%%prompt" in shell.complete("%%pro", "%%pro", 5)[1]
