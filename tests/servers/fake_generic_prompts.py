"""A prompt server with LiteLLM's generic endpoint: `python -m tests.servers.fake_generic_prompts --port 0`.

It takes the bearer token generic-test-key. A seed is a list of answers, with `prompt_id`; one with `query` is given
only for requests that have those query parameters too. What `/_control` and `/_requests` do is written in
`tests/servers/_fake.py`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from tests.servers._fake import FakeHandler, FakeState, Refused, serve

API_KEY = "generic-test-key"


class _State(FakeState):
    answers: list[dict[str, Any]]

    def forget(self) -> None:
        self.answers = []

    def hold(self, item: Any) -> None:
        self.answers.insert(0, item)


class _Handler(FakeHandler):
    key_header = "authorization"
    key = f"Bearer {API_KEY}"
    state: _State

    def respond(self, method: str, authorization: str, body: Any) -> tuple[int, Any]:
        path, _, query_text = self.path.partition("?")
        query = dict(parse_qsl(query_text))
        if authorization == "wrong":
            raise Refused(401, {"detail": "Invalid API key"})
        if method == "GET" and path == "/beta/litellm_prompt_management":
            for answer in self.state.answers:
                asked = {"prompt_id": answer["prompt_id"], **answer.get("query", {})}
                if asked.items() <= query.items():
                    return 200, {key: value for key, value in answer.items() if key != "query"}
            raise Refused(404, {"detail": f"Prompt '{query.get('prompt_id')}' not found"})
        raise Refused(404, {"detail": "Not Found"})


if __name__ == "__main__":
    serve(_Handler, _State(), __doc__)
