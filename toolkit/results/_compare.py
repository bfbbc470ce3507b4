"""Compares every arm with the baseline, case by case: in numbers, as a table, and in a sentence an arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._arm_comparison import ArmComparison
from toolkit.results._arm_stopped import as_stopped, stopped_columns
from toolkit.results._calls import compare_calls
from toolkit.results._columns import TEXT
from toolkit.results._early import is_stopped_early
from toolkit.results._frame import score_names, to_series
from toolkit.results._labels import arm_labels, find_arm
from toolkit.results._pandas import pd
from toolkit.results._scoring import counts_down
from toolkit.results._screen import for_screen
from toolkit.results._summary import CaseScores, case_scores, check_level
from toolkit.stats import Comparison, compare_paired, compare_worst_case, holm

# Above this share of cases left out, the effect of counting failures as 0 is told as well.
_TELLING_DROP = 0.02


def compare_arms(
    view: RunView, *, score: str | None = None, baseline: str | int | None = None, level: float = 0.95
) -> list[ArmComparison]:
    """Returns each other arm compared with the baseline, in the plan's order.

    Args:
        view: The run with its scores.
        score: Name of a score; `None` = the first.
        baseline: Label or index of an arm; `None` = the one that the run was planned with.
        level: Confidence level of intervals and decisions.

    Raises:
        UsageError: If there is no such score or arm, nothing is scored, or the level is none.
    """
    check_level(level)
    labels = arm_labels(view.arms)
    name = chosen_score(view, score)
    base = chosen_baseline(view, baseline)
    scores, is_lower = case_scores(view, name), counts_down(view, name)
    others = [place for place in range(len(labels)) if place != base]
    compare = compare_paired if view.is_grid else compare_calls
    values, shared = scores.values, scores.clusters
    found = [compare(values[place], values[base], clusters=shared, level=level) for place in others]
    adjusted = holm([comparison.p_value for comparison in found])
    # A missing answer counted as 0 seconds would be the best there is.
    worst = [None if is_lower or not view.is_grid else _worst_case(scores, place, base, level) for place in others]
    again = holm([(one or first).p_value for one, first in zip(worst, found, strict=True)])
    in_points = is_share(view, name)
    made: list[ArmComparison] = []
    for nth, (place, comparison) in enumerate(zip(others, found, strict=True)):
        own, its = ~np.isnan(scores.values[place]), ~np.isnan(scores.values[base])
        both = own & its if view.is_grid else own | its
        own, its = own & both, its & both
        made.append(
            ArmComparison(
                arm=labels[place],
                baseline=labels[base],
                score=for_screen(name, keep_lines=False),
                comparison=comparison,
                mean=float(scores.values[place][own].mean()) if own.any() else None,
                baseline_mean=float(scores.values[base][its].mean()) if its.any() else None,
                p_holm=adjusted[nth],
                family=sum(p is not None for p in adjusted),
                level=level,
                left_out=int(_left_out(scores, place, base).sum()) if view.is_grid else 0,
                worst_case=worst[nth],
                worst_p_holm=again[nth] if worst[nth] is not None else None,
                lower_is_better=is_lower,
                is_share=in_points,
                clusters=_groups(scores, own | its),
            )
        )
    return as_stopped(view, scores, made, others, base) if is_stopped_early(view) else made


def compare_table(compared: Sequence[ArmComparison]) -> pd.DataFrame:
    """Returns one row an arm, index `arm`.

    Live calls are compared as independent groups: nothing is paired, `cases` are the calls of both arms together, and
    `wins`, `ties` and `losses` are `<NA>`.

    Columns: `baseline`, `score`; `cases` (scored in both); `mean`, `baseline_mean`, `delta` (over these cases), `low`,
    `high` (interval of `delta`), `p`, `p_holm` (corrected for the number of arms), `wins`, `ties`, `losses` (cases),
    `dropped` (cases scored in one of the two alone), `delta_failures_as_0`, `smallest_gap` (gap that this many cases
    show four times in five), `cases_needed` (for the gap seen), `chance_doubled` (that as many
    cases again show it), `method`, `verdict` (the row in a sentence). A sweep
    that stopped early has the columns of `stopped_columns` too, and `<NA>` for what holds at a fixed number of cases.
    """
    each = [(one, one.comparison) for one in compared]
    interval = [found.interval for _, found in each]
    columns: dict[str, tuple[Sequence[Any], str]] = {
        "baseline": ([one.baseline for one, _ in each], TEXT),
        "score": ([one.score for one, _ in each], TEXT),
        "cases": ([found.n for _, found in each], "Int64"),
        "mean": ([one.mean for one, _ in each], "Float64"),
        "baseline_mean": ([one.baseline_mean for one, _ in each], "Float64"),
        "delta": ([found.delta for _, found in each], "Float64"),
        "low": ([one.low if one is not None else None for one in interval], "Float64"),
        "high": ([one.high if one is not None else None for one in interval], "Float64"),
        "p": ([found.p_value for _, found in each], "Float64"),
        "p_holm": ([one.p_holm for one, _ in each], "Float64"),
        "wins": ([one.wins if found.is_paired else None for one, found in each], "Int64"),
        "ties": ([found.ties if found.is_paired else None for _, found in each], "Int64"),
        "losses": ([one.losses if found.is_paired else None for one, found in each], "Int64"),
        "dropped": ([found.only_a + found.only_b for _, found in each], "Int64"),
        "delta_failures_as_0": ([one.delta_failures_as_0 for one, _ in each], "Float64"),
        "smallest_gap": ([found.smallest_gap for _, found in each], "Float64"),
        "cases_needed": ([found.rows_needed for _, found in each], "Int64"),
        "chance_doubled": ([one.chance_doubled for one in compared], "Float64"),
        "method": ([found.method for _, found in each], TEXT),
        **stopped_columns(compared),
        "verdict": ([one.sentence for one, _ in each], TEXT),
    }
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index([one.arm for one in compared], name="arm")
    return frame


def chosen_score(view: RunView, score: str | None) -> str:
    """Returns the name of the score meant, with or without `score.` before it; `None` = the first.

    Raises:
        UsageError: If there is none, or no such.
    """
    names = score_names(view)
    if not names:
        raise UsageError("Nothing is scored yet; add a score first, such as results.score(tk.contains()).")
    if score is None:
        return names[0]
    bare = score.removeprefix("score.") if isinstance(score, str) else None
    if bare not in names:
        raise UsageError(f"There is no score {score!r}; there are: {', '.join(names)}.")
    return bare


def is_share(view: RunView, name: str) -> bool:
    """True when every single score of that name is 0 or 1."""
    return all(
        score.value in (0, 1)
        for scores in view.scores.values()
        for score in scores
        if score.name == name and score.is_scored
    )


def _groups(scores: CaseScores, which: NDArray[np.bool_]) -> int | None:
    """How many independent groups these cases are; `None` = each is one."""
    if scores.clusters is None:
        return None
    groups = len({scores.clusters[place] for place in np.flatnonzero(which)})
    return groups if groups < int(which.sum()) else None


def _left_out(scores: CaseScores, place: int, base: int) -> NDArray[np.bool_]:
    """The cases that are not compared and might have been: scored in one of the two, or not answered in one."""
    missing, base_missing = np.isnan(scores.values[place]), np.isnan(scores.values[base])
    failed = scores.failed[place] | scores.failed[base]
    left_out: NDArray[np.bool_] = (missing != base_missing) | (missing & base_missing & failed)
    return left_out


def _worst_case(scores: CaseScores, place: int, base: int, level: float) -> Comparison | None:
    if _left_out(scores, place, base).sum() <= _TELLING_DROP * scores.values.shape[1]:
        return None
    found = compare_worst_case(
        scores.values[place],
        scores.values[base],
        failed_a=scores.failed[place].tolist(),
        failed_b=scores.failed[base].tolist(),
        clusters=scores.clusters,
        level=level,
    )
    return found if found.n else None


def chosen_baseline(view: RunView, baseline: str | int | None) -> int:
    """Returns the place of the arm that the others are compared with: the one named, else the one planned."""
    if baseline is not None:
        return find_arm(view, baseline)
    indices = [arm.index for arm in view.arms]
    return indices.index(view.baseline) if view.baseline in indices else 0
