"""Starts a server module as a process of its own, waits until it says that it is ready, and stops it.

What such a module promises: run as `python -m tests.servers.<module> --port 0`, it binds 127.0.0.1, prints one JSON
line `{"port": N}` on stdout when it accepts connections, answers `POST /_control` (a JSON map, passed through as it is)
and `GET /_requests` (a JSON list, one map a request received), and ends when its stdin is closed or it is terminated.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]

# The proxy settings of the environment are not for loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Address without a trailing slash: `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self.port}"

    def control(self, **command: Any) -> Any:
        """Sends a command to `/_control` and returns its answer."""
        return self.call("POST", "/_control", command)

    def requests(self) -> list[dict[str, Any]]:
        """Returns what the server received, oldest first; its own `/_...` paths are left out."""
        received: list[dict[str, Any]] = self.call("GET", "/_requests")
        return received

    def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        """Returns the JSON answer to one request, made without the package under test."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=content, method=method)  # noqa: S310  loopback only
        request.add_header("content-type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        with _OPENER.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        """Ends the process; also how a test makes the host go away."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(module: str, *args: str) -> Iterator[ServerProcess]:
    """Runs `module` (`tests.servers.fake_langfuse`) for the length of the block.

    Raises:
        RuntimeError: If the process ends before it is ready; with what it wrote to stderr.
    """
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", "0", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            ready = process.stdout.readline()
            if not ready:
                process.wait(timeout=10)
                complaints.seek(0)
                raise RuntimeError(f"{module} ended before it was ready: {complaints.read()}")
            yield ServerProcess(port=json.loads(ready)["port"], process=process)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
