"""What config.yaml does to a call: unset variables, Langfuse projects, flags; and what YAML may not do (section 5)."""

from __future__ import annotations

import warnings

import pytest

import toolkit as tk
from tests.config.test_file import read
from tests.engine.world import MESSAGES, World
from tests.servers._process import serving
from toolkit import _sync
from toolkit.config import Settings
from toolkit.engine import Engine
from toolkit.errors import ConfigError, UsageError
from toolkit.testing import FakeProvider, fake_engine

KEYS = "langfuse_public_key: pk-lf-test, langfuse_secret: sk-lf-test"


def engine_of(tmp_path, text, environ=None):
    """An engine of a config.yaml, with a scripted OpenAI."""
    config = read(text, environ)
    return fake_engine(Settings(home=tmp_path), providers=[FakeProvider(name="openai")], config=config)


def sent_by(engine):
    """The text of the last message that was sent to OpenAI."""
    provider, _ = engine.providers.find("openai/m")
    return provider.requests[-1].messages[-1].content


@pytest.mark.line("5.7")
def test_names_may_come_from_the_environment():
    """model_name and a prompt's name are resolved like every other value of the file."""
    config = read(
        "model_list: [{model_name: os.environ/ALIAS, litellm_params: {model: openai/m}}]\n"
        "prompts: [{prompt_id: os.environ/PROMPT, litellm_params: {prompt_integration: langfuse}}]\n",
        {"ALIAS": "mine", "PROMPT": "hello"},
    )
    assert (list(config.deployments), list(config.prompts)) == (["mine"], ["hello"])


@pytest.mark.line("5.9")
@pytest.mark.parametrize(
    ("params", "variable"),
    [
        ("model: anthropic/x, api_key: os.environ/MY_KEY", "MY_KEY"),
        ("model: azure/x, api_key: k-123456, api_base: os.environ/MY_BASE", "MY_BASE"),
        ("model: langfuse/openai/x, prompt_id: os.environ/MY_PROMPT", "MY_PROMPT"),
        (
            "model: langfuse/openai/x, prompt_id: p, langfuse_host: h, langfuse_public_key: pk, "
            "langfuse_secret: os.environ/MY_SECRET",
            "MY_SECRET",
        ),
        (
            "model: langfuse/openai/x, prompt_id: p, langfuse_host: h, langfuse_public_key: os.environ/MY_PUBLIC, "
            "langfuse_secret_key: sk-123456",
            "MY_PUBLIC",
        ),
        ("model: humanloop/openai/x, prompt_id: p, humanloop_api_key: os.environ/MY_HUMANLOOP", "MY_HUMANLOOP"),
    ],
)
def test_an_unset_variable_that_is_needed_is_named(tmp_path, monkeypatch, params, variable):
    """Where a value that config.yaml takes from an unset variable is needed, the error names that variable."""
    for name in ("ANTHROPIC_API_KEY", "AZURE_API_BASE", "HUMANLOOP_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    engine = engine_of(tmp_path, f"model_list: [{{model_name: m, litellm_params: {{{params}}}}}]")
    with pytest.raises(UsageError, match=rf"\b{variable}\b.*is not set"):
        tk.completion("m", MESSAGES, engine=engine)


@pytest.mark.line("5.9")
def test_an_unset_model_is_named():
    """A model whose variable is not set is an error of the file that names the variable."""
    with pytest.raises(ConfigError, match=r"needs a model.*MY_MODEL, which it is taken from, is not set"):
        read("model_list: [{model_name: m, litellm_params: {model: os.environ/MY_MODEL}}]")


@pytest.mark.line("5.12")
def test_two_langfuse_projects_stand_side_by_side(tmp_path):
    """Two deployments with Langfuse keys and hosts of their own each get the prompt of their own project."""
    with serving("tests.servers.fake_langfuse") as first, serving("tests.servers.fake_langfuse") as second:
        for server, prompt in ((first, "One"), (second, "Two")):
            server.control(seed=[{"name": "p", "type": "text", "prompt": prompt, "labels": ["production"]}])
        deployments = [
            f"{{model_name: {name}, litellm_params: {{model: langfuse/openai/m, prompt_id: p, {KEYS}, "
            f"langfuse_host: '{server.url}'}}}}"
            for name, server in (("a", first), ("b", second))
        ]
        engine = engine_of(tmp_path, f"model_list: [{', '.join(deployments)}]")
        texts = []
        for name in ("a", "b"):
            tk.completion(name, engine=engine)
            texts.append(sent_by(engine))
        _sync.run(engine.aclose())
    assert texts == ["One", "Two"]


@pytest.mark.line("5.13")
@pytest.mark.parametrize("place", ["deployment", "call"])
def test_keys_without_a_host_go_to_the_host_for_all(tmp_path, monkeypatch, place):
    """Keys of a deployment or a call that come without a host are for litellm_settings' host, not for another."""
    with serving("tests.servers.fake_langfuse") as server, serving("tests.servers.fake_langfuse") as other:
        server.control(seed=[{"name": "p", "type": "text", "prompt": "Here", "labels": ["production"]}])
        monkeypatch.setenv("LANGFUSE_HOST", other.url)
        keys = KEYS if place == "deployment" else ""
        engine = engine_of(
            tmp_path,
            f"litellm_settings: {{langfuse_host: '{server.url}'}}\n"
            f"model_list: [{{model_name: a, litellm_params: {{model: langfuse/openai/m, prompt_id: p, {keys}}}}}]",
        )
        given = {} if place == "deployment" else {"langfuse_public_key": "pk-lf-test", "langfuse_secret": "sk-lf-test"}
        tk.completion("a", engine=engine, **given)
        _sync.run(engine.aclose())
        assert (sent_by(engine), other.requests()) == ("Here", [])


@pytest.mark.line("5.17")
def test_limits_are_taken_without_a_warning():
    """rpm, tpm and max_parallel_requests of a deployment are known keys."""
    limits = "rpm: 10, tpm: 1000, max_parallel_requests: 2"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(f"model_list: [{{model_name: a, litellm_params: {{model: openai/m, {limits}}}}}]")


@pytest.mark.line("5.21")
def test_the_flags_count_for_a_deployment(tmp_path):
    """ignore_prompt_manager_model and ignore_prompt_manager_optional_params of a deployment count for its calls."""
    flags = "ignore_prompt_manager_model: true, ignore_prompt_manager_optional_params: true"
    deployment = f"{{model: langfuse/openai/m, prompt_id: own-model, {flags}}}"
    world = World(tmp_path, f"model_list: [{{model_name: a, litellm_params: {deployment}}}]")
    world("a")
    assert (world.sent.model, world.sent.params) == ("m", {})


@pytest.mark.line("5.26")
@pytest.mark.parametrize("alias", ["b: a", "b: {model: a, hidden: true}"])
def test_a_model_group_alias_is_another_name(tmp_path, alias):
    """A name of router_settings' model_group_alias stands for that group of model_list."""
    world = World(
        tmp_path,
        "model_list: [{model_name: a, litellm_params: {model: openai/m, seed: 4}}]\n"
        f"router_settings: {{model_group_alias: {{{alias}}}}}",
    )
    world("b", MESSAGES)
    assert (world.sent.model, world.sent.params) == ("m", {"seed": 4})


@pytest.mark.line("5.26")
def test_a_model_group_alias_of_nothing_is_told():
    """An alias of a name that model_list does not have is an error with both names."""
    with pytest.raises(ConfigError, match="'b' stands for 'c'"):
        read("router_settings: {model_group_alias: {b: c}}")


@pytest.mark.line("5.27")
@pytest.mark.parametrize(
    ("managed", "group", "key"),
    [
        ("api_key: key-managed", "", "key-managed"),
        ("api_key: key-managed", "api_key: key-group", "key-group"),
        # A key that comes with an address is for that address.
        ("api_key: key-managed, api_base: 'http://elsewhere.test/v1'", "", None),
    ],
)
def test_a_key_beside_the_prompt_serves_the_group(tmp_path, managed, group, key):
    """A key of a managed entry is used for the group that it leads to when that has none, and for no other address."""
    with serving("tests.servers.fake_openai") as server, serving("tests.servers.fake_langfuse") as langfuse:
        langfuse.control(seed=[{"name": "p", "type": "text", "prompt": "Here", "labels": ["production"]}])
        config = read(
            f"model_list:\n- {{model_name: a, litellm_params: {{model: langfuse/b, prompt_id: p, {KEYS}, "
            f"langfuse_host: '{langfuse.url}', {managed}}}}}\n"
            f"- {{model_name: b, litellm_params: {{model: openai/m, api_base: '{server.url}/v1', {group}}}}}"
        )
        engine = Engine(Settings(home=tmp_path), config=config)
        tk.completion("a", engine=engine)
        _sync.run(engine.aclose())
        (sent,) = server.requests()
        assert sent["headers"].get("authorization") == (None if key is None else f"Bearer {key}")


@pytest.mark.line("5.22")
@pytest.mark.parametrize("value", ["!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!mine x"])
def test_yaml_is_data_only(value):
    """A tag that would build an object is an error that names the file and the line."""
    with pytest.raises(ConfigError, match=r"config\.yaml, line 2"):
        read(f"litellm_settings:\n  dialect: {value}")


@pytest.mark.line("5.24")
def test_yaml_does_not_multiply():
    """Aliases that would grow a small file into a billion values are refused."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigError, match="aliases expand"):
        read("\n".join(lines))


@pytest.mark.line("5.8")
def test_an_unset_variable_leaves_the_key_away():
    """A key whose variable is not set is not there, at any depth; a null that the file writes itself stays one."""
    deployment = (
        "{model: openai/m, seed: os.environ/NONE, stop: [os.environ/NONE], "
        "response_format: {type: x, schema: os.environ/NONE, strict: null}}"
    )
    (read_deployment,) = read(f"model_list: [{{model_name: a, litellm_params: {deployment}}}]").deployments["a"]
    assert read_deployment.params == {"stop": (), "response_format": {"type": "x", "strict": None}}


@pytest.mark.line("3.34", "3.35")
@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({"LANGFUSE_HOST": "https://a.test", "LANGFUSE_BASE_URL": "https://b.test"}, "https://a.test"),
        ({"LANGFUSE_BASE_URL": "https://b.test/"}, "https://b.test"),
        ({"LANGFUSE_HOST": "localhost:3000"}, "http://localhost:3000"),
        ({}, "https://cloud.langfuse.com"),
    ],
)
def test_the_environment_s_project_is_at_the_first_host_named(given, host):
    """With both keys in the environment the host is LANGFUSE_HOST, else LANGFUSE_BASE_URL, else Langfuse's cloud."""
    keys = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk-123456"}
    assert Settings.from_environment({**keys, **given}).langfuse.host == host
