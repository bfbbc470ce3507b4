"""What the README and the docstrings say is what the code does."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import toolkit
from tests.langfuse.production import generation, send
from tests.servers._process import serving
from toolkit import _sync
from toolkit.cli import main
from toolkit.config import Settings, read_config
from toolkit.engine import set_default_engine
from toolkit.results import Promotion
from toolkit.testing import FakeProvider, fake_engine

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader_s_folder(tmp_path, monkeypatch):
    """A working directory with the sample prompts and cases, scripted providers, and a Langfuse with one prompt."""
    shutil.copytree(ROOT / "notebooks" / "prompts", tmp_path / "prompts")
    shutil.copy(ROOT / "notebooks" / "reviews.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "TOOLKIT_", "LANGFUSE_")):
            monkeypatch.delenv(name)
    with serving("tests.servers.fake_langfuse") as langfuse:
        for number in (1, 2):
            langfuse.call(
                "POST",
                "/api/public/v2/prompts",
                {
                    "name": "support-reply",
                    "type": "text",
                    "prompt": f"Reply {number} to: {{{{question}}}}",
                    "labels": ["production"] if number == 1 else [],
                },
                headers={"authorization": "Basic cGstbGYtdGVzdDpzay1sZi10ZXN0"},
            )
        monkeypatch.setenv("LANGFUSE_HOST", langfuse.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test")
        (tmp_path / "config.yaml").write_text(
            "model_list:\n- model_name: my-langfuse-model\n  litellm_params: {model: langfuse/openai/gpt-4o-mini}\n"
        )
        asked = [{"role": "user", "content": f"Reply 1 to: Question {number}?"} for number in range(20)]
        send(langfuse, *(generation(n + 1, [message], prompt="support-reply") for n, message in enumerate(asked)))
        scripted = [FakeProvider(_answer, name=name) for name in ("local", "openai")]
        engine = fake_engine(Settings.from_environment(), providers=scripted)
        set_default_engine(engine)
        yield tmp_path
        _sync.run(engine.aclose())
        set_default_engine(None)


def _answer(request):
    """What a model answers: it likes short answers when it judges, and gives them when it is told to."""
    said = str(request.messages[-1].content)
    if request.messages[0].role == "system":
        return '{"reason": "", "score": "yes"}' if "Shortly." in said else '{"reason": "", "score": "no"}'
    return "Shortly." if said.startswith("In two sentences") else "This is positive."


def test_every_python_block_of_the_readme_runs(reader_s_folder, capsys, monkeypatch):
    """The README's Python runs from top to bottom as a reader would type it, and exports what it says."""
    namespace: dict[str, object] = {}
    found = blocks("python")
    for block in found:
        if "tk.configure" in block:
            # The reader's file would name real models: here the name leads to the scripted ones.
            monkeypatch.setattr(toolkit, "configure", lambda path: _configure(path, reader_s_folder))
        exec(compile(block, "README.md", "exec"), namespace)  # noqa: S102  our own README
    assert namespace["answer"].choices[0].message.content == "This is positive."
    assert len(found) == 10
    assert (reader_s_folder / "sentiment.csv").exists()
    assert "8 trials = 4 arms" not in capsys.readouterr().err
    assert len(namespace["results"].df) == 16  # 2 prompts x 2 models x 2 cases x 2 repeats
    (loop,) = [block for block in found if "from_langfuse" in block]
    assert len([line for line in loop.splitlines() if line]) == 10
    assert len(namespace["loop"].df) == 40  # 2 prompts x 20 cases
    assert namespace["promotion"].state == "rolled back"
    assert namespace["loop"].to_langfuse().scores == 40


def _configure(path, folder):
    """What `configure` does, with a scripted provider beside the built-in ones."""
    settings = Settings.from_environment()
    engine = fake_engine(
        settings, providers=[FakeProvider(["This is positive."], name="openai")], config=read_config(folder / path)
    )
    set_default_engine(engine)
    return engine


def test_the_readme_s_pictures_are_there_and_are_told_in_words():
    """Each picture of the README is there in light and dark, has a text for who cannot see it, and is under 250 KB."""
    light = re.findall(r'<img src="(pictures/.+?-light\.png)" width="\d+" alt="[^"]{40,}">', README)
    dark = re.findall(r'<source media="\(prefers-color-scheme: dark\)" srcset="(pictures/.+?-dark\.png)">', README)
    assert len(light) == README.count("<img ") == 4
    assert [path.replace("-light", "-dark") for path in light] == dark
    assert [path for path in light + dark if not 10_000 < (ROOT / path).stat().st_size < 250_000] == []


def test_every_command_of_the_readme_exists():
    """Each make target of the README is in the Makefile, and each extra it names is in pyproject.toml."""
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    assert {"make demo", "make test"} <= set(commands)
    for command in commands:
        if command.startswith("make "):
            shown = subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
            assert shown.returncode == 0, shown.stderr
        else:
            assert command == "pip install 'promptsweep[local]'"
    extras = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in ("local", "proxy", "parquet", "excel", "plot", "jinja", "litellm", "langfuse"):
        assert re.search(rf"^{extra} = ", extras, flags=re.MULTILINE)


def test_the_readme_s_experiment_runs(reader_s_folder, capsys):
    """The README's experiment file and its rule are taken by `toolkit sweep`."""
    (experiment,) = blocks("yaml")
    (command,) = re.findall(r"`toolkit (sweep experiment\.yaml .*?)`", README)
    (reader_s_folder / "experiment.yaml").write_text(experiment, encoding="utf-8")
    # The scripted answers are the same for both prompts, and so few cases cannot show that none is worse.
    assert main(shlex.split(command)) == 1
    assert "It cannot be told whether sentiment@3 is worse" in capsys.readouterr().out
    assert (reader_s_folder / "out.xml").exists()
    assert main([*shlex.split(command), "--undecided", "pass"]) == 0


def test_the_readme_s_prompt_file_is_read_as_it_says(tmp_path):
    """The prompt file shown in the README is a text prompt with one variable, a label and a model."""
    from toolkit.prompts import FolderSource, placeholders

    (text,) = [block for block in blocks("text") if block.startswith("---")]
    (tmp_path / "sentiment.v1.prompt").write_text(text, encoding="utf-8")
    prompt = _sync.run(FolderSource(tmp_path).get("sentiment", label="production"))
    assert placeholders(prompt) == ("review",)
    assert prompt.config["model"] == "local/smollm2-135m-instruct"


PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_name_and_every_link_of_a_page_leads_somewhere(page):
    """What a page calls `tk.NAME`, `results.NAME` or `promotion.NAME` is there, and so is every file it links to."""
    text = page.read_text(encoding="utf-8")
    owners = {"tk": toolkit, "results": toolkit.Results, "promotion": Promotion}
    used = set(re.findall(r"(?<![\w./])(tk|results|promotion)\.(?!NAME\b)([a-z_A-Z]\w*)", text))
    assert not [pair for pair in sorted(used) if not hasattr(owners[pair[0]], pair[1])]
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        target, _, anchor = link.partition("#")
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), link
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


MODULES = sorted(
    ".".join(("toolkit", *path.relative_to(ROOT / "toolkit").with_suffix("").parts)).removesuffix(".__init__")
    for path in (ROOT / "toolkit").rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    """Every example in a docstring gives what it shows."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_samples_of_the_notebook_and_of_the_demo_are_the_same():
    """The notebook's prompts and cases are those that the installed demo brings."""
    sample = ROOT / "toolkit" / "cli" / "sample"
    names = sorted(path.name for path in (sample / "prompts").iterdir())
    assert names == sorted(path.name for path in (ROOT / "notebooks" / "prompts").iterdir())
    for name in names:
        assert (sample / "prompts" / name).read_bytes() == (ROOT / "notebooks" / "prompts" / name).read_bytes()
    assert (sample / "reviews.csv").read_bytes() == (ROOT / "notebooks" / "reviews.csv").read_bytes()
