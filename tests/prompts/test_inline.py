"""Prompts that stand in config.yaml itself, as LiteLLM's document writes them."""

import textwrap
from pathlib import Path

import pytest

from toolkit._http import HttpClient
from toolkit._sync import run
from toolkit.config import Settings, read_config
from toolkit.errors import ConfigError, PromptNotFoundError, UsageError
from toolkit.prompts import InlineSource, Sources, inline_source, render

DOCUMENT = """
prompts:
  - prompt_id: "my_inline_prompt"
    litellm_params:
      prompt_id: "my_inline_prompt"
      prompt_integration: "dotprompt"
      prompt_data:
        my_inline_prompt:
          content: "Hello {{name}}! How can I help you with {{topic}}?"
          metadata:
            model: "gpt-4"
            temperature: 0.7
            max_tokens: 150
  - prompt_id: "flat"
    litellm_params:
      prompt_integration: "dotprompt"
      prompt_data: {content: "User: hi", metadata: {version: 4, tiny: 1.0e-7}}
  - prompt_id: "simple_prompt"
    litellm_params:
      prompt_id: "simple_prompt"
      prompt_integration: "dotprompt"
      dotprompt_content: |
        ---
        model: gpt-4
        temperature: 0.7
        ---
        System: You are a helpful assistant.

        User: {{user_message}}
  - prompt_id: "hello"
    litellm_params:
      prompt_id: "hello"
      prompt_integration: "dotprompt"
      prompt_directory: "./prompts"
"""


def source_of(text: str, tmp_path: Path) -> InlineSource:
    path = tmp_path / "config.yaml"
    path.write_text(textwrap.dedent(text))
    return inline_source(read_config(path).prompts)


@pytest.fixture
def inline(tmp_path: Path) -> InlineSource:
    """The source of the document's entries."""
    return source_of(DOCUMENT, tmp_path)


def test_content_and_metadata_are_a_prompt(inline: InlineSource):
    """`prompt_data` is text and config, under the prompt's name or bare."""
    prompt = run(inline.get("my_inline_prompt"))
    assert (prompt.reference, prompt.kind) == ("config:my_inline_prompt@1", "text")
    assert prompt.template == "Hello {{name}}! How can I help you with {{topic}}?"
    assert prompt.config == {"model": "gpt-4", "temperature": 0.7, "max_tokens": 150}
    flat = run(inline.get("flat"))
    assert (flat.version, flat.config, flat.template) == ("4", {"tiny": 1e-7}, ({"role": "user", "content": "hi"},))


def test_a_whole_file_in_the_config_is_a_prompt(inline: InlineSource):
    """`dotprompt_content` reads as a file of that text would."""
    prompt = run(inline.get("simple_prompt"))
    assert prompt.config == {"model": "gpt-4", "temperature": 0.7}
    assert [(message.role, message.content) for message in render(prompt, {"user_message": "hi"})] == [
        ("system", "You are a helpful assistant."),
        ("user", "hi"),
    ]


def test_entries_without_a_text_are_passed_over(inline: InlineSource):
    """An entry that says where its prompt is, is not in the config's own source."""
    assert [info.prompt_id for info in run(inline.list())] == ["flat", "my_inline_prompt", "simple_prompt"]
    with pytest.raises(PromptNotFoundError, match="no prompt 'hello'"):
        run(inline.get("hello"))


def test_a_config_prompt_has_one_version(inline: InlineSource):
    """Its one version and `latest` find it; everything else does not."""
    assert run(inline.versions("flat")) == ("4",)
    assert run(inline.get("flat", version="4")) == run(inline.get("flat", label="latest"))
    for selection in ({"version": "1"}, {"label": "production"}):
        with pytest.raises(PromptNotFoundError, match="version '4' only"):
            run(inline.get("flat", **selection))
    with pytest.raises(UsageError, match="both given"):
        run(inline.get("flat", version="4", label="latest"))


def test_it_is_a_source_like_others(inline: InlineSource, http: HttpClient):
    """Handed in as `config`, it has a prefix and is asked for names without one."""
    sources = Sources(Settings(prompts_folder=Path("/nowhere")), http, extra={"config": inline})
    assert [prompt.reference for prompt in run(sources.resolve("flat@*"))] == ["config:flat@4"]
    assert run(sources.fetch("config", "flat", version=4)).version == "4"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('dotprompt_content: "---\\nmodel: x\\n"', "not closed"),
        ("prompt_data: {other: {content: x}}", "needs 'p' with a text 'content'"),
        ("prompt_data: {p: {content: 4}}", "needs 'p' with a text 'content'"),
        ("prompt_data: {content: x, metadata: [1]}", "must be a map"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, says: str):
    """An entry that cannot be read is an error that names it."""
    text = f"prompts:\n  - prompt_id: p\n    litellm_params:\n      prompt_integration: dotprompt\n      {entry}\n"
    with pytest.raises(ConfigError, match=f"config.yaml, prompt 'p'.*{says}"):
        source_of(text, tmp_path)
