"""Versions made by hand, for what is decided about histories; and both ends of an exchange over real files and HTTP."""

from __future__ import annotations

from toolkit._records import FrozenDict, Prompt
from toolkit.prompts._written import PulledFrom, WrittenVersion


def version(number: int, text: str, *, source: str = "langfuse", labels=(), pulled_from: int | None = None):
    """One version of `reply`; `pulled_from` is the number that it was brought from Langfuse as, with this text."""
    made = WrittenVersion(
        prompt=Prompt(
            prompt_id="reply",
            version=str(number),
            kind="text",
            template=text,
            source=source,
            labels=tuple(labels),
            config=FrozenDict({"model": "m"}),
        )
    )
    if pulled_from is None:
        return made
    origin = PulledFrom(source="langfuse", name="reply", version=str(pulled_from), fingerprint=made.content)
    return WrittenVersion(prompt=made.prompt, pulled_from=origin)


def history(texts: str, *, source: str = "langfuse"):
    """Versions from 1 on, one a letter: `"ABA"` has the text A again as version 3."""
    return [version(number, text, source=source) for number, text in enumerate(texts, start=1)]
