"""The draft of a prompt picker, without a browser: what is typed, what it changes, and what is written for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from tests.widgets.worlds import nameless
from toolkit import _sync
from toolkit._records import FrozenDict, Prompt
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.engine import Engine
from toolkit.testing import FakeSource, fake_engine
from toolkit.widgets import PromptPicker

CHAT = [
    {"role": "system", "content": "Be {{tone}}."},
    {"type": "placeholder", "name": "history"},
    {"role": "user", "content": "Hello."},
]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A Langfuse in another process."""
    with serving("tests.servers.fake_langfuse") as started:
        yield started


@pytest.fixture(params=["folder", "langfuse"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, server: ServerProcess) -> Iterator[Engine]:
    """An engine on one source, folder or Langfuse, with one version of `hello` and a chat `talk`."""
    settings = Settings(home=tmp_path / "home", prompts_folder=tmp_path / "prompts")
    if request.param == "langfuse":
        server.control(reset=True)
        keys = LangfuseSettings(host=server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
        settings = Settings(home=tmp_path / "home", prompts_folder=tmp_path / "none", langfuse=keys)
    made = fake_engine(settings)
    source: Any = made.sources.get(request.param)
    _sync.run(source.push("hello", "Dear {{name}}.", config={"model": "fake/m"}, labels=["production"]))
    _sync.run(source.push("talk", CHAT, labels=["production"]))
    yield made
    _sync.run(made.aclose())


@pytest.fixture
def picker(engine: Engine) -> PromptPicker:
    """A picker that shows `hello`."""
    made = PromptPicker("hello", engine=engine)
    assert made.settle()
    return made


def press(picker: PromptPicker, button: Any) -> None:
    """Presses a button and waits until everything it asked for is shown."""
    button.click()
    assert picker.draft.settle()
    assert picker.settle()


def test_a_draft_begins_with_the_version_that_is_shown(picker: PromptPicker) -> None:
    """The text of the version that is shown stands in the field, and nothing is changed yet."""
    (field,) = picker.draft.fields.children
    assert field.value == "Dear {{name}}."
    assert "Nothing is changed yet" in picker.draft.diff.value
    assert picker.draft.reset_button.disabled
    assert picker.tabs.titles[-1] == "Draft"


def test_what_is_typed_is_compared_at_once(picker: PromptPicker) -> None:
    """Each letter is compared with the version, word by word, as text and never as markup."""
    picker.draft.fields.children[0].set_state({"value": "Hi <b>{{name}}</b>."})
    assert "<ins" in picker.draft.diff.value
    assert "&lt;b&gt;" in picker.draft.diff.value


def test_the_button_writes_a_new_version(picker: PromptPicker, engine: Engine) -> None:
    """Pressed, the button writes the next version with its message, and picks it; production stays."""
    (source,) = engine.sources.configured
    picker.draft.fields.children[0].set_state({"value": "Hi {{name}}."})
    picker.draft.message.set_state({"value": "shorter"})
    press(picker, picker.draft.save_button)
    assert picker.status.words == f"{source}:hello@2 is written."
    assert f"is written, after {source}:hello@1." in picker.draft.done.value
    made = _sync.run(engine.sources.fetch(source, "hello", version=2))
    assert (made.template, dict(made.config)) == ("Hi {{name}}.", {"model": "fake/m"})
    assert _sync.run(engine.sources.fetch(source, "hello", label="production")).version == "1"
    assert _sync.run(engine.sources.history("hello", source))[-1].message == "shorter"
    assert f"tk.push_prompt(&#x27;{source}:hello@1&#x27;" in picker.draft.done.value
    assert picker.value == [f"{source}:hello@2"]
    assert picker.draft.fields.children[0].value == "Hi {{name}}."


def test_messages_of_a_chat_are_fields(engine: Engine) -> None:
    """A chat has a field a message, named by its role; what is no text stays as it is in the new version."""
    (source,) = engine.sources.configured
    picker = PromptPicker("talk", engine=engine)
    assert picker.settle()
    first, kept, last = picker.draft.fields.children
    assert (first.description, last.description) == ("system", "user")
    assert "kept as it is" in kept.value
    last.set_state({"value": "Good day."})
    press(picker, picker.draft.save_button)
    made = _sync.run(engine.sources.fetch(source, "talk", version=2))
    assert made.template == tuple(map(FrozenDict, [*CHAT[:2], {"role": "user", "content": "Good day."}]))


def test_nothing_is_written_where_nothing_is_changed(picker: PromptPicker, engine: Engine) -> None:
    """A draft that equals its version is refused in the status line, and the button can be pressed again."""
    (source,) = engine.sources.configured
    press(picker, picker.draft.save_button)
    assert "Nothing is changed" in picker.status.words
    assert not picker.draft.save_button.disabled
    assert _sync.run(engine.sources.get(source).versions("hello")) == ("1",)


def test_a_draft_stays_while_others_are_looked_at(picker: PromptPicker) -> None:
    """A draft under way stays when another prompt is shown; discarding it begins with what is shown."""
    picker.draft.fields.children[0].set_state({"value": "Hi {{name}}."})
    picker.name.set_state({"value": "talk"})
    assert picker.settle()
    assert [field.value for field in picker.draft.fields.children] == ["Hi {{name}}."]
    assert "hello@1" in picker.draft.head.value
    press(picker, picker.draft.reset_button)
    assert picker.draft.fields.children[0].value == "Be {{tone}}."


def test_a_read_only_source_says_so(tmp_path: Path) -> None:
    """Where a source cannot be written to, the draft says so, and its button and fields are off."""
    prompt = Prompt(prompt_id="fixed", version="1", kind="text", template="Hi {{a}}", source="fake")
    made = fake_engine(
        Settings(home=tmp_path / "home", prompts_folder=tmp_path / "none"), sources=[FakeSource([prompt])]
    )
    picker = PromptPicker("fixed", engine=made)
    assert picker.settle()
    assert "cannot be written to from here; langfuse and folder can" in picker.draft.head.value
    assert picker.draft.save_button.disabled
    assert picker.draft.fields.children[0].disabled
    _sync.run(made.aclose())


def test_two_presses_write_one_version(picker: PromptPicker, engine: Engine) -> None:
    """A button that is pressed twice writes once."""
    (source,) = engine.sources.configured
    picker.draft.fields.children[0].set_state({"value": "Hi {{name}}."})
    picker.draft.save_button.click()
    press(picker, picker.draft.save_button)
    assert _sync.run(engine.sources.get(source).versions("hello")) == ("1", "2")


def test_everything_in_it_has_a_name(picker: PromptPicker) -> None:
    """A screen reader has a name for every field and button of the draft."""
    assert nameless(picker.draft) == []
