"""A version of a prompt as its authors wrote it, with what stands beside it: what is brought from source to source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

from toolkit._records import FrozenDict, Prompt, PromptInfo, TemplateFormat
from toolkit.errors import UsageError

KEPT_LABEL = "production"
"""The label that no new version gets: a promotion moves it, with its reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledFrom:
    """Where a file of a folder was brought from; kept in its front matter, never sent anywhere."""

    source: str
    name: str
    version: str
    fingerprint: str
    """Of the content that was brought: whoever edits the file can be told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenVersion:
    """One version, references to other prompts left as they are written."""

    prompt: Prompt
    """With every label that stands on it."""
    tags: tuple[str, ...] = ()
    message: str | None = None
    pulled_from: PulledFrom | None = None
    """`None` = written where it is, or its source does not say."""

    @property
    def content(self) -> str:
        """Content hash: equal for two versions that send the same, whatever else their sources keep with a message.

        Langfuse may mark a message as `type: chatmessage`; a folder has no such mark.
        """
        return replace(self.prompt, template=plain_template(self.prompt)).fingerprint


@runtime_checkable
class SyncedPromptSource(Protocol):
    """A source whose versions can be brought to another one and back: Langfuse, a folder."""

    name: str
    template_formats: tuple[TemplateFormat, ...]
    """Ways of writing variables that it can keep."""

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the source holds, as `PromptSource.list`."""
        ...

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first, as `PromptSource.versions`."""
        ...

    async def label_versions(self, prompt_id: str) -> dict[str, str]:
        """Returns which version each label of a prompt stands on.

        Raises:
            PromptNotFoundError: If there is no such prompt.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...

    async def written(self, prompt_id: str, versions: Collection[str] | None = None) -> tuple[WrittenVersion, ...]:
        """Returns versions as they are written, oldest first, asked anew.

        Args:
            prompt_id: Name of the prompt.
            versions: Which; `None` = every one.

        Raises:
            PromptNotFoundError: If there is no such prompt or version.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...

    async def push(
        self,
        prompt_id: str,
        template: str | Sequence[Mapping[str, Any]],
        *,
        kind: Literal["text", "chat"] | None = None,
        config: Mapping[str, Any] | None = None,
        labels: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        commit_message: str | None = None,
        template_format: TemplateFormat = "mustache",
    ) -> Prompt:
        """Writes a new version, as `WritablePromptSource.push`."""
        ...

    async def set_label(self, prompt_id: str, version: str | None, label: str) -> str | None:
        """Moves a label, as `WritablePromptSource.set_label`."""
        ...


def plain_template(prompt: Prompt) -> str | tuple[FrozenDict, ...]:
    """Returns the template without the marks that a source puts on ordinary messages.

    Example:
        >>> message = FrozenDict({"type": "chatmessage", "role": "user", "content": "Hi"})
        >>> plain_template(Prompt(prompt_id="p", version="1", kind="chat", template=(message,), source="langfuse"))
        ({'role': 'user', 'content': 'Hi'},)
    """
    if isinstance(prompt.template, str):
        return prompt.template
    return tuple(
        FrozenDict({key: value for key, value in message.items() if key != "type"}) if "role" in message else message
        for message in prompt.template
    )


def check_new_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the labels that a new version may get.

    Raises:
        UsageError: If `production` is among them, or they are no list.
    """
    if isinstance(labels, str):
        raise UsageError(f"`labels` is a list such as ['staging']; got {labels!r}.")
    if KEPT_LABEL in labels:
        raise UsageError(
            f"The label {KEPT_LABEL!r} is not put on a new version: results.promote(...) moves it once the version has "
            "proved itself. Give another label, such as 'staging', or none. Nothing was written."
        )
    return tuple(labels)
