"""`completion` and `acompletion`, line by line (completion.md section 1)."""

from __future__ import annotations

import asyncio
import copy
import warnings

import pytest

import toolkit as tk
from tests.engine.world import MESSAGES, World
from toolkit.errors import (
    MissingVariablesError,
    MissingVariableWarning,
    PromptError,
    UnknownNameError,
    UsageError,
)
from toolkit.providers import Capabilities


@pytest.mark.line("1.3", "1.4", "1.5")
def test_the_response_reads_like_the_openai_sdk_s(world):
    """The fields of the SDK's answer are there, as attributes and as items, and model_dump() gives plain dicts."""
    response = world("openai/gpt-x", MESSAGES)
    assert response.choices[0].message.content == "from openai"
    assert response["choices"][0]["message"]["role"] == "assistant"
    assert response.choices[0].message.tool_calls is None
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (1, 2)
    assert response.model_dump()["object"] == "chat.completion"
    assert '"from openai"' in response.model_dump_json()
    with pytest.raises(AttributeError, match="there is"):
        _ = response.no_such_field


@pytest.mark.line("1.12", "1.13", "1.14", "1.15")
def test_on_top_it_tells_prompt_request_cost_and_latency(world):
    """.prompt has the resolved version, labels and hash; .request what was sent; cost and latency stand beside."""
    response = world("langfuse/openai/gpt-x", prompt_id="text", prompt_label="staging", prompt_variables={"word": "a"})
    used = response.prompt
    assert (used.source, used.name, used.version, used.labels) == ("langfuse", "text", 2, ("staging",))
    assert used.content_hash.startswith("p1:")
    assert response.request.messages[0].content == "Please say a."
    assert response.cost is None
    assert response.latency == 0.0
    assert world("openai/gpt-x", MESSAGES).prompt is None


@pytest.mark.line("1.16", "1.17")
@pytest.mark.parametrize("messages", [None, [], [{"role": "user", "content": "<IGNORED>"}], "anything", 5])
def test_with_a_managed_prompt_messages_are_ignored(world, messages):
    """The messages may be missing, empty or anything, and are never changed."""
    before = copy.deepcopy(messages)
    world("langfuse/openai/gpt-x", messages, prompt_id="text", prompt_variables={"word": "a"})
    assert [message.to_wire() for message in world.sent.messages] == [{"role": "user", "content": "Say a."}]
    assert messages == before


@pytest.mark.line("1.18", "1.20", "1.21")
@pytest.mark.parametrize(
    ("model", "source"),
    [("langfuse/openai/m", "langfuse"), ("humanloop/openai/m", "humanloop"), ("folder/openai/m", "folder"),
     ("dotprompt/openai/m", "folder")],
)  # fmt: skip
def test_a_prefix_names_the_prompt_source(world, model, source):
    """langfuse/, humanloop/, folder/ and dotprompt/ take the prompt from there; the rest is the model."""
    response = world(model, prompt_id="text", prompt_variables={"word": "a"})
    assert world.sent.model == "m"
    assert response.request.provider == "openai"
    assert world.engine.sources.get(source).name == source


@pytest.mark.line("1.19")
def test_a_prefix_may_stand_before_another_provider(world):
    """langfuse/anthropic/claude-... is Anthropic."""
    world("langfuse/anthropic/claude-y", prompt_id="text", prompt_variables={"word": "a"})
    assert world.anthropic.requests[0].model == "claude-y"


@pytest.mark.line("1.22")
def test_a_provider_s_model_needs_no_prompt_manager(world):
    """provider/model sends the caller's messages as they are."""
    world("openai/gpt-x", [{"role": "user", "content": "{{word}}", "name": "me"}])
    assert world.sent.messages[0].to_wire() == {"role": "user", "content": "{{word}}", "name": "me"}


@pytest.mark.line("1.25", "1.26")
@pytest.mark.parametrize(("bare", "provider"), [("gpt-4o", "openai"), ("o1-mini", "openai"), ("claude-3", "anthropic")])
def test_a_bare_name_goes_to_the_provider_of_its_family(world, bare, provider):
    """gpt-..., o1... and claude-... need no provider; any other bare name is an error that lists what is known."""
    world(bare, MESSAGES)
    assert getattr(world, provider).requests[0].model == bare
    with pytest.raises(UnknownNameError, match=r"Known.*openai"):
        world("mystery", MESSAGES)


@pytest.mark.line("1.27")
def test_a_prompt_id_that_nothing_finds_is_an_error(world):
    """prompt_id without a prefix, alias or prompts: entry is an error that names prompt_id, and nothing is sent."""
    with pytest.raises(UsageError, match="`prompt_id` 'text' is given"):
        world("openai/gpt-x", MESSAGES, prompt_id="text")
    assert world.openai.requests == []


@pytest.mark.line("1.29")
def test_a_prefix_without_a_prompt_id_is_an_error(world):
    """langfuse/... without prompt_id is an error that names prompt_id."""
    with pytest.raises(UsageError, match="`prompt_id` is not given"):
        world("langfuse/gpt-4o", MESSAGES)


@pytest.mark.line("1.30", "1.31", "1.32", "1.44")
def test_the_prompt_s_model_goes_before_the_caller_s(world):
    """The config's model is used; with ignore_prompt_manager_model the caller's; without one the caller's."""
    response = world("langfuse/openai/mine", prompt_id="own-model")
    assert world.anthropic.requests[-1].model == "claude-x"
    assert response.model_source == "prompt"
    response = world("langfuse/openai/mine", prompt_id="own-model", ignore_prompt_manager_model=True)
    assert world.sent.model == "mine"
    assert response.model_source == "caller"
    assert world("langfuse/openai/mine", prompt_id="text", prompt_variables={"word": ""}).request.model == "mine"


@pytest.mark.line("1.37", "1.38", "1.45", "5.20")
def test_the_caller_s_params_go_before_the_prompt_s_before_the_config_s(tmp_path):
    """Each parameter is the caller's, else the prompt's, else config.yaml's; None takes one away; sources are told."""
    world = World(
        tmp_path,
        """
model_list:
  - model_name: alias
    litellm_params: {model: langfuse/openai/m, prompt_id: chat, temperature: 0.1, seed: 1, max_tokens: 9, top_p: 0.3}
""",
    )
    response = world("alias", prompt_variables={"tone": "kind", "q": "?"}, temperature=0, top_p=None)
    assert world.sent.params == {"temperature": 0, "seed": 5, "max_tokens": 9}
    assert response.param_sources == {"temperature": "caller", "seed": "prompt", "max_tokens": "config"}


@pytest.mark.line("1.42")
def test_the_prompt_s_params_can_be_ignored(world):
    """With ignore_prompt_manager_optional_params only the caller's params are sent."""
    variables = {"tone": "kind", "q": "?"}
    world(
        "langfuse/openai/m",
        prompt_id="chat",
        prompt_variables=variables,
        ignore_prompt_manager_optional_params=True,
        seed=1,
    )
    assert world.sent.params == {"seed": 1}


@pytest.mark.line("1.41")
def test_only_known_parameters_of_a_config_are_sent(world):
    """Other keys of a prompt's config stay metadata: no address, header or owner is obeyed or sent."""
    world("langfuse/openai/m", prompt_id="hostile")
    assert (world.sent.params, world.sent.provider) == ({}, "openai")


@pytest.mark.line("1.55")
@pytest.mark.parametrize("name", ["metadata", "caching", "num_retries", "custom_llm_provider"])
def test_control_arguments_never_leave(world, name):
    """Arguments that steer LiteLLM itself are accepted and not sent."""
    world("openai/gpt-x", MESSAGES, **{name: "x"}, temperature=1)
    assert world.sent.params == {"temperature": 1}


@pytest.mark.line("1.23", "1.44", "5.10")
def test_an_alias_is_a_name_of_config_yaml(tmp_path):
    """A model_name stands for its deployment's model, also through the prompt manager and a second group."""
    world = World(
        tmp_path,
        """
model_list:
  - model_name: my-langfuse-model
    litellm_params: {model: langfuse/openai-model, prompt_id: text, prompt_variables: {word: default}}
  - model_name: openai-model
    litellm_params: {model: openai/gpt-3.5-turbo, max_tokens: 7}
""",
    )
    response = world("my-langfuse-model", [{"role": "user", "content": "IGNORED"}], prompt_variables={"word": "x"})
    assert (world.sent.model, world.sent.messages[0].content) == ("gpt-3.5-turbo", "Say x.")
    assert world.sent.params == {"max_tokens": 7}
    assert response.model_source == "alias"
    world("my-langfuse-model")
    assert world.sent.messages[0].content == "Say default."


@pytest.mark.line("5.11")
def test_a_request_s_values_replace_the_deployment_s(tmp_path):
    """prompt_id, variables, version and label of the call replace those of the deployment, whole."""
    world = World(
        tmp_path,
        """
model_list:
  - model_name: a
    litellm_params: {model: langfuse/openai/m, prompt_id: chat, prompt_version: 1, prompt_variables: {word: old}}
""",
    )
    world("a", prompt_id="text", prompt_label="staging", prompt_variables={"word": "new"})
    assert world.sent.messages[0].content == "Please say new."
    # The deployment's version 1 is one of its own prompt; another prompt comes in its default version.
    world("a", prompt_id="bare-model", ignore_prompt_manager_model=True)
    assert world.sent.messages[0].content == "Hi"


@pytest.mark.line("1.35", "1.36")
def test_a_group_that_names_itself_is_the_plain_model(tmp_path):
    """A prompt's model that is a model_name goes through that group once; a group that names itself ends there."""
    world = World(
        tmp_path,
        """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, seed: 3}
  - model_name: managed
    litellm_params: {model: langfuse/whatever, prompt_id: bare-model}
""",
    )
    world("managed")
    assert (world.sent.model, world.sent.params) == ("gpt-4o", {"seed": 3})


@pytest.mark.line("1.24", "5.16")
def test_deployments_are_drawn_by_weight(tmp_path):
    """Among several deployments of a name one is drawn by weight; a weight of 0 is never drawn."""
    world = World(
        tmp_path,
        """
model_list:
  - {model_name: split, litellm_params: {model: openai/a, weight: 3}}
  - {model_name: split, litellm_params: {model: openai/b, weight: 1}}
  - {model_name: split, litellm_params: {model: openai/c, weight: 0}}
""",
    )
    world.engine.rng.seed(1)
    for _ in range(200):
        world("split", MESSAGES)
    drawn = [request.model for request in world.openai.requests]
    assert set(drawn) == {"a", "b"}
    # 200 draws with p = 3/4: 150 expected, and 5 standard deviations are 31.
    assert 119 <= drawn.count("a") <= 181


@pytest.mark.line("2.18", "2.19")
def test_a_missing_variable_warns_and_stays_as_written(world):
    """A completion warns and keeps the literal; strict=True raises before sending."""
    with pytest.warns(MissingVariableWarning, match="'word'"):
        world("langfuse/openai/m", prompt_id="text")
    assert world.sent.messages[0].content == "Say {{word}}."
    with pytest.raises(MissingVariablesError, match="word"):
        world("langfuse/openai/m", prompt_id="text", strict=True)
    assert len(world.openai.requests) == 1


@pytest.mark.line("2.2", "2.4")
def test_the_litellm_dialect_appends_the_client_s_messages(world):
    """dialect='litellm' sends a text prompt as a system message, and the client's messages after the prompt's."""
    world("langfuse/openai/m", MESSAGES, prompt_id="text", prompt_variables={"word": "a"}, dialect="litellm")
    assert [(m.role, m.content) for m in world.sent.messages] == [("system", "Say a."), ("user", "Hello")]
    world("langfuse/openai/m", MESSAGES, prompt_id="chat", prompt_variables={"tone": "t", "q": "?"}, dialect="litellm")
    assert [m.role for m in world.sent.messages] == ["system", "user", "user"]


@pytest.mark.line("1.53")
def test_the_dialect_can_be_set_in_config_yaml(tmp_path):
    """litellm_settings.dialect holds for every call that says nothing else."""
    world = World(tmp_path, "litellm_settings: {dialect: litellm}")
    world("langfuse/openai/m", MESSAGES, prompt_id="text", prompt_variables={"word": "a"})
    assert len(world.sent.messages) == 2
    world("langfuse/openai/m", MESSAGES, prompt_id="text", prompt_variables={"word": "a"}, dialect="toolkit")
    assert len(world.sent.messages) == 1


@pytest.mark.line("5.5")
def test_drop_params_leaves_out_what_a_provider_cannot_take(tmp_path):
    """With litellm_settings.drop_params a parameter that the provider refuses is left out, in calls and in sweeps."""
    for setting, sent in (("true", {"temperature": 0}), ("false", {"temperature": 0, "seed": 1})):
        world = World(tmp_path, f"litellm_settings: {{drop_params: {setting}}}")
        world.openai.capabilities = Capabilities(params=frozenset({"temperature"}))
        world("openai/m", MESSAGES, temperature=0, seed=1)
        assert world.sent.params == sent
        grid = {"params": {"temperature": 0, "seed": 1}, "engine": world.engine}
        assert tk.plan("langfuse:text@1", "openai/m", [{"word": "a"}], **grid).arms[0].params == sent


@pytest.mark.line("5.3")
def test_a_bare_prompt_id_may_be_an_entry_of_config_yaml(tmp_path):
    """`prompts:` names a prompt and its source, so that a plain model can use it."""
    world = World(
        tmp_path,
        """
prompts:
  - prompt_id: hello
    litellm_params: {prompt_id: text, prompt_integration: langfuse, prompt_version: 2}
""",
    )
    world("openai/m", prompt_id="hello", prompt_variables={"word": "a"})
    assert world.sent.messages[0].content == "Please say a."


@pytest.mark.line("1.2")
def test_acompletion_takes_the_same_arguments(world):
    """The awaited call gives the same answer, in any loop."""
    answer = asyncio.run(
        tk.acompletion(
            "langfuse/openai/m", prompt_id="text", prompt_variables={"word": "a"}, engine=world.engine, temperature=1
        )
    )
    assert answer.choices[0].message.content == "from openai"
    assert world.sent.params == {"temperature": 1}


@pytest.mark.line("3.37")
@pytest.mark.parametrize("argument", ["api_key", "api_base", "langfuse_secret", "langfuse_host", "humanloop_api_key"])
def test_an_environment_reference_in_a_call_is_refused(world, argument, monkeypatch):
    """os.environ/NAME belongs into config.yaml; in a call it is a ValueError, and the variable is not read."""
    monkeypatch.setenv("PLANTED", "planted-value-123")
    with pytest.raises(ValueError, match=f"`{argument}`") as caught:
        world("openai/m", MESSAGES, **{argument: "os.environ/PLANTED"})
    assert "planted-value-123" not in str(caught.value)
    assert world.openai.requests == []


@pytest.mark.line("1.54")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "openai/m"}, "`messages` is a list"),
        ({"model": "openai/m", "messages": []}, "`messages` is a list"),
        ({"model": "openai/m", "messages": ["hi"]}, "entry that is no message"),
        ({"model": ""}, "`model` is text"),
        ({"model": 5}, "`model` is text"),
        (
            {"model": "langfuse/openai/m", "prompt_id": "text", "prompt_variables": [1]},
            "`prompt_variables` is a mapping",
        ),
        ({"model": "openai/m", "messages": MESSAGES, "timeout": 0}, "`timeout`"),
        ({"model": "openai/m", "messages": MESSAGES, "max_retries": -1}, "`max_retries`"),
    ],
)
def test_a_call_that_makes_no_sense_names_its_argument(world, arguments, message):
    """A wrong argument raises one error that names it, and nothing is sent."""
    with pytest.raises(UsageError, match=message):
        world(**arguments)
    assert world.openai.requests == []


def test_an_unknown_prompt_is_the_source_s_error(world):
    """A prompt that does not exist raises before anything is sent."""
    with pytest.raises(PromptError, match="nobody"):
        world("langfuse/openai/m", prompt_id="nobody")


def test_nothing_is_warned_about_a_call_that_is_right(world):
    """A call with every variable given makes no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world("langfuse/openai/m", prompt_id="text", prompt_variables={"word": "a"})


def test_an_alias_drives_a_sweep_and_splits_by_weight(tmp_path):
    """In a sweep a model_name is one arm; its deployments share the cases by weight, the same on any day."""
    world = World(
        tmp_path,
        """
model_list:
  - {model_name: split, litellm_params: {model: openai/a, max_tokens: 5}}
  - {model_name: split, litellm_params: {model: openai/b, max_tokens: 5}}
""",
    )
    cases = {"word": [str(number) for number in range(40)]}
    results = tk.sweep("langfuse:text@1", "split", cases, engine=world.engine, progress="off")
    counts = results.df["model_sent"].value_counts().to_dict()
    assert set(counts) == {"a", "b"}
    assert min(counts.values()) >= 8
    assert set(results.df["model"]) == {"split"}
    assert set(results.df["model_source"]) == {"alias"}
    assert set(results.df["param.max_tokens"]) == {5}
    tk.sweep("langfuse:text@1", "split", cases, engine=world.engine, progress="off")
    assert len(world.openai.requests) == 40
