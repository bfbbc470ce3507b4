"""A Langfuse server for prompts, as a process: `python -m tests.servers.fake_langfuse --port 0 [--seed prompts.json]`.

It takes the keys pk-lf-test and sk-lf-test. `--seed` names a JSON list of what would be posted to create prompts.
`POST /_control` takes a map with any of:

- `next`: list of faults for the next answers, one each: `status`, `headers`, `body` (JSON or text), `delay_s`,
  `drop` (true = the connection is closed without an answer); an empty map lets the true answer through
- `delay_s`: seconds that each later answer takes
- `seed`: more prompts, unchecked
- `reset`: true = forget, before all else, the prompts, what was received, the faults and the delay

`GET /_requests` lists what was received: `method`, `path` with its query as it came, `authorization` (`none`, `valid`
or `wrong`), and `in_flight`, the requests at that moment, this one included.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.servers._langfuse_prompts import PromptTable, Refused

PUBLIC_KEY = "pk-lf-test"
SECRET_KEY = "sk-lf-test"
AUTHORIZATION = "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
_PROMPTS = "/api/public/v2/prompts"
_NOT_FOUND_PAGE = '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/><title>404</title></head></html>'


class _State:
    """What all connections share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.prompts = PromptTable()
        self.received: list[dict[str, Any]] = []
        self.faults: list[dict[str, Any]] = []
        self.delay_s = 0.0
        self.in_flight = 0

    def control(self, command: dict[str, Any]) -> None:
        with self.lock:
            if command.get("reset"):
                self.prompts = PromptTable()
                self.received, self.faults, self.delay_s = [], [], 0.0
            self.delay_s = command.get("delay_s", self.delay_s)
            self.faults += command.get("next", [])
            for body in command.get("seed", []):
                self.prompts.create(body, checked=False)

    def arrive(self, method: str, path: str, authorization: str) -> dict[str, Any]:
        """Notes a request and returns the fault that waits for it; an empty map when none does."""
        with self.lock:
            self.in_flight += 1
            self.received.append(
                {"method": method, "path": path, "authorization": authorization, "in_flight": self.in_flight}
            )
            return self.faults.pop(0) if self.faults else {}

    def leave(self) -> None:
        with self.lock:
            self.in_flight -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: in two pieces the second waits for the first one's receipt
    state: _State

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
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/_control":
            self.state.control(json.loads(body))
            return self._answer(200, {})
        if self.path == "/_requests":
            return self._answer(200, self.state.received)
        given = self.headers.get("authorization")
        authorization = "none" if given is None else "valid" if given == AUTHORIZATION else "wrong"
        fault = self.state.arrive(method, self.path, authorization)
        try:
            time.sleep(fault.get("delay_s", self.state.delay_s))
            if fault.get("drop"):
                self.close_connection = True
                return None
            if "status" in fault:
                return self._answer(fault["status"], fault.get("body", ""), fault.get("headers"))
            try:
                status, answer = self._route(method, authorization, json.loads(body) if body else None)
            except Refused as refused:
                status, answer = refused.status, refused.body
            return self._answer(status, answer)
        finally:
            self.state.leave()

    def _route(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
        path, _, query_text = self.path.partition("?")
        query = dict(parse_qsl(query_text))
        if path == "/api/public/health":
            return 200, {"status": "OK", "version": "4.16.0"}
        if not path.startswith("/api/public/"):
            return 404, _NOT_FOUND_PAGE
        if authorization == "none":
            raise Refused(401, {"message": "No authorization header", "error": "UnauthorizedError"})
        if authorization == "wrong":
            message = "Invalid credentials. Confirm that you've configured the correct host."
            raise Refused(401, {"message": message, "error": "UnauthorizedError"})
        with self.state.lock:
            return self._serve(method, path, query, body)

    def _serve(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        prompts = self.state.prompts
        if path == _PROMPTS:
            return (200, prompts.page(query)) if method == "GET" else (201, prompts.create(body))
        # An unencoded slash in a name is one part too many: the server knows no such page.
        match method, [unquote(part) for part in path.removeprefix(_PROMPTS + "/").split("/")]:
            case "GET", [name]:
                return 200, prompts.get(name, query)
            case "DELETE", [name]:
                prompts.delete(name)
                return 204, ""
            case "PATCH", [name, "versions", version]:
                return 200, prompts.move_labels(name, int(version), body["newLabels"])
        return 404, _NOT_FOUND_PAGE

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        is_text = isinstance(body, str)
        content = (body if is_text else json.dumps(body)).encode()
        self.send_response(status)
        sent = {"content-type": f"{'text/html' if is_text else 'application/json'}; charset=utf-8", **(headers or {})}
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


def main() -> None:
    """Serves until stdin is closed or the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=Path)
    arguments = parser.parse_args()
    _Handler.state = _State()
    if arguments.seed is not None:
        _Handler.state.control({"seed": json.loads(arguments.seed.read_text(encoding="utf-8"))})
    server = _Server(("127.0.0.1", arguments.port), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
