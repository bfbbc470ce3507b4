"""The prompt picker as a widget, without a browser: what is typed and clicked, and what is shown and given for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit as tk
from tests.faults.world import clean_environment, move_label, post_prompt
from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from tests.widgets.worlds import CASES, make_engine, nameless, state_of
from toolkit import _sync
from toolkit._records import PromptInfo
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.engine import Engine, set_default_engine
from toolkit.testing import FakeSource, fake_engine
from toolkit.widgets import PromptPicker


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a folder with `reply` in two versions, and `greet`."""
    made = make_engine(tmp_path)
    yield made
    _sync.run(made.aclose())


@pytest.fixture(scope="module")
def langfuse_server() -> Iterator[ServerProcess]:
    """A Langfuse in another process, with two versions of `support/refund`, the first one in production."""
    with serving("tests.servers.fake_langfuse") as server:
        post_prompt(server, "Refund {{order}}.", name="support/refund")
        post_prompt(server, "Refund {{order}} to {{name}}.", name="support/refund")
        move_label(server, 1, "production", name="support%2Frefund")
        yield server


@pytest.fixture
def langfuse(langfuse_server: ServerProcess, tmp_path: Path) -> Iterator[Engine]:
    """An engine on that Langfuse alone."""
    settings = LangfuseSettings(host=langfuse_server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    made = fake_engine(Settings(home=tmp_path / "home", prompts_folder=tmp_path / "none", langfuse=settings))
    yield made
    _sync.run(made.aclose())


def picker_of(engine: Engine, *arguments: object, **options: object) -> PromptPicker:
    """A picker that has shown everything that it asked for."""
    picker = PromptPicker(*arguments, engine=engine, **options)  # type: ignore[arg-type]
    assert picker.settle()
    return picker


def test_it_begins_with_what_there_is(engine: Engine) -> None:
    """A new picker offers every name, says how many there are, and has picked nothing."""
    picker = picker_of(engine)
    assert picker.name.options == ("greet", "reply")
    assert picker.status.words == "2 prompts in 1 source."
    assert (picker.value, picker.code()) == ([], "[]")


def test_what_belongs_to_a_prompt_is_hidden_before_one_is_picked(engine: Engine) -> None:
    """Versions, preview and code are seen from the moment a name is picked, and no empty boxes before."""
    picker = picker_of(engine)
    assert picker.body.layout.display == "none"
    picker.name.set_state({"value": "reply"})
    assert picker.settle()
    assert picker.body.layout.display is None


def test_typing_narrows_the_names(engine: Engine) -> None:
    """Each letter that is typed narrows the names that are offered."""
    picker = picker_of(engine)
    picker.name.set_state({"value": "rep"})
    assert picker.name.options == ("reply",)


def test_five_thousand_names_are_offered_fifty_at_a_time(tmp_path: Path) -> None:
    """With 5,000 prompts a letter sends at most 50 names to the page, and any prompt is found by its name."""

    class Many(FakeSource):
        async def list(self, *, query: str = "") -> list[PromptInfo]:
            return [
                PromptInfo(prompt_id=f"p/{n:04}", source="fake", kind="text", versions=("1",)) for n in range(5_000)
            ]

    made = fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=[Many([])])
    picker = picker_of(made)
    assert len(picker.name.options) == 50
    picker.name.set_state({"value": "4999"})
    assert picker.name.options == ("p/4999",)
    assert len(state_of(picker)) < 36_000
    _sync.run(made.aclose())


def test_a_chosen_name_shows_its_production_version(engine: Engine) -> None:
    """Choosing a name lists labels and versions, highlights production, and gives it as a pinned reference."""
    picker = picker_of(engine)
    picker.name.set_state({"value": "reply"})
    assert picker.settle()
    titles = [title for title, _ in picker.versions.options]
    assert titles[0] == "@production = 1"
    assert titles[-1].endswith("· the first one")
    assert picker.versions.value == ("@production",)
    assert picker.value == ["folder:reply@1"]
    assert picker.code() == picker.code_line.code == "tk.prompt('folder:reply@1')"


def test_langfuse_tells_labels_dates_and_messages(langfuse: Engine) -> None:
    """From Langfuse, versions come with their labels and dates, and the preview is the text of the version."""
    picker = picker_of(langfuse, "support/refund")
    titles = [title for title, _ in picker.versions.options]
    assert titles[:2] == ["@latest = 2", "@production = 1"]
    assert titles[2].startswith("2 · latest · 2026-11-22 (")
    assert picker.value == ["langfuse:support/refund@1"]
    assert "Refund" in picker.preview.value


def test_several_versions_are_picked_at_once(engine: Engine) -> None:
    """Highlighted versions all count, oldest first, and a label counts as the version that it stands on."""
    picker = picker_of(engine, "reply")
    picker.versions.set_state({"index": [0, 1, 2]})
    assert picker.settle()
    assert picker.value == ["folder:reply@1", "folder:reply@2"]
    assert picker.code() == "[tk.prompt('folder:reply@1'), tk.prompt('folder:reply@2')]"


def test_the_code_gives_what_is_picked(engine: Engine) -> None:
    """The code of a picker, executed, gives the prompts that its value names."""
    picker = picker_of(engine, "reply")
    picker.versions.set_state({"index": [1, 2]})
    set_default_engine(engine)
    try:
        given = eval(picker.code(), {"tk": tk})  # noqa: S307  code that the product wrote
    finally:
        set_default_engine(None)
    assert [prompt.reference for prompt in given] == picker.value


def test_what_was_added_stays_while_more_is_picked(engine: Engine) -> None:
    """Added versions are the value whatever is highlighted next, until they are removed."""
    picker = picker_of(engine, "reply")
    picker.add_button.click()
    picker.name.set_state({"value": "greet"})
    assert picker.settle()
    assert picker.value == ["folder:reply@1"]
    picker.add_button.click()
    assert picker.value == ["folder:reply@1", "folder:greet@1"]
    assert [button.description for button in picker.picked.children] == [
        "Remove folder:reply@1",
        "Remove folder:greet@1",
    ]
    picker.picked.children[0].click()
    assert picker.value == ["folder:greet@1"]


def test_the_preview_is_filled_from_the_case(engine: Engine) -> None:
    """The preview shows the messages with the chosen case's values, another case's when another is chosen."""
    picker = picker_of(engine, "reply", cases=CASES)
    assert "Dear Ana, order A-17." in picker.preview.value
    picker.case.set_state({"value": 1})
    assert "Dear Bo, order B-2." in picker.preview.value


def test_a_variable_without_a_value_is_marked(engine: Engine) -> None:
    """What has no value is named in a warning and marked in its place; what is typed for it fills it at once."""
    picker = picker_of(engine, "reply", cases=[{"name": "Ana"}])
    assert "⚠ no value: order" in picker.preview.value
    assert "{{order}}</mark>" in picker.preview.value
    field = next(field for field in picker.fields.children if field.description == "order")
    field.set_state({"value": "X-1"})
    assert "Dear Ana, order X-1." in picker.preview.value
    assert "no value" not in picker.preview.value


def test_two_versions_are_compared_word_by_word(engine: Engine) -> None:
    """The diff shows which words a version takes and adds, its config included, against the one chosen."""
    picker = picker_of(engine, "reply")
    picker.versions.set_state({"index": [1]})
    assert picker.settle()
    assert picker.compare.value == "1"
    assert "<del" in picker.diff.value
    assert "folder:reply@1 → folder:reply@2" in picker.diff.value
    assert "temperature: 0.5" in picker.diff.value
    picker.versions.set_state({"index": [0]})
    assert picker.settle()
    assert (picker.compare.value, "folder:reply@1 → folder:reply@2" in picker.diff.value) == ("2", True)
    picker.compare.set_state({"index": 0})
    assert "Compare with: nothing." in picker.diff.value


def test_config_and_record_are_shown(engine: Engine) -> None:
    """Model and params of the version are a table, and the whole record is there as JSON."""
    picker = picker_of(engine, "reply")
    assert "fake/m" in picker.config.value
    assert "&quot;version&quot;: &quot;1&quot;" in picker.json.value


def test_refresh_asks_the_sources_again(engine: Engine, tmp_path: Path) -> None:
    """After Refresh a version that was written meanwhile is there, and a changed text is shown."""
    picker = picker_of(engine, "reply")
    (tmp_path / "prompts" / "reply.v3.prompt").write_text("Third {{name}}", encoding="utf-8")
    (tmp_path / "prompts" / "reply.v1.prompt").write_text("Changed {{name}}", encoding="utf-8")
    picker.refresh_button.click()
    assert picker.settle()
    assert [key for _, key in picker.versions.options] == ["3", "2", "1"]
    picker.versions.set_state({"index": [2]})
    assert picker.settle()
    assert "Changed" in picker.preview.value


def test_a_source_that_is_away_is_told_in_the_picker(tmp_path: Path) -> None:
    """What goes wrong is a line in the widget, with the error's words, and not a traceback that nobody sees."""

    class Away(FakeSource):
        async def list(self, *, query: str = "") -> list[PromptInfo]:
            raise tk.PromptError("fake is away; start it")

    made = fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=[Away([])])
    picker = picker_of(made)
    assert picker.status.words == "PromptError: fake is away; start it"
    _sync.run(made.aclose())


def test_making_one_does_not_wait_for_the_source(tmp_path: Path) -> None:
    """A picker is there at once, however long a source takes to answer."""
    go_on = threading.Event()

    class Slow(FakeSource):
        async def list(self, *, query: str = "") -> list[PromptInfo]:
            await _until(go_on)
            return [PromptInfo(prompt_id="late", source="fake", kind="text", versions=("1",))]

    made = fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=[Slow([])])
    picker = PromptPicker(engine=made)
    assert picker.status.words == "Asking the prompt sources …"
    go_on.set()
    assert picker.settle()
    assert picker.name.options == ("late",)
    _sync.run(made.aclose())


async def _until(event: threading.Event) -> None:
    import asyncio

    await asyncio.to_thread(event.wait, 30)


def test_whoever_observes_the_value_is_told(engine: Engine) -> None:
    """A change of what is picked is a change of the trait `value`."""
    picker, seen = picker_of(engine, "reply"), []
    picker.observe(lambda change: seen.append(change["new"]), names="value")
    picker.versions.set_state({"index": [1]})
    assert seen == [["folder:reply@2"]]


def test_it_leaves_html_and_a_line_without_a_kernel(engine: Engine) -> None:
    """Beside the live widget stand a line of text and inert HTML: what is picked, its preview, its words, its code."""
    picker = picker_of(engine, "reply", cases=CASES)
    forms = picker._repr_mimebundle_()
    assert forms["text/plain"] == "PromptPicker: folder:reply@1"
    for words in ("Dear Ana, order A-17.", "folder:reply@1 → folder:reply@2", "tk.prompt(&#x27;folder:reply@1&#x27;)"):
        assert words in forms["text/html"]


def test_every_control_has_a_name(engine: Engine) -> None:
    """Each field and button has a description, and what changes is said to screen readers."""
    picker = picker_of(engine, "reply", cases=CASES)
    assert nameless(picker) == []
    assert 'role="status"' in picker.status.value


def test_nothing_of_a_prompt_is_markup(tmp_path: Path) -> None:
    """Names, texts, messages, configs and values that look like markup are shown as they are written."""
    payload = "<img src=x onerror=alert(1)>"
    made = make_engine(tmp_path)
    front = f"---\nmodel: '{payload}'\ncommit_message: '{payload}'\n---\n"
    (tmp_path / "prompts" / "odd.v1.prompt").write_text(f"{front}{payload} {{{{name}}}}", encoding="utf-8")
    (tmp_path / "prompts" / "odd.v2.prompt").write_text(f"{payload} {{{{name}}}} {payload}", encoding="utf-8")
    picker = picker_of(made, "odd", cases=[{"name": payload}])
    shown = [picker.about, picker.preview, picker.diff, picker.config, picker.json, picker.status]
    assert "<img" not in "".join(part.value for part in shown) + picker.static_html()
    assert "&lt;img" in picker.preview.value
    _sync.run(made.aclose())


def test_no_key_is_in_the_state(langfuse: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing that a page or a saved notebook gets of a picker holds a credential."""
    clean_environment(monkeypatch, tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "osprey-credential-4412")
    picker = picker_of(langfuse, "support/refund")
    state = state_of(picker) + str(picker._repr_mimebundle_())
    assert SECRET_KEY not in state
    assert "osprey" not in state
