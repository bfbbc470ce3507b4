"""What pushing prompts makes, passes over and refuses: decided by contents alone; and what becomes of a draft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.prompts.versions import history
from tests.servers._process import ServerProcess
from toolkit._http import HttpClient
from toolkit._records import FrozenDict, Prompt, freeze
from toolkit._sync import run
from toolkit.config import Settings
from toolkit.errors import UsageError
from toolkit.prompts import FolderSource, LangfuseSource, Sources, check_draft, push_new
from toolkit.prompts._pushing import plan_push


@pytest.mark.parametrize(
    ("here", "theirs", "done"),
    [
        ("A", "", "write 1"),
        ("AB", "A", "write 2"),
        ("AB", "AB", "same 2"),
        # The numbers say nothing: contents do.
        ("ABC", "C", "same 1"),
        ("ABCD", "C", "write 2"),
        # Going back to an earlier text is a change like any other.
        ("ABA", "AB", "write 3"),
        # Langfuse has gone on: nothing here is new.
        ("A", "AB", "behind None"),
        # Both have gone on.
        ("AX", "AB", "conflict None"),
        ("X", "A", "conflict None"),
    ],
)
def test_a_new_version_is_made_where_the_newest_one_differs(here: str, theirs: str, done: str) -> None:
    """A push makes a version only of a new newest text, and only on top of what the folder has seen."""
    step = plan_push("reply", history(here, source="folder"), history(theirs))
    assert f"{step.action} {step.number}" == done


def test_force_pushes_onto_what_was_not_seen() -> None:
    """By force, a version is made also on top of one that the folder never had."""
    step = plan_push("reply", history("AX", source="folder"), history("AB"), is_forced=True)
    assert (step.action, step.number) == ("write", "3")


def draft(template: Any, *, name: str = "reply", config: dict[str, Any] | None = None) -> Prompt:
    """A prompt that is being written."""
    return Prompt(
        prompt_id=name,
        version="draft",
        kind="text" if isinstance(template, str) else "chat",
        template=freeze(template),
        source="draft",
        config=FrozenDict(config or {}),
    )


CHAT = [{"role": "user", "content": "Hi {{name}}"}]


@pytest.fixture(params=["folder", "langfuse"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, http: HttpClient, langfuse: ServerProcess, source: LangfuseSource
) -> Sources:
    """A source, folder or Langfuse, that holds `reply` with one text and, in Langfuse, the prompts of the recordings.

    Its name is the only one in `configured`.
    """
    target = FolderSource(tmp_path / "prompts") if request.param == "folder" else source
    run(target.push("reply", "Hello {{name}}"))
    return Sources(Settings(prompts_folder=tmp_path / "none"), http, extra={request.param: target})


def test_a_draft_becomes_the_next_version(place: Sources) -> None:
    """A draft that changes something is written under the next number, with its labels and message."""
    (name,) = place.configured
    stored = run(place.fetch(name, "reply", version="1"))
    made = run(push_new(place, draft("Hi {{name}}"), source=name, based_on=stored, labels=["staging"], message="short"))
    assert (made.reference, made.template) == (f"{name}:reply@2", "Hi {{name}}")
    assert "staging" in run(place.fetch(name, "reply", version="2")).labels
    assert run(place.history("reply", name))[-1].message == "short"


@pytest.mark.parametrize(
    ("template", "options", "says"),
    [
        ("Hello {{name}}", {}, "has this text and config already"),
        ("Hi {{name}}", {"labels": ["production"]}, "'production' is not put on a new version"),
        ("Hi {{name}}", {"labels": "staging"}, "is a list"),
        (CHAT, {}, "is text, and the draft is chat"),
    ],
)
def test_a_draft_that_makes_no_version_is_refused(
    place: Sources, template: Any, options: dict[str, Any], says: str
) -> None:
    """What changes nothing, is of the other kind, or asks for `production` is refused, and nothing is written."""
    (name,) = place.configured
    stored = run(place.fetch(name, "reply", version="1"))
    with pytest.raises(UsageError, match=says):
        run(push_new(place, draft(template), source=name, based_on=stored, **options))
    assert run(place.get(name).versions("reply")) == ("1",)


def test_a_draft_that_was_pushed_is_not_pushed_again(place: Sources) -> None:
    """A draft that equals the newest version is refused, also where it went on from an older one."""
    (name,) = place.configured
    stored = run(place.fetch(name, "reply", version="1"))
    run(push_new(place, draft("Hi {{name}}"), source=name, based_on=stored))
    with pytest.raises(UsageError, match=f"'{name}:reply@2' has this text"):
        run(push_new(place, draft("Hi {{name}}"), source=name, based_on=stored))


def test_another_config_is_a_change(place: Sources) -> None:
    """A draft of the same text with another config is a new version."""
    (name,) = place.configured
    stored = run(place.fetch(name, "reply", version="1"))
    made = run(push_new(place, draft("Hello {{name}}", config={"model": "m"}), source=name, based_on=stored))
    assert (made.version, dict(made.config)) == ("2", {"model": "m"})


def test_a_composed_prompt_is_not_flattened(
    langfuse: ServerProcess, source: LangfuseSource, http: HttpClient, tmp_path: Path
) -> None:
    """A draft that has the text of another prompt in place of its reference is refused; one that keeps it is taken."""
    sources = Sources(Settings(prompts_folder=tmp_path), http, extra={"langfuse": source})
    stored = run(source.get("composed"))
    flat = draft(f"{stored.template} More.", name="composed")
    with pytest.raises(UsageError, match="takes parts of other prompts in"):
        run(check_draft(sources, flat, source="langfuse", based_on=stored))
    kept = draft("Intro. @@@langfusePrompt:name=movie-critic|label=production@@@ End. More.", name="composed")
    made = run(push_new(sources, kept, source="langfuse", based_on=stored))
    assert made.template == "Intro. As a {{level}} movie critic, do you like {{movie}}? End. More."


def test_a_read_only_source_takes_no_draft(http: HttpClient, tmp_path: Path) -> None:
    """A source that cannot be written to refuses a draft and names those that can."""

    class Shelf:
        name = "shelf"

    sources = Sources(Settings(prompts_folder=tmp_path), http, extra={"shelf": Shelf()})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="'shelf' cannot be written to from here; langfuse and folder can"):
        run(check_draft(sources, draft("x"), source="shelf", based_on=None))
