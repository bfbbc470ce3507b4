"""Writing into a folder: new versions as files of their own, whole or not at all, and labels in the index."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit._records import Prompt
from toolkit._sync import run
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import FolderSource, WritablePromptSource
from toolkit.prompts import _folder_write as writing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two versions of `reply`, the first of them in production."""
    root = tmp_path / "prompts"
    root.mkdir()
    (root / "reply.prompt").write_text("---\ntags: [demo]\nlabels: [production]\n---\nOne {{a}}\n")
    (root / "reply.v2.prompt").write_text("Two {{a}}\n")
    return root


@pytest.fixture
def folder(root: Path) -> FolderSource:
    """The source over that folder."""
    return FolderSource(root)


def test_a_folder_can_be_written_to(folder: FolderSource):
    """A folder is a writable source."""
    assert isinstance(folder, WritablePromptSource)


def test_a_new_version_is_a_new_file(root: Path, folder: FolderSource):
    """The version after the newest is written as `name.vN.prompt`; what was there stays; it reads back the same."""
    pushed = run(
        folder.push("reply", "Three {{a}}", config={"model": "m", "temperature": 0}, commit_message="Be shorter.")
    )
    assert (pushed.reference, pushed.template) == ("folder:reply@3", "Three {{a}}")
    assert pushed == run(folder.get("reply"))
    assert (root / "reply.v3.prompt").read_text() == (
        "---\ntags:\n- demo\ncommit_message: Be shorter.\nmodel: m\ntemperature: 0\n---\nThree {{a}}\n"
    )
    assert (root / "reply.v2.prompt").read_text() == "Two {{a}}\n"
    assert sorted(path.name for path in root.iterdir()) == ["reply.prompt", "reply.v2.prompt", "reply.v3.prompt"]


def test_a_new_prompt_begins_at_one_and_makes_its_folders(tmp_path: Path):
    """A name that is not there yet becomes version 1, also where the folders are not there yet."""
    folder = FolderSource(tmp_path / "not" / "yet")
    assert run(folder.push("team/new", "Hi")).reference == "folder:team/new@1"
    assert (tmp_path / "not" / "yet" / "team" / "new.v1.prompt").is_file()


def test_a_chat_is_written_with_role_lines(root: Path, folder: FolderSource):
    """Plain messages are written the way people write them."""
    run(folder.push("chat", [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{q}}\nNow."}]))
    assert (root / "chat.v1.prompt").read_text() == "---\n---\nSystem: Be kind.\n\nUser: {{q}}\nNow.\n"


HARD_TEMPLATES: list[Any] = [
    "",
    "\n\nlines around\n\n",
    "System: looks like a chat",
    "---\nmodel: evil\n---\nx",
    "<user>x</user>",
    "  spaces  ",
    "größe ✓ \U0001f600",
    [{"role": "user", "content": "a\nUser: b"}],
    [{"role": "user", "content": " spaces "}],
    [{"role": "tool", "content": "x", "tool_call_id": "c"}],
    [{"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"arguments": '{"a": 1}'}}]}],
    [{"role": "user", "content": [{"type": "text", "text": "{{a}}"}]}],
    [{"type": "placeholder", "name": "history"}],
    [{"role": "critic", "content": "x"}],
]


@pytest.mark.parametrize("template", HARD_TEMPLATES, ids=str)
def test_every_template_reads_back_as_it_was(folder: FolderSource, template: Any):
    """What is written is what is read, however it may look like something else in a file."""
    pushed = run(folder.push("hard", template))
    given = Prompt(prompt_id="hard", version="1", kind=pushed.kind, template=pushed.template, source="folder")
    assert pushed.fingerprint == given.fingerprint
    assert pushed.template == (template if isinstance(template, str) else writing.freeze(template))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
@settings(max_examples=60, deadline=None)
def test_any_text_reads_back_as_it_was(text: str):
    """A text without carriage returns is written so that it reads back as it was."""
    rest = {"kind": None, "config": {}, "tags": (), "commit_message": None, "template_format": "mustache"}
    content = writing.prompt_text("p", text, **rest)  # type: ignore[arg-type]  # a table of keyword arguments
    assert writing.parse_prompt(content, where="", prompt_id="p", version=None, source="folder").prompt.template == text


@pytest.mark.parametrize(
    "config",
    [
        {"when": "2026-11-22", "yes": "yes", "n": "1", "f": 1e-7, "none": None, "deep": {"a": [1, {"b": True}]}},
        {"labels": ["x"], "version": 9, "config": {"a": 1}, "model": "m"},
    ],
)
def test_every_config_reads_back_as_it_was(folder: FolderSource, config: dict[str, Any]):
    """Values keep their types, and keys that mean something in a file are kept apart."""
    pushed = run(folder.push("p", "x", config=config))
    assert pushed.config == writing.freeze(config)
    assert pushed.version == "1"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"template": "a\r\nb"}, "cannot hold"),
        ({"template": "x", "kind": "chat"}, "kind is 'chat' and the template is text"),
        ({"template": [{"content": "no role"}]}, "cannot hold"),
        ({"template": "x", "config": {"a": object()}}, "plain JSON"),
        ({"template": "\ud800"}, "surrogate"),
        ({"template": "x", "labels": "production"}, "is a list"),
        ({"template": "x", "labels": ["latest"]}, "'latest'"),
        ({"template": "x", "labels": ["3"]}, "cannot be a label"),
        ({"template": "x", "labels": ["a b"]}, "cannot be a label"),
        ({"template": "x", "prompt_id": "../out"}, "cannot hold a prompt"),
        ({"template": "x", "prompt_id": "/etc/passwd"}, "cannot hold a prompt"),
        ({"template": "x", "prompt_id": "a?b"}, "cannot hold a prompt"),
        ({"template": "x", "prompt_id": "50%"}, "cannot hold a prompt"),
    ],
    ids=str,
)
def test_what_a_folder_cannot_hold_is_refused(root: Path, folder: FolderSource, arguments: dict[str, Any], says: str):
    """A name, label or template that a folder cannot hold is an error, and no file appears."""
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(UsageError, match=says):
        run(folder.push(arguments.pop("prompt_id", "p"), arguments.pop("template"), **arguments))
    assert sorted(root.parent.rglob("*")) == before


def test_a_jinja_prompt_stays_one(folder: FolderSource):
    """The template's format is written where it is not the usual one."""
    pushed = run(folder.push("j", "{% if a %}{{ a }}{% endif %}", template_format="jinja2"))
    assert pushed.template_format == "jinja2"


def test_labels_of_a_new_version_move_to_it(root: Path, folder: FolderSource):
    """Labels go into the index, which wins over what files say of themselves."""
    pushed = run(folder.push("reply", "Three", labels=["production", "canary"]))
    assert pushed.labels == ("canary", "production")
    assert yaml.safe_load((root / "labels.yaml").read_text()) == {"labels": {"reply": {"canary": 3, "production": 3}}}
    assert run(folder.get("reply", label="production")).version == "3"


def test_a_label_moves_and_its_old_holder_is_told(root: Path, folder: FolderSource):
    """Moving a label says who had it, and can be undone; other labels of the index stay."""
    (root / "labels.yaml").write_text("labels: {other: {x: 1}, reply: {staging: 2}}")
    assert run(folder.set_label("reply", "2", "production")) == "1"
    assert run(folder.get("reply", label="production")).version == "2"
    assert run(folder.set_label("reply", "01", "production")) == "2"
    assert run(folder.get("reply", label="production")).version == "1"
    assert yaml.safe_load((root / "labels.yaml").read_text()) == {
        "labels": {"other": {"x": 1}, "reply": {"production": 1, "staging": 2}}
    }


def test_a_label_can_be_taken_away(folder: FolderSource):
    """A label that is taken away stands nowhere."""
    assert run(folder.set_label("reply", "2", "canary")) is None
    assert run(folder.set_label("reply", None, "canary")) == "2"
    with pytest.raises(PromptNotFoundError, match="no label 'canary'"):
        run(folder.get("reply", label="canary"))


@pytest.mark.parametrize(
    ("prompt_id", "version", "label", "error", "says"),
    [
        ("reply", "9", "x", PromptNotFoundError, "no version '9'; versions: 1, 2"),
        ("repli", "1", "x", PromptNotFoundError, "Did you mean 'reply'"),
        ("reply", "1", "latest", UsageError, "newest version"),
        ("reply", "1", "a..b", UsageError, "cannot be a label"),
    ],
)
def test_a_label_that_cannot_move_says_why(
    root: Path, folder: FolderSource, prompt_id: str, version: str, label: str, error: Any, says: str
):
    """An unknown prompt or version and a word that is no label are errors; no index appears."""
    with pytest.raises(error, match=says):
        run(folder.set_label(prompt_id, version, label))
    assert not (root / "labels.yaml").exists()


def test_writers_at_once_get_versions_of_their_own(folder: FolderSource):
    """Eight who push at the same time make eight versions; none is lost or written over."""
    made: list[Prompt] = []
    threads = [
        threading.Thread(target=lambda text=f"text {number}": made.append(run(folder.push("reply", text))))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(prompt.version) for prompt in made) == list(range(3, 11))
    assert {run(folder.get("reply", version=str(version))).template for version in range(3, 11)} == {
        f"text {number}" for number in range(8)
    }


def test_a_write_that_fails_leaves_nothing(root: Path, folder: FolderSource, monkeypatch: pytest.MonkeyPatch):
    """When the disk refuses the content, no version and no half file is left, and the error names the file."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(root.iterdir())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PromptSourceError, match=r"reply\.v3\.prompt cannot be written: No space left"):
        run(folder.push("reply", "x" * 1000))
    assert sorted(root.iterdir()) == before


def test_a_file_system_without_hard_links_will_do(root: Path, folder: FolderSource, monkeypatch: pytest.MonkeyPatch):
    """Where no hard link can be made the finished file is given its name by renaming."""

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert run(folder.push("reply", "Three")).version == "3"
    assert len(list(root.iterdir())) == 3


def test_a_link_out_of_the_folder_is_not_written_through(root: Path, folder: FolderSource, tmp_path: Path):
    """A subfolder that is a link to the outside takes no prompt."""
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="leads out"):
        run(folder.push("link/p", "x"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_versions_file_name_is_a_name_for_it(folder: FolderSource):
    """`reply.v2`, which is LiteLLM's way to ask, is version 2 of `reply`."""
    prompt = run(folder.get("reply.v2"))
    assert (prompt.prompt_id, prompt.version) == ("reply", "2")
    with pytest.raises(PromptNotFoundError, match="no version '7'"):
        run(folder.get("reply.v7"))
