"""A service that speaks OpenAI's chat completions: deterministic answers, scripted faults, a list of what came in.

An answer is `<8 hex digits> <last user message>`; the digits depend on `--seed` and on the body apart from `stream` and
`stream_options`. `POST /_control` takes one JSON map:

- `{"reset": true}` forgets faults and requests; `{"latency_ms": 20}` changes the delay of every answer;
- anything else is a fault for the next requests: `times` (default 1, `null` = for ever), `match` (only when the
  messages contain this text), `delay_s`, `status`, `headers` (map or list of pairs), `body` (text, or JSON),
  `body_base64`, `content_type`, `sse` (text of an event stream, verbatim), `cut` (`"before"` the first byte, or after
  that many bytes of the body), `piece_bytes` and `gap_s` (how the body dribbles out), `content_length` (said instead
  of the truth), `hang_s` (stays open and silent after the body).

`GET /_requests` lists what came in: path, headers, body, digest of the body, seconds on the monotonic clock.
`GET /_counts` gives requests by digest; `GET /_stats` the total, the most that were in flight at once, and those now.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import hashlib
import json
import sys
import threading
import time
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
MODELS = ("small", "large", "gpt-4o-mini")
PATHS = ("/chat/completions",)
FAULT_KEYS = {
    "times", "match", "delay_s", "status", "headers", "body", "body_base64", "content_type", "sse", "cut",
    "piece_bytes", "gap_s", "content_length", "hang_s",
}  # fmt: skip


class Fake:
    """What the server knows: its settings, the faults still to come, and what it received."""

    paths: tuple[str, ...] = PATHS
    """Ends of the paths that are answered with a completion."""
    fault_keys: set[str] = FAULT_KEYS
    """What a fault may say."""

    def __init__(self, *, latency_ms: float, seed: int, required_key: str | None) -> None:
        self.latency_ms = latency_ms
        self.seed = seed
        self.required_key = required_key
        self.faults: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.in_flight = 0
        self.most_in_flight = 0

    def control(self, command: dict[str, Any]) -> dict[str, Any]:
        """Follows one command; an unknown one is answered with `error`, which a test cannot overlook."""
        if command.get("reset"):
            self.faults.clear()
            self.received.clear()
            self.most_in_flight = 0
        elif "latency_ms" in command:
            self.latency_ms = float(command["latency_ms"])
        elif unknown := sorted(set(command) - self.fault_keys):
            return {"error": f"unknown: {unknown}"}
        else:
            self.faults.append({"times": 1, **command})
        return {"ok": True}

    def fits(self, fault: dict[str, Any], messages: str, body: dict[str, Any]) -> bool:
        """Whether a fault is for this request."""
        return fault.get("match") is None or fault["match"] in messages

    def next_fault(self, messages: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The first fault that fits this request; one that is used up goes."""
        for fault in self.faults:
            if self.fits(fault, messages, body):
                if fault["times"] is not None:
                    fault["times"] -= 1
                    if fault["times"] <= 0:
                        self.faults.remove(fault)
                return fault
        return None

    def serves(self, path: str) -> Any:
        """What a GET of one of the server's own paths shows; `None` when it is none of them."""
        digests = collections.Counter(request["digest"] for request in self.received)
        return {
            "/_requests": self.received,
            "/_counts": dict(digests),
            "/_stats": {
                "total": len(self.received),
                "most_in_flight": self.most_in_flight,
                "in_flight": self.in_flight,
            },
            "/v1/models": {"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]},
        }.get(path)

    def words(self, body: dict[str, Any], *, limit: int | None) -> tuple[str, list[str], bool]:
        """The digest of one body, the words of its answer, and whether the limit cuts them."""
        asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        text_of_body = json.dumps(asked, sort_keys=True)
        digest = hashlib.sha256(f"{self.seed}:{text_of_body}".encode()).hexdigest()
        last = next((text_of(m) for m in reversed(body["messages"]) if m.get("role") == "user"), "")
        words = f"{digest[:8]} {last}".split()
        return digest, words[:limit], limit is not None and limit < len(words)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The whole chat completion for one body."""
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        digest, words, is_cut = self.words(body, limit=limit)
        prompt_tokens = sum(len(text_of(message).split()) for message in body["messages"])
        return {
            "id": f"chatcmpl-{digest[:12]}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": " ".join(words), "refusal": None},
                    "logprobs": None,
                    "finish_reason": "length" if is_cut else "stop",
                }
            ],
            "usage": usage(prompt_tokens, len(words)),
            "system_fingerprint": "fp_fake",
        }

    def events(self, body: dict[str, Any], *, include_usage: bool | None = None) -> str:
        """The same answer as an event stream; `include_usage` `None` = as the body asks."""
        if include_usage is None:
            include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return stream_of(self.answer(body), include_usage=include_usage)

    def error(self, message: str, *, error_type: str, code: str | None) -> dict[str, Any]:
        """An error as this service writes it."""
        return error_body(message, error_type=error_type, code=code)

    def refusal(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Status and body of a request that is not let in; `None` when it is."""
        given = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("api-key", "")
        if self.required_key is None or given == self.required_key:
            return None
        message = f"Incorrect API key provided: {given}."
        return 401, self.error(message, error_type="invalid_request_error", code="invalid_api_key")


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Token counts as OpenAI writes them."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def text_of(message: dict[str, Any]) -> str:
    """A message's text, parts joined."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def stream_of(whole: dict[str, Any], *, include_usage: bool) -> str:
    """The events of the same answer streamed, one word an event."""
    head = {name: whole[name] for name in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"
    choice = whole["choices"][0]
    words = choice["message"]["content"].split(" ")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": word if index == 0 else f" {word}"} for index, word in enumerate(words)]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if include_usage:
        chunks.append({**head, "choices": [], "usage": whole["usage"]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def error_body(message: str, *, error_type: str, code: str | None) -> dict[str, Any]:
    """An error as OpenAI writes it."""
    return {"error": {"message": message, "type": error_type, "param": None, "code": code}}


class Connection:
    """One connection, kept alive over many requests."""

    def __init__(self, fake: Fake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.fake = fake
        self.reader = reader
        self.writer = writer

    async def serve(self) -> None:
        """Answers until the other side goes, or a fault cuts."""
        try:
            while await self.serve_one():
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writer.close()

    async def serve_one(self) -> bool:
        """Answers one request; false when the connection is over."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        path = target.partition("?")[0]
        if path == "/_control":
            return await self.send_json(200, self.fake.control(json.loads(content)))
        if method == "GET":
            refused = None if path.startswith("/_") else self.fake.refusal(headers, {})
            if refused is not None:
                return await self.send_json(*refused)
            shown = self.fake.serves(path)
            found = shown is not None
            return await self.send_json(200 if found else 404, shown if found else error_body(
                f"Unknown path {path}", error_type="invalid_request_error", code="unknown_url"))  # fmt: skip
        self.fake.in_flight += 1
        self.fake.most_in_flight = max(self.fake.most_in_flight, self.fake.in_flight)
        try:
            return await self.complete(path, headers, content)
        finally:
            self.fake.in_flight -= 1

    async def complete(self, path: str, headers: dict[str, str], content: bytes) -> bool:
        """Answers one chat completion, by the next fault that fits or as it should be."""
        body = json.loads(content) if content else {}
        self.fake.received.append({"path": path, "headers": headers, "body": body, "at_s": time.monotonic(),
                                   "digest": hashlib.sha256(content).hexdigest()[:16]})  # fmt: skip
        messages = "\n".join(text_of(message) for message in body.get("messages", []))
        fault = self.fake.next_fault(messages, body)
        delay_s = (fault or {}).get("delay_s", self.fake.latency_ms / 1000)
        if delay_s:
            await asyncio.sleep(delay_s)
        if fault is not None:
            return await self.misbehave(fault, body)
        if not path.endswith(self.fake.paths):
            unknown = self.fake.error(f"Unknown path {path}", error_type="invalid_request_error", code="unknown_url")
            return await self.send_json(404, unknown)
        refused = self.fake.refusal(headers, body)
        if refused is not None:
            return await self.send_json(*refused)
        if not body.get("stream"):
            return await self.send_json(200, self.fake.answer(body))
        return await self.send(200, self.fake.events(body).encode(), "text/event-stream")

    async def misbehave(self, fault: dict[str, Any], body: dict[str, Any]) -> bool:
        """Answers as a fault says; what it leaves open is as it should be."""
        if fault.get("cut") == "before":
            self.writer.transport.abort()
            return False
        content, content_type = self.content(fault, body)
        headers = fault.get("headers", {})
        return await self.send(
            fault.get("status", 200),
            content,
            fault.get("content_type", content_type),
            headers=list(headers.items()) if isinstance(headers, dict) else [tuple(pair) for pair in headers],
            fault=fault,
        )

    def content(self, fault: dict[str, Any], body: dict[str, Any]) -> tuple[bytes, str]:
        """The body of a faulty answer, and its content type."""
        content_type = "application/json"
        if "sse" in fault:
            content, content_type = fault["sse"].encode("utf-8", "surrogatepass"), "text/event-stream"
        elif "body_base64" in fault:
            content = base64.b64decode(fault["body_base64"])
        elif "body" in fault:
            content = (fault["body"] if isinstance(fault["body"], str) else json.dumps(fault["body"])).encode()
        elif body.get("stream") and fault.get("status", 200) == 200:
            content, content_type = self.fake.events(body, include_usage=True).encode(), "text/event-stream"
        elif fault.get("status", 200) == 200:
            content = json.dumps(self.fake.answer(body)).encode()
        else:
            content = json.dumps(self.fake.error("Scripted fault.", error_type="scripted", code=None)).encode()
        return content, content_type

    async def send_json(self, status: int, value: Any) -> bool:
        """Sends a JSON answer."""
        return await self.send(status, json.dumps(value).encode(), "application/json")

    async def send(
        self,
        status: int,
        content: bytes,
        content_type: str,
        *,
        headers: list[tuple[str, str]] | None = None,
        fault: dict[str, Any] | None = None,
    ) -> bool:
        """Sends one answer: an event stream in chunks, everything else with its length."""
        fault = fault or {}
        is_stream = content_type.startswith("text/event-stream") and "content_length" not in fault
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}", f"content-type: {content_type}",
                 f"x-request-id: req-{len(self.fake.received)}"]  # fmt: skip
        if is_stream:
            lines.append("transfer-encoding: chunked")
        else:
            lines.append(f"content-length: {fault.get('content_length', len(content))}")
        lines += [f"{name}: {value}" for name, value in headers or []]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        cut = fault.get("cut")
        sent = content if cut is None else content[:cut]
        size = fault.get("piece_bytes") or len(sent) or 1
        for start in range(0, len(sent), size):
            piece = sent[start : start + size]
            self.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_stream else piece)
            if "gap_s" in fault:
                await self.writer.drain()
                await asyncio.sleep(fault["gap_s"])
        await self.writer.drain()
        if "hang_s" in fault:
            await asyncio.sleep(fault["hang_s"])
        if cut is not None or fault.get("content_length", len(content)) != len(content):
            return False
        if is_stream:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()
        return True


async def serve(fake: Fake, *, port: int, connection: type[Connection] = Connection) -> None:
    """Serves on loopback until standard input is closed."""
    server = await asyncio.start_server(
        lambda reader, writer: connection(fake, reader, writer).serve(), "127.0.0.1", port, limit=1 << 20, backlog=1024
    )
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def watch_stdin() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch_stdin, daemon=True).start()
    await over.wait()


def main(
    kind: type[Fake] = Fake, *, connection: type[Connection] = Connection, description: str | None = __doc__
) -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--require-key", default=None, help="the only key that is accepted")
    options = parser.parse_args()
    fake = kind(latency_ms=options.latency_ms, seed=options.seed, required_key=options.require_key)
    asyncio.run(serve(fake, port=options.port, connection=connection))


if __name__ == "__main__":
    main()
