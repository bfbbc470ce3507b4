"""The public call that writes a draft to its prompt source as a new version, with the run that speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from toolkit import _sync
from toolkit._records import FrozenDict, Prompt, freeze
from toolkit.engine import Engine, default_engine
from toolkit.errors import PromptNotFoundError, UsageError
from toolkit.prompts import ManagedPrompt, PromptReference, Selector, Sources, parse_reference, push_new
from toolkit.prompts import check_draft as check_new


class HasRunId(Protocol):
    """What a sweep gives: results, a live run."""

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        ...


def push_prompt(
    reference: str | PromptReference | ManagedPrompt,
    template: str | Sequence[Mapping[str, Any]],
    *,
    config: Mapping[str, Any] | None = None,
    message: str | None = None,
    labels: Sequence[str] = (),
    run: str | HasRunId | None = None,
    engine: Engine | None = None,
) -> ManagedPrompt:
    """Writes a new version of a prompt to its source, and returns it; never with the label `production`.

    Args:
        reference: `[source:]name[@version or label]`, or a prompt: what it goes on from. A name that no source has is a
            new prompt.
        template: Text, or the messages of a chat as maps.
        config: Model, params and whatever else is kept with the prompt; `None` = that of the version it goes on from.
        message: A line about the change.
        labels: Put on the new version and taken from the versions that had them.
        run: The run that speaks for it, or its id: named in the message. One of its arms must have this template.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If nothing is changed, a label is `production`, the prompt is of the other kind, the run has no
            such arm, or the source is read-only; nothing was written.
        RunNotFoundError: If the store has no such run.
        PromptNotFoundError: If the version or label that is named does not exist.
        PromptSourceError: If the source cannot be reached or refuses it.

    Example:
        >>> push_prompt("support-reply", "Be kind. {{question}}", message="kinder", run=results)    # doctest: +SKIP
    """
    _check_given(template, config, message, run)
    engine = engine or default_engine()
    wanted, stored = based_on(reference, engine=engine)
    draft = Prompt(
        prompt_id=wanted.name,
        version="draft",
        kind="text" if isinstance(template, str) else "chat",
        template=freeze(template),
        source="draft",
        config=FrozenDict(config if config is not None else stored.config if stored is not None else {}),
        template_format=stored.prompt.template_format if stored is not None else "mustache",
    )
    try:
        _ = draft.fingerprint
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"`template` and `config` are plain JSON: {error} Nothing was written.") from error
    return push_draft(draft, wanted, stored, labels=labels, message=message, run=run, engine=engine)


def _check_given(template: object, config: object, message: object, run: object) -> None:
    """Refuses what is no draft, before anything is asked."""
    if isinstance(template, Sequence) and all(isinstance(each, Mapping) for each in template):
        for place, each in enumerate(template):
            # A placeholder stands for messages and has a name instead; a call of tools has no text.
            needed = ["name"] if each.get("type") == "placeholder" else ["role", "content"]
            lacking = [key for key in needed if each.get(key) is None]
            if lacking == ["content"] and "tool_calls" in each:
                continue
            if lacking:
                raise UsageError(
                    f"Message {place} of `template` has no {lacking[0]!r}: {dict(each)!r}. Nothing was written."
                )
    elif not isinstance(template, str):
        raise UsageError(f"`template` is a text, or a list of messages as maps; got {template!r}. Nothing was written.")
    if config is not None and not isinstance(config, Mapping):
        raise UsageError(
            f"`config` is a map such as {{'max_tokens': 9}}, or None; got {config!r}. Nothing was written."
        )
    if message is not None and not isinstance(message, str):
        raise UsageError(f"`message` is a text, or None; got {message!r}. Nothing was written.")
    if run is not None and not isinstance(run, str) and not isinstance(getattr(run, "run_id", None), str):
        raise UsageError(f"`run` is a run, its results or its id, or None; got {run!r}. Nothing was written.")


def based_on(
    reference: str | PromptReference | ManagedPrompt, *, engine: Engine
) -> tuple[PromptReference, ManagedPrompt | None]:
    """Returns what a reference says, and the version that a draft under it goes on from; `None` = it is a new prompt.

    Raises:
        UsageError: If the reference cannot be read or names several versions.
        PromptNotFoundError: If it names a version or label that does not exist.
        PromptSourceError: If the source cannot be reached or refuses it.
    """
    if isinstance(reference, ManagedPrompt):
        selector = Selector(kind="version", value=reference.version)
        return PromptReference(name=reference.prompt_id, source=reference.source, selector=selector), reference
    wanted = reference
    if not isinstance(wanted, PromptReference):
        wanted = parse_reference(wanted, known_sources=engine.sources.names)
    return wanted, _sync.run(_stored(wanted, engine.sources))


async def _stored(wanted: PromptReference, sources: Sources) -> ManagedPrompt | None:
    try:
        return await sources.manage(wanted)
    except PromptNotFoundError as error:
        if wanted.selector.kind != "default":
            raise
        source = wanted.source or error.source
    if source is None:
        return None
    try:
        # What has no `production` yet has no default, and may have versions all the same.
        *_, newest = await sources.get(source).versions(wanted.name)
    except (PromptNotFoundError, ValueError):
        return None
    selector = Selector(kind="version", value=newest)
    return await sources.manage(PromptReference(name=wanted.name, source=source, selector=selector))


def check_draft(
    draft: Prompt,
    reference: PromptReference,
    stored: ManagedPrompt | None,
    *,
    labels: Sequence[str] = (),
    run: str | HasRunId | None = None,
    engine: Engine,
) -> None:
    """Raises what `push_draft` would; writes nothing."""
    message_with(draft, None, run, engine=engine)
    base = stored.prompt if stored is not None else None
    _sync.run(
        check_new(engine.sources, draft, source=target_of(reference, stored, engine), based_on=base, labels=labels)
    )


def push_draft(
    draft: Prompt,
    reference: PromptReference,
    stored: ManagedPrompt | None,
    *,
    labels: Sequence[str] = (),
    message: str | None = None,
    run: str | HasRunId | None = None,
    engine: Engine,
) -> ManagedPrompt:
    """Writes a draft as a new version, and returns that; raises as `push_prompt`.

    Args:
        draft: Name, template and config.
        reference: What was named.
        stored: What the draft goes on from; `None` = it is a new prompt.
        labels: Put on the new version.
        message: A line about the change.
        run: The run that speaks for it.
        engine: The configuration.
    """
    told = message_with(draft, message, run, engine=engine)
    made = push_new(
        engine.sources,
        draft,
        source=target_of(reference, stored, engine),
        based_on=stored.prompt if stored is not None else None,
        labels=labels,
        message=told,
    )
    return _sync.run(engine.sources.manage(_sync.run(made)))


def message_with(draft: Prompt, message: str | None, run: str | HasRunId | None, *, engine: Engine) -> str | None:
    """Returns the line about a change with the id of the run that speaks for it.

    Raises:
        RunNotFoundError: If the store has no such run.
        UsageError: If no arm of the run has the draft's template.
    """
    if run is None:
        return message
    run_id = run if isinstance(run, str) else run.run_id
    asked = {arm.prompt.reference: arm.prompt for arm in engine.store.load_run(run_id).arms}
    same = [prompt for prompt in asked.values() if _text(prompt) == _text(draft)]
    if not same:
        raise UsageError(
            f"The run {run_id!r} does not speak for this draft: its prompts are {', '.join(sorted(asked))}, and none "
            "has this text. Sweep the draft, or leave the run out. Nothing was written."
        )
    return f"{message} (run {run_id})" if message else f"run {run_id}"


def target_of(reference: PromptReference, stored: ManagedPrompt | None, engine: Engine) -> str:
    """Returns the source that gets a new version.

    Raises:
        UsageError: If a new prompt names no source and several could take it.
    """
    if stored is not None:
        return stored.source
    names = engine.sources.configured
    if reference.source is None and len(names) != 1:
        raise UsageError(
            f"Several prompt sources could take a new prompt ({', '.join(names) or 'none is configured'}); name one "
            f"before its name, as in 'folder:{reference.name}'. Nothing was written."
        )
    return reference.source or names[0]


def _text(prompt: Prompt) -> str:
    return replace(prompt, config=FrozenDict()).fingerprint
