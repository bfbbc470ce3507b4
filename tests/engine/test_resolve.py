"""From the names in a call and in config.yaml to one prompt, one model and one key: the less usual ways."""

from __future__ import annotations

import math

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.config.test_file import read
from tests.engine.world import MESSAGES, PROMPTS, World
from toolkit import _sync
from toolkit.config import Deployment, Settings
from toolkit.engine import Engine
from toolkit.engine._route import choose
from toolkit.errors import MissingKeyError, PromptSourceError, UsageError
from toolkit.prompts import PromptReference
from toolkit.testing import FakeProvider, FakeSource, fake_engine

PROMPT = "prompts: [{prompt_id: hello, litellm_params: {prompt_id: text, prompt_integration: langfuse, PARAMS}}]"


def test_an_entry_of_another_source_is_not_meant(tmp_path):
    """A prefix that names a source goes before an entry of config.yaml that has the name in another source."""
    world = World(
        tmp_path,
        "prompts: [{prompt_id: text, litellm_params: {prompt_integration: humanloop, prompt_version: 2}}]",
    )
    world("langfuse/openai/m", prompt_id="text", prompt_variables={"word": "a"})
    assert world.sent.messages[0].content == "Say a."
    world("openai/m", prompt_id="text", prompt_variables={"word": "a"})
    assert world.sent.messages[0].content == "Please say a."


def test_a_deployment_may_pin_its_prompt_s_version(tmp_path):
    """The version beside a deployment's prompt_id is taken when the call names no other prompt."""
    world = World(
        tmp_path,
        "model_list: [{model_name: a, litellm_params: {model: langfuse/openai/m, prompt_id: text, prompt_version: 2}}]",
    )
    world("a", prompt_variables={"word": "x"})
    assert world.sent.messages[0].content == "Please say x."


def test_a_prompt_may_name_the_group_that_its_call_came_through(tmp_path):
    """A prompt whose model is the alias of the call goes through that alias: it led to a model, not to the prompt."""
    config = f"""
{PROMPT.replace("prompt_id: text", "prompt_id: round").replace(", PARAMS", "")}
model_list:
  - {{model_name: plain, litellm_params: {{model: openai/m, seed: 3}}}}
"""
    prompts = (*PROMPTS, make_prompt("Hi", prompt_id="round", source="langfuse", config={"model": "plain"}))
    world = World(tmp_path, config, prompts=prompts)
    response = world("plain", prompt_id="hello")
    assert (world.sent.model, world.sent.params, response.model_source) == ("m", {"seed": 3}, "prompt")


class Timed(FakeProvider):
    """A provider that keeps the seconds it was given."""

    seconds: tuple[float, ...] = ()

    async def complete(self, request, *, timeout_s):
        """Notes them and answers."""
        self.seconds += (timeout_s,)
        return await super().complete(request, timeout_s=timeout_s)


@pytest.mark.parametrize(("prompt_id", "seconds"), [("bare-model", 9), ("own-model", 120)])
def test_a_deployment_s_settings_are_for_its_own_provider(tmp_path, prompt_id, seconds):
    """When a prompt chooses another model, the deployment's timeout holds if its provider is the same, else not."""
    config = f"""
model_list:
  - model_name: managed
    litellm_params: {{model: langfuse/openai/m, prompt_id: {prompt_id}, timeout: 9}}
"""
    providers = [Timed(name="openai"), Timed(name="anthropic")]
    engine = fake_engine(
        Settings(home=tmp_path),
        providers=providers,
        sources=[FakeSource(PROMPTS, name="langfuse")],
        config=read(config),
    )
    tk.completion("managed", engine=engine)
    assert [second for provider in providers for second in provider.seconds] == [seconds]


@pytest.mark.parametrize("more", ["", "\nlitellm_settings: {langfuse_host: os.environ/NO_HOST}"])
def test_a_missing_key_that_the_file_does_not_speak_of_is_the_environment_s(tmp_path, monkeypatch, more):
    """A Langfuse key that config.yaml takes from nowhere is asked for by its own name, whatever else is not set."""
    for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_SECRET"):
        monkeypatch.delenv(name, raising=False)
    text = (
        "model_list: [{model_name: a, "
        "litellm_params: {model: langfuse/openai/m, prompt_id: p, api_key: os.environ/NO_KEY}}]"
    )
    world = World(tmp_path)
    world.engine = fake_engine(Settings(home=tmp_path), providers=[world.openai], config=read(text + more))
    with pytest.raises(MissingKeyError, match="LANGFUSE_PUBLIC_KEY") as caught:
        world("a")
    assert caught.value.variable == "LANGFUSE_PUBLIC_KEY"


def test_a_name_whose_weights_are_all_0_is_refused(tmp_path):
    """A name that no deployment may be drawn for is an error that names it, and nothing is sent."""
    world = World(tmp_path, "model_list: [{model_name: a, litellm_params: {model: openai/m, weight: 0}}]")
    with pytest.raises(UsageError, match="Every deployment of 'a' has weight 0"):
        world("a", MESSAGES)
    assert world.openai.requests == []


def test_the_highest_draw_is_the_last_deployment():
    """A draw just below 1 takes the last deployment, also where the sum of the weights was rounded."""
    weighted = [Deployment(model_name="a", model=f"openai/{weight}", weight=weight) for weight in (0.1, 0.2, 0.3)]
    assert choose(weighted, math.nextafter(1, 0)).weight == 0.3


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("hello", "Please say {{word}}."),
        ("hello@1", "Say {{word}}."),
        ("hello@staging", "Please say {{word}}."),
        ("langfuse:text", "Say {{word}}."),
        (PromptReference(source="langfuse", name="text"), "Say {{word}}."),
    ],
)
def test_a_sweep_finds_the_prompts_of_config_yaml(tmp_path, asked, text):
    """A name under `prompts:` is a prompt with the entry's version, unless it is asked for in another; others stay."""
    world = World(tmp_path, PROMPT.replace("PARAMS", "prompt_version: 2"))
    (prompt,) = _sync.run(world.engine.resolve(asked))
    assert prompt.template == text


def test_a_prompt_written_in_config_yaml_is_found(tmp_path):
    """An entry that carries its own text needs no source."""
    text = "prompts: [{prompt_id: own, litellm_params: {prompt_integration: dotprompt, dotprompt_content: 'Hi {{a}}'}}]"
    (prompt,) = _sync.run(World(tmp_path, text).engine.resolve("own"))
    assert (prompt.source, prompt.template) == ("config", "Hi {{a}}")


class Away(FakeSource):
    """A source that cannot be reached."""

    def __init__(self, *, told):
        super().__init__([], name="away")
        self._told = told

    async def get(self, prompt_id, *, version=None, label=None):
        """Fails."""
        raise PromptSourceError("no answer", source=self._told, prompt_id=prompt_id)


@pytest.mark.parametrize("told", ["away", None])
@pytest.mark.parametrize("asked", ["away:text", PromptReference(source="away", name="text")])
def test_without_a_copy_the_source_s_own_error_comes(tmp_path, told, asked):
    """A source that is away and of whose prompt there is no copy gives its own error, also when it does not say who."""
    engine: Engine = fake_engine(Settings(home=tmp_path), sources=[Away(told=told)])
    with pytest.raises(PromptSourceError, match="no answer"):
        _sync.run(engine.resolve(asked, offline="snapshot"))
    _sync.run(engine.aclose())
