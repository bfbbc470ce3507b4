"""toolkit runs: what the store has, without a notebook."""

from __future__ import annotations

import pytest

import toolkit as tk
from toolkit import _sync
from toolkit.cli import main
from toolkit.config import Settings
from toolkit.engine import default_engine, set_default_engine
from toolkit.testing import FakeProvider, fake_engine

PROMPT = tk.Prompt(prompt_id="greet", version="1", kind="text", template="Say {{word}}.", source="memory")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty run store that the environment names."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path))
    yield tmp_path
    _sync.run(default_engine().aclose())
    set_default_engine(None)


def a_run(home):
    """Sweeps two cases and returns the run's id."""
    engine = fake_engine(Settings(home=home), providers=[FakeProvider(["hello"])])
    results = tk.sweep(PROMPT, "fake/x", {"word": ["a", "b"]}, progress="off", engine=engine)
    _sync.run(engine.aclose())
    return results.run_id


def test_an_empty_store_says_so(home, capsys):
    """Without runs the list says where it looked."""
    assert main(["runs"]) == 0
    assert str(home) in capsys.readouterr().out


def test_the_list_has_one_line_a_run(home, capsys):
    """Each run is a line that begins with its id."""
    run_id = a_run(home)
    assert main(["runs"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(run_id)


@pytest.mark.parametrize(("options", "words"), [([], "2 trials"), (["--audit"], "all 13 checks passed")])
def test_a_run_is_shown_as_in_a_notebook(home, capsys, options, words):
    """`show` prints the table of a run, and with --audit its proof."""
    run_id = a_run(home)
    assert main(["runs", "show", run_id, *options]) == 0
    assert words in capsys.readouterr().out


def test_a_run_that_is_not_there_is_one_line_and_exit_code_1(home, capsys):
    """An unknown id is refused in one line that lists the newest runs."""
    run_id = a_run(home)
    assert main(["runs", "show", "run-nothing"]) == 1
    assert run_id in capsys.readouterr().err
