"""What the fake prompt servers share: faults on demand, a list of what was received, JSON out, ends with its stdin.

`POST /_control` takes a map with any of:

- `next`: list of faults for the next answers, one each: `status`, `headers`, `body` (JSON or text), `delay_s`,
  `drop` (true = the connection is closed without an answer), `drop_after` (true = what was asked is done, then the
  connection is closed without an answer); an empty map lets the true answer through. A fault with a `path`, and
  perhaps a `method`, waits for a request whose path begins so
- `delay_s`: seconds that each later answer takes
- `seed`: what the server is to hold beside what it has
- `reset`: true = forget, before all else, what it holds, what was received, the faults and the delay

`GET /_requests` lists what was received: `method`, `path` with its query as it came, `body`, `authorization` (`none`,
`valid` or `wrong`), and `in_flight`, the requests at that moment, this one included. `GET /_held` shows what the server
holds, where it has something to show.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Refused(Exception):
    """An answer that is not a success: status, body, and headers of its own."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers


class FakeState:
    """What all connections share; a server says what it holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.received: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.delay_s = 0.0
        self.in_flight = 0
        self.forget()

    def forget(self) -> None:
        """Empties what the server holds."""

    def hold(self, item: Any) -> None:
        """Takes one item of a seed."""

    def held(self) -> Any:
        """Shows what the server holds."""
        return {}

    def control(self, command: dict[str, Any]) -> None:
        with self.lock:
            if command.get("reset"):
                self.forget()
                self.received, self.faults, self.delay_s = [], [], 0.0
            self.delay_s = command.get("delay_s", self.delay_s)
            self.faults += command.get("next", [])
            for item in command.get("seed", []):
                self.hold(item)

    def arrive(self, received: dict[str, Any]) -> dict[str, Any]:
        """Notes a request and returns the fault that waits for it; an empty map when none does."""
        with self.lock:
            self.in_flight += 1
            self.received.append({**received, "in_flight": self.in_flight})
            for index, fault in enumerate(self.faults):
                is_method = fault.get("method", received["method"]) == received["method"]
                if is_method and received["path"].startswith(fault.get("path", "")):
                    return self.faults.pop(index)
            return {}

    def leave(self) -> None:
        with self.lock:
            self.in_flight -= 1


class FakeHandler(BaseHTTPRequestHandler):
    """One connection; a server says which header is the credential, and what it answers."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: in two pieces the second waits for the first one's receipt
    state: FakeState
    key_header: str
    key: str

    def respond(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
        """Returns status and body; raises Refused for what is not a success."""
        raise NotImplementedError

    def read_body(self, content: bytes) -> Any:
        """Returns what a request's content says; raises Refused for what cannot be read."""
        return json.loads(content) if content else None

    def noted(self) -> dict[str, Any]:
        """Returns what else of a request is listed by `/_requests`."""
        return {}

    def do_GET(self) -> None:
        self._take("GET")

    def do_POST(self) -> None:
        self._take("POST")

    def do_PATCH(self) -> None:
        self._take("PATCH")

    def do_DELETE(self) -> None:
        self._take("DELETE")

    def log_message(self, *_: object) -> None:
        """Says nothing: the list of requests says it."""

    def _take(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = self.read_body(content)
        except Refused as refused:
            return self._answer(refused.status, refused.body)
        if self.path == "/_control":
            self.state.control(body)
            return self._answer(200, {})
        if self.path == "/_requests":
            return self._answer(200, self.state.received)
        if self.path == "/_held":
            with self.state.lock:
                held = self.state.held()
            return self._answer(200, held)
        given = self.headers.get(self.key_header)
        authorization = "none" if given is None else "valid" if given == self.key else "wrong"
        received = {"method": method, "path": self.path, "authorization": authorization, "body": body, **self.noted()}
        fault = self.state.arrive(received)
        try:
            time.sleep(fault.get("delay_s", self.state.delay_s))
            if fault.get("drop"):
                self.close_connection = True
                return None
            if "status" in fault:
                return self._answer(fault["status"], fault.get("body", ""), fault.get("headers"))
            headers = None
            try:
                status, answer = self.respond(method, authorization, body)
            except Refused as refused:
                status, answer, headers = refused.status, refused.body, refused.headers
            if fault.get("drop_after"):
                self.close_connection = True
                return None
            return self._answer(status, answer, headers)
        finally:
            self.state.leave()

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        kind = f"{'text/html' if isinstance(body, str) else 'application/json'}; charset=utf-8"
        if isinstance(body, bytes):
            kind, content = "application/x-protobuf", body
        else:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        sent = {"content-type": kind, **(headers or {})}
        for name, value in sent.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def serve(handler: type[FakeHandler], state: FakeState, description: str | None) -> None:
    """Serves until stdin is closed or the process is ended."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=Path)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    parser.add_argument("--key", help="what the credential's header must say, instead of the server's usual")
    arguments = parser.parse_args()
    handler.state = state
    handler.key = arguments.key or handler.key
    state.delay_s = arguments.latency
    if arguments.seed is not None:
        state.control({"seed": json.loads(arguments.seed.read_text(encoding="utf-8"))})
    server = _Server(("127.0.0.1", arguments.port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()
