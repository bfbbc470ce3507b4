"""Asks the prompt sources what has changed since a run's prompts were pinned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal

from toolkit._records import Prompt
from toolkit.engine import Engine
from toolkit.errors import PromptError, PromptNotFoundError, UsageError
from toolkit.results import Change, Drift


async def find_drift(engine: Engine, prompts: Iterable[Prompt]) -> Drift:
    """Asks the sources again for the prompts of a run and compares; the caches are dropped first.

    Prompts that came as values, and not from a source, cannot drift.

    Args:
        engine: Whose sources are asked.
        prompts: As the run used them.
    """
    sources = engine.sources
    sources.refresh()
    used = {(prompt.reference, prompt.label): prompt for prompt in prompts if prompt.source in sources.names}
    found = await asyncio.gather(*(_changes(engine, prompt) for prompt in used.values()))
    return Drift(changes=tuple(dict.fromkeys(change for changes in found for change in changes)))


async def _changes(engine: Engine, prompt: Prompt) -> list[Change]:
    def change(kind: Literal["moved", "edited", "gone", "unreachable"], message: str) -> Change:
        return Change(kind=kind, reference=prompt.reference, message=message)

    found: list[Change] = []
    try:
        source = engine.sources.get(prompt.source)
        if prompt.label is not None:
            try:
                now = await source.get(prompt.prompt_id, label=prompt.label)
            except PromptNotFoundError:
                found.append(change("moved", f"{_label(prompt)} stood on version {prompt.version} and is gone."))
            else:
                if now.version != prompt.version:
                    words = f"{_label(prompt)} stood on version {prompt.version} and stands on {now.version} now."
                    found.append(change("moved", words))
        try:
            same = await source.get(prompt.prompt_id, version=prompt.version)
        except PromptNotFoundError:
            found.append(change("gone", f"{prompt.reference!r} is not there any more; the run has its own copy."))
        else:
            if same.fingerprint != prompt.fingerprint:
                words = f"{prompt.reference!r} has other content now; the run has it as it was."
                found.append(change("edited", words))
    except (PromptError, UsageError) as error:
        found.append(change("unreachable", f"{prompt.reference!r} could not be asked for: {error}"))
    return found


def _label(prompt: Prompt) -> str:
    return f"The label {prompt.label!r} of {prompt.source}:{prompt.prompt_id}"
