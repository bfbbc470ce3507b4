"""Brings the newest version of prompts to another source as a new version there, and writes drafts to their source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from toolkit._records import Prompt
from toolkit._redact import redact
from toolkit.errors import PromptError, PromptNotFoundError, UsageError
from toolkit.prompts._exchange import Exchange, Step, names_of
from toolkit.prompts._langfuse_wire import is_composed
from toolkit.prompts._registry import Sources
from toolkit.prompts._source import WritablePromptSource
from toolkit.prompts._written import SyncedPromptSource, WrittenVersion, check_new_labels, plain_template


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushing:
    """What is pushed."""

    names: tuple[str, ...] = ()
    """Names and patterns; none = every prompt of the source."""
    labels: tuple[str, ...] = ()
    """Put on the version that the target has of it then."""
    message: str | None = None
    """A line about the change; `None` = what the version's author wrote."""
    is_forced: bool = False
    """True also pushes where the target's newest version never was in the source."""
    is_dry: bool = False
    """True writes nothing."""


async def push_prompts(
    source: SyncedPromptSource,
    target: SyncedPromptSource,
    wanted: Pushing,
    *,
    tell: Callable[[Step], None] = lambda _: None,
) -> Exchange:
    """Makes a new version where the newest one of the source differs from the target's, and returns every step.

    Args:
        source: Where the versions are.
        target: Gets at most one new version of each prompt, under the next number that it has.
        wanted: Names, labels and message.
        tell: Called with each step as soon as it is done.

    Raises:
        UsageError: If `production` is among the labels.
        PromptNotFoundError: If a name is not in the source.
        PromptSourceError: If the source cannot list its prompts.
    """
    check_new_labels(wanted.labels)
    if source is target:
        raise UsageError(f"The prompts of {source.name!r} cannot be pushed to themselves; name another source.")
    steps: list[Step] = []
    for name in await names_of(source, wanted.names):
        for step in await _pushed(source, target, name, wanted):
            steps.append(step)
            tell(step)
    return Exchange(came_from=source.name, went_to=target.name, is_dry=wanted.is_dry, steps=tuple(steps))


def plan_push(
    name: str, held: Sequence[WrittenVersion], theirs: Sequence[WrittenVersion], *, is_forced: bool = False
) -> Step:
    """Returns what to do with the newest version, decided from contents alone.

    Args:
        name: Name of the prompt.
        held: Every version of the source, oldest first.
        theirs: Every version of the target, oldest first; none = it has no such prompt.
        is_forced: True where the target's newest version need not be known to the source.
    """
    newest = held[-1]
    version = newest.prompt.version
    if not theirs:
        return Step(action="write", name=name, version=version, number="1")
    last = theirs[-1]
    if last.content == newest.content:
        return Step(action="same", name=name, version=version, number=last.prompt.version)
    if last.prompt.kind != newest.prompt.kind:
        reason = f"it is {newest.prompt.kind} and has been {last.prompt.kind} there; push it under another name"
        return Step(action="refused", name=name, version=version, reason=reason)
    if last.content not in {each.content for each in held} and not is_forced:
        if newest.content in {each.content for each in theirs}:
            reason = f"version {last.prompt.version} there is newer; pull to have it"
            return Step(action="behind", name=name, version=version, reason=reason)
        reason = (
            f"version {last.prompt.version} there is not known here; pull first and look at both, or push by --force, "
            "which makes this the newest one there and loses neither"
        )
        return Step(action="conflict", name=name, version=version, reason=reason)
    return Step(action="write", name=name, version=version, number=str(int(last.prompt.version) + 1))


async def push_new(
    sources: Sources,
    draft: Prompt,
    *,
    source: str,
    based_on: Prompt | None,
    labels: Sequence[str] = (),
    message: str | None = None,
) -> Prompt:
    """Writes a draft to a source as a new version of its name, and returns that; see `check_draft` for what it raises.

    Args:
        sources: Where the source is.
        draft: Name, template and config; its own source and version do not count.
        source: Name of the source that gets it.
        based_on: Version that it goes on from; `None` = it is a new prompt.
        labels: Put on the new version; never `production`.
        message: A line about the change.
    """
    target = await check_draft(sources, draft, source=source, based_on=based_on, labels=labels)
    return await target.push(
        draft.prompt_id,
        plain_template(draft),
        config=draft.config,
        labels=labels,
        commit_message=message,
        template_format=draft.template_format,
    )


async def check_draft(
    sources: Sources, draft: Prompt, *, source: str, based_on: Prompt | None, labels: Sequence[str] = ()
) -> WritablePromptSource:
    """Returns the source that takes a draft as a new version; writes nothing.

    Raises:
        UsageError: If the draft is empty, the source is read-only, a label is `production`, the prompt is of the
            other kind there, or the version that it is based on, or the newest one, has exactly this content or takes
            in parts of other prompts that the draft does not.
        PromptSourceError: If the source cannot be reached or refuses it.
    """
    check_new_labels(labels)
    if not (draft.template.strip() if isinstance(draft.template, str) else draft.template):
        raise UsageError("The draft is empty. Nothing was written.")
    target = sources.get(source)
    if not isinstance(target, WritablePromptSource):
        raise UsageError(
            f"The prompt source {source!r} cannot be written to from here; langfuse and folder can. Nothing was "
            "written."
        )
    if based_on is not None:
        _check_change(draft, WrittenVersion(prompt=based_on))
    try:
        newest = (await sources.get(source).versions(draft.prompt_id))[-1:]
    except PromptNotFoundError:
        return target
    for version in newest:
        found = await _written(sources, source, draft.prompt_id, version)
        if is_composed(found.prompt) and not is_composed(draft):
            raise UsageError(
                f"{found.prompt.reference!r} takes parts of other prompts in (@@@langfusePrompt:...@@@), and the draft "
                "has their text in place: keep those lines in the draft, or give it another name. Nothing was written."
            )
        if found.prompt.kind != draft.kind:
            raise UsageError(
                f"{found.prompt.reference!r} is {found.prompt.kind}, and the draft is {draft.kind}: a prompt stays of "
                "one kind. Give the draft another name. Nothing was written."
            )
        _check_change(draft, found)
    return target


async def _written(sources: Sources, source: str, prompt_id: str, version: str) -> WrittenVersion:
    asked = sources.get(source)
    if isinstance(asked, SyncedPromptSource):
        return (await asked.written(prompt_id, [version]))[0]
    return WrittenVersion(prompt=await asked.get(prompt_id, version=version))


def _check_change(draft: Prompt, stored: WrittenVersion) -> None:
    if WrittenVersion(prompt=draft).content == stored.content:
        raise UsageError(
            f"Nothing is changed: {stored.prompt.reference!r} has this text and config already. Nothing was written."
        )


async def _pushed(
    source: SyncedPromptSource, target: SyncedPromptSource, name: str, wanted: Pushing
) -> tuple[Step, ...]:
    """Plans and does what is to be done with one name; what goes wrong is a step."""
    step = Step(action="failed", name=name)
    try:
        held = await source.written(name)
        theirs = await _theirs(target, name)
        step = plan_push(name, held, theirs, is_forced=wanted.is_forced)
        if step.action == "write" and held[-1].prompt.template_format not in target.template_formats:
            reason = f"{target.name} keeps no {held[-1].prompt.template_format} templates"
            return (replace(step, action="refused", number=None, reason=reason),)
        if step.action == "write":
            step = replace(step, label=", ".join(wanted.labels) or None)
            return (step if wanted.is_dry else await _write(target, step, held[-1], wanted),)
        missing = [label for label in wanted.labels if label not in theirs[-1].prompt.labels] if theirs else []
        if step.action != "same" or not missing:
            return (step,)
        for label in [] if wanted.is_dry else missing:
            await target.set_label(name, step.number, label)
        return (step, *(replace(step, action="label", label=label) for label in missing))
    except UsageError as error:
        return (replace(step, action="refused", number=None, reason=str(error)),)
    except PromptError as error:
        return (replace(step, action="failed", number=None, reason=redact(str(error))),)


async def _write(target: SyncedPromptSource, step: Step, newest: WrittenVersion, wanted: Pushing) -> Step:
    prompt = newest.prompt
    made = await target.push(
        step.name,
        plain_template(prompt),
        config=prompt.config,
        labels=wanted.labels,
        tags=newest.tags or None,
        commit_message=newest.message if wanted.message is None else wanted.message,
        template_format=prompt.template_format,
    )
    return replace(step, number=made.version)


async def _theirs(target: SyncedPromptSource, name: str) -> tuple[WrittenVersion, ...]:
    try:
        return await target.written(name)
    except PromptNotFoundError:
        return ()
