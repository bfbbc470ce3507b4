"""A vote: what one person said of two answers to one case, shown side by side without names."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["left", "right", "tie", "both_bad", "skip", "same"]
"""What was said of a pair; `same` = the texts are equal, so that nobody was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One verdict on one pair of answers."""

    voter: str
    case: int
    """Index of the case."""
    repeat: int = 0
    """Repeat of both trials, from 0."""
    left: str
    """Trial id of the answer that stood on the left."""
    right: str
    verdict: Verdict
    seconds: float = 0.0
    """From when the pair was shown to the vote."""
    at: dt.datetime
    """UTC."""
    is_repeat: bool = False
    """True when the voter had judged this pair before, and it was shown once more with the sides changed."""
    note: str | None = None
    """What the voter wrote beside it."""

    @property
    def pair(self) -> tuple[str, str]:
        """Both trial ids, the same whichever stood on the left."""
        return (self.left, self.right) if self.left < self.right else (self.right, self.left)

    @property
    def key(self) -> tuple[str, int, int, tuple[str, str], bool]:
        """What there is one vote of in a run: voter, case, repeat, pair, and whether it was shown once more."""
        return (self.voter, self.case, self.repeat, self.pair, self.is_repeat)

    @property
    def is_judged(self) -> bool:
        """True when a person saw both answers and decided."""
        return self.verdict not in ("skip", "same")
