"""What sources tell of each version beside its text: labels, when it came, what its author wrote."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import make_prompt
from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import AUTHORIZATION
from toolkit._http import HttpClient
from toolkit._sync import run
from toolkit.config import Settings
from toolkit.errors import PromptNotFoundError
from toolkit.prompts import FolderSource, LangfuseSource, PromptVersion, Sources
from toolkit.testing import FakeSource

CREATE = "/api/public/v2/prompts"


def test_a_folder_tells_labels_change_and_message(tmp_path: Path) -> None:
    """A folder's versions come oldest first, with their labels, the file's last change and its commit message."""
    (tmp_path / "a.v1.prompt").write_text("---\nlabels: [production]\ncommit_message: first\n---\nx", encoding="utf-8")
    (tmp_path / "a.v2.prompt").write_text("y", encoding="utf-8")
    os.utime(tmp_path / "a.v1.prompt", (1_700_000_000, 1_700_000_000))
    first, second = run(FolderSource(tmp_path).history("a"))
    changed_at = dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)
    assert first == PromptVersion(version="1", labels=("production",), created_at=changed_at, message="first")
    assert (second.version, second.labels, second.message) == ("2", (), None)


def test_langfuse_tells_labels_date_and_message(langfuse: ServerProcess, source: LangfuseSource) -> None:
    """Langfuse's versions come oldest first, with labels, date of creation and commit message."""
    for number, message in ((1, None), (2, "shorter")):
        body = {"name": "told/so", "type": "text", "prompt": f"{number}", "commitMessage": message}
        langfuse.call("POST", CREATE, body, headers={"authorization": AUTHORIZATION})
    first, second = run(source.history("told/so"))
    assert (first.version, first.labels, first.message) == ("1", (), None)
    assert (second.version, second.labels, second.message) == ("2", ("latest",), "shorter")
    assert second.created_at is not None
    assert first.created_at is not None
    assert first.created_at < second.created_at


def test_of_a_long_history_the_newest_fifty_are_told(langfuse: ServerProcess, source: LangfuseSource) -> None:
    """Of more than fifty versions the newest are told in full, with one request each, the older by their numbers."""
    for number in range(53):
        body = {"name": "long", "type": "text", "prompt": f"{number}", "commitMessage": "m"}
        langfuse.call("POST", CREATE, body, headers={"authorization": AUTHORIZATION})
    told = run(source.history("long"))
    assert [each.version for each in told] == [str(number) for number in range(1, 54)]
    assert [each.message for each in told] == [None] * 3 + ["m"] * 50


def test_a_prompt_that_is_not_there_is_an_error(source: LangfuseSource, tmp_path: Path) -> None:
    """Asking for the history of a prompt that does not exist is the error that `get` gives."""
    with pytest.raises(PromptNotFoundError):
        run(source.history("nowhere"))
    with pytest.raises(PromptNotFoundError):
        run(FolderSource(tmp_path).history("nowhere"))


def test_a_source_without_history_tells_its_numbers(http: HttpClient, tmp_path: Path) -> None:
    """Of a source that tells no history, the versions come with nothing but their numbers."""
    plain = FakeSource([make_prompt("a"), make_prompt("b", version="2")])
    sources = Sources(Settings(prompts_folder=tmp_path), http, extra={"fake": plain})
    assert run(sources.history("greet", "fake")) == (PromptVersion(version="1"), PromptVersion(version="2"))


def test_what_is_configured_is_listed(
    http: HttpClient, tmp_path: Path, make_source: Callable[..., LangfuseSource]
) -> None:
    """The configured sources are those that there is something to ask of, the default one among them."""
    extra = {"fake": FakeSource([])}
    assert Sources(Settings(prompts_folder=tmp_path / "none"), http).configured == ()
    assert Sources(Settings(prompts_folder=tmp_path), http, extra=extra).configured == ("fake", "folder")
    humanloop = Settings(prompts_folder=tmp_path, prompt_source="humanloop")
    assert Sources(humanloop, http).configured == ("folder", "humanloop")
