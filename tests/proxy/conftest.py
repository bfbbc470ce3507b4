"""One proxy for most tests: Langfuse prompts and an OpenAI-compatible upstream, each in a process of its own."""

from __future__ import annotations

import pytest

from tests.proxy.running import proxy_command
from tests.servers._process import serving

CONFIG = """
model_list:
  - model_name: my-langfuse-model
    litellm_params: {{model: langfuse/openai-model, prompt_id: greet, api_key: os.environ/OPENAI_API_KEY}}
  - model_name: openai-model
    litellm_params: {{model: openai/small, api_key: os.environ/OPENAI_API_KEY, api_base: "{upstream}/v1"}}
  - model_name: gpt-3.5-turbo
    litellm_params: {{model: openai/large, api_key: os.environ/OPENAI_API_KEY, api_base: "{upstream}/v1"}}
  - model_name: no-prompt-id
    litellm_params: {{model: langfuse/openai-model}}
  - model_name: split
    litellm_params: {{model: openai/small, weight: 3, api_key: k-one, api_base: "{upstream}/v1"}}
  - model_name: split
    litellm_params: {{model: openai/large, weight: 1, api_key: k-two, api_base: "{upstream}/v1"}}
"""

PROMPTS = [
    {
        "name": "greet",
        "type": "text",
        "prompt": "Say {{key}}.",
        "labels": ["production"],
        "config": {"temperature": 0.5},
    },
    {"name": "greet", "type": "text", "prompt": "Shout {{key}}!", "labels": ["loud"]},
    {"name": "team/other", "type": "text", "prompt": "Other {{key}}.", "labels": ["production"]},
    {
        "name": "hostile",
        "type": "text",
        "prompt": "Say {{key}}.",
        "labels": ["production"],
        "config": {
            "model": "openai-model",
            "api_base": "http://evil.invalid/v1",
            "api_key": "sk-of-the-prompt",
            "headers": {"x-evil": "1"},
            "extra_body": {"x": 1},
        },
    },
    {
        "name": "chooser",
        "type": "text",
        "prompt": "Say {{key}}.",
        "labels": ["production"],
        "config": {"model": "openai/most-expensive"},
    },
]

KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-test", "LANGFUSE_SECRET_KEY": "sk-lf-test"}


@pytest.fixture(scope="session")
def langfuse():
    """A Langfuse server with prompts."""
    with serving("tests.servers.fake_langfuse") as server:
        server.control(reset=True, seed=PROMPTS)
        yield server


@pytest.fixture(scope="session")
def openai_server():
    """An OpenAI-compatible server."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def upstream(openai_server):
    """The same, with nothing received and no faults waiting."""
    openai_server.control(reset=True)
    return openai_server


@pytest.fixture(scope="session")
def shared_proxy(tmp_path_factory, langfuse, openai_server):
    """A proxy without a master key."""
    folder = tmp_path_factory.mktemp("proxy")
    config = CONFIG.format(upstream=openai_server.url)
    environ = {**KEYS, "LANGFUSE_HOST": langfuse.url, "OPENAI_API_KEY": "sk-of-the-proxy"}
    with proxy_command(folder, config, **environ) as running:
        yield running


@pytest.fixture
def proxy(shared_proxy, upstream):
    """The proxy, its upstream with nothing received and no faults waiting."""
    return shared_proxy
