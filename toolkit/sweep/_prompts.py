"""The public calls about prompts: get one, list them all, forget what is cached."""

from __future__ import annotations

from toolkit import _sync
from toolkit._records import Prompt
from toolkit.engine import Engine, default_engine
from toolkit.errors import UsageError
from toolkit.prompts import ManagedPrompt, PromptReference, Selector
from toolkit.results import Frame, listing


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


def prompts(query: str = "", *, source: str | None = None, engine: Engine | None = None) -> Frame:
    """Returns what the prompt sources hold, one row a prompt.

    Columns: `source`, `prompt`, `kind`, `versions` (how many), `newest`, `labels`, `tags`, `model`, `updated_at` (UTC).

    Args:
        query: Keeps only names that contain it; empty keeps all.
        source: Asks only this source; `None` = all that are configured.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UnknownNameError: If there is no such source.
        PromptSourceError: If a source cannot be reached, refuses us or answers nonsense.

    Example:
        >>> prompts("reply")[["prompt", "newest", "labels"]]    # doctest: +SKIP
    """
    return listing(_sync.run((engine or default_engine()).sources.list(query, source)))


def refresh(*, engine: Engine | None = None) -> None:
    """Drops every cached prompt, so that the next call asks its source.

    Args:
        engine: A configuration of its own; `None` = the environment's.
    """

    async def drop() -> None:
        # On the engine's loop, where the caches are used.
        (engine or default_engine()).sources.refresh()

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
