"""Compares arms of live calls, which share no cases: as independent groups, and in words that say so."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from toolkit.results._words import counted
from toolkit.stats import Comparison, compare_independent


def compare_calls(
    a: NDArray[np.float64], b: NDArray[np.float64], *, clusters: Sequence[Hashable] | None, level: float
) -> Comparison:
    """Returns the comparison of two arms, each with a number where a call was its own and NaN elsewhere.

    Args:
        a: One place a call of the run.
        b: The same for the other arm.
        clusters: For each call what it shares with others, such as its messages; `None` = all differ.
        level: Confidence level.
    """
    own, its = ~np.isnan(a), ~np.isnan(b)

    def shared(which: NDArray[np.bool_]) -> list[Hashable] | None:
        return None if clusters is None else [clusters[place] for place in np.flatnonzero(which).tolist()]

    return compare_independent(a[own], b[its], clusters_a=shared(own), clusters_b=shared(its), level=level)


def calls_words(found: Comparison) -> str:
    """Returns how many calls of either arm were compared: `80 calls against 75`."""
    return f"{counted(found.n_a or 0, 'call')} against {found.n_b or 0:,}"
