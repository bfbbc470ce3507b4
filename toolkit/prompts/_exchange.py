"""What bringing prompts from one source to another comes to: steps, each with its reason; and which names are meant."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toolkit.errors import PromptNotFoundError, UsageError
from toolkit.prompts._managed import ManagedPrompt
from toolkit.prompts._reference import PromptReference, Selector, nearest
from toolkit.prompts._registry import Sources
from toolkit.prompts._written import SyncedPromptSource, plain_template

Action = Literal["write", "label", "same", "behind", "conflict", "refused", "failed"]
"""`same` = it is there; `behind` = the other side is newer; `conflict`, `refused` and `failed` are problems."""

_PROBLEMS = ("conflict", "refused", "failed")
_WORDS = {"write": "new", "label": "label", "same": "same", "behind": "behind"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done with one version of a prompt, or why nothing is."""

    action: Action
    name: str
    version: str | None = None
    """In the source that it comes from; `None` = the prompt as a whole."""
    number: str | None = None
    """In the source that it goes to; `None` = not known before it is written."""
    label: str | None = None
    reason: str = ""

    @property
    def is_problem(self) -> bool:
        """True when something was asked for and is not done."""
        return self.action in _PROBLEMS

    def __str__(self) -> str:
        here = f"{self.name}@{self.version}" if self.version is not None else self.name
        there = f" as version {self.number}" if self.number not in (None, self.version) else ""
        label = f" [{self.label}]" if self.label is not None else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{_WORDS.get(self.action, self.action):<8}  {here}{there}{label}{reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Everything that one pull or push did, or would do."""

    came_from: str
    """Name of the source that was read."""
    went_to: str
    """Name of the source that is written to."""
    is_dry: bool
    """True when nothing was written."""
    steps: tuple[Step, ...]

    @property
    def problems(self) -> tuple[Step, ...]:
        """What was asked for and is not done."""
        return tuple(step for step in self.steps if step.is_problem)


def synced(sources: Sources, name: str) -> SyncedPromptSource:
    """Returns a source whose versions can be brought elsewhere.

    Raises:
        UnknownNameError: If there is no such source.
        MissingKeyError: If its credentials are not set.
        UsageError: If it is another kind of source.
    """
    source = sources.get(name)
    if not isinstance(source, SyncedPromptSource):
        raise UsageError(
            f"Versions of the prompt source {name!r} cannot be brought elsewhere; folder and langfuse can."
        )
    return source


async def names_of(source: SyncedPromptSource, wanted: Sequence[str]) -> list[str]:
    """Returns the names that a source has and that are meant, sorted.

    Args:
        source: Asked for its list.
        wanted: Names, and patterns with `*`, `?` and `[...]`; none = every name.

    Raises:
        PromptNotFoundError: If a name is not there, or a pattern fits none.
        PromptSourceError: If the source cannot be reached or refuses it.
    """
    known = [info.prompt_id for info in await source.list()]
    found: set[str] = set() if wanted else {*known}
    for each in wanted:
        fitting = {each} & {*known} or set(_fitting(known, each))
        if not fitting:
            raise PromptNotFoundError(
                f"The prompt source {source.name!r} has no prompt {each!r}. {nearest(each, sorted(known))}",
                prompt_id=each,
                source=source.name,
            )
        found |= fitting
    return sorted(found)


async def as_written(sources: Sources, reference: PromptReference) -> ManagedPrompt:
    """Returns one version in the form in which sources can be compared; without a version the newest of its source.

    References to other prompts are left in, and a source's own marks on messages are left out.

    Raises:
        UsageError: If the reference names several versions, or no source where several have the name.
        PromptNotFoundError: If there is no such prompt, version or label.
        PromptSourceError: If a source cannot be reached or refuses it.
    """
    if reference.selector.kind == "default" and reference.source is not None:
        newest = (await sources.get(reference.source).versions(reference.name))[-1]
        selector = Selector(kind="version", value=newest)
        reference = PromptReference(name=reference.name, source=reference.source, selector=selector)
    found = await sources.manage(reference)
    source = sources.get(found.source)
    if not isinstance(source, SyncedPromptSource):
        return found
    (written,) = await source.written(found.prompt_id, [found.version])
    return ManagedPrompt(prompt=replace(written.prompt, template=plain_template(written.prompt)))


def _fitting(known: Iterable[str], pattern: str) -> list[str]:
    return [name for name in known if fnmatch.fnmatchcase(name, pattern)]
