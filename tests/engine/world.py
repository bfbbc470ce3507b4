"""Two scripted providers, a prompt source with a few prompts, and the calls made of them (completion.md section 1)."""

from __future__ import annotations

import toolkit as tk
from tests.builders import make_prompt
from toolkit._records import FrozenDict
from toolkit.config import Settings, parse_config
from toolkit.config._yaml import load_yaml
from toolkit.engine import SystemClock
from toolkit.testing import FakeProvider, FakeSource, fake_engine

MESSAGES = [{"role": "user", "content": "Hello"}]

CHAT = (FrozenDict({"role": "system", "content": "Be {{tone}}."}), FrozenDict({"role": "user", "content": "{{q}}"}))
PROMPTS = (
    # The last one is what this source gives by default.
    make_prompt("Please say {{word}}.", prompt_id="text", version="2", source="langfuse", labels=("staging",)),
    make_prompt("Say {{word}}.", prompt_id="text", source="langfuse", labels=("production",)),
    make_prompt(CHAT, prompt_id="chat", source="langfuse", config={"temperature": 0.7, "seed": 5, "owner": "me"}),
    make_prompt("Hi", prompt_id="own-model", source="langfuse", config={"model": "anthropic/claude-x", "top_p": 0.5}),
    make_prompt("Hi", prompt_id="bare-model", source="langfuse", config={"model": "gpt-4o"}),
    make_prompt(
        "Hi", prompt_id="hostile", source="langfuse", config={"api_base": "http://evil.test", "headers": {"a": 1}}
    ),
)


class World:
    """Two scripted providers, a prompt source, and what was sent."""

    def __init__(self, tmp_path, config=None, openai=("from openai",), anthropic=("from anthropic",), prompts=PROMPTS):
        self.openai = FakeProvider(openai, name="openai")
        self.anthropic = FakeProvider(anthropic, name="anthropic")
        sources = [FakeSource(prompts, name=name) for name in ("langfuse", "humanloop", "folder")]
        read = None
        if config is not None:
            read = parse_config(load_yaml(config, where="config.yaml"), where="config.yaml", environ={})
        self.engine = fake_engine(
            Settings(home=tmp_path / "home"), providers=[self.openai, self.anthropic], sources=sources, config=read
        )

    def __call__(self, *arguments, **options):
        return tk.completion(*arguments, engine=self.engine, **options)

    @property
    def sent(self):
        """The last request to OpenAI."""
        return self.openai.requests[-1]


class Fast(SystemClock):
    """The machine's clock, without the waiting."""

    async def sleep(self, seconds):
        """Returns at once."""
