"""Versions brought from Langfuse into a folder and back, over real files and HTTP: nothing is lost or written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers._process import ServerProcess
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, UsageError
from toolkit.prompts import Exchange, FolderSource, LangfuseSource, Pulling, Pushing, pull_prompts, push_prompts

CHAT = [
    {"role": "system", "content": "Be {{tone}}.\n\nUser: this is no message."},
    {"type": "placeholder", "name": "history"},
    {"role": "user", "content": "{{question}}"},
]
CONFIG = {
    "model": "openai/gpt-4o",
    "temperature": 0.7,
    "kind": "not ours",
    "nested": {"a": [1, None, True, 1e-07, "2026-11-22"]},
    "labels": ["x"],
}


@pytest.fixture
def empty(langfuse: ServerProcess) -> ServerProcess:
    """A Langfuse without prompts."""
    langfuse.control(reset=True)
    return langfuse


@pytest.fixture
def folder(tmp_path: Path) -> FolderSource:
    """A folder that is not there yet."""
    return FolderSource(tmp_path / "prompts")


def told(exchange: Exchange) -> list[str]:
    """The steps in short."""
    return [f"{step.action} {step.name}@{step.version}" for step in exchange.steps]


def files(folder: FolderSource) -> dict[str, bytes]:
    """Every file of the folder that a reader sees, with its bytes."""
    return {
        path.relative_to(folder.root).as_posix(): path.read_bytes()
        for path in sorted(folder.root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def writes(server: ServerProcess) -> list[str]:
    """Methods of the requests that change something."""
    return [request["method"] for request in server.requests() if request["method"] != "GET"]


def test_everything_that_langfuse_keeps_comes_and_goes_back(
    empty: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """Placeholders, config, tags and commit message come into the folder, and go back as the same content."""
    pushed = run(source.push("team/chat", CHAT, config=CONFIG, tags=["b", "a"], commit_message="First: try"))
    exchange = run(pull_prompts(source, folder, Pulling()))
    assert told(exchange) == ["write team/chat@1"]
    (held,) = run(folder.written("team/chat"))
    assert held.prompt.fingerprint == pushed.fingerprint
    assert (held.tags, held.message) == (("b", "a"), "First: try")
    empty.control(reset=True)
    source.refresh()
    assert told(run(push_prompts(folder, source, Pushing()))) == ["write team/chat@1"]
    (back,) = run(source.written("team/chat"))
    assert (back.prompt.fingerprint, back.tags, back.message) == (pushed.fingerprint, ("b", "a"), "First: try")


def test_pulling_and_pushing_again_changes_nothing(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """After a pull, a second pull, and a push, write nothing on either side."""
    run(source.push("movie-critic", "As a {{level}} movie critic, do you like {{movie}}?", config={"model": "gpt-4o"}))
    run(pull_prompts(source, folder, Pulling()))
    before = files(folder)
    sent = len(writes(langfuse))
    again = run(pull_prompts(source, folder, Pulling()))
    assert {step.action for step in again.steps} == {"same", "refused"}
    assert {step.action for step in run(push_prompts(folder, source, Pushing())).steps} == {"same"}
    assert files(folder) == before
    assert len(writes(langfuse)) == sent


def test_pushing_and_pulling_changes_nothing(
    empty: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """After a push, a second push, and a pull, write nothing on either side."""
    for text in ("One {{a}}", "Two {{a}}", "Three {{a}}"):
        run(folder.push("reply", text, config={"temperature": 1.0}, tags=["t"], commit_message="m"))
    before = files(folder)
    assert told(run(push_prompts(folder, source, Pushing()))) == ["write reply@3"]
    assert told(run(push_prompts(folder, source, Pushing()))) == ["same reply@3"]
    assert told(run(pull_prompts(source, folder, Pulling(labels=True)))) == ["same reply@1"]
    assert writes(empty) == ["POST"]
    assert files(folder) == before


def test_a_file_says_where_it_is_from(langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource) -> None:
    """A pulled file names source, prompt, version and fingerprint in its front matter; none of it is config."""
    run(pull_prompts(source, folder, Pulling(names=("support/reply",))))
    text = (folder.root / "support" / "reply.v1.prompt").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    prompt = run(source.get("support/reply", version="1"))
    assert front["pulled_from"] == {
        "source": "langfuse",
        "name": "support/reply",
        "version": "1",
        "fingerprint": prompt.fingerprint,
    }
    assert run(folder.get("support/reply")).config == prompt.config
    assert "System: You are a {{tone}} agent." in text


def test_nothing_is_written_over(langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource) -> None:
    """A folder's version of the same number and other content is a conflict, and its file stays as it is."""
    run(folder.push("movie-critic", "My own."))
    before = files(folder)
    exchange = run(pull_prompts(source, folder, Pulling(names=("movie-critic",))))
    assert told(exchange) == ["conflict movie-critic@1", "write movie-critic@2"]
    assert files(folder).items() >= before.items()
    assert [step.version for step in exchange.problems] == ["1"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("composed", "takes parts of other prompts in"), ("Größe & Co", "a folder holds names of letters")],
)
def test_what_a_folder_cannot_hold_is_refused_with_the_reason(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource, name: str, says: str
) -> None:
    """A composed prompt, and a name that is no path, are steps with their reason, and the others are pulled."""
    run(source.push("Größe & Co", "x"))
    exchange = run(pull_prompts(source, folder, Pulling()))
    (step,) = [step for step in exchange.problems if step.name == name]
    assert step.action == "refused"
    assert says in step.reason
    assert "support/reply.v1.prompt" in files(folder)
    assert not any(name in path for path in files(folder))


@pytest.mark.parametrize(
    ("which", "pulled"), [("all", ["1", "2", "3", "4"]), ("labels", ["1", "3", "4"]), ("latest", ["4"])]
)
def test_which_versions_are_pulled(
    empty: ServerProcess, source: LangfuseSource, folder: FolderSource, which: Any, pulled: list[str]
) -> None:
    """All versions, those that a label stands on, or the newest alone are pulled, each under its own number."""
    for text, label in (("A", "production"), ("B", ""), ("C", "staging"), ("D", "")):
        run(source.push("reply", text, labels=[label] if label else []))
    run(pull_prompts(source, folder, Pulling(which=which)))
    assert run(folder.versions("reply")) == tuple(pulled)
    run(pull_prompts(source, folder, Pulling()))
    assert [run(folder.get("reply", version=each)).template for each in "1234"] == ["A", "B", "C", "D"]


def test_labels_come_only_when_asked(langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource) -> None:
    """Labels are set in the folder when they are asked for, each on its version; without asking there is no index."""
    run(pull_prompts(source, folder, Pulling(names=("movie-critic",))))
    assert not (folder.root / "labels.yaml").exists()
    exchange = run(pull_prompts(source, folder, Pulling(names=("movie-critic",), labels=True)))
    assert [f"{step.label} {step.number}" for step in exchange.steps if step.action == "label"] == [
        "production 1",
        "staging 2",
    ]
    assert run(folder.get("movie-critic", label="production")).version == "1"
    again = run(pull_prompts(source, folder, Pulling(names=("movie-critic",), labels=True)))
    assert {step.action for step in again.steps} == {"same"}


def test_a_dry_run_tells_the_same_and_writes_nothing(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """A dry run lists exactly the steps of the real one, and neither the folder nor Langfuse is written to."""
    dry = run(pull_prompts(source, folder, Pulling(labels=True, is_dry=True)))
    assert not folder.root.exists()
    assert dry.steps == run(pull_prompts(source, folder, Pulling(labels=True))).steps
    run(folder.push("movie-critic", "Newer."))
    dry = run(push_prompts(folder, source, Pushing(labels=("next",), is_dry=True)))
    assert writes(langfuse) == []
    assert dry.steps == run(push_prompts(folder, source, Pushing(labels=("next",)))).steps


def test_a_label_goes_with_a_push(langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource) -> None:
    """The label of a push stands on what was pushed, also when that was there already; `production` is refused."""
    run(pull_prompts(source, folder, Pulling(names=("movie-critic",))))
    exchange = run(push_prompts(folder, source, Pushing(labels=("next",))))
    assert told(exchange) == ["same movie-critic@2", "label movie-critic@2"]
    run(folder.push("movie-critic", "Newer."))
    run(push_prompts(folder, source, Pushing(labels=("next",), message="because")))
    assert run(source.label_versions("movie-critic"))["next"] == "3"
    assert run(source.history("movie-critic"))[-1].message == "because"
    with pytest.raises(UsageError, match=r"results\.promote"):
        run(push_prompts(folder, source, Pushing(labels=("production",))))


def test_a_template_that_langfuse_does_not_know_is_refused(
    empty: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """A Jinja template is refused with the reason, also in a dry run, and nothing is sent."""
    run(folder.push("reply", "{% if a %}x{% endif %}", template_format="jinja2"))
    for is_dry in (True, False):
        (step,) = run(push_prompts(folder, source, Pushing(is_dry=is_dry))).steps
        assert (step.action, step.reason) == ("refused", "langfuse keeps no jinja2 templates")
    assert writes(empty) == []


def test_marks_of_a_source_are_no_difference(
    empty: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """Langfuse's `type: chatmessage` is left out of the file, and makes the two no different."""
    run(source.push("reply", [{"type": "chatmessage", "role": "user", "content": "Hi {{a}}"}]))
    run(pull_prompts(source, folder, Pulling()))
    assert "User: Hi {{a}}" in (folder.root / "reply.v1.prompt").read_text(encoding="utf-8")
    assert told(run(push_prompts(folder, source, Pushing()))) == ["same reply@1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(("movie-critic",), 1), (("support/*", "movie-*"), 2), (("*",), 4), ((), 4)],
)
def test_names_and_patterns(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource, wanted: tuple[str, ...], found: int
) -> None:
    """Names and patterns say what is pulled; none says everything."""
    exchange = run(pull_prompts(source, folder, Pulling(names=wanted)))
    assert len({step.name for step in exchange.steps}) == found


@pytest.mark.parametrize("wanted", ["movie-critc", "nothing/*"])
def test_a_name_that_is_not_there_is_an_error(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource, wanted: str
) -> None:
    """A name or pattern that fits nothing is an error before anything is written."""
    with pytest.raises(PromptNotFoundError, match="has no prompt"):
        run(pull_prompts(source, folder, Pulling(names=("support/reply", wanted))))
    assert not folder.root.exists()


def test_one_prompt_that_fails_does_not_stop_the_others(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """A file that cannot be read is a failed step with its reason; the other prompts are pulled."""
    folder.root.mkdir()
    (folder.root / "movie-critic.v1.prompt").write_text("---\n: [\n---\n", encoding="utf-8")
    exchange = run(pull_prompts(source, folder, Pulling(names=("movie-critic", "support/reply"))))
    assert told(exchange) == ["failed movie-critic@None", "write support/reply@1"]
    assert "movie-critic.v1.prompt" in exchange.steps[0].reason


def test_a_server_that_fails_in_the_middle_is_told(
    langfuse: ServerProcess, source: LangfuseSource, folder: FolderSource
) -> None:
    """A Langfuse that refuses one prompt's version leaves a failed step, and a later push writes what is missing."""
    run(folder.push("one", "1"))
    run(folder.push("two", "2"))
    langfuse.control(next=[{"method": "POST", "path": "/api", "status": 400, "body": {"message": "not today"}}])
    first = run(push_prompts(folder, source, Pushing()))
    assert told(first) == ["failed one@1", "write two@1"]
    assert "not today" in first.steps[0].reason
    assert told(run(push_prompts(folder, source, Pushing()))) == ["write one@1", "same two@1"]
