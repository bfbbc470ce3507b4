"""Words that sentences about results share: counts with their noun, short lists, shares, p values, where most are."""

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


def amount(value: float, in_points: bool) -> str:
    """Returns a difference with its sign, `0` without one: in points of a hundred for shares, else with three digits.

    Example:
        >>> amount(0.125, True), amount(-0.0042, False), amount(0.0003, True), amount(0.0, True)
        ('+12.5', '-0.0042', '+0.03', '0')
    """
    if value == 0:
        return "0"
    if not in_points:
        return f"{value:+.3g}"
    # A gap that is there is never told as none.
    return f"{value * 100:+.1f}" if abs(value) >= 0.0005 else f"{value * 100:+.1g}"


def margin_words(margin: float, in_points: bool) -> str:
    """Returns a loss that is accepted: in points of a hundred for shares, else as it is.

    Example:
        >>> margin_words(0.02, True), margin_words(0.01, True), margin_words(0.5, False)
        ('2 points', '1 point', '0.5')
    """
    if not in_points:
        return f"{margin:g}"
    points = f"{margin * 100:g}"
    return f"{points} point" if points == "1" else f"{points} points"


def p_words(p: float, *, alpha: float = 0.05) -> str:
    """Returns a p value to two digits, to more where two would put it on the other side of `alpha`, or as `< 0.0001`.

    Example:
        >>> p_words(0.0123), p_words(0.0502), p_words(2e-44)
        ('p = 0.012', 'p = 0.0502', 'p < 0.0001')
    """
    if p < 0.0001:
        return "p < 0.0001"
    for digits in (2, 3, 4):
        told = f"{p:.{digits}g}"
        if (float(told) <= alpha) == (p <= alpha):
            break
    return f"p = {told}"


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
