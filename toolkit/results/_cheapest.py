"""Cost against quality: the cheapest arm that is shown to be not worse than the baseline by more than a margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

import numpy as np

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._arm_comparison import ArmComparison, gap_words, span_words
from toolkit.results._columns import TEXT
from toolkit.results._compare import chosen_baseline, chosen_score, compare_arms
from toolkit.results._finding import CheapestFinding
from toolkit.results._frame import rows_of_view, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._money import usd
from toolkit.results._pandas import pd
from toolkit.results._summary import case_scores, mean_cost_usd
from toolkit.results._words import counted, listed, margin_words
from toolkit.stats import Candidate, Choice, bonferroni_level, cheapest_not_worse, standing


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
    if isinstance(margin, bool | str) or not isinstance(margin, SupportsFloat) or not 0 < float(margin) < math.inf:
        raise UsageError(f"`margin` is the loss that you would accept, above 0, such as 0.02; got {margin!r}.")
    margin = float(margin)
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
        [Candidate(arm=one.arm, cost_usd=costs[one.arm], difference=one.gain_interval) for one in compared],
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
    gains = {label: one.gain_interval for label, one in held.items()}
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
    score, margin = compared[0].score, margin_words(choice.margin, compared[0].is_share)
    if not choice.is_baseline:
        one, cost, before = by[choice.arm], costs[choice.arm], costs[base]
        lost = f"read the {counted(one.losses, 'case')} that it loses: {one.diff_call}.worse"
        lines = [
            f"Take {choice.arm}: {usd(cost)} an answer, against {usd(before)} for {base}. "
            f"On {score} it is shown to lose less than {margin}: {_span(one)}. "
            f"Next: {lost if one.losses else 'try it on new cases before you ship it'}."
        ]
        lines += _left_out(one, choice.margin, margin)
    elif all(cost is None for cost in costs.values()):
        return (
            "No choice by cost: no arm's cost is known. Next: sweep again with `prices=`; what is stored is not sent."
        )
    elif len({cost for cost in costs.values() if cost is not None}) == 1 and None not in costs.values():
        return f"No choice by cost: every arm costs {usd(costs[base])} an answer. Next: decide by results.compare()."
    else:
        lines = [_kept(choice, costs, base, f"{margin} on {score}")]
    lines += _open_arms(choice, by, costs)
    if choice.unpriced:
        lines.append(f"Not worse, but of unknown cost: {listed(choice.unpriced)}. Next: give `prices=` to the sweep.")
    return "\n".join(lines)


def _left_out(one: ArmComparison, margin: float, told: str) -> list[str]:
    """What missing answers could do to the choice, where they are more than a few."""
    worst = one.worst_case
    if worst is None or worst.n == one.comparison.n or standing(worst.interval, margin=margin) == "not worse":
        return []
    gap = gap_words(worst.delta, span_words(worst.interval, one.is_share), one.is_share)
    return [
        f"{counted(one.left_out, 'case')} left out for want of an answer or a score: with missing answers as 0 the gap "
        f"is {gap}, and a loss of {told} is not ruled out. Next: get the missing answers before you decide."
    ]


def _kept(choice: Choice, costs: Mapping[str, float | None], base: str, loss: str) -> str:
    """Why the baseline is kept, and what to do where nothing is left open."""
    held = costs[base]
    cheaper = {arm for arm, cost in costs.items() if cost is not None and held is not None and cost < held}
    told = f"Keep {base} at {usd(held)} an answer"
    if held is not None and not cheaper:
        unknown = [arm for arm, cost in costs.items() if cost is None]
        # Those that are shown to be not worse get a line of their own.
        advice = "sweep a cheaper model beside it to save money"
        if unknown:
            advice = f"give `prices=` to the sweep for {listed(unknown)}"
        return f"{told}: no arm of known cost is cheaper." + ("" if choice.unpriced else f" Next: {advice}.")
    if cheaper and all(where == "worse" for arm, where in choice.standings if arm in cheaper):
        return f"{told}: every cheaper arm loses more than {loss}. Next: sweep another cheap model, or accept more."
    return f"{told}: no cheaper arm is shown to lose less than {loss}."


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
    more = f"about {min(known):,} cases would tell, if it is as good" if known else "add cases, or accept a larger loss"
    told = "; ".join(f"{arm} at {usd(costs[arm])}, {_span(by[arm])}" for arm in cheaper[:3])
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
    if one.comparison.n == 0:
        return "not comparable"
    return f"{gap_words(one.gain, span_words(one.gain_interval, one.is_share), one.is_share)}, {one.cases}"
