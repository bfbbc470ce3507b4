"""toolkit sweep: an experiment file, gates, exit codes and JUnit XML, as a pipeline uses them."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit import _sync
from toolkit.cli import main
from toolkit.config import Settings
from toolkit.engine import set_default_engine
from toolkit.errors import BadRequestError
from toolkit.testing import FakeProvider, FakeSource, fake_engine

EXPERIMENT = """
prompts: [greet@1, greet@2]
models: [fake/m]
variables: cases.csv
params: {temperature: 0}
scorers:
  - contains
  - exact: {ignore_case: false}
"""


def answer(request):
    """Version 1 repeats the word; version 2 says something else."""
    text = request.messages[0].content
    return text.split(":")[1].strip() if text.startswith("One") else "other"


@pytest.fixture
def sweeping(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with an experiment; gives exit code, what was printed, and requests sent."""
    (tmp_path / "cases.csv").write_text("word,expected\n" + "".join(f"w{number},w{number}\n" for number in range(60)))
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    made = []

    def run(*arguments, experiment=None, script=answer):
        if experiment is not None:
            (tmp_path / "experiment.yaml").write_text(experiment)
        provider = FakeProvider(script)
        prompts = [make_prompt("One: {{word}}"), make_prompt("Two: {{word}}", version="2")]
        engine = fake_engine(Settings(home=tmp_path / "home"), providers=[provider], sources=[FakeSource(prompts)])
        made.append(engine)
        set_default_engine(engine)
        code = main(["sweep", "experiment.yaml", *arguments])
        shown = capsys.readouterr()
        return code, shown.out + shown.err, len(provider.requests)

    yield run
    for engine in made:
        _sync.run(engine.aclose())
    set_default_engine(None)


def test_a_gate_that_passes_is_exit_code_0(sweeping):
    """An arm that is shown to be not worse passes, and the exit code is 0."""
    code, shown, sent = sweeping("--fail-if", "greet@1 worse than greet@2 by 0.02")
    assert (code, sent) == (0, 120)
    assert "gate passed: greet@1 is not worse than greet@2 on contains by more than 2 points: +100.0 points" in shown


def test_a_gate_that_fails_is_exit_code_1(sweeping):
    """An arm that is worse fails the gate, and the exit code is 1."""
    code, shown, _ = sweeping("--fail-if", "greet@2 worse than greet@1 by 0.02 on exact")
    assert code == 1
    assert "gate FAILED: greet@2 is worse than greet@1 on exact by more than 2 points: -100.0 points" in shown


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--undecided", "pass"], 0)])
def test_an_undecided_gate_fails_unless_told_to_pass(sweeping, options, code):
    """Too few cases to tell is exit code 1, and 0 with --undecided pass."""
    found, shown, _ = sweeping("--fail-if", "greet@2 worse than greet@1 by 0.02", *options, script=["w1"])
    assert found == code
    assert "It cannot be told" in shown


def test_a_failed_provider_is_never_exit_code_0(sweeping):
    """One trial without an answer is exit code 1, with or without gates, and the others are kept."""

    def failing(request):
        if request.messages[0].content == "Two: w7":
            return BadRequestError("no", provider="fake", model="m")
        return answer(request)

    assert sweeping(script=failing)[0] == 1
    code, shown, _ = sweeping("--fail-if", "greet@1 worse than greet@2 by 0.02", script=failing)
    assert code == 1
    assert "gate passed" in shown
    assert "1 of 120 trials without an answer" in shown


def test_the_same_command_again_sends_nothing(sweeping):
    """What has an answer is not sent again: a second run of a pipeline costs nothing."""
    assert sweeping()[::2] == (0, 120)
    assert sweeping()[::2] == (0, 0)


def test_plan_sends_nothing(sweeping):
    """With --plan the plan is printed, and nothing is sent."""
    code, shown, sent = sweeping("--plan")
    assert (code, sent) == (0, 0)
    assert "120 to send" in shown


@pytest.mark.parametrize(
    ("experiment", "arguments", "words"),
    [
        ("prompst: [greet@1]", [], "no key 'prompst'; did you mean 'prompts'?"),
        ("prompts: [greet@1]\nmodel: fake/m", [], "did you mean 'models'?"),
        ("prompts: []", [], "names no prompts"),
        ("- greet@1", [], "holds no keys"),
        ("", [], "holds no keys"),
        ("prompts: [a\n", [], "not valid YAML"),
        ("prompts: !!python/object/apply:os.system [ls]", [], "not valid YAML"),
        ("prompts: greet@1\nprompts: greet@2", [], "stands twice"),
        ("prompts: greet@1\nmodels: fake/m\nrepeats: three", [], "repeats is a whole number; got 'three'"),
        ("prompts: greet@1\nmodels: fake/m\nbudget_usd: true", [], "budget_usd is a number; got True"),
        ("prompts: greet@1\nscorers: [contians]", [], "contians"),
        ("prompts: greet@1\nscorers: [{regex: 3}]", [], "name: {option: value}"),
        ("prompts: greet@1\nscorers: [3]", [], "a scorer is a name"),
        ("prompts: greet@9\nmodels: fake/m", [], "greet"),
        ("prompts: greet@1\nmodels: fake/m\nvariables: gone.csv", [], "gone.csv"),
        (EXPERIMENT, ["--fail-if", "greet@2 is bad"], "is not a rule"),
        (EXPERIMENT, ["--fail-if", "greet@7 worse than greet@1 by 1"], "'greet@7' is no arm of this sweep"),
        (EXPERIMENT, ["--fail-if", "greet@1 worse than greet@2 by 1 on taste"], "no score 'taste'"),
        (
            "prompts: greet@*\nmodels: fake/m\nvariables: cases.csv",
            ["--fail-if", "a worse than b by 1"],
            "needs a score",
        ),
        (EXPERIMENT, ["--out", "results.doc"], "results.doc' cannot be written"),
        (EXPERIMENT, ["--junit", "gone/out.xml"], "'gone' does not exist"),
    ],
)
def test_what_is_wrong_is_exit_code_2_before_anything_is_sent(sweeping, experiment, arguments, words):
    """A mistake in the file or the command is exit code 2 with what is wrong, and nothing was sent."""
    code, shown, sent = sweeping(*arguments, experiment=experiment)
    assert (code, sent) == (2, 0)
    assert words in shown
    assert "Traceback" not in shown


def test_a_missing_experiment_is_exit_code_2(tmp_path, monkeypatch, capsys):
    """A file that is not there is named, with the folder that was looked in."""
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "gone.yaml"]) == 2
    assert "There is no file 'gone.yaml'" in capsys.readouterr().err


def test_paths_start_from_the_experiment(sweeping, tmp_path, monkeypatch):
    """A path in the experiment starts from the experiment's folder, wherever the command is called."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "experiment.yaml").symlink_to(tmp_path / "experiment.yaml")
    assert sweeping()[0] == 2
    assert main(["sweep", str(tmp_path / "experiment.yaml"), "--plan"]) == 0


def test_junit_has_each_trial_and_each_gate(sweeping, tmp_path):
    """The JUnit file has a suite an arm, an error for each trial without an answer, and a failure for each gate."""

    def failing(request):
        if request.messages[0].content == "Two: w7":
            return BadRequestError("no \x1b\ufffe <b>", provider="fake", model="m")
        return answer(request)

    sweeping("--fail-if", "greet@2 worse than greet@1 by 0.02", "--junit", "out.xml", script=failing)
    root = ElementTree.parse(tmp_path / "out.xml").getroot()  # noqa: S314  written a line above
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["greet@1", "greet@2", "gates"]
    assert [suite.get("tests") for suite in root] == ["60", "60", "1"]
    assert [suite.get("errors") for suite in root] == ["0", "1", "0"]
    (error,) = root.findall(".//error")
    assert error.get("type") == "bad_request"
    assert "\\x1b" in error.get("message")
    (failure,) = suites["gates"].findall(".//failure")
    assert "is worse than greet@1" in failure.get("message")


def test_results_are_written_and_opened_elsewhere(sweeping, tmp_path):
    """--out writes the results, as often as it is given; a .sweep file opens as the same run, scores and all."""
    code, shown, _ = sweeping("--out", "results.csv", "--out", "run.sweep")
    assert code == 0
    assert "wrote results.csv" in shown
    assert tk.load(tmp_path / "run.sweep").df["score.exact"].sum() == 60


def test_the_exit_codes_are_in_the_help():
    """`toolkit sweep --help` says what each exit code means."""
    shown = subprocess.run([sys.executable, "-m", "toolkit", "sweep", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    for words in ("0    every trial has an answer", "1    a gate failed", "2    the command", "130  interrupted"):
        assert words in shown.stdout


EARLY = EXPERIMENT + "stop_early: contains\n"


def test_an_experiment_may_stop_early(sweeping):
    """With `stop_early` a worse arm ends before its last case: fewer requests, the gate fails, and it says where."""
    code, shown, sent = sweeping("--fail-if", "greet@1 worse than greet@2 by 0.02", experiment=EARLY)
    assert sent < 120
    assert "better than greet@1" not in shown
    assert "gate passed: greet@1 is not worse than greet@2" in shown
    assert code == 0


def test_an_arm_shown_worse_early_fails_the_gate(sweeping):
    """An arm that was shown to be worse before the last case does not pass a gate."""
    code, shown, _ = sweeping("--fail-if", "greet@2 worse than greet@1 by 0.02", experiment=EARLY)
    assert "gate FAILED" in shown
    assert code == 1
