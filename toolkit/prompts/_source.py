"""The PromptSource protocol: what every place where prompts live must offer."""

from __future__ import annotations

from typing import Protocol

from toolkit._records import Prompt, PromptInfo


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
