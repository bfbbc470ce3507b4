"""Reads what a judge says: scales, and the one JSON object in an answer that may have words around it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from toolkit.errors import UsageError

AnyScale: TypeAlias = tuple[int, int] | Sequence[str] | Mapping[str, float]
"""What people give as a scale: the ends of whole numbers, labels from worst to best, or labels with their values."""

# What a reasoning model thinks aloud holds drafts of verdicts.
_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)

# A verdict stands near the end; a judge that was talked into writing pages is not read for ever.
_READ_CHARACTERS = 20_000
_READ_OBJECTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The verdicts that a judge may give, and the number that each stands for."""

    values: tuple[tuple[str, float], ...]
    """Verdict as written, and its number; from worst to best."""
    is_numeric: bool

    @property
    def words(self) -> str:
        """The scale as the judge is told it."""
        names = [name for name, _ in self.values]
        if self.is_numeric:
            return f"a whole number from {names[0]} (worst) to {names[-1]} (best)"
        return f"one of {', '.join(json.dumps(name, ensure_ascii=False) for name in names)}"

    def value_of(self, verdict: object) -> float | None:
        """Returns the number of a verdict; `None` when it is outside the scale.

        Example:
            >>> as_scale((1, 5)).value_of("4"), as_scale(["no", "yes"]).value_of("Yes"), as_scale((1, 5)).value_of(7)
            (4.0, 1.0, None)
        """
        if isinstance(verdict, bool) or not isinstance(verdict, str | int | float):
            return None
        if isinstance(verdict, float) and not (math.isfinite(verdict) and verdict.is_integer()):
            return None
        written = verdict.strip().casefold() if isinstance(verdict, str) else str(int(verdict))
        return next((value for name, value in self.values if name.casefold() == written), None)


def as_scale(scale: AnyScale) -> Scale:
    """Returns the scale that is meant.

    Labels in a list stand for numbers from 0 for the first to 1 for the last, evenly spaced.

    Raises:
        UsageError: If it is none: fewer than two verdicts, two that are the same, or ends in the wrong order.
    """
    pairs: list[tuple[Any, Any]]
    if isinstance(scale, Mapping):
        pairs = [(name, value) for name, value in scale.items()]
    elif isinstance(scale, str) or not isinstance(scale, Sequence):
        pairs = []
    elif len(scale) == 2 and all(isinstance(end, int) and not isinstance(end, bool) for end in scale):
        low, high = (int(end) for end in scale)
        if low < high <= low + 100:
            return Scale(values=tuple((str(n), float(n)) for n in range(low, high + 1)), is_numeric=True)
        pairs = []
    else:
        pairs = [(name, place / max(len(scale) - 1, 1)) for place, name in enumerate(scale)]
    names = [str(name).strip().casefold() for name, _ in pairs]
    is_plain = all(isinstance(name, str) and name.strip() for name, _ in pairs)
    is_finite = all(isinstance(value, int | float) and math.isfinite(value) for _, value in pairs)
    if len(set(names)) < 2 or len(set(names)) < len(names) or not is_plain or not is_finite:
        raise UsageError(
            f"`scale` is the ends of a range of whole numbers such as (1, 5), labels from worst to best such as "
            f"['no', 'yes'], or labels with numbers such as {{'bad': 0, 'good': 1}}; got {scale!r}."
        )
    ordered = sorted(((name.strip(), float(value)) for name, value in pairs), key=lambda pair: pair[1])
    return Scale(values=tuple(ordered), is_numeric=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVerdict:
    """What was found in a judge's answer."""

    verdict: object = None
    reason: str | None = None
    """The judge's own words."""
    problem: str | None = None
    """Why there is no verdict; `None` when there is one."""


def read_verdict(text: str, field: str) -> ReadVerdict:
    """Returns the verdict of a judge's answer: the value of `field` in its JSON object.

    Words and code fences around the object are passed over. Several objects must agree; two different verdicts are
    none, because one of them may be quoted from what was judged.

    Example:
        >>> read_verdict('Sure: {"reason": "Short.", "score": 4}', "score").verdict
        4
    """
    text = _THINKING.sub("", text)[-_READ_CHARACTERS:]
    found = [each for each in _objects(text) if field in each]
    if not found:
        return ReadVerdict(problem=f"no JSON object with {field!r}")
    written = {json.dumps(each[field], sort_keys=True).casefold() for each in found}
    if len(written) > 1:
        return ReadVerdict(problem=f"{len(written)} different verdicts in one answer")
    last = found[-1]
    reason = last.get("reason")
    return ReadVerdict(verdict=last[field], reason=reason if isinstance(reason, str) else None)


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """Yields the JSON objects in a text, outermost ones only."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    for _ in range(_READ_OBJECTS):
        if place < 0:
            return
        end = place + 1
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield value
        place = text.find("{", end)
