"""What has changed at the prompt sources since a run's prompts were pinned, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from toolkit.results._screen import for_screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One prompt that is no longer what the run used."""

    kind: Literal["moved", "edited", "gone", "unreachable"]
    """`moved` = its label stands on another version; `edited` = the version has other content; `gone` = the version is
    not there; `unreachable` = its source could not be asked."""
    reference: str
    """The version that the run used: `langfuse:reply@3`."""
    message: str
    """What happened, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Drift:
    """What a look at the prompt sources found; false when nothing has changed."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __repr__(self) -> str:
        if not self.changes:
            return "No drift: the sources still have every prompt as this run used it."
        return "\n".join(for_screen(f"{change.kind:<12}{change.message}") for change in self.changes)
