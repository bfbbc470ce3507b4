"""Measures what LiteLLM does with a Langfuse prompt: the middle column of docs/compatibility.md.

    python -m venv peers && peers/bin/pip install litellm 'langfuse>=4.7,<5'
    python scripts/measure_litellm.py peers/bin/python

Calls `litellm.completion` in that Python against a Langfuse and an OpenAI-compatible server on loopback, and prints for
each case what arrived at the provider, or the error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.servers._process import ServerProcess, serving

KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-test", "LANGFUSE_SECRET_KEY": "sk-lf-test", "OPENAI_API_KEY": "k"}
BASIC = {"authorization": "Basic cGstbGYtdGVzdDpzay1sZi10ZXN0"}  # pk-lf-test:sk-lf-test

CALL = "import json, sys, litellm; litellm.completion(**json.loads(sys.argv[1]))"

CLIENT = [{"role": "user", "content": "CLIENT"}]
CHAT = [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{q}}"}]

PLACEHOLDER = [{"type": "placeholder", "name": "history"}, {"role": "user", "content": "{{q}}"}]

CASES: dict[str, dict[str, Any]] = {
    "text prompt, client messages": {"prompt_id": "text", "prompt_variables": {"word": "a"}, "messages": CLIENT},
    "text prompt, no messages": {"prompt_id": "text", "prompt_variables": {"word": "a"}},
    "version 2": {"prompt_id": "text", "prompt_variables": {"word": "a"}, "prompt_version": 2},
    "label staging": {"prompt_id": "text", "prompt_variables": {"word": "a"}, "prompt_label": "staging"},
    "chat prompt with params": {"prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "messages": CLIENT},
    "model in the config": {"prompt_id": "model"},
    "missing variable": {"prompt_id": "text"},
    "prompt_id without a prefix": {"model": "gpt-3.5-turbo", "prompt_id": "text", "messages": CLIENT},
    "a prefix without prompt_id": {"messages": CLIENT},
    "message placeholder": {
        "prompt_id": "history",
        "prompt_variables": {"history": [{"role": "user", "content": "x"}], "q": "?"},
    },
    "wrong keys in the call": {"prompt_id": "text", "langfuse_public_key": "pk-x", "langfuse_secret": "sk-x"},
    "unknown prompt": {"prompt_id": "nobody"},
}


def seed(langfuse: ServerProcess) -> None:
    """Puts the cases' prompts into Langfuse."""
    prompts: list[tuple[str, str, Any, list[str], dict[str, Any]]] = [
        ("text", "text", "Say {{word}}.", ["production"], {}),
        ("text", "text", "Please say {{word}}.", ["staging"], {}),
        ("chat", "chat", CHAT, ["production"], {"temperature": 0.7, "max_tokens": 50}),
        ("history", "chat", PLACEHOLDER, ["production"], {}),
        ("model", "text", "Hi", ["production"], {"model": "gpt-4o-mini"}),
    ]
    for name, kind, prompt, labels, config in prompts:
        body = {"name": name, "type": kind, "prompt": prompt, "labels": labels, "config": config}
        langfuse.call("POST", "/api/public/v2/prompts", body, headers=BASIC)


def main() -> int:
    """Runs every case and prints one line for each."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    with serving("tests.servers.fake_langfuse") as langfuse, serving("tests.servers.fake_openai") as openai:
        seed(langfuse)
        places = {"LANGFUSE_HOST": langfuse.url, "OPENAI_BASE_URL": f"{openai.url}/v1"}
        environment = os.environ | KEYS | places | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        for name, arguments in CASES.items():
            openai.control(reset=True)
            call = json.dumps({"model": "langfuse/gpt-3.5-turbo"} | arguments)
            done = subprocess.run([sys.argv[1], "-c", CALL, call], env=environment, capture_output=True, text=True)
            sent = [request["body"] for request in openai.requests()]
            print(f"{name}: {json.dumps(sent) if sent else done.stderr.strip().splitlines()[-1][:200]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
