"""Reads how a person names a prompt: `[source:]name[@version or label]`, with `@*` and `@3..7` for histories."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit._plugins import unknown_name
from toolkit.errors import UnknownNameError, UsageError

_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which versions of a prompt are meant.

    Example:
        >>> str(Selector(kind="range", first=3, last=7)), str(Selector())
        ('@3..7', '')
    """

    kind: Literal["default", "version", "label", "all", "range"] = "default"
    """`default` leaves the choice to the source: Langfuse's `production`, a folder's newest version."""
    value: str | None = None
    """The version or the label; `None` for the other kinds."""
    first: int | None = None
    """Lowest version of a range, itself included."""
    last: int | None = None
    """Highest version of a range, itself included."""

    def __str__(self) -> str:
        if self.kind == "range":
            return f"@{self.first}..{self.last}"
        return {"default": "", "all": "@*"}.get(self.kind, f"@{self.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReference:
    """A prompt as a person named it; made by hand, it can also hold a name that contains `:` or `@`.

    Example:
        >>> str(PromptReference(name="reply", source="folder", selector=Selector(kind="version", value="8")))
        'folder:reply@8'
    """

    name: str
    source: str | None = None
    """`None` leaves the choice of the source to the settings."""
    selector: Selector = Selector()

    def __str__(self) -> str:
        return f"{self.source}:{self.name}{self.selector}" if self.source is not None else f"{self.name}{self.selector}"


def parse_reference(text: str, *, known_sources: Collection[str]) -> PromptReference:
    """Returns what `text` names.

    Args:
        text: Such as `reply`, `reply@8`, `reply@production`, `reply@*`, `folder:drafts/reply@3..7`. A selector of
            digits alone is a version; `a..b` is a range with both ends; any other word is a label.
        known_sources: Names that may stand before the colon.

    Raises:
        UsageError: If a part is empty, `@` stands twice, or a range is open or runs backwards.
        UnknownNameError: If what stands before the colon is no source.

    Example:
        >>> parse_reference("langfuse:support/reply@08", known_sources=["langfuse"])
        PromptReference(name='support/reply', source='langfuse', selector=Selector(kind='version', value='8', \
first=None, last=None))
    """
    if not isinstance(text, str):
        raise UsageError(f"A prompt reference is text such as 'reply@8', a Prompt or a PromptReference; got {text!r}.")
    head, at, chosen = text.strip().partition("@")
    if "@" in chosen:
        raise UsageError(f"The prompt reference {text!r} has more than one '@'; {_way_out(text)}")
    before, colon, after = head.partition(":")
    source, name = (before.strip(), after.strip()) if colon else (None, before.strip())
    if source is not None and source not in known_sources:
        known = sorted(known_sources)
        if not source:
            raise UsageError(f"The prompt reference {text!r} has no source before its ':'; known: {', '.join(known)}.")
        raise UnknownNameError(
            f"{unknown_name('prompt source', source, known)} It stands before the ':' of {text!r}; {_way_out(text)}",
            name=source,
            known=known,
        )
    if not name:
        raise UsageError(f"The prompt reference {text!r} has no name; write it as [source:]name[@version or label].")
    return PromptReference(name=name, source=source, selector=_selector(chosen.strip(), text) if at else Selector())


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns the sentence that says which names exist, the ones most like `name` first.

    Example:
        >>> nearest("replly", ["greet", "reply"])
        "Did you mean 'reply'? It has: greet, reply."
    """
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    guess = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"{guess}It has: {', '.join(known[:20]) or 'no prompts'}{more}."


def _selector(chosen: str, text: str) -> Selector:
    if not chosen:
        raise UsageError(
            f"The prompt reference {text!r} has nothing after its '@'; write a version, a label, * or a range as 3..7, "
            "or leave the '@' out."
        )
    if chosen == "*":
        return Selector(kind="all")
    if chosen.isascii() and chosen.isdigit():
        return Selector(kind="version", value=str(int(chosen)))
    if ".." not in chosen:
        return Selector(kind="label", value=chosen)
    ends = _RANGE.fullmatch(chosen)
    if ends is None:
        raise UsageError(f"The range {chosen!r} in {text!r} needs two version numbers, as in 3..7.")
    first, last = int(ends.group(1)), int(ends.group(2))
    if first > last:
        raise UsageError(f"The range {chosen!r} in {text!r} runs backwards; write {last}..{first}.")
    return Selector(kind="range", first=first, last=last)


def _way_out(text: str) -> str:
    return (
        "a prompt whose own name has ':' or '@' is given as a Prompt or as "
        f"PromptReference(source=..., name={text!r}), not as text."
    )
