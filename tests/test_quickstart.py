"""The quick starts of LiteLLM's "Prompt Management" document run as written, with `litellm` replaced by `toolkit`."""

from __future__ import annotations

import json
import os
import re

import pytest

import toolkit
from tests.servers._process import serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine

# Source: LiteLLM's documentation, docs/proxy/prompt_management, "Quick Start", SDK; the import's name alone is ours.
SDK = """
import os
import toolkit

os.environ["LANGFUSE_PUBLIC_KEY"] = "pk-lf-test"
os.environ["LANGFUSE_SECRET_KEY"] = "sk-lf-test"

toolkit.set_verbose = True # see raw request to provider

resp = toolkit.completion(
    model="langfuse/gpt-3.5-turbo",
    prompt_id="test-chat-prompt",
    prompt_variables={"user_message": "this is used"}, # [OPTIONAL]
    messages=[{"role": "user", "content": "<IGNORED>"}],
)
"""

BASIC = {"authorization": "Basic cGstbGYtdGVzdDpzay1sZi10ZXN0"}  # pk-lf-test:sk-lf-test


@pytest.fixture
def services(monkeypatch, tmp_path):
    """Langfuse with the document's prompt, and an OpenAI that wants its key; the environment points at both."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "LANGFUSE_", "TOOLKIT_")):
            monkeypatch.delenv(name)
    with (
        serving("tests.servers.fake_langfuse") as langfuse,
        serving("tests.servers.fake_openai", "--require-key", "sk-quickstart-key") as openai,
    ):
        for name, kind, prompt in (
            ("test-chat-prompt", "chat", [{"role": "user", "content": "{{user_message}}"}]),
            ("text", "text", "Use {{key}}."),
        ):
            body = {"name": name, "type": kind, "prompt": prompt, "labels": ["production"]}
            langfuse.call("POST", "/api/public/v2/prompts", body, headers=BASIC)
        monkeypatch.setenv("LANGFUSE_HOST", langfuse.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "to be replaced")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "to be replaced")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-quickstart-key")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{openai.url}/v1")
        yield langfuse, openai
        _sync.run(default_engine().aclose())
        set_default_engine(None)
        toolkit.set_verbose = False


def test_the_sdk_quick_start_runs_as_written(services, capsys):
    """The managed prompt is sent with its variable filled, and the client's messages are ignored."""
    _, openai = services
    namespace: dict[str, object] = {}
    exec(compile(SDK, "document", "exec"), namespace)  # noqa: S102  the document's own example
    (request,) = openai.requests()
    assert request["body"] == {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "this is used"}]}
    assert namespace["resp"].choices[0].message.content.endswith("this is used")


@pytest.mark.line("7.1", "7.4", "7.5", "7.8")
def test_verbose_prints_a_command_that_can_be_pasted(services, capsys):
    """set_verbose prints the real endpoint and body as a curl command, the key masked (completion.md section 7)."""
    _, openai = services
    exec(compile(SDK, "document", "exec"), {})  # noqa: S102  the document's own example
    shown = capsys.readouterr().err
    assert shown.startswith("POST Request Sent from toolkit:\ncurl -X POST \\\n")
    assert f"\n{openai.url}/v1/chat/completions \\\n" in shown
    assert "\n-H 'Authorization: Bearer ****' \\\n" in shown
    (body,) = re.findall(r"^-d '(.*)'$", shown, flags=re.MULTILINE)
    assert json.loads(body) == openai.requests()[0]["body"]
    assert "sk-quickstart-key" not in shown
    assert toolkit.set_verbose is True


@pytest.mark.line("7.2", "7.10")
def test_toolkit_log_debug_prints_the_same(services, capsys, monkeypatch):
    """TOOLKIT_LOG=DEBUG prints the request without a line of code; without it nothing is printed."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test")
    call = {"model": "langfuse/gpt-3.5-turbo", "prompt_id": "text", "prompt_variables": {"key": "it's"}}
    toolkit.completion(**call)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TOOLKIT_LOG", "DEBUG")
    toolkit.completion(**call)
    assert """Use it'"'"'s.""" in capsys.readouterr().err


@pytest.mark.line("5.1")
def test_the_proxy_s_config_drives_completions_as_it_is(services, tmp_path, monkeypatch):
    """The document's config.yaml works unchanged for calls in the notebook, and swapping a model is one line of it."""
    _, openai = services
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test")
    config = """
model_list:
  - model_name: my-langfuse-model
    litellm_params:
      model: langfuse/openai-model
      prompt_id: "text"
      api_key: os.environ/OPENAI_API_KEY
  - model_name: openai-model
    litellm_params:
      model: openai/gpt-3.5-turbo
      api_key: os.environ/OPENAI_API_KEY
"""
    for model in ("gpt-3.5-turbo", "gpt-4o-mini"):
        (tmp_path / "config.yaml").write_text(config.replace("gpt-3.5-turbo", model), encoding="utf-8")
        engine = toolkit.configure("config.yaml")
        answer = toolkit.completion(
            "my-langfuse-model", [{"role": "user", "content": "IGNORED"}], prompt_variables={"key": "this"}
        )
        assert answer.choices[0].message.content.endswith("Use this.")
        assert openai.requests()[-1]["body"]["model"] == model
        _sync.run(engine.aclose())
    toolkit.configure()
