"""Sums of money as text."""

from __future__ import annotations


def usd(cost: object) -> str:
    """Returns a sum of money as text; `?` when it is unknown.

    Example:
        >>> usd(0.1449), usd(0.00042), usd(0), usd(None)
        ('$0.14', '$0.00042', '$0', '?')
    """
    if not isinstance(cost, int | float):
        return "?"
    if cost >= 0.01:
        return f"${cost:,.2f}"
    return "$0" if cost == 0 else f"${float(f'{cost:.2g}'):.10f}".rstrip("0")
