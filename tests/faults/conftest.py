"""The servers, the project folder and the kernel of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.kernel import Kernel
from tests.faults.world import clean_environment, write_prompts
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine


@pytest.fixture(scope="module")
def fault_server() -> Iterator[ServerProcess]:
    """A server that does to its answers whatever can go wrong on a wire."""
    with serving("tests.servers.fault_server") as running:
        yield running


@pytest.fixture
def server(fault_server: ServerProcess) -> ServerProcess:
    """The same server, with nothing left of earlier tests."""
    fault_server.control(reset=True)
    return fault_server


@pytest.fixture(scope="module")
def openai_server():
    """An OpenAI-compatible service in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def project(openai_server, monkeypatch, tmp_path):
    """A project folder with two versions of a prompt, as the working directory; `openai/` is the server."""
    clean_environment(monkeypatch, tmp_path)
    write_prompts(tmp_path)
    openai_server.control(reset=True)
    openai_server.control(latency_ms=0)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{openai_server.url}/v1")
    yield tmp_path
    _sync.run(default_engine().aclose())
    set_default_engine(None)


@pytest.fixture
def kernel(project):
    """A kernel whose working directory is the project."""
    made = Kernel(project)
    made.run(
        "import asyncio, toolkit as tk\nfrom toolkit import _sync\n"
        "async def tasks():\n    return len(asyncio.all_tasks())\n"
    )
    yield made
    made.stop()
