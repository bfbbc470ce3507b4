"""What the measurements stand on: servers that write down what arrives, the two contenders, and their proxies."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers._process import ServerProcess, serving  # noqa: E402  found only now

# LiteLLM's proxy does not start without one that is hard to guess.
MASTER_KEY = "sk-5b1c9e0f7a3d48d2b6e1f09c8a7d6e5f4c3b2a190817263544f5e6d7c8b9a0f1"
OTHER_KEYS = ("pk-lf-other", "sk-lf-other")
CHAT = "/v1/chat/completions"
_READ_BY_THEM = ("OPENAI_", "LANGFUSE_", "TOOLKIT_", "ANTHROPIC_", "LITELLM_", "HUMANLOOP_")


def basic(public: str, secret: str) -> str:
    """A Basic authorization."""
    return "Basic " + b64encode(f"{public}:{secret}".encode()).decode()


class NotStarted(Exception):
    """A proxy that ended, or did not answer in time; with what it wrote."""


@dataclass(slots=True, kw_only=True)
class Ground:
    """The servers, and what has arrived at them since the last `forget`."""

    openai: ServerProcess
    anthropic: ServerProcess
    langfuse: ServerProcess
    other: ServerProcess
    """A second Langfuse, with keys of its own."""
    generic: ServerProcess
    folder: Path
    seen: dict[str, int] = field(default_factory=dict)

    def forget(self) -> None:
        """Starts the list of what arrived anew."""
        for server in (self.openai, self.anthropic):
            server.control(reset=True)
        self.seen = {name: len(server.requests()) for name, server in self.prompt_servers().items()}

    @property
    def elsewhere(self) -> str:
        """The provider under another origin, which no key was given for."""
        return f"http://localhost:{self.openai.port}/elsewhere/v1"

    def prompt_servers(self) -> dict[str, ServerProcess]:
        """The servers that hold prompts; they keep their prompts, so their list is not emptied."""
        return {"langfuse": self.langfuse, "other langfuse": self.other, "generic": self.generic}

    def arrived(self) -> list[str]:
        """One line for each request: who got it, with which credential, and what it asked for."""
        lines = []
        for name, server in self.prompt_servers().items():
            for request in server.requests()[self.seen.get(name, 0) :]:
                if request["method"] == "GET":
                    path = urllib.parse.unquote(request["path"]).removeprefix("/api/public/v2/prompts")
                    lines.append(f"{name} [{request['authorization']}] {path}")
        for name, server in (("openai", self.openai), ("anthropic", self.anthropic)):
            for request in server.requests():
                key = request["headers"].get("authorization", "") or request["headers"].get("x-api-key", "")
                place = request["path"].removeprefix("/v1").removesuffix("/chat/completions")
                body = json.dumps(request["body"], ensure_ascii=False)
                evil = " with x-evil" if "x-evil" in request["headers"] else ""
                lines.append(f"{name}{place and ' ' + place} [{key.removeprefix('Bearer ')}]{evil} {body}")
        return lines

    def environ(self, **more: str) -> dict[str, str]:
        """The contender's environment: these servers, keys for them, and no way to any other; "" unsets a name."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_READ_BY_THEM) and not name.lower().endswith("_proxy")
        }
        whole = kept | {
            "LANGFUSE_HOST": self.langfuse.url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
            "LANGFUSE_SECRET_KEY": "sk-lf-test",
            "OPENAI_API_KEY": "k-environment",
            "OPENAI_BASE_URL": f"{self.openai.url}/v1",
            "ANTHROPIC_API_KEY": "k-environment",
            # Whoever asks another host by HTTPS is seen to try.
            "HTTPS_PROXY": self.openai.url,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "TOOLKIT_HOME": str(self.folder / "home"),
        } | more  # fmt: skip
        return {name: value for name, value in whole.items() if value}


@contextlib.contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Runs the servers, which hold nothing yet, for the length of the block."""
    with (
        serving("tests.servers.fake_openai") as openai,
        serving("tests.servers.fake_anthropic") as anthropic,
        serving("tests.servers.fake_langfuse") as langfuse,
        serving("tests.servers.fake_langfuse", "--key", basic(*OTHER_KEYS)) as other,
        serving("tests.servers.fake_generic_prompts") as generic,
    ):
        yield Ground(
            openai=openai, anthropic=anthropic, langfuse=langfuse, other=other, generic=generic, folder=folder
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Who is measured."""

    module: str
    python: str

    @contextlib.contextmanager
    def calls(self, at: Ground, **environ: str) -> Iterator[Callable[[Mapping[str, Any]], dict[str, Any]]]:
        """Yields what makes one call in a process of its own and returns what the caller saw."""
        command = [self.python, str(ROOT / "scripts" / "measure_litellm_call.py"), self.module]
        process = subprocess.Popen(
            command, env=at.environ(**environ), cwd=at.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  both were asked for
        questions, answers = process.stdin, process.stdout

        def call(case: Mapping[str, Any]) -> dict[str, Any]:
            questions.write(json.dumps(case) + "\n")
            questions.flush()
            seen: dict[str, Any] = json.loads(answers.readline())
            return seen

        try:
            if answers.readline() != "ready\n":
                raise RuntimeError(f"{self.module} cannot be imported by {self.python}.")
            yield call
        finally:
            questions.close()
            process.wait(timeout=60)
            answers.close()

    def proxy_command(self, config: Path, port: int, arguments: Sequence[str]) -> list[str]:
        """How the proxy is started."""
        given = ["--config", str(config), "--port", str(port), *arguments]
        if self.module == "toolkit":
            return [self.python, "-m", "toolkit", "proxy", *given]
        return [self.python, "-c", "from litellm import run_server; run_server()", *given, "--num_workers", "1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        """Status, and the answer's model and text, or its error."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line.strip()]
            chunks = [json.loads(event) for event in events if event.startswith("{")]
            models = sorted({str(chunk.get("model")) for chunk in chunks})
            return f"{self.status} stream of {len(chunks)}, last {events[-1][:60]!r}, model {models}"
        try:
            shown = json.loads(self.body)
        except ValueError:
            return f"{self.status} {self.body[:200]!r}"
        if isinstance(shown, dict) and "choices" in shown:
            return f"{self.status} model={shown['model']!r}"
        return f"{self.status} {json.dumps(shown)[:400]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running proxy."""

    port: int
    pid: int
    logs: Path

    def send(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Answer:
        """Returns the answer to one request; the master key is sent when no `authorization` is given."""
        sent = {"authorization": f"Bearer {MASTER_KEY}"} | headers
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, content, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, headers=named, body=answer.read())
        finally:
            connection.close()

    def ask(self, body: Any, *, path: str = CHAT, **headers: str) -> Answer:
        """Returns the answer to a JSON body."""
        return self.send("POST", path, json.dumps(body).encode(), **{"content-type": "application/json"} | headers)


@contextlib.contextmanager
def proxy(
    who: Contender,
    at: Ground,
    config: str | Mapping[str, Any],
    *,
    arguments: Sequence[str] = ("--host", "127.0.0.1"),
    within_s: float = 90,
    memory_mb: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Proxy]:
    """Runs a contender's proxy on a config.yaml for the length of the block.

    `config` is the file's text, or what it holds; `memory_mb` the most address space that the process may have.

    Raises:
        NotStarted: If it ends or does not answer in time; with the last lines that it wrote.
    """
    written = at.folder / f"{who.module}.yaml"
    written.write_text(config if isinstance(config, str) else json.dumps(config, indent=1), encoding="utf-8")
    port, logs = free_port(), at.folder / f"{who.module}.log"

    def limit() -> None:
        if memory_mb is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))

    with logs.open("wb") as output:
        process = subprocess.Popen(
            who.proxy_command(written, port, arguments), cwd=at.folder, env=at.environ(**environ or {}),
            stdout=output, stderr=output, preexec_fn=limit,
        )  # fmt: skip
        try:
            running = Proxy(port=port, pid=process.pid, logs=logs)
            wait_until_up(running, process, within_s)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_up(running: Proxy, process: subprocess.Popen[bytes], within_s: float) -> None:
    """Returns once the proxy answers.

    Raises:
        NotStarted: If it ends before, or not in time.
    """
    deadline = time.monotonic() + within_s
    peak_mb = 0
    while time.monotonic() < deadline and process.poll() is None:
        peak_mb = max(peak_mb, resident_mb(running.pid))
        with contextlib.suppress(OSError, http.client.HTTPException):
            if running.send("GET", "/v1/models").status < 500:
                return
        time.sleep(0.2)
    lines = [line for line in running.logs.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    ended = f"ended with {process.returncode}" if process.poll() is not None else f"no answer within {within_s:.0f} s"
    raise NotStarted(f"{ended}, {peak_mb} MB: {' / '.join(line.strip() for line in lines[-3:])[-400:]}")


def resident_mb(pid: int) -> int:
    """Memory that a process holds."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1_000_000
    return 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


Ask = Mapping[str, Any] | Callable[[Proxy, Ground], str]
"""A JSON body, with `_headers` and `_path` beside its fields; or what finds out by itself and says what it saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One config.yaml, and what is asked of the proxy that runs on it."""

    title: str
    config: str | Mapping[str, Any]
    asks: Mapping[str, Ask] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ("--host", "127.0.0.1")
    within_s: float = 90
    memory_mb: int | None = None


def measured(who: Contender, at: Ground, starts: Sequence[Start], wanted: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields each ask's title, what the client saw, and what arrived; for a proxy that does not start, why."""
    for start in starts:
        asks = {title: ask for title, ask in start.asks.items() if wanted in f"{start.title}: {title}"}
        if not asks and wanted not in start.title:
            continue
        at.forget()
        try:
            with proxy(
                who, at, start.config, arguments=start.arguments, within_s=start.within_s, memory_mb=start.memory_mb,
                environ=start.environ,
            ) as running:  # fmt: skip
                yield start.title, "it started", at.arrived()
                for title, ask in asks.items():
                    at.forget()
                    yield f"{start.title}: {title}", asked(running, at, ask), at.arrived()
        except NotStarted as problem:
            yield start.title, f"it did not start: {problem}", at.arrived()


def asked(running: Proxy, at: Ground, ask: Ask) -> str:
    """Makes one ask and returns what the client saw."""
    if callable(ask):
        return ask(running, at)
    body = {name: value for name, value in ask.items() if not name.startswith("_")}
    answer = running.ask(body, path=ask.get("_path", CHAT), **ask.get("_headers", {}))
    return str(answer)
