"""Prompts as people use them in a notebook: read, render, compare, write back, move labels and undo it."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from toolkit._records import Prompt
from toolkit._sync import run
from toolkit.errors import MissingVariablesError, UsageError
from toolkit.prompts import FolderSource, LangfuseSource, ManagedPrompt, Sources

TEXT = Prompt(prompt_id="greet", version="1", kind="text", template="Hi {{name}}", source="memory")


@pytest.fixture
def reply(sources: Sources, tmp_path: Path) -> ManagedPrompt:
    """Version 1 of `reply` in a folder where version 2 is in production."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "reply.v1.prompt").write_text("---\nmodel: m\n---\nOne {{a}}\nand {{b}}")
    (tmp_path / "prompts" / "reply.v2.prompt").write_text(
        "---\nmodel: m2\nlabels: [production]\n---\nTwo {{a}}\nand {{b}}"
    )
    return run(sources.manage("reply@1"))


def test_it_reads_as_its_record(reply: ManagedPrompt):
    """Name, version, labels, kind, template, config, source, fingerprint and reference are those of the record."""
    record = reply.prompt
    assert (reply.prompt_id, reply.version, reply.kind, reply.source) == ("reply", "1", "text", "folder")
    assert (reply.template, reply.config, reply.labels) == ("One {{a}}\nand {{b}}", {"model": "m"}, ())
    assert (reply.fingerprint, reply.reference) == (record.fingerprint, "folder:reply@1")
    assert reply.variables == ("a", "b")


def test_it_renders_keywords_and_mappings():
    """Variables are given by keyword or as a mapping, names like `self` included; keywords go first."""
    managed = ManagedPrompt(prompt=TEXT)
    said = [{"role": "user", "content": "Hi Ann"}]
    assert managed.render(name="Ann") == managed.render({"name": "Ann"}) == said
    assert managed.render({"name": "Bob"}, name="Ann") == said
    odd = Prompt(prompt_id="p", version="1", kind="text", template="{{self}} {{missing}}", source="memory")
    assert ManagedPrompt(prompt=odd).render({"missing": 2}, self=1) == [{"role": "user", "content": "1 2"}]


def test_what_is_rendered_may_be_changed():
    """The messages are plain dicts and lists of the caller's own."""
    template: Any = ({"role": "user", "content": [{"type": "text", "text": "x"}]},)
    parts = Prompt(prompt_id="p", version="1", kind="chat", template=template, source="memory")
    first = ManagedPrompt(prompt=parts).render()
    first[0]["content"][0]["text"] = "changed"
    assert ManagedPrompt(prompt=parts).render() == [{"role": "user", "content": [{"type": "text", "text": "x"}]}]


def test_a_missing_variable_is_an_error_unless_kept():
    """A name without a value is an error, or stays as written with `missing="keep"`."""
    with pytest.raises(MissingVariablesError, match="'name'"):
        ManagedPrompt(prompt=TEXT).render()
    assert ManagedPrompt(prompt=TEXT).render(missing="keep") == [{"role": "user", "content": "Hi {{name}}"}]


def test_a_diff_shows_text_and_config(reply: ManagedPrompt, sources: Sources):
    """The difference between two versions is a unified diff of config and text; equal content has none."""
    assert reply.diff(run(sources.manage("reply@2"))) == (
        "--- folder:reply@1\n"
        "+++ folder:reply@2\n"
        "@@ -1,4 +1,4 @@\n"
        '-model: "m"\n'
        '+model: "m2"\n'
        " ---\n"
        "-One {{a}}\n"
        "+Two {{a}}\n"
        " and {{b}}"
    )
    assert reply.diff(reply.prompt) == ""


def test_a_diff_shows_messages():
    """Roles, tool calls and placeholders of chats are compared line by line."""
    old: Any = ({"role": "system", "content": "a\nb"}, {"type": "placeholder", "name": "history"})
    new: Any = ({"role": "system", "content": "a\nc"}, {"role": "assistant", "content": None, "tool_calls": [1]})
    chats = [
        Prompt(prompt_id="c", version=str(n), kind="chat", template=t, source="m") for n, t in enumerate((old, new))
    ]
    assert ManagedPrompt(prompt=chats[0]).diff(chats[1]).split("\n")[2:] == [
        "@@ -2,3 +2,3 @@",
        " a",
        "-b",
        '-placeholder history: {"type": "placeholder", "name": "history"}',
        "+c",
        '+assistant: {"tool_calls": [1]}',
    ]


def test_its_text_form_is_what_it_says(reply: ManagedPrompt):
    """The repr is the reference with its labels, the config and the text."""
    assert repr(reply) == 'folder:reply@1\nmodel: "m"\n---\nOne {{a}}\nand {{b}}'


def test_a_push_makes_a_version_and_leaves_this_one(reply: ManagedPrompt, sources: Sources):
    """A push keeps what is not given, returns the new version, and changes nothing else."""
    pushed = reply.push(template="Three {{a}}", labels=["staging"], commit_message="Shorter.")
    assert (pushed.reference, pushed.template, pushed.config) == ("folder:reply@3", "Three {{a}}", {"model": "m"})
    assert pushed.labels == ("staging",)
    assert reply.template == "One {{a}}\nand {{b}}"
    again = pushed.push(config={"model": "m9"})
    assert (again.version, again.template, again.config) == ("4", "Three {{a}}", {"model": "m9"})
    assert run(sources.resolve("reply")) == [again.prompt]


def test_a_label_can_be_rolled_back(reply: ManagedPrompt, sources: Sources):
    """Moving a label tells who had it; rolling back gives it back, and rolling back again moves it again."""
    moved = reply.label("production")
    assert (moved.label, moved.version, moved.previous) == ("production", "1", "2")
    assert run(sources.manage("reply@production")).version == "1"
    back = moved.rollback()
    assert (back.version, back.previous) == ("2", "1")
    assert run(sources.manage("reply@production")).version == "2"
    assert back.rollback().version == "1"


def test_a_label_that_stood_nowhere_is_taken_away_again(reply: ManagedPrompt):
    """Rolling back a new label takes it away."""
    moved = reply.label("canary")
    assert moved.previous is None
    assert moved.rollback().version is None
    assert reply.label("canary").previous is None


def test_langfuse_is_written_the_same_way(source: LangfuseSource):
    """Push, label and rollback work on a Langfuse prompt as on a file."""
    critic = ManagedPrompt(prompt=run(source.get("movie-critic")), _origin=source)
    pushed = critic.push(template="Is {{movie}} good?")
    assert (pushed.version, pushed.labels) == ("3", ("latest",))
    moved = pushed.label("production")
    assert moved.previous == "1"
    assert run(source.get("movie-critic")).version == "3"
    moved.rollback()
    assert run(source.get("movie-critic")).version == "1"


def test_a_prompt_without_a_writable_source_is_read_only():
    """A prompt that was made by hand, or comes from a source that only reads, cannot be written back."""
    for write in (ManagedPrompt(prompt=TEXT).push, lambda: ManagedPrompt(prompt=TEXT).label("production")):
        with pytest.raises(UsageError, match="'memory' cannot be written to"):
            write()


def test_a_managed_prompt_stands_where_a_prompt_does(reply: ManagedPrompt, sources: Sources):
    """It is its own reference, and one of several versions is not chosen silently."""
    assert run(sources.resolve(reply)) == [reply.prompt]
    assert run(sources.manage(reply)) is reply
    with pytest.raises(UsageError, match=r"'reply@\*' names 2 versions \(1, 2\)"):
        run(sources.manage("reply@*"))


def test_a_prompt_made_by_hand_has_no_source(sources: Sources):
    """A prompt whose source nobody knows can be managed for reading."""
    assert run(sources.manage(TEXT)).render(name="Ann") == [{"role": "user", "content": "Hi Ann"}]


def test_it_travels_without_its_source(tmp_path: Path):
    """A pickled managed prompt is equal to the one it was, and can no longer be written back."""
    here = ManagedPrompt(prompt=TEXT, _origin=FolderSource(tmp_path))
    there = pickle.loads(pickle.dumps(here))  # noqa: S301  made a moment ago
    assert there == here
    with pytest.raises(UsageError, match="cannot be written to"):
        there.push()
