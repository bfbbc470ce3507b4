"""config.yaml: a LiteLLM file works unchanged, and what cannot be meant is told (completion.md section 5)."""

from __future__ import annotations

import warnings

import pytest

from toolkit.config import Settings, parse_config, read_config
from toolkit.config._yaml import load_yaml
from toolkit.errors import ConfigError, ConfigWarning

DOCUMENT = """
model_list:
  - model_name: my-langfuse-model
    litellm_params:
      model: langfuse/openai-model
      prompt_id: "<id>"
      api_key: os.environ/OPENAI_API_KEY
  - model_name: openai-model
    litellm_params:
      model: openai/gpt-3.5-turbo
      api_key: os.environ/OPENAI_API_KEY
  - model_name: gpt-3.5-turbo
    litellm_params:
      model: azure/chatgpt-v-2
      api_key: os.environ/AZURE_API_KEY
      api_base: os.environ/AZURE_API_BASE
      api_version: "2024-02-01"
"""


def read(text, environ=None):
    """The settings of a config.yaml given as text."""
    return parse_config(load_yaml(text, where="config.yaml"), where="config.yaml", environ=environ or {})


@pytest.mark.line("5.1", "5.15")
def test_the_document_s_file_is_read_as_it_is():
    """The config.yaml of LiteLLM's document gives three deployments, with keys from the environment and no warning."""
    environ = {"OPENAI_API_KEY": "sk-open-123456", "AZURE_API_KEY": "az-123456", "AZURE_API_BASE": "https://a.test"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = read(DOCUMENT, environ)
    assert list(config.deployments) == ["my-langfuse-model", "openai-model", "gpt-3.5-turbo"]
    (managed,) = config.deployments["my-langfuse-model"]
    assert (managed.model, managed.prompt_id) == ("langfuse/openai-model", "<id>")
    assert managed.credentials.api_key.reveal() == "sk-open-123456"
    (azure,) = config.deployments["gpt-3.5-turbo"]
    assert (azure.credentials.api_base, azure.credentials.api_version) == ("https://a.test", "2024-02-01")


def test_keys_are_in_no_repr():
    """The settings show no key, however deep they are printed."""
    config = read(DOCUMENT, {"OPENAI_API_KEY": "sk-open-123456"})
    assert "sk-open-123456" not in repr(config)


@pytest.mark.line("5.7", "5.8")
def test_environment_values_are_put_in_anywhere():
    """os.environ/NAME stands for the variable's value in maps and in lists, at any depth; unset ones are absent."""
    config = read(
        """
model_list:
  - model_name: a
    litellm_params: {model: os.environ/MODEL, stop: [os.environ/ONE, os.environ/NONE, x], api_base: os.environ/NONE,
                     prompt_variables: {tone: os.environ/ONE}}
""",
        {"MODEL": "openai/m", "ONE": "1"},
    )
    (deployment,) = config.deployments["a"]
    assert deployment.model == "openai/m"
    assert deployment.params == {"stop": ("1", "x")}
    assert deployment.credentials.api_base is None
    assert deployment.credentials.unset == {"api_base": "NONE"}
    assert deployment.prompt_variables == {"tone": "1"}


@pytest.mark.line("5.10", "5.14", "5.16")
def test_every_deployment_parameter_is_taken():
    """litellm_params takes prompts, per-deployment keys, address, weight, limits, chat parameters and the two flags."""
    config = read(
        """
model_list:
  - model_name: a
    litellm_params:
      model: langfuse/m
      prompt_id: p
      prompt_variables: {x: 1}
      prompt_version: 3
      langfuse_public_key: pk
      langfuse_secret_key: secret-one
      langfuse_host: https://one.test
      humanloop_api_key: hl-1
      weight: 3
      rpm: 10
      tpm: 1000
      max_parallel_requests: 4
      timeout: 30
      temperature: 0.2
      ignore_prompt_manager_model: true
      ignore_prompt_manager_optional_params: true
  - model_name: a
    litellm_params: {model: langfuse/m, prompt_id: p, prompt_label: staging, langfuse_secret: secret-two}
"""
    )
    first, second = config.deployments["a"]
    assert (first.prompt_version, first.prompt_variables, first.weight) == ("3", {"x": 1}, 3.0)
    assert (first.timeout_s, first.max_parallel_requests, first.params) == (30.0, 4, {"temperature": 0.2})
    assert (first.ignore_prompt_manager_model, first.ignore_prompt_manager_optional_params) == (True, True)
    assert first.credentials.langfuse_secret_key.reveal() == "secret-one"
    assert second.credentials.langfuse_secret_key.reveal() == "secret-two"
    assert (second.prompt_label, second.weight) == ("staging", 1.0)


@pytest.mark.line("5.2")
@pytest.mark.parametrize(
    ("integration", "source"),
    [
        ("dotprompt", "folder"),
        ("langfuse", "langfuse"),
        ("humanloop", "humanloop"),
        ("generic_prompt_management", "generic"),
    ],
)
def test_a_bare_prompt_id_can_name_an_entry(integration, source):
    """`prompts:` gives names to prompts of each integration."""
    config = read(f"prompts:\n  - prompt_id: hello\n    litellm_params: {{prompt_integration: {integration}}}\n")
    assert config.prompts["hello"].source == source
    assert config.prompts["hello"].prompt_id == "hello"


@pytest.mark.line("5.4", "5.6")
def test_settings_and_master_key_are_read():
    """dialect, drop_params, the prompt directory, Langfuse defaults and the master key come from their sections."""
    config = read(
        """
litellm_settings: {dialect: litellm, drop_params: true, global_prompt_directory: ./p, langfuse_host: h}
general_settings: {master_key: sk-1234}
toolkit_settings: {prompt_source: folder}
"""
    )
    assert (config.dialect, config.drop_params, config.prompt_directory) == ("litellm", True, "./p")
    assert (config.credentials.langfuse_host, config.prompt_source) == ("h", "folder")
    assert config.master_key.reveal() == "sk-1234"


@pytest.mark.line("5.25")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "modle_list: []",
            r"config\.yaml: the key 'modle_list' means nothing here and is left out\. Did you mean 'model_list'",
        ),
        ("model_list: [{model_name: a, litellm_params: {model: x/y, temprature: 1}}]", "'temprature'.*'temperature'"),
        ("prompts: [{prompt_id: a, litellm_params: {prompt_integration: langfuse, colour: 1}}]", "'colour'"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(text, message):
    """A key that means nothing is a warning that names the nearest one that does."""
    with pytest.warns(ConfigWarning, match=message):
        read(text)


def test_parts_of_a_litellm_file_that_mean_nothing_here_are_passed_over():
    """router_settings and other parts of a LiteLLM file are no mistake and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("router_settings: {num_retries: 2}\nenvironment_variables: {A: b}\n").deployments == {}


@pytest.mark.line("5.23")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "config.yaml is a mapping of keys to values; got list"),
        ("model_list: {a: 1}", "model_list is a list; got dict"),
        ("model_list: [{litellm_params: {}}]", r"model_list\[0\] needs a model_name"),
        ("model_list: [{model_name: a, litellm_params: {}}]", r"model_list\[0\] \(a\)\.litellm_params needs a model"),
        ("model_list: [{model_name: a, litellm_params: 5}]", "is a mapping"),
        ("model_list: [{model_name: a, litellm_params: {model: x/y, weight: -1}}]", r"weight is a number.*got -1"),
        ("model_list: [{model_name: a, litellm_params: {model: x/y, max_parallel_requests: x}}]", "whole number"),
        ("prompts: [{litellm_params: {}}]", r"prompts\[0\] needs a prompt_id"),
        ("prompts: [{prompt_id: a, litellm_params: {prompt_integration: gitlab}}]", "one of dotprompt.*got 'gitlab'"),
        ("litellm_settings: {dialect: french}", "'toolkit' or 'litellm'; got 'french'"),
        ("a: 1\na: 2", "stands twice"),
    ],
)
def test_what_cannot_be_meant_names_file_and_key(text, message):
    """A value of the wrong form raises an error that names the file and the place."""
    with pytest.raises(ConfigError, match=message):
        read(text)


def test_two_entries_of_one_prompt_id_are_refused():
    """Two prompts of one name are an error that names it."""
    entry = "{prompt_id: a, litellm_params: {prompt_integration: langfuse}}"
    with pytest.raises(ConfigError, match="two entries with the prompt_id 'a'"):
        read(f"prompts: [{entry}, {entry}]")


@pytest.mark.line("5.24")
def test_files_that_cannot_be_read_say_why(tmp_path):
    """A missing file, one that is not UTF-8, and one over 1 MB each raise one clear error."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config(tmp_path / "latin.yaml")
    (tmp_path / "large.yaml").write_text("#" * 2_000_000, encoding="utf-8")
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        read_config(tmp_path / "large.yaml")


def test_an_empty_file_is_a_configuration():
    """An empty config.yaml says nothing, and that is fine."""
    assert read("").deployments == {}
    assert Settings().langfuse is None
