"""Chooses cases among the uses of a prompt: no set of variables twice, a seeded sample, names and numbers masked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from toolkit._canonical import canonical_json
from toolkit.errors import UsageError
from toolkit.langfuse import FoundCase
from toolkit.sweep._cases import EXPECTED, plain

Redact = Callable[[str, str], str]
"""Gets the name of a variable and one of its texts, and returns the text to keep."""

Sample = int | Literal["all"]

# What a message says of itself; no text that anybody wrote.
_FORMAL = frozenset({"role", "type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The cases that were chosen, oldest first."""

    rows: tuple[dict[str, Any], ...]
    """The id of the use, the variables, and the expected answer where it is asked for."""
    different: int
    """Sets of variables that there were, before masking."""
    times: dict[str, int] = field(default_factory=dict)
    """How often the variables of a case were used, by its id; only what was used more than once."""


def pick(
    found: Sequence[FoundCase],
    *,
    sample: Sample,
    seed: int = 0,
    dedupe: bool = True,
    redact: Redact | None = None,
    expected: Literal["output"] | None = None,
) -> Picked:
    """Returns a sample of the uses of a prompt, the same for the same seed in whatever order they come.

    Each set of variables has one place in an order that the seed draws; the first ones are taken, so that all have the
    same chance however often they were used, and more uses later change little.

    Args:
        found: The uses. Of those with equal variables, the newest stands for all.
        sample: Most cases; `all` = every one.
        seed: Draws the order.
        dedupe: Takes each set of variables once, also where sets become equal by `redact`.
        redact: Masks each text of what is taken; `None` = texts stay as they are.
        expected: `output` = what was answered then is the expected answer; `None` = there is none.

    Raises:
        UsageError: If `redact` gives something else than text; the message does not show the text.
    """
    newest: dict[str, FoundCase] = {}
    times: dict[str, int] = {}
    for use in sorted(found, key=lambda each: (each.started_at, each.case_id)):
        key = canonical_json(plain(use.variables)) if dedupe else use.case_id
        newest[key] = use
        times[key] = times.get(key, 0) + 1
    drawn = shuffled(newest, seed)
    most = len(drawn) if sample == "all" else sample
    names = _Names.of(found, expected)
    taken: dict[str, tuple[FoundCase, dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for key in drawn:
        if len(taken) >= most:
            break
        use = newest[key]
        kept = {name: redacted(plain(value), name, redact) for name, value in use.variables.items()}
        shown = canonical_json(kept) if dedupe else key
        if shown in taken:
            counts[shown] += times[key]
            continue
        row = {names.case_id: use.case_id, **kept}
        if expected is not None:
            row[names.expected] = redacted(plain(use.answer), names.expected, redact)
        taken[shown] = (use, row)
        counts[shown] = times[key]
    ordered = sorted(taken, key=lambda shown: (taken[shown][0].started_at, taken[shown][0].case_id))
    return Picked(
        rows=tuple(taken[shown][1] for shown in ordered),
        different=len(newest),
        times={taken[shown][0].case_id: counts[shown] for shown in ordered if counts[shown] > 1},
    )


def check_sample(sample: Any, at_most: Any = None) -> None:
    """Refuses a sample or a bound that is no count.

    Raises:
        UsageError: If one is not.
    """
    if sample not in (None, "all") and (type(sample) is not int or sample < 1):
        raise UsageError(f"`sample` is a whole number from 1 up, or 'all'; got {sample!r}.")
    if at_most is not None and (type(at_most) is not int or at_most < 1):
        raise UsageError(f"`at_most` is a whole number from 1 up, or None for no bound; got {at_most!r}.")


def check_redact(redact: Any) -> None:
    """Refuses a mask that cannot be called.

    Raises:
        UsageError: If it cannot.
    """
    if redact is not None and not callable(redact):
        raise UsageError(f"`redact` is a function of a variable's name and a text, or None; got {redact!r}.")


def shuffled(keys: Iterable[str], seed: int) -> list[str]:
    """Returns the keys in an order that the seed draws; a key that is added or taken away moves no other.

    Example:
        >>> shuffled(["a", "b", "c"], 0) == shuffled(["c", "a", "b"], 0)
        True
    """
    return sorted(keys, key=lambda key: (hashlib.sha256(f"{seed}:{key}".encode()).digest(), key))


def redacted(value: Any, name: str, redact: Redact | None) -> Any:
    """Returns `value` with each text in it masked; of messages, roles and types stay.

    Raises:
        UsageError: If `redact` gives something else than text.
    """
    if redact is None:
        return value
    if isinstance(value, str):
        masked = redact(name, value)
        if not isinstance(masked, str):
            raise UsageError(
                f"`redact` gave a {type(masked).__name__} for a text of {name!r}; it takes the name of a variable and "
                "a text, and returns the text to keep."
            )
        return masked
    if isinstance(value, Mapping):
        return {key: each if key in _FORMAL else redacted(each, name, redact) for key, each in value.items()}
    if isinstance(value, list):
        return [redacted(each, name, redact) for each in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Columns beside the variables; other names where a variable is called so."""

    case_id: str
    expected: str

    @classmethod
    def of(cls, found: Sequence[FoundCase], expected: str | None) -> _Names:
        taken = {name for use in found for name in use.variables}
        return cls(
            case_id="use_id" if "id" in taken else "id",
            expected="expected_output" if expected is not None and EXPECTED in taken else EXPECTED,
        )
