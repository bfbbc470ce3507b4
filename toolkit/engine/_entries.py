"""What an entry of config.yaml's `prompts:` means to a prompt source."""

from __future__ import annotations

from dataclasses import replace

from toolkit.config import Credentials, PromptEntry
from toolkit.prompts import SourceAccess


def access_of(credentials: Credentials) -> SourceAccess:
    """Returns what a deployment's credentials say of prompt sources."""
    return SourceAccess(
        langfuse_public_key=credentials.langfuse_public_key,
        langfuse_secret_key=credentials.langfuse_secret_key,
        langfuse_host=credentials.langfuse_host,
        humanloop_api_key=credentials.humanloop_api_key,
    )


def entry_access(entry: PromptEntry) -> SourceAccess:
    """Returns where the prompt of a `prompts:` entry is, and the keys for it."""
    return replace(
        access_of(entry.credentials),
        api_base=entry.credentials.api_base,
        api_key=entry.credentials.api_key,
        prompt_directory=entry.directory,
        query_params=entry.query,
    )


def source_of(entry: PromptEntry) -> str:
    """Returns the prompt source of a `prompts:` entry; one that carries its prompt with it is config.yaml's own."""
    return "config" if is_inline(entry) else entry.source


def entry_prompt_id(entry: PromptEntry) -> str:
    """Returns the name by which the source of a `prompts:` entry knows the prompt."""
    return entry.name if is_inline(entry) else entry.prompt_id


def is_inline(entry: PromptEntry) -> bool:
    """True when the prompt's text stands in config.yaml itself."""
    return entry.content is not None or bool(entry.data)
