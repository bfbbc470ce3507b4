"""The public calls about prompts: get one, list them all, complete their names, forget what is cached."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from toolkit import _sync
from toolkit._records import Prompt, PromptInfo
from toolkit.engine import Engine, default_engine
from toolkit.errors import ToolkitError, UsageError
from toolkit.prompts import ManagedPrompt, PromptReference, Selector
from toolkit.results import Frame, listing

# How old the names that completion offers may be, and how long a source may take to tell them: somebody is typing.
_KEPT_S = 60.0
_PATIENCE_S = 2.0


def prompt(
    reference: str | Prompt | PromptReference | None = None,
    *,
    name: str | None = None,
    source: str | None = None,
    version: int | str | None = None,
    label: str | None = None,
    engine: Engine | None = None,
) -> ManagedPrompt:
    """Returns one version of a prompt, to render, compare, and write back.

    Args:
        reference: `[source:]name[@version|@label]`; `None` = `name` and the arguments behind it say which.
        name: Name within the source, for names that have `:` or `@` in them.
        source: Such as `langfuse` or `folder`; `None` = as for a reference without a source.
        version: Version within the source; `None` = by label, else the source's default.
        label: Such as `production`; `None` = by version, else the source's default.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the arguments contradict each other, or the reference names several versions.
        UnknownNameError: If there is no such source.
        MissingKeyError: If the source's credentials are not set.
        PromptNotFoundError: If there is no such prompt, version or label; the message says which exist.
        PromptSourceError: If the source cannot be reached, refuses us or answers nonsense.

    Example:
        >>> reply = prompt("support-reply@production")    # doctest: +SKIP
        >>> reply.variables, reply.render(question="Where is my parcel?")    # doctest: +SKIP
        >>> reply.push(template="Be kind. {{question}}").label("production").rollback()    # doctest: +SKIP
    """
    wanted = _reference(reference, name=name, source=source, version=version, label=label)
    return _sync.run((engine or default_engine()).sources.manage(wanted))


class PromptShelf:
    """What the prompt sources hold: `prompts()` lists it, `prompts["reply"]` and `prompts["reply", 7]` take one out.

    In a notebook, names complete behind `prompts["`, versions and labels behind `prompts["reply", `.

    Example:
        >>> prompts("reply")[["prompt", "newest", "labels"]]    # doctest: +SKIP
        >>> prompts["support/reply", "production"].variables    # doctest: +SKIP
    """

    def __init__(self) -> None:
        self._known = KnownPrompts()

    def __call__(self, query: str = "", *, source: str | None = None, engine: Engine | None = None) -> Frame:
        """Returns what the prompt sources hold, one row a prompt.

        Columns: `source`, `prompt`, `kind`, `versions` (how many), `newest`, `labels`, `tags`, `model`, `updated_at`
        (UTC).

        Args:
            query: Keeps only names that contain it; empty keeps all.
            source: Asks only this source; `None` = all that are configured.
            engine: A configuration of its own; `None` = the environment's.

        Raises:
            UnknownNameError: If there is no such source.
            PromptSourceError: If a source cannot be reached, refuses us or answers nonsense.
        """
        return listing(_sync.run((engine or default_engine()).sources.list(query, source)))

    def __getitem__(self, key: str | tuple[str, int | str]) -> ManagedPrompt:
        """Returns one version of a prompt, as `prompt` does.

        Args:
            key: A reference, or a reference without version and, behind a comma, a version or a label.

        Raises:
            UsageError: If the key is neither.
            PromptNotFoundError: If there is no such prompt, version or label; the message says which exist.
        """
        if isinstance(key, str):
            return prompt(key)
        if isinstance(key, tuple) and len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], int | str):
            return prompt(f"{key[0]}@{key[1]}")
        raise UsageError(f"A prompt is taken out by 'name' or by 'name', version or label; got {key!r}.")

    def complete(self, query: str = "") -> list[tuple[str, tuple[str, ...]]]:
        """Returns names that contain `query`, each with its versions (newest first) and labels, for completion.

        The list is a minute old at most; a source that does not answer within two seconds has nothing to offer.
        """
        return [
            (name, versions)
            for name, versions in self._known.names(default_engine(), time.monotonic())
            if query.lower() in name.lower()
        ]

    def forget(self) -> None:
        """Has the next completion ask the sources."""
        self._known = KnownPrompts()

    def _ipython_key_completions_(self) -> list[tuple[str, int | str]]:
        return [
            (name, int(version) if version.isdigit() else version)
            for name, versions in self.complete()
            for version in versions
        ]

    def __repr__(self) -> str:
        return '<the prompt sources: prompts() lists what they hold, prompts["name"] takes one out>'


class KnownPrompts:
    """The names that completion offers, asked for once a minute."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._asked_at = 0.0
        self._names: list[tuple[str, tuple[str, ...]]] = []

    def names(self, engine: Engine, now_s: float) -> list[tuple[str, tuple[str, ...]]]:
        """Returns each name with its versions, newest first, and labels; empty when nobody answers in time."""
        if self._engine is not engine or now_s - self._asked_at >= _KEPT_S:
            try:
                self._names = _sync.run(_names_in_time(engine))
            except ToolkitError:
                # Nobody waits for a completion's error; the call that is being typed will tell it.
                self._names = []
            self._engine, self._asked_at = engine, now_s
        return self._names


async def _names_in_time(engine: Engine) -> list[tuple[str, tuple[str, ...]]]:
    names: list[tuple[str, tuple[str, ...]]] = []
    lists = await asyncio.gather(*(_list_in_time(engine, source) for source in engine.sources.configured))
    infos = [info for found in lists for info in found]
    held = Counter(info.prompt_id for info in infos)
    for info in infos:
        # A name that stands in two sources needs its source; one that a reference cannot spell is not offered.
        name = f"{info.source}:{info.prompt_id}" if held[info.prompt_id] > 1 else info.prompt_id
        if ":" not in info.prompt_id and "@" not in info.prompt_id:
            names.append((name, (*reversed(info.versions), *info.labels)))
    return sorted(names)


async def _list_in_time(engine: Engine, source: str) -> list[PromptInfo]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await engine.sources.list(source=source)
    except (TimeoutError, ToolkitError):
        return []


prompts = PromptShelf()
"""What the prompt sources hold."""


def refresh(*, engine: Engine | None = None) -> None:
    """Drops every cached prompt, so that the next call asks its source.

    Args:
        engine: A configuration of its own; `None` = the environment's.
    """

    async def drop() -> None:
        # On the engine's loop, where the caches are used.
        (engine or default_engine()).sources.refresh()
        prompts.forget()

    _sync.run(drop())


def _reference(
    reference: str | Prompt | PromptReference | None,
    *,
    name: str | None,
    source: str | None,
    version: int | str | None,
    label: str | None,
) -> str | Prompt | PromptReference:
    apart = {"name": name, "source": source, "version": version, "label": label}
    given = [key for key, value in apart.items() if value is not None]
    if reference is not None:
        if given:
            raise UsageError(f"The prompt {reference!r} is given as a reference and also by {given}; give one of both.")
        return reference
    if not name:
        raise UsageError("No prompt is named; give a reference such as 'support-reply@production', or name='...'.")
    if version is not None and label is not None:
        raise UsageError(f"Prompt {name!r}: version {version!r} and label {label!r} are both given; give one of them.")
    if version is not None:
        return PromptReference(name=name, source=source, selector=Selector(kind="version", value=str(version)))
    if label is not None:
        return PromptReference(name=name, source=source, selector=Selector(kind="label", value=label))
    return PromptReference(name=name, source=source)
