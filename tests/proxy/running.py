"""Starts the proxy's command in another process, and speaks HTTP to it without the package under test."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["error"]
        return found

    @property
    def text(self) -> str:
        """What the model said, whole or streamed."""
        if self.headers["content-type"].startswith("text/event-stream"):
            return "".join(event["choices"][0]["delta"].get("content") or "" for event in self.events)
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def events(self) -> list[Any]:
        """The events of a stream as JSON; `[DONE]` is left out."""
        lines = self.body.decode().split("\n\n")
        return [json.loads(line.removeprefix("data: ")) for line in lines if line and line != "data: [DONE]"]


@dataclass(slots=True, kw_only=True)
class ProxyProcess:
    """A running proxy."""

    port: int
    process: subprocess.Popen[bytes]
    home: Path
    logs: Path
    """What it wrote to stdout and stderr."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answered:
        """Returns the answer to one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, content, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(status=answer.status, headers=named, body=answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answered:
        return self.send("GET", path, headers=headers)

    def post(self, body: Any, *, path: str = CHAT, headers: dict[str, str] | None = None) -> Answered:
        """Returns the answer to a body, JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content, {"content-type": "application/json", **(headers or {})})

    def ask(self, model: str, text: str = "hello", **fields: Any) -> Answered:
        """Returns the answer to one user message."""
        return self.post({"model": model, "messages": [{"role": "user", "content": text}], **fields})

    def raw(self, content: bytes, *, until_closed: bool = True) -> bytes:
        """Writes bytes as they are and returns what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(content)
            received = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(65536):
                    received += piece
                    if not until_closed:
                        break
            return received

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def log(self) -> str:
        return self.logs.read_text(encoding="utf-8", errors="replace")


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with nothing in it that the package reads, but what is given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "LANGFUSE_", "TOOLKIT_", "ANTHROPIC_"))
        and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "TOOLKIT_HOME": str(home), **more}


@contextlib.contextmanager
def proxy_command(
    folder: Path, config: str, *, arguments: Sequence[str] = (), headers: dict[str, str] | None = None, **environ: str
) -> Iterator[ProxyProcess]:
    """Runs `toolkit proxy` on a config.yaml for the length of the block.

    Raises:
        AssertionError: If it ends before it is ready; with what it wrote.
    """
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    logs, home = folder / "proxy.log", folder / "home"
    command = [sys.executable, "-m", "toolkit", "proxy", "--config", str(folder / "config.yaml"), "--port", "0"]
    with logs.open("wb") as written:
        process = subprocess.Popen(
            [*command, *arguments], stdout=written, stderr=written, cwd=folder, env=environment(home, **environ)
        )
        try:
            wait_until(lambda: process.poll() is not None or b"http://" in logs.read_bytes().partition(b"\n")[0])
            assert process.poll() is None, logs.read_text(encoding="utf-8")
            line = logs.read_text(encoding="utf-8").splitlines()[0]
            port = int(line.split("http://")[1].split()[0].rpartition(":")[2])
            yield ProxyProcess(port=port, process=process, home=home, logs=logs, headers=headers or {})
        finally:
            process.kill()
            process.wait()


def wait_until(condition: Any, *, at_most_s: float = 20.0) -> None:
    """Waits for a condition of another process, and fails when it never comes."""
    deadline = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.01)
