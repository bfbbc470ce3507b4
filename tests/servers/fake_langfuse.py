"""A Langfuse server as a process: `python -m tests.servers.fake_langfuse --port 0 [--seed prompts.json] [--latency s]`.

It takes the keys pk-lf-test and sk-lf-test and holds prompts, datasets, spans, scores and comments. `--seed` names a
JSON list of what would be posted to create prompts; a seed is not checked. What `/_control`, `/_requests` and `/_held`
do is written in `tests/servers/_fake.py`. Here `/_control` also takes:

- `lag_s`: seconds until a span or a score that came can be read
- `limit`: map from the beginning of a path to the requests that are let through, in one second (a number) or in
  another time (`[number, seconds]`); beyond it the answer is 429 with Retry-After and X-RateLimit-*
- `refuse`: list of beginnings of paths that the project's plan does not cover: 403
- `version`: what the server says that it is; below 4 it knows no observations v2, metrics v2, experiments or scores v3

As on a real server, a span that comes twice is two records, a prompt that is not held links to nothing, and a score
that comes again takes the place of the first only with the same identifier and timestamp (a single score without a
timestamp: with the same identifier).
`/_held` answers `observations`, `scores`, `datasets`, `items`, `run_items` and `comments`, whatever the lag.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import math
import time
import zlib
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.servers import _langfuse_otlp as otlp
from tests.servers._fake import FakeHandler, FakeState, Refused, serve
from tests.servers._langfuse_common import PROJECT, now
from tests.servers._langfuse_datasets import DatasetTable
from tests.servers._langfuse_prompts import PromptTable
from tests.servers._langfuse_scores import CommentTable, ScoreTable
from tests.servers._langfuse_traces import TraceTable

PUBLIC_KEY = "pk-lf-test"
SECRET_KEY = "sk-lf-test"
AUTHORIZATION = "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
_PROMPTS = "/api/public/v2/prompts"
_TRACES = "/api/public/otel/v1/traces"
_NEW_IN_4 = tuple(
    f"/api/public/{name}" for name in ("v2/observations", "v2/metrics", "experiments", "experiment-items", "v3/scores")
)
_NOT_FOUND_PAGE = '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/><title>404</title></head></html>'


class _State(FakeState):
    def forget(self) -> None:
        self.version = "4.16.0"
        self.limits: dict[str, Any] = {}
        self.refused: list[str] = []
        self._windows: dict[str, tuple[float, int]] = {}
        self.prompts = PromptTable()
        self.datasets = DatasetTable()
        self.scores = ScoreTable()
        self.traces = TraceTable(self._prompt_id, self.scores.of)
        self.comments = CommentTable(self._exists)

    def hold(self, item: Any) -> None:
        self.prompts.create(item, checked=False)

    def held(self) -> Any:
        return {
            "observations": self.traces.held(),
            "scores": self.scores.held(),
            "datasets": self.datasets.datasets,
            "items": list(self.datasets.items().values()),
            "run_items": self.datasets.run_items,
            "comments": self.comments.rows,
        }

    def control(self, command: dict[str, Any]) -> None:
        super().control(command)
        with self.lock:
            self.version = command.get("version", self.version)
            self.refused = command.get("refuse", self.refused)
            if "limit" in command:
                self.limits, self._windows = command["limit"], {}
            self.traces.lag_s = self.scores.lag_s = command.get("lag_s", self.traces.lag_s)

    def admit(self, path: str) -> None:
        """Counts a request; raises Refused when the plan does not cover it or its limit is used up."""
        if path.startswith(tuple(self.refused)):
            raise Refused(403, {"message": "Your plan does not cover this endpoint.", "error": "ForbiddenError"})
        for beginning, limit in self.limits.items():
            if not path.startswith(beginning):
                continue
            most, length_s = limit if isinstance(limit, list) else (limit, 1.0)
            since, used = self._windows.get(beginning, (0.0, 0))
            if time.monotonic() >= since + length_s:
                since, used = time.monotonic(), 0
            if used >= most:
                raise _limited(most, since + length_s - time.monotonic())
            self._windows[beginning] = (since, used + 1)

    def _prompt_id(self, name: str, version: int) -> str | None:
        found = (row["id"] for row in self.prompts.rows if (row["name"], row["version"]) == (name, version))
        return next(found, None)

    def _exists(self, kind: str, key: str) -> bool:
        if kind == "PROMPT":
            return any(row["id"] == key for row in self.prompts.rows)
        name = {"TRACE": "traceId", "OBSERVATION": "id", "SESSION": "sessionId"}[kind]
        return any(row[name] == key for row in self.traces.readable())


def _limited(most: int, wait_s: float) -> Refused:
    again_s = math.ceil(wait_s)
    reset = now() + dt.timedelta(seconds=wait_s)
    details = {"retryAfterSeconds": again_s, "limit": most, "remaining": 0, "resetAt": reset.isoformat()}
    headers = {
        "retry-after": str(again_s),
        "x-ratelimit-limit": str(most),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": reset.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)"),
    }
    return Refused(429, {"message": "Rate limit exceeded", "code": "rate_limited", "details": details}, headers)


class _Handler(FakeHandler):
    key_header = "authorization"
    key = AUTHORIZATION
    state: _State

    def read_body(self, content: bytes) -> Any:
        if self.headers.get("content-encoding") == "gzip":
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error):
                raise Refused(400, {"error": "Failed to decompress request body"}) from None
        if self.path == _TRACES:
            return otlp.read(content, self.headers.get("content-type", ""))
        return super().read_body(content)

    def noted(self) -> dict[str, Any]:
        if self.path != _TRACES:
            return {}
        names = ("content-type", "content-encoding", "x-langfuse-ingestion-version", "x-langfuse-sdk-version")
        return {"headers": {name: self.headers[name] for name in names if name in self.headers}}

    def respond(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
        path, _, query_text = self.path.partition("?")
        query = dict(parse_qsl(query_text))
        if path == "/api/public/health":
            return 200, {"status": "OK", "version": self.state.version}
        is_old = int(self.state.version.split(".")[0]) < 4
        if not path.startswith("/api/public/") or (is_old and path in _NEW_IN_4):
            return 404, _NOT_FOUND_PAGE
        if authorization == "none":
            raise Refused(401, {"message": "No authorization header", "error": "UnauthorizedError"})
        if authorization == "wrong":
            message = "Invalid credentials. Confirm that you've configured the correct host."
            raise Refused(401, {"message": message, "error": "UnauthorizedError"})
        with self.state.lock:
            self.state.admit(path)
            return self._serve(method, path, query, body)

    def _serve(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        state = self.state
        if path == _PROMPTS or path.startswith(_PROMPTS + "/"):
            return self._serve_prompts(method, path, query, body)
        if path == "/api/public/projects":
            return 200, {"data": [PROJECT]}
        if (method, path) == ("POST", _TRACES):
            return 200, self._ingest(body)
        return (
            state.datasets.answer(method, path, query, body)
            or state.traces.answer(method, path, query)
            or state.scores.answer(method, path, query, body)
            or state.comments.answer(method, path, query, body)
            or (404, _NOT_FOUND_PAGE)
        )

    def _serve_prompts(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
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

    def _ingest(self, body: Any) -> Any:
        version = self.headers.get("x-langfuse-ingestion-version")
        if version is not None and not (version.isdigit() and int(version) <= 4):
            raise Refused(400, {"error": f'Unsupported x-langfuse-ingestion-version: "{version}".'})
        answer = self.state.traces.take(body)
        return answer if otlp.JSON in self.headers.get("content-type", "") else otlp.as_protobuf(answer)


if __name__ == "__main__":
    serve(_Handler, _State(), __doc__)
