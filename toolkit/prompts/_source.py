"""The PromptSource protocol: what every place where prompts live must offer; and the access that a caller may name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from toolkit._records import EMPTY, FrozenDict, Prompt, PromptInfo, TemplateFormat
from toolkit._redact import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccess:
    """Where a prompt source is and the keys for it, as a caller or one deployment of config.yaml gives them.

    What is `None` comes from the settings and the environment, with one exception: an address given here is sent only
    keys that are given here.
    """

    langfuse_public_key: str | None = None
    langfuse_secret_key: Secret | None = None
    langfuse_host: str | None = None
    """Without a scheme it gets `http://`."""
    humanloop_api_key: Secret | None = None
    api_base: str | None = None
    """Address of a generic prompt-management server, or of another Humanloop."""
    api_key: Secret | None = None
    """Bearer token of a generic prompt-management server."""
    prompt_directory: str | None = None
    """Folder of `.prompt` files."""
    query_params: Mapping[str, Any] = EMPTY
    """What config.yaml calls `provider_specific_query_params`: sent beside `prompt_id`, as text."""

    def __post_init__(self) -> None:
        if not isinstance(self.query_params, FrozenDict):
            object.__setattr__(self, "query_params", FrozenDict(self.query_params))


FROM_SETTINGS = SourceAccess()
"""Nothing given: everything comes from the settings and the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptVersion:
    """What a source says of one version, beside its text."""

    version: str
    labels: tuple[str, ...] = ()
    """Every label that stands on it now."""
    created_at: dt.datetime | None = None
    """UTC; a folder says when the file was last changed. `None` = the source does not say."""
    message: str | None = None
    """The line that its author left about the change; `None` = none."""


class PromptSource(Protocol):
    """A place where prompts live: a folder, Langfuse, ...; all calls run on the engine's loop."""

    name: str
    """What people write before the colon of a reference: `folder`, `langfuse`."""

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns one version of a prompt; without version and label the source's default.

        Raises:
            PromptNotFoundError: If there is no such prompt, version or label; the message says which exist.
            PromptSourceError: If the source cannot be reached, refuses us or answers nonsense.
            UsageError: If both a version and a label are given.
        """
        ...

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns every version of a prompt, oldest first; what `@*` and `@3..7` choose from.

        Raises:
            PromptNotFoundError: If there is no such prompt.
            PromptSourceError: As for `get`.
        """
        ...

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns what the source holds, sorted by name.

        Args:
            query: Keeps only names that contain it; empty keeps all.

        Raises:
            PromptSourceError: As for `get`.
        """
        ...

    async def aclose(self) -> None:
        """Releases what the source holds open."""
        ...


@runtime_checkable
class PromptSourceWithHistory(Protocol):
    """A source that also says when each version came and what its author wrote about it."""

    name: str

    async def history(self, prompt_id: str) -> tuple[PromptVersion, ...]:
        """Returns every version of a prompt, oldest first; raises as `versions`."""
        ...


@runtime_checkable
class WritablePromptSource(Protocol):
    """A source that also takes new versions and moves labels: Langfuse, a folder."""

    name: str

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
        """Writes a new version, and returns it as the source gives it from now on.

        Args:
            prompt_id: Name of the prompt; a new one begins at version 1.
            template: Text, or the messages of a chat as maps.
            kind: `None` = `text` for text, `chat` for messages.
            config: Model, params and whatever else is kept with the prompt; `None` = nothing.
            labels: Put on the new version and taken from the version that had them.
            tags: Tags of the prompt; `None` = as they are.
            commit_message: A line about the change.
            template_format: How the template's variables are written.

        Raises:
            UsageError: If the source cannot hold what is given; nothing was written.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...

    async def set_label(self, prompt_id: str, version: str | None, label: str) -> str | None:
        """Puts a label on a version and returns the version that had it before; `None` when none had.

        Args:
            prompt_id: Name of the prompt.
            version: Version that gets the label; `None` takes the label away.
            label: Such as `production`; `latest` belongs to the source.

        Raises:
            PromptNotFoundError: If there is no such prompt or version.
            UsageError: If the label cannot be moved; nothing was written.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a label was moved, as a source keeps it beside the version."""

    prompt_id: str
    version: str
    """Version that it is about."""
    label: str
    key: str
    """Names the move: what has been kept under a key is not kept again."""
    text: str
    """The reasons as Markdown, for people."""
    facts: Mapping[str, Any]
    """The same as plain values, for programs."""


@runtime_checkable
class PromotingPromptSource(PromptSource, WritablePromptSource, Protocol):
    """A writable source that moves a label only from where it is thought to be, and keeps the reasons: promotions."""

    async def holders(self, prompt_id: str, label: str) -> tuple[str, ...]:
        """Returns the versions that a label stands on, asked anew: one, or none.

        Raises:
            PromptNotFoundError: If there is no such prompt.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...

    async def swap_label(self, prompt_id: str, label: str, *, held_by: str | None, version: str | None) -> bool:
        """Moves a label if it stands where the caller thinks, and tells whether it did.

        Args:
            prompt_id: Name of the prompt.
            label: Such as `production`.
            held_by: Version that must have the label; `None` = none has it.
            version: Version that gets it; `None` takes it away.

        Raises:
            PromptNotFoundError: If there is no such prompt or version.
            UsageError: If the label cannot be moved; nothing was written.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        ...

    async def keep_evidence(self, evidence: Evidence) -> str:
        """Keeps why a label was moved and returns where it stands: a path, a link.

        Raises:
            PromptSourceError: If it cannot be kept.
        """
        ...
