"""The real Langfuse SDK against the fake Langfuse: what it writes we read, what we write it reads."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._records import freeze
from toolkit._sync import run
from toolkit.prompts import LangfuseSource, render

pytestmark = pytest.mark.langfuse_sdk

# In a process of its own: the SDK starts threads and keeps one client a public key.
_BEGIN = """
import json
from langfuse import Langfuse
client = Langfuse(tracing_enabled=False)
"""


def sdk(server: ServerProcess, script: str) -> Any:
    """Runs `script` with a client for the fake and returns the JSON that it prints last."""
    environment = {
        **os.environ,
        "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
        "LANGFUSE_SECRET_KEY": SECRET_KEY,
        "LANGFUSE_HOST": server.url,
        "LANGFUSE_BASE_URL": server.url,
        "NO_PROXY": "*",
    }
    command = [sys.executable, "-c", _BEGIN + script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.line("3.21")
def test_the_sdk_reads_what_we_read(langfuse: ServerProcess, source: LangfuseSource):
    """Text, chat with placeholder, folder name, label and version read the same through the SDK and through us."""
    read = sdk(
        langfuse,
        """
asked = [("movie-critic", {}), ("movie-critic", {"version": 2}), ("movie-critic", {"label": "staging"}),
         ("support/reply", {}), ("history-chat", {}), ("composed", {})]
found = []
for name, selection in asked:
    kind = "chat" if name in ("support/reply", "history-chat") else "text"
    prompt = client.get_prompt(name, type=kind, max_retries=0, cache_ttl_seconds=0, **selection)
    found.append([prompt.name, str(prompt.version), sorted(prompt.labels), prompt.config, prompt.prompt])
print(json.dumps(found))
""",
    )
    ours = [
        run(source.get(name, **selection))
        for name, selection in (
            ("movie-critic", {}),
            ("movie-critic", {"version": "2"}),
            ("movie-critic", {"label": "staging"}),
            ("support/reply", {}),
            ("history-chat", {}),
            ("composed", {}),
        )
    ]
    assert [[name, version, labels, freeze(config)] for name, version, labels, config, _ in read] == [
        [prompt.prompt_id, prompt.version, sorted(prompt.labels), prompt.config] for prompt in ours
    ]
    plain = [prompt.template if prompt.kind == "text" else _messages(prompt.template) for prompt in ours]
    assert [template if isinstance(template, str) else _messages(template) for *_, template in read] == plain


def _messages(template: Any) -> list[tuple[Any, Any]]:
    """Role and content of messages, name of placeholders: the SDK adds a `type` to the former."""
    return [(message.get("role", "placeholder"), message.get("content", message.get("name"))) for message in template]


@pytest.mark.line("3.21")
def test_the_sdk_compiles_as_we_render(langfuse: ServerProcess, source: LangfuseSource):
    """The same variables give the same text, to the letter."""
    template = '{{a}} {{ b }} {c} {{{a}}} {{unknown}} {{n}} {"k": {"x": 1}}'
    langfuse.control(seed=[{"name": "letters", "type": "text", "prompt": template, "labels": ["production"]}])
    compiled = sdk(
        langfuse,
        "prompt = client.get_prompt('letters', max_retries=0)\n"
        "print(json.dumps(prompt.compile(a='{{b}}', b=1.5, c='no', n=None)))",
    )
    (message,) = render(run(source.get("letters")), {"a": "{{b}}", "b": 1.5, "c": "no", "n": None}, missing="keep")
    assert message.content == compiled


@pytest.mark.line("3.21")
def test_we_read_what_the_sdk_writes(langfuse: ServerProcess, source: LangfuseSource):
    """A version that the SDK creates and a label that it moves are there for us."""
    made = sdk(
        langfuse,
        """
made = client.create_prompt(name="team/sdk", type="chat", prompt=[{"role": "user", "content": "Hi {{name}}"}],
                            labels=["production"], tags=["demo"], config={"model": "gpt-4o"}, commit_message="One.")
client.create_prompt(name="team/sdk", type="chat", prompt=[{"role": "user", "content": "Dear {{name}}"}])
client.update_prompt(name="team/sdk", version=2, new_labels=["production"])
print(json.dumps([made.name, made.version]))
""",
    )
    assert made == ["team/sdk", 1]
    prompt = run(source.get("team/sdk"))
    assert (prompt.version, prompt.kind, prompt.labels) == ("2", "chat", ("production", "latest"))
    assert render(prompt, {"name": "Ann"})[0].content == "Dear Ann"
    assert run(source.get("team/sdk", version="1")).config == {"model": "gpt-4o"}
    assert run(source.list(query="team/"))[0].tags == ("demo",)


@pytest.mark.line("3.21")
def test_the_sdk_reads_what_we_write(langfuse: ServerProcess, source: LangfuseSource):
    """A version that we push, and a label that we move, are there for the SDK."""
    run(source.push("team/ours", "Hi {{name}}", config={"model": "gpt-4o"}, labels=["production"]))
    run(source.push("team/ours", "Dear {{name}}"))
    run(source.set_label("team/ours", "2", "production"))
    read = sdk(
        langfuse,
        "prompt = client.get_prompt('team/ours', max_retries=0)\n"
        "print(json.dumps([prompt.version, prompt.prompt, sorted(prompt.labels), prompt.compile(name='Ann')]))",
    )
    assert read == [2, "Dear {{name}}", ["latest", "production"], "Dear Ann"]
