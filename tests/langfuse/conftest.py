"""A fake Langfuse in another process, with two versions of a prompt, and a run store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.langfuse.production import engine_of
from tests.langfuse.pushing import SEED
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit.engine import Engine
from toolkit.store import RunStore


@pytest.fixture(scope="session")
def _langfuse_server() -> Iterator[ServerProcess]:
    with serving("tests.servers.fake_langfuse") as running:
        yield running


@pytest.fixture
def langfuse(_langfuse_server: ServerProcess) -> ServerProcess:
    """A fake Langfuse that has received nothing yet, answers at once and holds `greet` in two versions."""
    _langfuse_server.control(reset=True, lag_s=0, seed=SEED)
    return _langfuse_server


@pytest.fixture
def engine(server: ServerProcess, tmp_path: Path) -> Iterator[Engine]:
    """A configuration whose Langfuse is the `server` of the file."""
    made = engine_of(server, tmp_path)
    yield made
    _sync.run(made.aclose())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    """A run store of its own."""
    made = RunStore(tmp_path / "runs.sqlite")
    yield made
    made.close()
