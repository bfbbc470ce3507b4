"""Reads what production asked of a prompt out of Langfuse, and goes on where it was interrupted."""

from __future__ import annotations

import asyncio
import datetime as dt
import warnings
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit import _sync
from toolkit._records import Prompt
from toolkit.engine import Engine
from toolkit.errors import LangfuseError, LangfuseWarning, UsageError
from toolkit.langfuse import EXPERIMENT, LangfuseClient, Linked, LinkedRead, moment_text, project_settings
from toolkit.prompts import PromptReference, parse_reference
from toolkit.results import Frame, case_table, counted
from toolkit.sweep._case_picking import Picked, Sample
from toolkit.sweep._moments import Moment, moment_of
from toolkit.sweep._status_line import StatusLine

# Inputs and outputs of a hundred calls take a server longer than a prompt does.
_TIMEOUT_S = 60.0

_TOLD_WAIT_S = 1.0

# An interrupted reading is gone on with for so long; after that production has moved on.
_KEPT_FOR = dt.timedelta(hours=1)

_SOURCE = "langfuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedUse:
    """Which uses of a prompt the caller wants, as it was said."""

    engine: Engine
    reference: str | PromptReference
    since: Moment
    until: Moment | None
    environment: str | None
    at_most: int | None

    @property
    def key(self) -> str:
        """Equal for calls that ask for the same in the same words."""
        return repr((self.reference, self.since, self.until, self.environment, self.at_most))


def langfuse_client(engine: Engine, line: StatusLine) -> LangfuseClient:
    """Returns what asks the project of an engine's settings, with time for long answers.

    Args:
        engine: Has settings and connections.
        line: Says so when the server asks to wait.

    Raises:
        MissingKeyError: If the keys are not set; the message names the variables.
    """

    async def wait(seconds: float) -> None:
        if seconds >= _TOLD_WAIT_S:
            line.add(f"waiting {seconds:.0f} s, as Langfuse asks")
        await asyncio.sleep(seconds)

    return LangfuseClient(project_settings(engine.settings), engine.http, timeout_s=_TIMEOUT_S, sleep=wait)


def read_linked(asked: LinkedUse, *, now: dt.datetime, line: StatusLine) -> LinkedRead:
    """Returns the uses that were asked for, with what an interrupted call has read of them before.

    They are kept until `forget`, so that what goes wrong behind the reading does not cost another one.

    Args:
        asked: What is wanted.
        now: The time, in UTC.
        line: Shows how far it is.

    Raises:
        LangfuseError: If there are none, or the server cannot be reached, refuses, or is too old.
        PromptError: If the prompt cannot be resolved.
        UsageError: If the reference or a moment cannot be read.
    """
    client = langfuse_client(asked.engine, line)
    kept, key = _KEPT.setdefault(asked.engine, {}), asked.key
    began, before = kept.get(key, (now, None))
    if now - began > _KEPT_FOR:
        began, before = now, None

    async def work() -> LinkedRead:
        reading = before or LinkedRead(linked=await _linked(asked, now))
        kept[key] = (began, reading)
        source = asked.engine.sources.get(_SOURCE)
        name = reading.linked.prompt_id

        async def template(version: str) -> Prompt:
            return await source.get(name, version=version)

        await reading.go_on(client, template, told=line.tell)
        if not reading.found:
            forget(asked)
            raise await _nothing(reading, asked, client.host)
        return reading

    try:
        return _sync.run(work(), on_tick=line.paint)
    except KeyboardInterrupt:
        if key in kept:
            line.close(f"stopped: {kept[key][1].line}; the same call goes on from there")
        raise


def forget(asked: LinkedUse) -> None:
    """Lets go of what was read: the same call reads anew."""
    _KEPT.get(asked.engine, {}).pop(asked.key, None)


# What was begun and not ended, with the time of its beginning, by what was asked.
_KEPT: weakref.WeakKeyDictionary[Engine, dict[str, tuple[dt.datetime, LinkedRead]]] = weakref.WeakKeyDictionary()


def linked_frame(reading: LinkedRead, picked: Picked, *, host: str, sample: Sample, seed: int) -> Frame:
    """Returns the picked cases as a table that says where they are from; warns of what could not be taken."""
    linked, left_out = reading.linked, dict(reading.left_out.most_common())
    versions = Counter(use.version for use in reading.found)
    _warn(reading, picked)
    origin: Mapping[str, Any] = {
        "host": host,
        "project_id": reading.project_id,
        "prompt": linked.prompt_id,
        "versions": {version: versions[version] for version in sorted(versions, key=lambda each: (len(each), each))},
        "since": moment_text(linked.since),
        "until": moment_text(linked.until),
        "environment": linked.environment,
        "read": reading.read,
        "is_cut": reading.is_cut,
        "matched": len(reading.found),
        "different": picked.different,
        "left_out": left_out,
        "sample": sample,
        "seed": seed,
        "cases": len(picked.rows),
        "times": picked.times,
    }
    return case_table(picked.rows, attrs={"langfuse": dict(origin)})


def _warn(reading: LinkedRead, picked: Picked) -> None:
    """Says in one line what the table does not have; experiments are not meant anyway."""
    words = []
    reasons = [(reason, count) for reason, count in reading.left_out.most_common() if reason != EXPERIMENT]
    if reasons:
        total = sum(count for _, count in reasons)
        words.append(f"of {counted(reading.read, 'generation')} {total:,} left out: {_told(reasons)}")
    if reading.is_cut:
        words.append(f"only the newest {reading.read:,} were read (at_most=None reads all)")
    names = dict.fromkeys(name for row in picked.rows for name in row)
    holes = {name: sum(name not in row for row in picked.rows) for name in names}
    gaps = [f"{name!r} in {counted(count, 'row')}" for name, count in holes.items() if count]
    if gaps:
        words.append(f"versions read different variables, so there is nothing for {', '.join(gaps)}")
    if words:
        warnings.warn(f"Cases of {reading.linked.prompt_id!r}: {'; '.join(words)}.", LangfuseWarning, stacklevel=4)


def _told(reasons: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} ({reason})" for reason, count in reasons)


async def _linked(asked: LinkedUse, now: dt.datetime) -> Linked:
    reference = asked.reference
    if not isinstance(reference, PromptReference):
        reference = parse_reference(reference, known_sources=asked.engine.sources.names)
    if reference.source not in (None, _SOURCE):
        raise UsageError(
            f"{str(reference)!r} is no prompt of Langfuse; from_traffic({str(reference)!r}) gives what your own proxy "
            "was asked."
        )
    since = moment_of(asked.since, now=now, argument="since")
    until = now if asked.until is None else moment_of(asked.until, now=now, argument="until")
    if since >= until:
        raise UsageError(f"`since` ({moment_text(since)}) is not before `until` ({moment_text(until)}).")
    chosen = reference.selector
    version = chosen.value if chosen.kind == "version" else None
    if chosen.kind == "label":
        version = (await asked.engine.sources.get(_SOURCE).get(reference.name, label=chosen.value)).version
    return Linked(
        prompt_id=reference.name,
        since=since,
        until=until,
        version=version,
        first=chosen.first,
        last=chosen.last,
        environment=asked.environment,
        at_most=asked.at_most,
    )


async def _nothing(reading: LinkedRead, asked: LinkedUse, host: str) -> LangfuseError:
    """The error for no usable row, with what to check."""
    linked = reading.linked
    if reading.read:
        told = _told(reading.left_out.most_common())
        return LangfuseError(
            f"Of {counted(reading.read, 'generation')} of {linked.prompt_id!r} in Langfuse at {host!r}, none tells its "
            f"variables for certain: {told}. Keep the variables in the generation's metadata under "
            "'prompt_variables', or take the cases from a dataset (dataset=...)."
        )
    # A slip in the name is the likeliest reason, and has an error of its own.
    await asked.engine.sources.get(_SOURCE).versions(linked.prompt_id)
    which = f" version {linked.version}" if linked.version is not None else ""
    where = f" in environment {linked.environment!r}" if linked.environment is not None else ""
    return LangfuseError(
        f"Langfuse at {host!r} has no generation that is linked to {linked.prompt_id!r}{which}{where} between "
        f"{moment_text(linked.since)} and {moment_text(linked.until)}. Check that the application links its "
        "generations to the prompt when it traces them, and to which version; that `since` reaches back far enough; "
        "and that these keys are those of production's project. What older SDKs send can come a quarter of an hour "
        "late."
    )
