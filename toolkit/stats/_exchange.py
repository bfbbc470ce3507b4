"""Whether two sets of answers to the same cases differ by more than answers of one set do among themselves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.stats._arrays import FloatArray, check_level
from toolkit.stats._intervals import Estimate, estimate

_DRAWS = 9_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How two sets of answers compare, case by case; chances are averaged over cases."""

    n: int
    """Cases with an answer in both sets."""
    across: float | None
    """Chance that an answer of one set and one of the other differ; `None` without a case."""
    n_repeated: int
    """Cases of these with two answers or more in one of the sets: those that know their noise."""
    within: float | None
    """Chance that two answers of one set differ, over those cases; `None` = not known without repeats."""
    gap: Estimate
    """The first chance minus the second, over those cases, with its interval."""
    p_value: float | None
    """One-sided: small when the sets differ from each other by more than each in itself; `None` without repeats."""


def compare_answers(
    before: Sequence[Sequence[Hashable | None]],
    after: Sequence[Sequence[Hashable | None]],
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    seed: int = 0,
    draws: int = _DRAWS,
) -> Exchange:
    """Compares two sets of answers to the same cases by how often they differ across and within.

    If nothing has changed, it is chance which of a case's answers stand in which set. So the answers of each case are
    dealt anew many times, and p is the share of deals, with the true one, in which the gap is as large as it was seen:
    p = (k + 1) / (draws + 1). A case with one answer on either side says nothing of its noise and is left out of gap
    and p.

    Args:
        before: For each case its answers, made comparable; `None` = no answer, left out.
        after: The same cases in the same order.
        clusters: As for `estimate`, for the interval of the gap.
        level: Confidence level of that interval.
        seed: Seed of the deals.
        draws: How many.

    Raises:
        ValueError: If the numbers of cases differ, or `level` is not between 0 and 1.

    Source: a permutation test within strata; the gap is the energy distance of two samples where the distance is 0 or
    1, halved: G. Szekely and M. Rizzo, "Energy statistics", J. Statist. Plann. Inference 143 (2013) 1249-1272.

    Example:
        >>> found = compare_answers([["a", "a"], ["b", "b"]], [["a", "a"], ["c", "c"]])
        >>> found.across, found.within, found.gap.mean
        (0.5, 0.0, 0.5)
    """
    check_level(level)
    if len(before) != len(after):
        raise ValueError(f"Answers to {len(before)} cases before and to {len(after)} after are not of the same cases.")
    rng = np.random.default_rng(seed)
    across: list[float] = []
    within: list[float] = []
    gaps: list[float] = []
    groups: list[Hashable] = []
    dealt: FloatArray = np.zeros(draws)
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        mine, its = [each for each in old if each is not None], [each for each in new if each is not None]
        if not mine or not its:
            continue
        differs = _differences([*mine, *its])
        is_old = np.arange(len(mine) + len(its)) < len(mine)
        seen_across, seen_within = _chances(differs, is_old[np.newaxis])
        across.append(float(seen_across[0]))
        if len(mine) + len(its) < 3:
            continue
        within.append(float(seen_within[0]))
        gaps.append(across[-1] - within[-1])
        groups.append(place if clusters is None else clusters[place])
        if differs.any():
            deal_across, deal_within = _chances(differs, rng.permuted(np.tile(is_old, (draws, 1)), axis=1))
            dealt += deal_across - deal_within
    # What adding in another order leaves in the last digits does not tell two deals apart.
    as_large = int(np.sum(dealt >= sum(gaps) - 1e-9))
    return Exchange(
        n=len(across),
        across=float(np.mean(across)) if across else None,
        n_repeated=len(gaps),
        within=float(np.mean(within)) if within else None,
        gap=estimate(gaps, clusters=None if clusters is None else groups, level=level),
        p_value=(as_large + 1) / (draws + 1) if gaps else None,
    )


def _differences(answers: Sequence[Hashable]) -> FloatArray:
    """1 where two answers differ, 0 where they are the same."""
    numbers: dict[Hashable, int] = {}
    kinds = np.array([numbers.setdefault(each, len(numbers)) for each in answers])
    differs: FloatArray = (kinds[:, np.newaxis] != kinds[np.newaxis]).astype(np.float64)
    return differs


def _chances(differs: FloatArray, is_old: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """For each deal the chance that two answers of different sets differ, and that two of one set do."""
    old = is_old.astype(np.float64)
    new = 1.0 - old
    m, n = int(old[0].sum()), int(new[0].sum())
    across: FloatArray = np.einsum("di,ij,dj->d", old, differs, new, optimize=True) / (m * n)
    sides: list[FloatArray] = [
        np.einsum("di,ij,dj->d", side, differs, side, optimize=True) / (count * (count - 1))
        for side, count in ((old, m), (new, n))
        if count > 1
    ]
    within: FloatArray = sum(sides, np.zeros(len(old))) / max(1, len(sides))
    return across, within
