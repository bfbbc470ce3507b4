"""What a prompt picker knows and decides, without any widget: names, versions, what is chosen, and its code."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from toolkit._records import PromptInfo
from toolkit.prompts import PromptReference, PromptVersion, Selector
from toolkit.results import for_screen, shorten

MOST_NAMES = 50
"""Names that are offered at once; more than a person reads, and little enough to be sent at each letter."""

_MOST_MESSAGE = 60
_MOST_TITLE = 140


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Chosen:
    """One version of a prompt, pinned."""

    source: str
    prompt_id: str
    version: str

    @property
    def is_spelt(self) -> bool:
        """True when a reference as text can name it; a name with `:` or `@` in it needs its parts apart."""
        return ":" not in self.prompt_id and "@" not in self.prompt_id

    @property
    def reference(self) -> str | PromptReference:
        """What `sweep` takes for it: text where text can say it."""
        if self.is_spelt:
            return f"{self.source}:{self.prompt_id}@{self.version}"
        selector = Selector(kind="version", value=self.version)
        return PromptReference(name=self.prompt_id, source=self.source, selector=selector)

    @property
    def code(self) -> str:
        """The call that gives it.

        Example:
            >>> Chosen(source="folder", prompt_id="support/refund", version="7").code
            "tk.prompt('folder:support/refund@7')"
        """
        if self.is_spelt:
            return f"tk.prompt({self.reference!r})"
        return f"tk.prompt(name={self.prompt_id!r}, source={self.source!r}, version={self.version!r})"

    def __str__(self) -> str:
        return f"{self.source}:{self.prompt_id}@{self.version}"


def code_of(chosen: Sequence[Chosen]) -> str:
    """Returns the Python that gives the same prompts: one of them, or a list."""
    if len(chosen) == 1:
        return chosen[0].code
    return f"[{', '.join(each.code for each in chosen)}]"


def shown_names(infos: Iterable[PromptInfo]) -> dict[str, PromptInfo]:
    """Returns the prompts by the name that people choose by: with its source where two sources have the name."""
    infos = list(infos)
    held = Counter(info.prompt_id for info in infos)
    return {f"{info.source}:{info.prompt_id}" if held[info.prompt_id] > 1 else info.prompt_id: info for info in infos}


def find(names: Mapping[str, PromptInfo], typed: str) -> PromptInfo | None:
    """Returns the prompt that is named in full, with or without its source; `None` while there is none."""
    typed = typed.strip()
    if typed in names:
        return names[typed]
    return next((info for info in names.values() if f"{info.source}:{info.prompt_id}" == typed), None)


def matching(names: Iterable[str], typed: str, *, most: int = MOST_NAMES) -> list[str]:
    """Returns the names that fit what was typed so far, best first.

    Best is a name that begins with it, then one in which a word does, then one that contains it, then one that has
    its letters in that order. Upper and lower case are the same.

    Args:
        names: What there is.
        typed: Letters so far; none = every name fits.
        most: Names that are returned at most.

    Example:
        >>> matching(["reply", "support/reply", "unreply", "rare/parcel-lay", "greet"], "reply")
        ['reply', 'support/reply', 'unreply', 'rare/parcel-lay']
    """
    wanted = typed.strip().lower()
    ranked = sorted((rank, name) for name in names if (rank := _rank(name.lower(), wanted)) is not None)
    return [name for _, name in ranked[:most]]


def _rank(name: str, wanted: str) -> int | None:
    at = name.find(wanted)
    if at == 0:
        return 0
    if at > 0:
        starts = any(not name[place - 1].isalnum() for place in _places(name, wanted))
        return 1 if starts else 2
    letters = iter(name)
    return 3 if len(wanted) > 1 and all(letter in letters for letter in wanted) else None


def _places(name: str, wanted: str) -> Iterable[int]:
    at = name.find(wanted)
    while at >= 0:
        yield at
        at = name.find(wanted, at + 1)


def history_of(info: PromptInfo, history: Sequence[PromptVersion] = ()) -> tuple[PromptVersion, ...]:
    """Returns the versions, newest first: as the source tells them, or their numbers alone until it has."""
    known = history or [PromptVersion(version=version) for version in info.versions]
    return tuple(reversed(known))


def version_titles(versions: Sequence[PromptVersion], now: dt.datetime) -> list[tuple[str, str]]:
    """Returns what the list of versions shows, and what each line stands for: `@label`, or a version.

    Labels come first, sorted; each is pinned to its version. Then the versions in the order given.

    Args:
        versions: Newest first.
        now: UTC, to tell ages by.

    Example:
        >>> refund = PromptVersion(version="7", labels=("production",), message="Ask for the order")
        >>> version_titles([refund], dt.datetime.now(dt.UTC))
        [('@production = 7', '@production'), ('7 · production · Ask for the order', '7')]
    """
    by_label = {label: version.version for version in versions for label in version.labels}
    labels = [(for_screen(f"@{label} = {by_label[label]}", keep_lines=False), f"@{label}") for label in by_label]
    return [*sorted(labels), *((_title(version, now), version.version) for version in versions)]


def pinned(keys: Iterable[str], versions: Sequence[PromptVersion]) -> list[str]:
    """Returns the versions that lines of the list stand for, each once, in the list's order of versions."""
    by_label = {f"@{label}": version.version for version in versions for label in version.labels}
    wanted = {by_label.get(key, key) for key in keys}
    return [version.version for version in versions if version.version in wanted]


def first_choice(versions: Sequence[PromptVersion]) -> str | None:
    """Returns the line to begin with: the version in production, else the newest; `None` when there is none."""
    if any("production" in version.labels for version in versions):
        return "@production"
    return versions[0].version if versions else None


def beside(version: str, versions: Sequence[PromptVersion]) -> str | None:
    """Returns what to compare a version with: the one before it, for the first the newest; `None` = there is no other.

    Args:
        version: What is shown.
        versions: Newest first.
    """
    numbers = [each.version for each in versions]
    place = numbers.index(version) + 1 if version in numbers else 0
    other = numbers[place] if 0 < place < len(numbers) else next(iter(numbers), version)
    return other if other != version else None


def age(moment: dt.datetime, now: dt.datetime) -> str:
    """Returns how long ago something was, in the largest unit that fits.

    Example:
        >>> noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
        >>> [age(noon - dt.timedelta(minutes=minutes), noon) for minutes in (0, 90, 4320)]
        ['just now', '1 h ago', '3 d ago']
    """
    minutes = int((now - moment).total_seconds() // 60)
    for unit, length in (("y", 525_600), ("d", 1_440), ("h", 60), ("min", 1)):
        if minutes >= length:
            return f"{minutes // length} {unit} ago"
    return "just now"


def _title(version: PromptVersion, now: dt.datetime) -> str:
    parts = [
        version.version,
        ", ".join(version.labels),
        f"{version.created_at:%Y-%m-%d} ({age(version.created_at, now)})" if version.created_at is not None else "",
        shorten(version.message, _MOST_MESSAGE) if version.message else "",
    ]
    return shorten(for_screen(" · ".join(part for part in parts if part), keep_lines=False), _MOST_TITLE)


def summary(info: PromptInfo, variables: Sequence[str], now: dt.datetime) -> str:
    """Returns what there is to know of a prompt, in one line."""
    parts = [
        f"source: {info.source}",
        info.kind,
        f"{len(info.versions)} version{'' if len(info.versions) == 1 else 's'}",
        f"labels: {', '.join(info.labels)}" if info.labels else "",
        f"tags: {', '.join(info.tags)}" if info.tags else "",
        f"variables: {', '.join(variables)}" if variables else "no variables",
        f"changed {age(info.updated_at, now)}" if info.updated_at is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def values_of(
    names: Sequence[str], case: Mapping[str, object], typed: Mapping[str, str]
) -> tuple[dict[str, object], list[str]]:
    """Returns the variables' values, and the names that have none: what was typed goes before the case's.

    Args:
        names: What the prompt reads.
        case: The chosen case's variables; empty when there is none.
        typed: What a person put in its place; an emptied field is an empty text.
    """
    values = {name: typed[name] if name in typed else case[name] for name in names if name in typed or name in case}
    return values, [name for name in names if name not in values]
