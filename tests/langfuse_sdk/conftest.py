"""A fake Langfuse in another process, and the real SDK in a third one."""

import json
import os
import select
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import AUTHORIZATION, PUBLIC_KEY, SECRET_KEY

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def _server() -> Iterator[ServerProcess]:
    with serving("tests.servers.fake_langfuse") as server:
        yield server


@pytest.fixture
def server(_server: ServerProcess) -> ServerProcess:
    """A fake Langfuse that holds nothing and has received nothing yet."""
    _server.control(reset=True)
    return _server


@pytest.fixture
def held(server: ServerProcess) -> Callable[[], dict[str, Any]]:
    """Gives what the fake holds at the moment."""
    return lambda: server.call("GET", "/_held")


@pytest.fixture
def ask(server: ServerProcess) -> Callable[..., Any]:
    """Gives the fake's answer to a plain request: method, path, body, and the query as keywords."""

    def asked(method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        whole = f"/api/public/{path}?{urllib.parse.urlencode(query)}" if query else f"/api/public/{path}"
        return server.call(method, whole, body, headers={"authorization": AUTHORIZATION})

    return asked


@pytest.fixture(scope="session")
def _worker(_server: ServerProcess) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE_", "OTEL_"))},
        "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
        "LANGFUSE_SECRET_KEY": SECRET_KEY,
        "LANGFUSE_HOST": _server.url,
        "LANGFUSE_BASE_URL": _server.url,
        "LANGFUSE_FLUSH_INTERVAL": "0.05",
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-m", "tests.langfuse_sdk._worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment, cwd=_ROOT
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def sdk(server: ServerProcess, _worker: subprocess.Popen[str]) -> Callable[[str], Any]:
    """Runs a script with the SDK's `client` for the fake, and gives the JSON that it prints last."""

    def run(script: str) -> Any:
        assert _worker.stdin is not None
        assert _worker.stdout is not None
        _worker.stdin.write(json.dumps(script) + "\n")
        assert select.select([_worker.stdout], [], [], _PATIENCE_S)[0], "the SDK did not come back"
        answer = json.loads(_worker.stdout.readline())
        assert "failed" not in answer, answer["failed"]
        return answer["printed"]

    return run
