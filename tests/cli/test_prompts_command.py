"""toolkit prompts: what the sources hold, what differs, and versions brought from one to another, with exit codes."""

from __future__ import annotations

import json

import pytest

from tests.faults.world import clean_environment, post_prompt
from tests.servers._process import serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit import _sync
from toolkit.cli import main
from toolkit.engine import default_engine, set_default_engine


@pytest.fixture(scope="module")
def server():
    """A Langfuse in another process."""
    with serving("tests.servers.fake_langfuse") as started:
        yield started


@pytest.fixture
def langfuse(server, tmp_path, monkeypatch):
    """A Langfuse with two versions of `greet`, and a working directory whose environment names it."""
    clean_environment(monkeypatch, tmp_path)
    server.control(reset=True)
    post_prompt(server, "Say {{word}}.", labels=["production"])
    post_prompt(server, "Please say {{word}}.")
    for name, value in (("HOST", server.url), ("PUBLIC_KEY", PUBLIC_KEY), ("SECRET_KEY", SECRET_KEY)):
        monkeypatch.setenv(f"LANGFUSE_{name}", value)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    yield server
    _sync.run(default_engine().aclose())
    set_default_engine(None)


@pytest.fixture
def told(langfuse, capsys):
    """Runs a command and returns its exit code and what it printed."""

    def call(*words):
        code = main(["prompts", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(tmp_path, name, text):
    """Writes one prompt file."""
    (tmp_path / "prompts").mkdir(exist_ok=True)
    (tmp_path / "prompts" / f"{name}.prompt").write_text(text, encoding="utf-8")


def test_the_list_has_one_line_a_prompt(told, tmp_path):
    """Every source's prompts are listed with kind, versions and labels; a word narrows the list."""
    write(tmp_path, "other", "x")
    lines = [
        "folder:other  text  1 version, newest 1",
        "langfuse:greet  text  2 versions, newest 2  latest, production",
    ]
    assert told("list") == (0, "\n".join([*lines, ""]), "")
    assert told() == told("list")
    assert told("list", "gre")[1].splitlines() == lines[1:]
    assert json.loads(told("list", "gre", "--json")[1])[0]["versions"] == ["1", "2"]


def test_one_version_is_shown(told):
    """`show` prints reference, labels, config and text of the version that is named."""
    code, out, _ = told("show", "greet@production")
    assert (code, out.splitlines()[0], "Say {{word}}." in out) == (0, "langfuse:greet@1 [production]", True)
    shown = json.loads(told("show", "greet@2", "--json")[1])
    assert (shown["template"], shown["variables"], shown["version"]) == ("Please say {{word}}.", ["word"], "2")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["langfuse:greet@1", "langfuse:greet@2"], 1, "+Please say {{word}}."),
        (["langfuse:greet@1", "langfuse:greet@1"], 0, "are equal"),
        # Without another one: the newest of the same source.
        (["langfuse:greet@production"], 1, "+++ langfuse:greet@2"),
        # A name alone: what the folder would push.
        (["other"], 2, "has no prompt 'other'"),
        (["langfuse:greet@9"], 2, "has no version '9'"),
    ],
)
def test_diff_answers_as_diff_does(told, tmp_path, words, code, says):
    """`diff` ends with 0 when nothing differs, with 1 when something does, and with 2 when that cannot be told."""
    write(tmp_path, "other", "x")
    ended, out, err = told("diff", *words)
    assert (ended, says in out + err) == (code, True)


def test_diff_compares_sources(told, tmp_path):
    """A name alone compares Langfuse's newest version with the folder's; a source alone means the same name there."""
    assert told("pull")[0] == 0
    assert told("diff", "greet")[0] == 0
    write(tmp_path, "greet.v3", "Shout {{word}}.")
    code, out, _ = told("diff", "greet")
    assert (code, out.splitlines()[:2]) == (1, ["--- langfuse:greet@2", "+++ folder:greet@3"])
    assert told("diff", "folder:greet@2", "langfuse")[0] == 0
    assert told("diff", "folder:greet", "langfuse")[1].splitlines()[:2] == [
        "--- folder:greet@3",
        "+++ langfuse:greet@2",
    ]
    answer = json.loads(told("diff", "greet", "--json")[1])
    assert (answer["is_equal"], answer["from"], answer["to"]) == (False, "langfuse:greet@2", "folder:greet@3")


def test_pull_and_push_end_with_0_also_when_there_is_nothing_to_do(told, tmp_path):
    """A pull writes the versions, a push makes the new one; again, both do nothing and end with 0."""
    assert told("pull") == (0, "new       greet@1\nnew       greet@2\nfolder: 2 written, 0 there already\n", "")
    assert told("pull") == (0, "folder: 0 written, 2 there already\n", "")
    assert told("push") == (0, "langfuse: 0 written, 1 there already\n", "")
    write(tmp_path, "greet.v3", "Shout {{word}}.")
    assert told("push", "-m", "louder", "--label", "staging") == (
        0,
        "new       greet@3 [staging]\nlangfuse: 1 written, 0 there already\n",
        "",
    )
    assert told("push", "-m", "louder", "--label", "staging")[1] == "langfuse: 0 written, 1 there already\n"


def test_a_conflict_ends_with_1(told, tmp_path):
    """What is in the way is listed with what to do, nothing is written over, and the exit code is 1."""
    write(tmp_path, "greet.v2", "My own.")
    code, out, _ = told("pull", "greet")
    assert code == 1
    assert "conflict  greet@2: version 2 of the folder is another text or config; see `toolkit prompts diff" in out
    assert out.endswith("folder: 1 written, 0 there already, 1 NOT DONE\n")
    assert told("push")[0] == 1
    assert told("push", "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pull", "nothing"], "has no prompt 'nothing'"),
        (["pull", "--from", "nowhere"], "There is no prompt source 'nowhere'"),
        (["pull", "--from", "folder"], "cannot be pulled from itself"),
        (["pull", "--to", "langfuse"], "are pulled into a folder, not into 'langfuse'"),
        (["push", "--label", "production"], "results.promote"),
        (["push", "--from", "langfuse"], "cannot be pushed to themselves"),
    ],
)
def test_trouble_ends_with_2(told, tmp_path, words, says):
    """A wrong name or source is one line on the error stream, and exit code 2."""
    write(tmp_path, "other", "x")
    code, out, err = told(*words)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err


def test_a_dead_langfuse_is_trouble_and_not_a_difference(told, monkeypatch, tmp_path):
    """Where Langfuse does not answer, `diff`, `pull` and `push` end with 2."""
    write(tmp_path, "greet.v1", "x")
    monkeypatch.setenv("LANGFUSE_HOST", "http://127.0.0.1:9")
    _sync.run(default_engine().aclose())
    set_default_engine(None)
    for words in (["diff", "greet"], ["pull"], ["push"]):
        assert told(*words)[0] == 2


def test_a_dry_run_prints_and_writes_nothing(told, langfuse, tmp_path):
    """`--dry-run` prints what would be done; `--json` prints every step for programs."""
    code, out, _ = told("pull", "--dry-run", "--labels")
    assert (code, out.splitlines()[-1]) == (0, "folder: 2 would be written, 1 label moved, 0 there already")
    assert not (tmp_path / "prompts").exists()
    report = json.loads(told("pull", "--dry-run", "--json")[1])
    assert (report["from"], report["to"], report["dry_run"]) == ("langfuse", "folder", True)
    assert [(step["action"], step["name"], step["version"], step["number"]) for step in report["steps"]] == [
        ("write", "greet", "1", "1"),
        ("write", "greet", "2", "2"),
    ]


def test_no_key_is_printed(told, monkeypatch):
    """An answer that repeats the keys is printed without them."""
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-wrong-secret-key")
    _sync.run(default_engine().aclose())
    set_default_engine(None)
    code, out, err = told("pull")
    assert code == 2
    assert "sk-lf-wrong-secret-key" not in out + err


def test_nothing_in_a_prompt_moves_the_cursor(told, langfuse):
    """Control characters in a prompt are printed as visible escapes, and JSON is ASCII."""
    post_prompt(langfuse, "red \x1b[31m {{word}} \u202e", name="odd")
    post_prompt(langfuse, "other", name="odd")
    for words in (["show", "langfuse:odd@1"], ["diff", "langfuse:odd@1", "langfuse:odd@2"]):
        out = told(*words)[1]
        assert "red \\x1b[31m {{word}} \\u202e" in out
        assert "\x1b" not in out
        assert told(*words, "--json")[1].isascii()
