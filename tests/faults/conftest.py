"""The faulty server of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers._process import ServerProcess, serving


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
