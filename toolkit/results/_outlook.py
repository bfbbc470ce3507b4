"""What the next sweep should be: the cases that would settle each comparison, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import Row
from toolkit.results._compare import chosen_baseline, chosen_score, is_share
from toolkit.results._finding import Finding
from toolkit.results._frame import rows_of_view, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._summary import case_scores, mean_cost_usd
from toolkit.results._words import amount, counted, percent
from toolkit.stats import chance_to_see, gap_variance, outlook

_ALPHA = 0.05


def outlook_finding(
    view: RunView,
    *,
    score: str | None,
    baseline: str | int | None,
    gap: float | None,
    more: int | None,
    repeats: int | None,
) -> Finding:
    """Returns one row for each other arm: what would settle its comparison; the arguments are those of the face.

    Raises:
        UsageError: If nothing is scored, there is no such score or arm or no other arm, or a number makes no sense.
    """
    _check(view, gap, more, repeats)
    name, base = chosen_score(view, score), chosen_baseline(view, baseline)
    labels, values = arm_labels(view.arms), _by_repeat(view, name)
    costs = _costs(view)
    clusters = case_scores(view, name).clusters
    others = [place for place in range(len(labels)) if place != base]
    rows: list[dict[str, Any]] = []
    for place in others:
        a, b = values[place], values[base]
        both = ~np.isnan(a).all(axis=1) & ~np.isnan(b).all(axis=1)
        seen = float((np.nanmean(a[both], axis=1) - np.nanmean(b[both], axis=1)).mean()) if both.any() else None
        wanted = gap if gap is not None else abs(seen or 0.0)
        found = outlook(a, b, gap=wanted, repeats=repeats, alpha=_ALPHA / len(others))
        further = more if more is not None else found.n
        cost = _sum([costs[place], costs[base]])
        trials = None if found.still_needed is None else 2 * found.still_needed * found.repeats
        rows.append(
            {
                "baseline": labels[base],
                "cases": found.n,
                "seen": seen,
                "gap": wanted,
                "repeats": found.repeats,
                "cases_needed": found.rows,
                "more_cases": found.still_needed,
                "trials": trials,
                "cost_usd": None if cost is None or trials is None else cost * trials / 2,
                "added": further,
                "chance": _chance(found, further, wanted, len(others)),
                "between_cases": found.between,
                "between_repeats": _sum([found.within_a, found.within_b]),
            }
        )
    frame = pd.DataFrame({each: to_series([row[each] for row in rows], dtype) for each, dtype in _COLUMNS.items()})
    frame.index = pd.Index([labels[place] for place in others], name="arm")
    in_points = is_share(view, name)
    lines = [_line(labels[place], row, name, in_points) for place, row in zip(others, rows, strict=True)]
    if clusters is not None and len(set(clusters)) < len(clusters):
        lines.append("Some cases share their content or cluster and count as one each here only in part: add more.")
    return Finding(sentence="\n".join(lines), df=frame)


_COLUMNS = {
    "baseline": "text",
    "cases": "Int64",
    "seen": "Float64",
    "gap": "Float64",
    "repeats": "Int64",
    "cases_needed": "Int64",
    "more_cases": "Int64",
    "trials": "Int64",
    "cost_usd": "Float64",
    "added": "Int64",
    "chance": "Float64",
    "between_cases": "Float64",
    "between_repeats": "Float64",
}


def _check(view: RunView, gap: float | None, more: int | None, repeats: int | None) -> None:
    if not view.is_grid or len(view.arms) < 2:
        raise UsageError("An outlook is about arms on the same cases; sweep two arms or more.")
    if gap is not None and not (isinstance(gap, int | float) and math.isfinite(gap) and gap > 0):
        raise UsageError(f"`gap` is the difference that should be seen, above 0, such as 0.05; got {gap!r}.")
    for what, value, least in (("more", more, 0), ("repeats", repeats, 1)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise UsageError(f"`{what}` is a whole number of at least {least}, or None; got {value!r}.")


def _by_repeat(view: RunView, name: str) -> NDArray[np.float64]:
    """The scores, arms x cases x repeats; NaN where there is none."""
    arms = {arm.index: place for place, arm in enumerate(view.arms)}
    cases = {index: place for place, index in enumerate(dict.fromkeys(trial.case.index for trial in view.trials))}
    repeats = 1 + max((trial.repeat for trial in view.trials), default=0)
    values = np.full((len(arms), len(cases), repeats), np.nan)
    for trial in view.trials:
        for score in view.scores.get(trial.trial_id, ()):
            if score.name == name:
                values[arms[trial.arm.index], cases[trial.case.index], trial.repeat] = score.value
    return values


def _costs(view: RunView) -> list[float | None]:
    """What an answer of each arm cost on average, in USD."""
    by_arm: dict[int, list[Row]] = {arm.index: [] for arm in view.arms}
    for row in rows_of_view(view):
        by_arm[row.trial.arm.index].append(row)
    return [mean_cost_usd(rows) for rows in by_arm.values()]


def _chance(found: Any, further: int, gap: float, comparisons: int) -> float | None:
    if found.between is None or not gap:
        return None
    variance = gap_variance(
        found.between, within_a=found.within_a or 0.0, within_b=found.within_b or 0.0, repeats=found.repeats
    )
    return chance_to_see(gap, found.n + further, variance=variance, alpha=_ALPHA / comparisons) if variance else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _line(arm: str, row: dict[str, Any], name: str, in_points: bool) -> str:
    """One comparison in words, with what to do."""
    against = f"{arm} against {row['baseline']} on {name}"
    if row["cases_needed"] is None:
        why = "no gap is seen; say with gap= which one matters" if not row["gap"] else "no spread is seen yet"
        return f"{against}: {why}. Next: results.outlook(gap=0.05), or add cases."
    unit = " points" if in_points else ""
    told = f"{against}: a gap of {amount(row['gap'], in_points).lstrip('+')}{unit} takes about "
    needed = f"{counted(row['cases_needed'], 'case')} x {counted(row['repeats'], 'repeat')}"
    if not row["more_cases"]:
        return f"{told}{needed}, and there are {row['cases']:,}. Next: results.compare() has the verdict."
    cost = "" if row["cost_usd"] is None else f", about ${row['cost_usd']:.2g}"
    chance = ""
    if row["chance"] is not None and row["added"]:
        chance = f" {counted(row['added'], 'case')} more would show it with a chance of {percent(row['chance'])}."
    return (
        f"{told}{needed} in all to be seen four times in five.{chance} "
        f"Next: add {counted(row['more_cases'], 'case')}, {counted(row['trials'], 'trial')} of the two{cost}."
    )
