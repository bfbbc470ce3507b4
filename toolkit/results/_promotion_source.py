"""Makes any writable prompt source one that promotions can be made on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolkit._records import Prompt
from toolkit.errors import PromptNotFoundError, PromptSourceError, UsageError
from toolkit.prompts import Evidence, PromotingPromptSource, PromptSource, WritablePromptSource

FindSource = Callable[[str], PromptSource]
"""Gives a prompt source by its name."""


def promoting_source(find: FindSource | None, name: str) -> PromotingPromptSource:
    """Returns the source of that name, ready for a label to be moved in it.

    Raises:
        UsageError: If the source is not known, or cannot be written to.
    """
    if find is None:
        raise UsageError("These results do not know the prompt sources; open the run with tk.open_run(run_id).")
    source: object = find(name)
    if isinstance(source, PromotingPromptSource):
        return source
    if isinstance(source, WritablePromptSource):
        return _Promoting(source)
    raise UsageError(f"The prompt source {name!r} cannot be written to from here; langfuse and folder can.")


async def read_anew(source: PromotingPromptSource, prompt_id: str, version: str) -> Prompt:
    """Returns a version as its source has it now; what is cached is dropped first.

    Raises:
        PromptNotFoundError: If there is no such version.
        PromptSourceError: If the source cannot be reached, refuses us or answers nonsense.
    """
    drop = getattr(source, "refresh", None)
    if drop is not None:
        drop()
    return await source.get(prompt_id, version=version)


class _Promoting:
    """A source that can move labels and no more: it asks before and after, and keeps no evidence."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.name: str = source.name
        self.get = source.get
        self.versions = source.versions
        self.list = source.list
        self.push = source.push
        self.set_label = source.set_label
        self.aclose = source.aclose

    def refresh(self) -> None:
        drop = getattr(self._source, "refresh", None)
        if drop is not None:
            drop()

    async def holders(self, prompt_id: str, label: str) -> tuple[str, ...]:
        self.refresh()
        try:
            found: Prompt = await self._source.get(prompt_id, label=label)
        except PromptNotFoundError:
            # Either nobody has the label, or there is no such prompt; the second is an error here too.
            await self._source.versions(prompt_id)
            return ()
        return (found.version,)

    async def swap_label(self, prompt_id: str, label: str, *, held_by: str | None, version: str | None) -> bool:
        found = await self.holders(prompt_id, label)
        if found != (() if held_by is None else (held_by,)):
            return False
        await self._source.set_label(prompt_id, version, label)
        return True

    async def keep_evidence(self, evidence: Evidence) -> str:
        raise PromptSourceError(
            f"The prompt source {self.name!r} keeps no evidence; the promotion's `proposal` has it.",
            prompt_id=evidence.prompt_id,
            source=self.name,
        )
