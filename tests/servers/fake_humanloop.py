"""A Humanloop for prompts, as a process: `python -m tests.servers.fake_humanloop --port 0 [--seed prompts.json]`.

It takes the key hl-test-key-123456 in `X-Api-Key`, under `/v5`. A seed is a list of versions, oldest first, each in
the form of an answer, with `id` and `version_id`; without a query the newest version is given, as if it were the one
deployed by default. What `/_control` and `/_requests` do is written in `tests/servers/_fake.py`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.servers._fake import FakeHandler, FakeState, Refused, serve

API_KEY = "hl-test-key-123456"
_PROMPTS = "/v5/prompts"

# What every answer has beside what the seed says.
_REST = {
    "type": "prompt",
    "directory_id": None,
    "endpoint": "chat",
    "provider": "openai",
    "model": "gpt-4o",
    "template": None,
    "template_language": "default",
    "max_tokens": -1,
    "temperature": 1.0,
    "top_p": 1.0,
    "stop": None,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "other": None,
    "seed": None,
    "response_format": None,
    "reasoning_effort": None,
    "tools": [],
    "linked_tools": [],
    "attributes": None,
    "tags": [],
    "environments": [],
    "created_at": "2025-06-01T10:00:00.000000",
    "updated_at": "2025-06-02T10:00:00.000000",
    "last_used_at": "2025-06-03T10:00:00.000000",
    "version_logs_count": 7,
    "total_logs_count": 9,
    "inputs": [],
}


class _State(FakeState):
    versions: list[dict[str, Any]]

    def forget(self) -> None:
        self.versions = []

    def hold(self, item: Any) -> None:
        path = item.get("path", f"tests/{item['id']}")
        self.versions.append({**_REST, "path": path, "name": path.rpartition("/")[2], **item})


class _Handler(FakeHandler):
    key_header = "x-api-key"
    key = API_KEY
    state: _State

    def respond(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
        path, _, query_text = self.path.partition("?")
        query = dict(parse_qsl(query_text))
        if authorization != "valid":
            raise Refused(401, {"detail": "Invalid API key."})
        if path == _PROMPTS:
            return 200, self._page(query)
        match method, [unquote(part) for part in path.removeprefix(_PROMPTS + "/").split("/")]:
            case "GET", [prompt_id]:
                return 200, self._find(prompt_id, query)
            case "GET", [prompt_id, "versions"]:
                return 200, {"records": self._of(prompt_id)}
        raise Refused(404, {"detail": "Not Found"})

    def _of(self, prompt_id: str) -> list[dict[str, Any]]:
        found = [version for version in self.state.versions if version["id"] == prompt_id]
        if not found:
            raise Refused(404, {"detail": f"Prompt with ID {prompt_id} not found."})
        return found

    def _find(self, prompt_id: str, query: dict[str, str]) -> dict[str, Any]:
        found = self._of(prompt_id)
        if "version_id" in query:
            found = [version for version in found if version["version_id"] == query["version_id"]]
        if "environment" in query:
            found = [
                version
                for version in found
                if any(entry["name"] == query["environment"] for entry in version["environments"])
            ]
        if not found:
            raise Refused(404, {"detail": "Prompt version not found."})
        return found[-1]

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        page, size = int(query.get("page", "1")), int(query.get("size", "10"))
        newest = list({version["id"]: version for version in self.state.versions}.values())
        return {
            "records": newest[(page - 1) * size : page * size],
            "page": page,
            "size": size,
            "total": len(newest),
        }


if __name__ == "__main__":
    serve(_Handler, _State(), __doc__)
