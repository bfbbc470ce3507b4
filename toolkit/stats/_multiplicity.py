"""Corrections of p values for their number: Holm, Bonferroni, and Benjamini and Hochberg."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.stats._arrays import check_level


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the p values corrected for their number by Holm's step-down method, in the order given.

    The chance of one false alarm or more stays below the level, whatever the dependence. `None` stays `None` and does
    not count.

    Raises:
        ValueError: If a value is not within 0 to 1.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979) 65-70.

    Example:
        >>> holm([0.01, None, 0.04])
        [0.02, None, 0.04]
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (p, place) in enumerate(ranked):
        floor = max(floor, min(1.0, p * (len(ranked) - rank)))
        adjusted[place] = floor
    return adjusted


def bonferroni(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns each p value times their number, at most 1; `None` stays `None` and does not count.

    Raises:
        ValueError: If a value is not within 0 to 1.

    Example:
        >>> bonferroni([0.01, None, 0.04])
        [0.02, None, 0.08]
    """
    count = len(_ranked(p_values))
    return [None if p is None else min(1.0, p * count) for p in p_values]


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns the p values corrected so that few of those called differences are none, in the order given.

    Among the comparisons with a corrected value of at most q, the expected share of false ones is at most q, for
    independent or positively dependent comparisons. This promises less than `holm`. `None` stays `None`.

    Raises:
        ValueError: If a value is not within 0 to 1.

    Source: Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.

    Example:
        >>> benjamini_hochberg([0.01, None, 0.04])
        [0.02, None, 0.04]
    """
    ranked = _ranked(p_values)
    adjusted: list[float | None] = [None] * len(p_values)
    ceiling = 1.0
    for rank, (p, place) in reversed(list(enumerate(ranked, start=1))):
        ceiling = min(ceiling, p * len(ranked) / rank)
        adjusted[place] = ceiling
    return adjusted


def bonferroni_level(comparisons: int, *, level: float = 0.95) -> float:
    """Returns the level at which each of several intervals is made so that all hold the truth with chance `level`.

    Raises:
        ValueError: If `comparisons` is below 1, or `level` is not between 0 and 1.

    Example:
        >>> round(bonferroni_level(5), 6)
        0.99
    """
    check_level(level)
    if comparisons < 1:
        raise ValueError(f"A family has at least one comparison; got {comparisons!r}.")
    return 1 - (1 - level) / comparisons


def _ranked(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"A p value lies within 0 to 1, or is None where nothing was tested; got {p!r}.")
    return sorted((p, place) for place, p in enumerate(p_values) if p is not None)
