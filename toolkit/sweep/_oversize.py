"""Finds requests that are longer than their model reads, before they are paid for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit._records import Arm, Case
from toolkit.engine import Route, build_request, input_estimate
from toolkit.providers import context_limit

OnOversize = Literal["error", "skip", "send"]
"""What becomes of requests that are longer than their model reads."""

_SHOWN_OVERSIZE = 5

# No character and no form around it is estimated at more tokens than these; shorter requests need no estimate.
_MOST_TOKENS_A_CHARACTER = 3.0
_FORM_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversize:
    """A request that is longer than its model reads."""

    arm: int
    case: int
    tokens: int
    """Expected by the estimate."""
    limit: int


def find_oversize(
    arms: Sequence[Arm], ways: Sequence[Route], cases: Sequence[Case], suspects: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Oversize]:
    """Those of the long requests whose estimate is above what the model reads."""
    found: dict[tuple[int, int], Oversize] = {}
    for arm, case in suspects:
        way = ways[arm]
        limit = context_limit(way.provider.name, way.model) or 0
        request = build_request(
            arms[arm].prompt,
            cases[case].variables,
            provider=way.provider.identity,
            model=way.model,
            params=arms[arm].params,
        )
        tokens = input_estimate(request.messages, request.params).expected
        if tokens > limit:
            found[arm, case] = Oversize(arm=arm, case=case, tokens=tokens, limit=limit)
    return found


def oversize_note(found: Mapping[tuple[int, int], Oversize], arms: Sequence[Arm], choice: OnOversize) -> str:
    listed = "; ".join(
        f"row {each.case} on {arms[each.arm].model!r} (about {each.tokens:,} tokens, it reads {each.limit:,})"
        for each in list(found.values())[:_SHOWN_OVERSIZE]
    )
    more = f" and {len(found) - _SHOWN_OVERSIZE} more" if len(found) > _SHOWN_OVERSIZE else ""
    what = f"{len(found)} request{'s are' if len(found) > 1 else ' is'} longer than the model reads: {listed}{more}"
    if choice == "error":
        return f"{what}. Shorten the rows, or pass on_oversize='skip' to leave them out or 'send' to try all the same."
    return f"{what}; {'not sent' if choice == 'skip' else 'sent all the same'}."


def suspect(ways: Sequence[Route]) -> tuple[list[tuple[int, int]], Callable[[int, int, int], None]]:
    """A list, and what fills it with the requests that are long enough to be worth an estimate."""
    suspects: list[tuple[int, int]] = []
    limits = [context_limit(way.provider.name, way.model) for way in ways]
    reach = [math.inf if limit is None else limit / _MOST_TOKENS_A_CHARACTER - _FORM_CHARACTERS for limit in limits]

    def on_length(arm: int, case: int, characters: int) -> None:
        if characters > reach[arm]:
            suspects.append((arm, case))

    return suspects, on_length
