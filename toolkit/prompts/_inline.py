"""Prompts that are written into config.yaml itself: a whole `.prompt` file as text, or content and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit._records import Prompt, PromptInfo
from toolkit.config import PromptEntry
from toolkit.errors import ConfigError, PromptError, PromptNotFoundError, UsageError
from toolkit.prompts._files import build_prompt, parse_prompt
from toolkit.prompts._reference import nearest
from toolkit.prompts._values import thawed

SOURCE = "config"

# Within the class, `list` is its method.
_Infos = list[PromptInfo]


class InlineSource:
    """Prompts in memory, one version each.

    Args:
        prompts: By name.
    """

    name = SOURCE

    def __init__(self, prompts: Mapping[str, Prompt]) -> None:
        self._prompts = dict(prompts)

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns a prompt; its version is what its metadata say, else 1, and `latest` is its one label.

        Raises:
            PromptNotFoundError: If there is no such prompt, version or label.
            UsageError: If both a version and a label are given.
        """
        if version is not None and label is not None:
            raise UsageError(
                f"Prompt {prompt_id!r}: version {version!r} and label {label!r} are both given; give one of them."
            )
        prompt = self._prompts.get(prompt_id)
        if prompt is None:
            raise PromptNotFoundError(
                f"config.yaml holds no prompt {prompt_id!r}. {nearest(prompt_id, sorted(self._prompts))}",
                prompt_id=prompt_id,
                source=SOURCE,
            )
        if version not in (None, prompt.version) or label not in (None, "latest"):
            what = f"version {version!r}" if version is not None else f"label {label!r}"
            raise PromptNotFoundError(
                f"Prompt {prompt_id!r} in config.yaml has no {what}; it has version {prompt.version!r} only.",
                prompt_id=prompt_id,
                source=SOURCE,
            )
        return prompt

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns the one version of a prompt; raises as `get`."""
        return ((await self.get(prompt_id)).version,)

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what config.yaml holds, sorted by name."""
        return [
            PromptInfo(
                prompt_id=name, source=SOURCE, kind=prompt.kind, versions=(prompt.version,), config=prompt.config
            )
            for name, prompt in sorted(self._prompts.items())
            if query.lower() in name.lower()
        ]

    async def aclose(self) -> None:
        """Does nothing: nothing is held open."""


def inline_source(entries: Mapping[str, PromptEntry]) -> InlineSource:
    """Returns the source of the entries that carry their prompt with them; the others are passed over.

    Args:
        entries: The `prompts` of config.yaml, by name.

    Raises:
        ConfigError: If an entry's text or data cannot be read; the message names the entry.
    """
    prompts = {name: prompt for name, entry in entries.items() if (prompt := _inline_prompt(entry)) is not None}
    return InlineSource(prompts)


def _inline_prompt(entry: PromptEntry) -> Prompt | None:
    where = f"config.yaml, prompt {entry.name!r}"
    try:
        if entry.content is not None:
            return parse_prompt(entry.content, where=where, prompt_id=entry.name, version=None, source=SOURCE).prompt
        if not entry.data:
            return None
        return _from_data(thawed(entry.data), entry, where)
    except PromptError as error:
        raise ConfigError(str(error)) from error


def _from_data(given: Mapping[str, Any], entry: PromptEntry, where: str) -> Prompt:
    """Reads `{content, metadata}`, bare or under the prompt's name."""
    data: Any = given
    if "content" not in given:
        data = given.get(entry.prompt_id, given.get(entry.name))
    if not isinstance(data, Mapping) or not isinstance(data.get("content"), str):
        raise ConfigError(f"{where}: prompt_data needs {entry.name!r} with a text 'content'; it has {sorted(given)}.")
    metadata = data.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise ConfigError(f"{where}: the metadata in prompt_data must be a map, not {metadata!r:.100}.")
    body = data["content"]
    return build_prompt(metadata, body, where=where, prompt_id=entry.name, version=None, source=SOURCE).prompt
