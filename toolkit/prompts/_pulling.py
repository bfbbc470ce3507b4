"""Brings versions of prompts into a folder: what the folder lacks is written, what is there is never written over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from toolkit._redact import redact
from toolkit.errors import PromptError, PromptNotFoundError, UsageError
from toolkit.prompts._exchange import Action, Exchange, Step, names_of
from toolkit.prompts._folder import FolderSource, is_prompt_id
from toolkit.prompts._folder_write import check_label
from toolkit.prompts._langfuse_wire import is_composed
from toolkit.prompts._written import SyncedPromptSource, WrittenVersion

Which = Literal["all", "labels", "latest"]
"""Versions that are pulled: every one, those that a label stands on, or the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """What is pulled."""

    names: tuple[str, ...] = ()
    """Names and patterns; none = every prompt of the source."""
    which: Which = "all"
    labels: bool = False
    """True also sets the source's labels in the folder, with the versions that they stand on."""
    is_dry: bool = False
    """True writes nothing."""


async def pull_prompts(
    source: SyncedPromptSource, folder: FolderSource, wanted: Pulling, *, tell: Callable[[Step], None] = lambda _: None
) -> Exchange:
    """Writes what the folder lacks, and returns every step; what cannot be brought is a step with its reason.

    Args:
        source: Where the versions are.
        folder: Gets them, each with its number where that is free.
        wanted: Names and versions.
        tell: Called with each step as soon as it is done.

    Raises:
        PromptNotFoundError: If a name is not in the source.
        PromptSourceError: If the source cannot list its prompts.
    """
    if source is folder:
        raise UsageError("The folder cannot be pulled from itself; name another source.")
    steps: list[Step] = []
    for name in await names_of(source, wanted.names):
        try:
            planned = await _planned(source, folder, name, wanted)
        except PromptError as error:
            planned = [(Step(action="failed", name=name, reason=redact(str(error))), None)]
        for step, written in planned:
            done = step if wanted.is_dry else await _carried_out(folder, step, written)
            steps.append(done)
            tell(done)
    return Exchange(came_from=source.name, went_to=folder.name, is_dry=wanted.is_dry, steps=tuple(steps))


def plan_pull(
    name: str, wanted: Collection[str], known: Sequence[WrittenVersion], held: Sequence[WrittenVersion]
) -> list[Step]:
    """Returns what to do with each version, decided from contents and numbers alone.

    A version is there when the folder has its content: under its number, or under another one that stands for no other
    version of the source. It gets its number where that is free. A number that is taken by another content is a
    conflict, unless the numbers have parted before: then an earlier version of the source stands at this number or
    behind it, and the version gets the next number that is free, if the folder has nothing of its own behind.

    Args:
        name: Name of the prompt.
        wanted: Numbers of the versions to bring.
        known: Every version of the source that is known, oldest first, those that are wanted among them.
        held: What the folder has.
    """
    theirs = {version.prompt.version: version.content for version in known}
    files = {version.prompt.version: version for version in held}
    here = {number: file.content for number, file in files.items()}
    stands_for = _origins(files, known)
    last = 0  # the highest place of the versions so far
    steps: list[Step] = []
    for version in known:
        number, content = version.prompt.version, version.content
        place = _place(version, here, theirs, stands_for)
        action: Action = "same"
        if place is None:
            if number not in wanted:
                continue
            is_free, is_parted = number not in here, last >= int(number)
            has_own = any(int(other) > last and its not in theirs.values() for other, its in here.items())
            if not is_free and (not is_parted or has_own):
                steps.append(_conflict(name, version, files.get(number)))
                continue
            action = "write"
            place = str(max(map(int, here)) + 1) if is_parted and not has_own else number
            here[place], stands_for[place] = content, number
        last = max(last, int(place))
        if number in wanted:
            steps.append(Step(action=action, name=name, version=number, number=place))
    return steps


def _origins(files: Mapping[str, WrittenVersion], known: Sequence[WrittenVersion]) -> dict[str, str]:
    """Returns the version of this very source that a file of the folder was brought from, by the folder's number."""
    whose = {(version.prompt.source, version.prompt.prompt_id) for version in known}
    origins = {number: file.pulled_from for number, file in files.items()}
    return {
        number: origin.version
        for number, origin in origins.items()
        if origin is not None and (origin.source, origin.name) in whose
    }


def _place(
    version: WrittenVersion, here: Mapping[str, str], theirs: Mapping[str, str], stands_for: Mapping[str, str]
) -> str | None:
    """Returns the folder's number of a version of the source; `None` = it is not there.

    Args:
        version: Of the source.
        here: Contents of the folder by number.
        theirs: Contents of the source by number.
        stands_for: Versions of the source by the folder's number, where that is known.
    """
    number, content = version.prompt.version, version.content
    if here.get(number) == content:
        return number
    copies = [place for place, its in here.items() if its == content]
    if number in here:
        return copies[-1] if copies else None
    for place in reversed(copies):
        is_other = stands_for[place] != number if place in stands_for else theirs.get(place) == content
        if not is_other:
            return place
    return None


def _conflict(name: str, version: WrittenVersion, file: WrittenVersion | None) -> Step:
    number, source = version.prompt.version, version.prompt.source
    how = "is another text or config"
    if file is not None and file.pulled_from is not None:
        is_edited = file.pulled_from.fingerprint != file.content
        how = "was changed here since it was pulled" if is_edited else f"is not what {source} has as {number} now"
    return Step(
        action="conflict",
        name=name,
        version=number,
        number=number,
        reason=f"version {number} of the folder {how}; see `toolkit prompts diff folder:{name}@{number} "
        f"{version.prompt.reference}`, then give its file a number that is free and pull again",
    )


_Planned = list[tuple[Step, WrittenVersion | None]]


async def _planned(source: SyncedPromptSource, folder: FolderSource, name: str, wanted: Pulling) -> _Planned:
    """Returns the steps for one name, each with the version to write."""
    if not is_prompt_id(name):
        reason = "a folder holds names of letters, digits and . _ - with / between folders"
        return [(Step(action="refused", name=name, reason=reason), None)]
    numbers = await source.versions(name)
    by_label = await source.label_versions(name) if wanted.labels or wanted.which == "labels" else {}
    meant = _meant(numbers, by_label, wanted)
    known = await source.written(name, meant)
    held = await _held(folder, name)
    steps = plan_pull(name, meant, known, held)
    if len(meant) < len(numbers) and any(step.action == "conflict" or step.number != step.version for step in steps):
        # Whether the folder's other versions are known to the source decides, and only now that is worth asking.
        steps = plan_pull(name, meant, await source.written(name), held)
    by_number = {version.prompt.version: version for version in known}
    planned: _Planned = []
    for step in steps:
        version = by_number[str(step.version)]
        planned.append((_refusing(step, version), version if step.action == "write" else None))
    if wanted.labels:
        planned += [(step, None) for step in _label_steps(by_label, [step for step, _ in planned], held)]
    return planned


def _meant(numbers: Sequence[str], by_label: dict[str, str], wanted: Pulling) -> list[str]:
    if wanted.which == "all":
        return list(numbers)
    meant = {*by_label.values()} if wanted.labels or wanted.which == "labels" else set()
    return [number for number in numbers if number in meant or (wanted.which == "latest" and number == numbers[-1])]


async def _held(folder: FolderSource, name: str) -> tuple[WrittenVersion, ...]:
    if not await asyncio.to_thread(folder.root.is_dir):
        return ()
    try:
        return await folder.written(name)
    except PromptNotFoundError:
        return ()


def _refusing(step: Step, version: WrittenVersion) -> Step:
    """Returns the step, refused when the version would mean something else in a folder."""
    if step.action == "write" and is_composed(version.prompt):
        reason = "it takes parts of other prompts in (@@@langfusePrompt:...@@@), which only Langfuse puts together"
        return replace(step, action="refused", number=None, reason=reason)
    return step


def _label_steps(by_label: dict[str, str], steps: Iterable[Step], held: Iterable[WrittenVersion]) -> list[Step]:
    """Returns a step for each label that stands elsewhere in the folder than in the source."""
    places = {step.version: step for step in steps}
    now = {label: version.prompt.version for version in held for label in version.prompt.labels}
    found: list[Step] = []
    for label, number in sorted(by_label.items()):
        step = places[number]
        if label == "latest" or now.get(label) == step.number:
            continue
        move = replace(step, action="label", label=label)
        try:
            check_label(label)
        except UsageError as error:
            move = replace(move, action="refused", reason=str(error))
        if step.is_problem:
            move = replace(move, action="refused", reason="the version that it stands on is not in the folder")
        found.append(move)
    return found


async def _carried_out(folder: FolderSource, step: Step, written: WrittenVersion | None) -> Step:
    """Does one step, and returns it, or what came of it."""
    try:
        if (
            step.action == "write"
            and written is not None
            and not await folder.bring(step.name, str(step.number), written)
        ):
            return replace(step, action="conflict", reason=f"another file has become version {step.number}; pull again")
        if step.action == "label":
            await folder.set_label(step.name, step.number, str(step.label))
    except UsageError as error:
        return replace(step, action="refused", reason=str(error))
    except PromptError as error:
        return replace(step, action="failed", reason=redact(str(error)))
    return step
