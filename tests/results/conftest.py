"""A prompt in a folder and in a Langfuse, to move labels on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results.promoting import Folder, Langfuse, Place, results_of
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit.results import Promotion


@pytest.fixture(scope="module")
def langfuse_server() -> Iterator[ServerProcess]:
    """The fake Langfuse, in another process."""
    with serving("tests.servers.fake_langfuse") as running:
        yield running


@pytest.fixture
def langfuse(langfuse_server: ServerProcess) -> Iterator[Langfuse]:
    """The prompt in a Langfuse."""
    http = HttpClient()
    yield Langfuse(langfuse_server, http)
    _sync.run(http.aclose())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The prompt in a folder."""
    return Folder(tmp_path / "prompts")


@pytest.fixture(params=["folder", "langfuse"])
def place(request: pytest.FixtureRequest) -> Place:
    """The prompt in either."""
    made: Place = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> Promotion:
    """A promotion of version 2 that waits to be confirmed, as a notebook gets it."""
    monkeypatch.setattr("toolkit.results._promotion_face.has_kernel", lambda: True)
    return results_of(place).promote("reply@2")
