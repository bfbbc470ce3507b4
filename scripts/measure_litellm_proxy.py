"""Measures what the proxy answers: the cases of the table "The proxy", on one config.yaml."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure_litellm_calls import CLIENT
from measure_litellm_config import CALL_PLAIN, KEYED, PLAIN, TONE, WORD, deployment
from measure_litellm_ground import MASTER_KEY, Ask, Contender, Ground, Proxy, Start, measured

UPSTREAM_KEY = "sk-of-the-upstream-1234567890"
EVIL = "http://evil.invalid"
REFUSED = ("api_key", "langfuse_host", "langfuse_public_key", "langfuse_secret", "langfuse_secret_key",
           "humanloop_api_key", "extra_headers", "extra_body", "no_such_field")  # fmt: skip


def headers(running: Proxy, at: Ground) -> str:
    """Finds out which headers tell of the prompt, the model or the call."""
    answer = running.ask({"model": "managed", **WORD})
    at.forget()
    return ", ".join(f"{name}: {value}" for name, value in answer.headers.items() if name.startswith("x-"))[:900]


def models(running: Proxy, at: Ground) -> str:
    """Finds out what the list of models has."""
    listing = json.loads(running.send("GET", "/v1/models").body)
    return f"{listing['object']}: {[model['id'] for model in listing['data']]}"


def health(running: Proxy, at: Ground) -> str:
    """Finds out whether /health asks the providers."""
    answer = running.send("GET", "/health")
    calls = len(at.openai.requests())
    at.forget()
    return f"{answer.status}, {calls} calls to providers"


def preflight(running: Proxy, at: Ground) -> str:
    """Finds out what a page of another origin is allowed."""
    answer = running.send("OPTIONS", "/v1/chat/completions", origin=EVIL, **{"access-control-request-method": "POST"})
    allowed = {name: value for name, value in answer.headers.items() if name.startswith("access-control")}
    return f"{answer.status} {allowed}"


def large(running: Proxy, at: Ground) -> str:
    """Finds out whether 11 MB are read."""
    answer = running.ask({"model": "openai-model", "messages": [{"role": "user", "content": "a" * 11_000_000}]})
    calls = len(at.openai.requests())
    at.forget()
    return f"{answer.status}, {calls} calls to providers"


def sticky(running: Proxy, at: Ground) -> str:
    """Finds out whether a user always gets the same of two deployments."""
    for number in range(32):
        user = f"u{number % 4}"
        running.ask({"model": "split", "user": user, "messages": [{"role": "user", "content": user}]})
    served: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for request in at.openai.requests():
        served[request["body"]["messages"][-1]["content"]][request["body"]["model"]] += 1
    at.forget()
    return str({user: dict(counts) for user, counts in sorted(served.items())})


def bound(running: Proxy, at: Ground) -> str:
    """Finds out the address that the proxy listens on."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{running.pid}/net/{table}").read_text().splitlines()[1:]:
            address, _, port = line.split()[1].partition(":")
            if line.split()[3] == "0A" and int(port, 16) == running.port:
                found.append(".".join(str(byte) for byte in reversed(bytes.fromhex(address)[:4])))
    return f"listens on {found}"


def logged(running: Proxy, at: Ground) -> str:
    """Finds out what --detailed_debug writes of a request, and how often a key stands in the log."""
    running.ask({"model": "managed", **WORD})
    text = running.logs.read_text(encoding="utf-8", errors="replace")
    start = text.find("POST Request Sent")
    keys = {key: text.count(key) for key in (UPSTREAM_KEY, MASTER_KEY, "sk-lf-test")}
    return f"{text[start : start + 330]!r}, keys in the log: {keys}" if start >= 0 else f"no such line; {keys}"


def asks(at: Ground) -> dict[str, Ask]:
    """All asks of one proxy."""
    managed: dict[str, Any] = {"model": "managed", **WORD}
    direct: dict[str, Any] = {"model": "direct", **WORD}
    found: dict[str, Ask] = {
        "the document's curl": managed,
        "/chat/completions": {**CALL_PLAIN, "_path": "/chat/completions"},
        "/openai/deployments": {"messages": CLIENT, "_path": "/openai/deployments/openai-model/chat/completions"},
        "chat prompt with params": {"model": "chat", **TONE},
        "chat prompt with params, own temperature": {"model": "chat", **TONE, "temperature": 0.1},
        "no messages": {"model": "direct", "prompt_variables": {"word": "x"}},
        "messages []": {"model": "direct", "prompt_variables": {"word": "x"}, "messages": []},
        "hostile config": {"model": "hostile", "messages": CLIENT},
        "missing variable": {"model": "direct", "messages": CLIENT},
    }
    for extra in ({"prompt_version": 2}, {"prompt_label": "staging"}, {"prompt_id": "team/a b?#"},
                  {"prompt_id": "nobody"}, {"prompt_version": 9}, {"prompt_label": "nobody"},
                  {"prompt_version": 1, "prompt_label": "staging"}, {"prompt_id": ["text"]},
                  {"prompt_variables": "text"}, {"prompt_variables": ["a"]}):  # fmt: skip
        found[f"{json.dumps(extra)}, a model of the list in the alias"] = {**managed, **extra}
        found[f"{json.dumps(extra)}, a bare model in the alias"] = {**direct, **extra}
    found |= {
        "prompt_id for a plain alias": {**CALL_PLAIN, "prompt_id": "text", "prompt_variables": {"word": "x"}},
        "no prompt_id": {"model": "no-prompt-id", **WORD},
        "unknown model": {"model": "nope", "messages": CLIENT},
        "no model": {"messages": CLIENT},
        "streamed, managed": {**managed, "stream": True},
        "streamed, plain": {**CALL_PLAIN, "stream": True},
        "streamed, unknown prompt": {**managed, "stream": True, "prompt_id": "nobody"},
    }
    found |= {f"{name} in the body": {**CALL_PLAIN, name: at.elsewhere} for name in ("api_base", "base_url")}
    for name in REFUSED:
        found[f"{name} in the body"] = {
            **CALL_PLAIN,
            name: {"x-evil": "1"} if name.startswith("extra_") else "k-client",
        }
    found |= {
        "no key": {**CALL_PLAIN, "_headers": {"authorization": ""}},
        "wrong key": {**CALL_PLAIN, "_headers": {"authorization": "Bearer sk-wrong"}},
        "x-api-key": {**CALL_PLAIN, "_headers": {"authorization": "", "x-api-key": MASTER_KEY}},
        "another Host": {**CALL_PLAIN, "_headers": {"host": "evil.invalid"}},
        "another Origin": {**CALL_PLAIN, "_headers": {"origin": EVIL}},
        "text/plain": {**CALL_PLAIN, "_headers": {"content-type": "text/plain"}},
        "OPTIONS": preflight,
        "headers": headers,
        "/v1/models": models,
        "11 MB": large,
        "one user": sticky,
        "/health": health,
    }
    return found


def measure_proxy(who: Contender, at: Ground, wanted: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields each case's title, what the client saw, and what arrived."""
    listed = [
        PLAIN,
        deployment("managed", "langfuse/openai-model", prompt_id="text"),
        deployment("direct", "langfuse/gpt-4o", prompt_id="text"),
        deployment("chat", "langfuse/openai-model", prompt_id="chat"),
        deployment("hostile", "langfuse/openai-model", prompt_id="hostile"),
        deployment("no-prompt-id", "langfuse/openai-model"),
        deployment("split", "openai/small"),
        deployment("split", "openai/large"),
    ]
    debug = deployment("managed", "langfuse/gpt-4o", prompt_id="text", api_key=UPSTREAM_KEY)
    starts = [
        Start(title="proxy", config={**KEYED, "model_list": listed}, asks=asks(at)),
        Start(
            title="proxy without --host",
            config={**KEYED, "model_list": [debug]},
            asks={"bind": bound, "--detailed_debug": logged},
            arguments=("--detailed_debug",),
        ),
    ]
    yield from measured(who, at, starts, wanted)
