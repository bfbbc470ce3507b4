"""The least that a proxy in Python does: takes a JSON body and passes it on, looks at nothing and keeps nothing.

`proxy_cpu.py` measures it beside the real ones, as the limit of what uvicorn, asyncio and our HTTP client allow.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import uvicorn

from toolkit._http import HttpClient


def app(base: str) -> Any:
    """Returns an ASGI app that passes every POST on to `base`."""
    client = HttpClient()

    async def forward(scope: Any, receive: Any, send: Any) -> None:
        status, body = 200, b"{}"
        if scope["method"] == "POST":
            sent = json.loads((await receive())["body"])
            headers = {"authorization": "Bearer sk-benchmark-0000"}
            url = f"{base}/v1/chat/completions"
            answer = await client.request("POST", url, timeout_s=60, headers=headers, json_body=sent)
            status, body = answer.status, answer.body
        listed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": body})

    return forward


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    settings = {"loop": "asyncio", "http": "httptools", "lifespan": "off", "log_level": "critical"}
    uvicorn.run(app(asked.base), port=asked.port, **settings)
