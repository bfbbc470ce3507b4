"""Whatever stands in config.yaml, reading it gives settings or a typed error that names the file."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from toolkit import _redact
from toolkit.config import ConfigFile, load_yaml, parse_config, read_config
from toolkit.errors import ConfigError

# The words and the grammar that a config.yaml is made of, so that many of the texts are nearly right.
WORDS = st.sampled_from(
    "model_list prompts litellm_settings general_settings toolkit_settings router_settings model_group_alias "
    "model_name litellm_params prompt_id prompt_integration prompt_variables prompt_data weight timeout rpm tpm "
    "max_retries max_parallel_requests langfuse_secret api_base master_key dialect durability drop_params "
    "os.environ/SET os.environ/UNSET openai/m langfuse folder full".split()
)
TOKENS = WORDS | st.sampled_from(
    [": ", "- ", "\n", "\n  ", "\n    ", ", ", "[", "]", "{", "}", "? ", "&a ", "*a", "<<: ", "|", ">", "'", '"', "#",
     "!!int ", "!!float ", "!!bool ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!python/name:os.system ",
     "---", "...", "~", "1", "-1", "1e400", ".nan", "0x", "1:99:99", "2024-13-45", "\t", "\ud800", "%YAML 9.9\n"]
)  # fmt: skip

NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
LEAVES = NUMBERS | st.text(max_size=5) | WORDS | st.dates() | st.binary(max_size=4)
KEYS = WORDS | st.text(max_size=3) | st.integers() | st.none()
CONTENT = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))
# A file whose outside is right, so that every value inside is reached.
PARAMS = st.dictionaries(
    st.sampled_from(
        "prompt_id prompt_variables prompt_version prompt_label weight timeout rpm tpm max_retries api_key api_base "
        "max_parallel_requests prompt_data dotprompt_content provider_specific_query_params langfuse_host".split()
    ),
    CONTENT,
    max_size=4,
)
FILES = st.fixed_dictionaries(
    {},
    optional={
        "model_list": st.lists(
            st.fixed_dictionaries(
                {
                    "model_name": WORDS | CONTENT,
                    "litellm_params": PARAMS.map(lambda given: {"model": "openai/m", **given}),
                }
            ),
            max_size=2,
        )
        | CONTENT,
        "prompts": st.lists(
            st.fixed_dictionaries(
                {
                    "prompt_id": WORDS | CONTENT,
                    "litellm_params": st.tuples(PARAMS, st.just("folder") | CONTENT).map(
                        lambda given: {**given[0], "prompt_integration": given[1]}
                    ),
                }
            ),
            max_size=2,
        )
        | CONTENT,
        "litellm_settings": st.dictionaries(WORDS, CONTENT, max_size=3) | CONTENT,
        "general_settings": st.dictionaries(WORDS, CONTENT, max_size=3) | CONTENT,
        "toolkit_settings": st.dictionaries(WORDS, CONTENT, max_size=3) | CONTENT,
        "router_settings": st.fixed_dictionaries({"model_group_alias": CONTENT}) | CONTENT,
    },
)
ENVIRON = {"SET": "openai/m"}


@pytest.fixture(autouse=True)
def keys_that_are_none(monkeypatch):
    """Forgets the keys that are made up here: they are ordinary words, which the rest of the run may well print."""
    monkeypatch.setattr(_redact, "_KNOWN", set())


def settings_or_named_error(read):
    """Holds that reading gives settings, or an error of ours that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            config = read()
        except ConfigError as error:
            assert "some.yaml" in str(error)  # noqa: PT017  an error is one of two right answers
        else:
            assert isinstance(config, ConfigFile)


@given(
    content=st.binary(max_size=200)
    | st.lists(TOKENS, max_size=25).map(lambda words: "".join(words).encode("utf-8", "surrogatepass"))
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content=b"- !!bool x")
@example(content=b"- !!timestamp x")
@example(content=b"- !!int ''")
@example(content=b"[" * 3000)
@example(content=b"model_list: [{model_name: a, litellm_params: {model: m, weight: 0x1" + b"0" * 4000 + b"}}]")
@example(content=b"model_list: [{model_name: a, litellm_params: {model: m, prompt_version: 0x1" + b"0" * 4000 + b"}}]")
def test_any_bytes_are_settings_or_a_typed_error(tmp_path, content):
    """Any bytes in the place of config.yaml give settings, or an error of ours that names the file."""
    path = tmp_path / "some.yaml"
    path.write_bytes(content)
    settings_or_named_error(lambda: read_config(path, environ=ENVIRON))


@given(content=FILES | CONTENT)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content={"prompts": [{"prompt_id": "p", "litellm_params": {"prompt_integration": ["folder"]}}]})
def test_any_values_are_settings_or_a_typed_error(content):
    """Whatever type a value of config.yaml has, it is taken or refused with an error of ours that names the file."""
    settings_or_named_error(lambda: parse_config(content, where="some.yaml", environ=ENVIRON))


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!int ''", "a: !!float ''", "a: !!timestamp soon"])
def test_a_value_that_its_tag_does_not_fit_is_told(text):
    """A value that cannot be what its YAML tag says is refused as YAML that is not valid."""
    with pytest.raises(ConfigError, match=r"some\.yaml.*not valid YAML"):
        load_yaml(text, where="some.yaml")


@pytest.mark.parametrize("value", ["[false]", "{a: b}", "true"])
@pytest.mark.parametrize("key", ["api_key", "api_base", "langfuse_secret", "prompt_id"])
def test_a_text_that_is_a_list_or_a_mapping_is_refused(key, value):
    """A list, a mapping or a truth value in the place of a key, an address or a name is refused by its place."""
    content = load_yaml(
        f"model_list: [{{model_name: a, litellm_params: {{model: openai/m, {key}: {value}}}}}]", where="some.yaml"
    )
    with pytest.raises(ConfigError, match=rf"some\.yaml: .*litellm_params\.{key} is a text"):
        parse_config(content, where="some.yaml", environ={})
