"""A Langfuse server for prompts, as a process: `python -m tests.servers.fake_langfuse --port 0 [--seed prompts.json]`.

It takes the keys pk-lf-test and sk-lf-test. `--seed` names a JSON list of what would be posted to create prompts; a
seed is not checked. What `/_control` and `/_requests` do is written in `tests/servers/_fake.py`.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.servers._fake import FakeHandler, FakeState, Refused, serve
from tests.servers._langfuse_prompts import PromptTable

PUBLIC_KEY = "pk-lf-test"
SECRET_KEY = "sk-lf-test"
AUTHORIZATION = "Basic " + base64.b64encode(f"{PUBLIC_KEY}:{SECRET_KEY}".encode()).decode()
_PROMPTS = "/api/public/v2/prompts"
_NOT_FOUND_PAGE = '<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/><title>404</title></head></html>'


class _State(FakeState):
    prompts: PromptTable

    def forget(self) -> None:
        self.prompts = PromptTable()

    def hold(self, item: Any) -> None:
        self.prompts.create(item, checked=False)


class _Handler(FakeHandler):
    key_header = "authorization"
    key = AUTHORIZATION
    state: _State

    def respond(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
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


if __name__ == "__main__":
    serve(_Handler, _State(), __doc__)
