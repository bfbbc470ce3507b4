"""Words that sentences about results share: counts with their noun, short lists, shares in per cent."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_LISTED = 4


def counted(n: int, noun: str) -> str:
    """Returns a number with its noun, in the plural where there is not exactly one.

    Example:
        >>> counted(1, "case"), counted(1200, "case")
        ('1 case', '1,200 cases')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(labels: Sequence[str]) -> str:
    """Returns labels in a row, the first few of them when there are many.

    Example:
        >>> listed(["a", "b", "c", "d", "e"])
        'a; b; c; d and 1 more'
    """
    more = f" and {len(labels) - _MOST_LISTED} more" if len(labels) > _MOST_LISTED else ""
    return "; ".join(labels[:_MOST_LISTED]) + more


def percent(share: float) -> str:
    """Returns a share in per cent, whole; what would round to nothing or to all is told as `under 1 %` or `over 99 %`.

    Example:
        >>> percent(0.375), percent(0.002), percent(1.0), percent(0.999)
        ('38 %', 'under 1 %', '100 %', 'over 99 %')
    """
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share * 100:.0f} %"
