"""`tk.prompts` as a shelf: prompts taken out by name, and the names that completion offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.widgets.worlds import make_engine
from toolkit import _sync
from toolkit._records import PromptInfo
from toolkit.config import Settings
from toolkit.engine import Engine, set_default_engine
from toolkit.errors import PromptSourceError
from toolkit.testing import FakeSource, fake_engine


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    tk.prompts.forget()
    yield
    set_default_engine(None)
    tk.prompts.forget()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """The engine of every call: `reply` in two versions, and `greet`."""
    made = make_engine(tmp_path)
    set_default_engine(made)
    yield made
    _sync.run(made.aclose())


def test_prompts_are_taken_out_by_name(engine: Engine) -> None:
    """A name, a reference, or a name with a version or label behind a comma gives the prompt."""
    assert tk.prompts["reply"].reference == "folder:reply@2"
    assert tk.prompts["reply@production"].reference == "folder:reply@1"
    assert tk.prompts["reply", 1].reference == "folder:reply@1"
    assert tk.prompts["reply", "production"].reference == "folder:reply@1"


@pytest.mark.parametrize("key", [7, ("reply",), ("reply", 1, 2), ("reply", None)])
def test_other_keys_are_refused(engine: Engine, key: object) -> None:
    """What is neither a name nor a name with a version is refused with what was given."""
    with pytest.raises(tk.UsageError, match="taken out by"):
        tk.prompts[key]  # type: ignore[index]


def test_completion_knows_versions_and_labels(engine: Engine) -> None:
    """Behind a name stand its versions, newest first, as numbers, then its labels."""
    offered = [rest for name, rest in tk.prompts._ipython_key_completions_() if name == "reply"]
    assert offered == [2, 1, "production"]


def test_names_are_asked_for_once_a_minute(tmp_path: Path) -> None:
    """Completion asks the sources once for many letters; after `refresh` it asks again."""
    asked = []

    class Counted(FakeSource):
        async def list(self, *, query: str = "") -> list[PromptInfo]:
            asked.append(query)
            return await super().list(query=query)

    source = Counted([make_prompt()])
    set_default_engine(fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=[source]))
    for _ in range(5):
        assert tk.prompts.complete("gr") == [("greet", ("1",))]
    assert len(asked) == 1
    tk.refresh()
    tk.prompts.complete()
    assert len(asked) == 2


def test_a_source_that_fails_does_not_spoil_the_others(tmp_path: Path) -> None:
    """When a source cannot be asked, completion offers what the others have, and raises nothing."""

    class Away(FakeSource):
        async def list(self, *, query: str = "") -> list[PromptInfo]:
            raise PromptSourceError("away", source="away")

    sources = [Away([], name="away"), FakeSource([make_prompt()])]
    set_default_engine(fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=sources))
    assert tk.prompts.complete() == [("greet", ("1",))]


def test_a_name_in_two_sources_is_offered_with_each(tmp_path: Path) -> None:
    """A name that stands in two sources completes with its source; one that text cannot spell is not offered."""
    odd = make_prompt(prompt_id="a: b", source="one")
    sources = [FakeSource([make_prompt(source="one"), odd], name="one"), FakeSource([make_prompt()], name="two")]
    set_default_engine(fake_engine(Settings(home=tmp_path, prompts_folder=tmp_path / "none"), sources=sources))
    assert [name for name, _ in tk.prompts.complete()] == ["one:greet", "two:greet"]
