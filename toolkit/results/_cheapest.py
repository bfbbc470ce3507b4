"""Cost against quality: the cheapest arm that is shown to be not worse than the baseline by more than a margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import TEXT
from toolkit.results._compare import ArmComparison, amount, chosen_baseline, chosen_score, compare_arms
from toolkit.results._display import usd
from toolkit.results._finding import CheapestFinding
from toolkit.results._frame import rows_of_view, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._summary import case_scores, mean_cost_usd
from toolkit.results._words import counted, listed
from toolkit.stats import Candidate, Choice, Interval, bonferroni_level, cheapest_not_worse


def cheapest_arm(
    view: RunView, *, margin: float = 0.02, score: str | None = None, baseline: str | int | None = None
) -> CheapestFinding:
    """Returns which arm to take, with the table of costs and standings.

    Args:
        view: The run with its scores.
        margin: The loss that is accepted, in the score's unit: 0.02 = two points of a share.
        score: Name of a score; `None` = the first.
        baseline: Label or index of an arm; `None` = the one that the run was planned with.

    Raises:
        UsageError: If the margin is not above 0, there is no such score or arm, or there is only one arm.
    """
    if not margin > 0 or not math.isfinite(margin):
        raise UsageError(f"`margin` is the loss that you would accept, above 0, such as 0.02; got {margin!r}.")
    labels, base = arm_labels(view.arms), chosen_baseline(view, baseline)
    if len(labels) < 2:
        raise UsageError("There is one arm, and nothing to choose from; sweep a second model or prompt version.")
    level = bonferroni_level(len(labels) - 1)
    compared = compare_arms(view, score=score, baseline=view.arms[base].index, level=level)
    rows = rows_of_view(view)
    costs = {
        label: mean_cost_usd([row for row in rows if row.trial.arm.index == arm.index])
        for arm, label in zip(view.arms, labels, strict=True)
    }
    choice = cheapest_not_worse(
        [Candidate(arm=one.arm, cost_usd=costs[one.arm], difference=_gain(one)) for one in compared],
        baseline=labels[base],
        baseline_cost_usd=costs[labels[base]],
        margin=margin,
    )
    scores = case_scores(view, chosen_score(view, score)).values
    means = {
        label: float(np.nanmean(line)) if not np.isnan(line).all() else None
        for label, line in zip(labels, scores, strict=True)
    }
    return CheapestFinding(
        sentence=_sentence(choice, compared, costs, labels[base]),
        df=_table(choice, compared, costs, means),
        arm=choice.arm,
        is_baseline=choice.is_baseline,
        margin=margin,
    )


def _gain(one: ArmComparison) -> Interval | None:
    """The interval of what is gained, whichever way the score counts.

    Where no two answers differed there is no spread to make an interval of: then the share of further cases that
    differ is held below -log(alpha / 2) / n, each taken to differ by one whole unit.
    """
    found = one.comparison
    if found.interval is None:
        if found.n == 0 or found.wins or found.losses:
            return None
        bound = -math.log((1 - one.level) / 2) / found.n
        return Interval(low=-bound, high=bound, level=one.level)
    low, high = found.interval.low, found.interval.high
    return Interval(low=-high, high=-low, level=one.level) if one.lower_is_better else found.interval


def _table(
    choice: Choice,
    compared: Sequence[ArmComparison],
    costs: Mapping[str, float | None],
    means: Mapping[str, float | None],
) -> pd.DataFrame:
    """One row an arm, cheapest first, arms without a known cost last."""
    held = {one.arm: one for one in compared}
    standings = {arm: str(where) for arm, where in choice.standings}
    standings |= {arm: "baseline" for arm in costs if arm not in standings}
    labels = sorted(standings, key=lambda label: math.inf if (cost := costs[label]) is None else cost)
    gains = {label: _gain(one) for label, one in held.items()}
    columns: dict[str, tuple[Sequence[Any], str]] = {
        "cost_usd_mean": ([costs[label] for label in labels], "Float64"),
        "mean": ([means[label] for label in labels], "Float64"),
        "gain": ([one.gain if (one := held.get(label)) and one.comparison.n else None for label in labels], "Float64"),
        "low": ([found.low if (found := gains.get(label)) else None for label in labels], "Float64"),
        "high": ([found.high if (found := gains.get(label)) else None for label in labels], "Float64"),
        "cases": ([held[label].comparison.n if label in held else None for label in labels], "Int64"),
        "standing": ([standings[label] for label in labels], TEXT),
        "chosen": ([label == choice.arm for label in labels], "boolean"),
    }
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index(labels, name="arm")
    return frame


def _sentence(choice: Choice, compared: Sequence[ArmComparison], costs: Mapping[str, float | None], base: str) -> str:
    by = {one.arm: one for one in compared}
    is_binary = compared[0].comparison.is_binary
    bound = f"on {compared[0].score} by more than {_plain(choice.margin, is_binary)}"
    if not choice.is_baseline:
        one, cost, before = by[choice.arm], costs[choice.arm], costs[base]
        against = f"{usd(cost)} an answer, against {usd(before)} of {base}"
        lines = [
            f"Take {choice.arm}: {against}, and shown to be not worse {bound}: {_span(one)}. "
            f"Next: {one.diff_call}.worse has the cases that it gets wrong."
        ]
    elif all(cost is None for cost in costs.values()):
        return (
            "No choice by cost: no arm's cost is known. Next: sweep again with `prices=`; what is stored is not sent."
        )
    elif len({cost for cost in costs.values() if cost is not None}) == 1 and None not in costs.values():
        return f"No choice by cost: every arm costs {usd(costs[base])} an answer. Next: decide by results.compare()."
    else:
        lines = [f"Keep {base} at {usd(costs[base])} an answer: no cheaper arm is shown to be not worse {bound}."]
    lines += _open_arms(choice, by, costs)
    if choice.unpriced:
        lines.append(f"Not worse, but of unknown cost: {listed(choice.unpriced)}. Next: give `prices=` to the sweep.")
    return "\n".join(lines)


def _open_arms(choice: Choice, by: Mapping[str, ArmComparison], costs: Mapping[str, float | None]) -> list[str]:
    """Cheaper arms that are neither shown to be not worse nor to be worse, and what would settle it."""
    taken = costs[choice.arm]
    cheaper = [
        arm
        for arm, where in choice.standings
        if where == "undecided" and (cost := costs[arm]) is not None and (taken is None or cost < taken)
    ]
    if not cheaper:
        return []
    needed = [_cases_needed(by[arm], choice.margin) for arm in cheaper]
    known = [number for number in needed if number is not None]
    more = (
        f"about {min(known):,} cases would tell, if it is as good" if known else "add cases, or accept a wider margin"
    )
    told = "; ".join(f"{arm}, {usd(costs[arm])}, {_span(by[arm])}" for arm in cheaper[:3])
    rest = f"; and {len(cheaper) - 3} more" if len(cheaper) > 3 else ""
    return [f"Cheaper and undecided: {told}{rest}. Next: {more}."]


def _cases_needed(one: ArmComparison, margin: float) -> int | None:
    """Cases with which an equally good arm would be shown to be not worse four times in five."""
    found = one.comparison
    if found.smallest_gap is None or found.n == 0:
        return None
    needed = math.ceil(found.n * (found.smallest_gap / margin) ** 2)
    return needed if needed > found.n else None


def _span(one: ArmComparison) -> str:
    found, gain = one.comparison, _gain(one)
    binary = found.is_binary
    if found.n == 0:
        return "not comparable"
    span = f" [{amount(gain.low, binary)}, {amount(gain.high, binary)}]" if gain is not None else ""
    return f"{amount(one.gain, binary)}{' points' if binary else ''}{span} on {counted(found.n, 'case')}"


def _plain(margin: float, binary: bool) -> str:
    return f"{margin * 100:g} points" if binary else f"{margin:g}"
