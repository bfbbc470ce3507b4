"""Compares every arm with the baseline, and says in words which is best, or that it is undecided, and what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import TEXT
from toolkit.results._frame import score_names, to_series
from toolkit.results._labels import arm_labels, find_arm
from toolkit.results._scoring import counts_down
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import CaseScores, case_scores
from toolkit.stats import Comparison, Estimate, compare_paired, estimate, holm

# Above this share of cases that only one arm has a score for, the effect of counting failures as 0 is told as well.
_TELLING_DROP = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """One arm against the baseline."""

    arm: str
    baseline: str
    score: str
    comparison: Comparison
    mean: float | None
    """Over the cases that both have a score for."""
    baseline_mean: float | None
    p_holm: float | None
    """Corrected for the number of arms that are compared with this baseline."""
    family: int
    """That number."""
    level: float
    delta_failures_as_0: float | None
    """Mean difference with cases that have no answer counted as 0; `None` when at most 2 % of the cases are dropped."""
    lower_is_better: bool = False
    """Whether the smaller number wins, as of seconds and USD."""

    @property
    def gain(self) -> float:
        """The mean difference in favour of the arm, whichever way its score counts; 0 when there is none."""
        delta = self.comparison.delta or 0.0
        return -delta if self.lower_is_better else delta

    @property
    def wins(self) -> int:
        """Cases in which the arm has the better score."""
        return self.comparison.losses if self.lower_is_better else self.comparison.wins

    @property
    def losses(self) -> int:
        """Cases in which the baseline has the better score."""
        return self.comparison.wins if self.lower_is_better else self.comparison.losses

    @property
    def is_decided(self) -> bool:
        """True when the corrected p is at most 1 - level and the arms differ."""
        return self.p_holm is not None and self.p_holm <= 1 - self.level + 1e-12 and bool(self.comparison.delta)

    @property
    def is_better(self) -> bool:
        """True when it is decided in favour of the arm."""
        return self.is_decided and self.gain > 0

    @property
    def is_worse(self) -> bool:
        """True when it is decided in favour of the baseline."""
        return self.is_decided and self.gain < 0

    @property
    def gap(self) -> str:
        """The difference with its interval, p and number of cases, in words."""
        found = self.comparison
        binary = found.is_binary
        parts = []
        if found.interval is not None:
            low, high = amount(found.interval.low, binary), amount(found.interval.high, binary)
            parts.append(f"{self.level * 100:g} % interval {low} to {high}")
        if self.p_holm is not None:
            parts.append(f"p = {self.p_holm:.2g}" + (f" after Holm over {self.family}" if self.family > 1 else ""))
        unit = " points" if binary else ""
        told = f" ({'; '.join(parts)})" if parts else ""
        return f"{amount(found.delta or 0.0, binary)}{unit}{told}, {_cases(found.n)}"

    @property
    def outlook(self) -> str:
        """How small a gap these cases can show, and how many cases the gap seen would need."""
        found = self.comparison
        unit = " points" if found.is_binary else ""
        parts = []
        if found.smallest_gap is not None:
            gap = amount(found.smallest_gap, found.is_binary).lstrip("+")
            if found.is_binary and found.smallest_gap >= 1:
                parts.append(f"{_cases(found.n)} are too few to see any gap")
            else:
                parts.append(f"with {_cases(found.n)} only a gap of about {gap}{unit} or more is likely to be seen")
        if found.rows_needed is not None and found.rows_needed > found.n:
            parts.append(f"a gap of the size seen needs about {found.rows_needed:,} cases")
        return "; ".join(parts)

    @property
    def sentence(self) -> str:
        """The comparison in one sentence."""
        found = self.comparison
        if found.n == 0:
            return f"Not comparable: no case is scored in both {self.arm} and {self.baseline}."
        if found.wins == found.losses == 0:
            return f"The same {self.score} as {self.baseline} in {'each of ' if found.n > 1 else ''}{_cases(found.n)}."
        count = f"won {self.wins}, lost {self.losses}, tied {found.ties}"
        if self.is_decided:
            word = "Better" if self.is_better else "Worse"
            return f"{word} than {self.baseline}: {self.gap}, {count}."
        outlook = f" {self.outlook}." if self.outlook else ""
        return f"Undecided against {self.baseline}: {self.gap}, {count}.{outlook}"


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
        UsageError: If there is no such score or arm, or nothing is scored.
    """
    labels = arm_labels(view.arms)
    name = chosen_score(view, score)
    base = _chosen_baseline(view, baseline)
    scores, is_lower = case_scores(view, name), counts_down(view, name)
    others = [place for place in range(len(labels)) if place != base]
    found = [_paired(scores.values[place], scores.values[base], scores, level) for place in others]
    adjusted = holm([comparison.p_value for comparison in found])
    made = []
    for place, comparison, p_holm in zip(others, found, adjusted, strict=True):
        both = ~np.isnan(scores.values[place]) & ~np.isnan(scores.values[base])
        made.append(
            ArmComparison(
                arm=labels[place],
                baseline=labels[base],
                score=for_screen(name, keep_lines=False),
                comparison=comparison,
                mean=float(scores.values[place][both].mean()) if both.any() else None,
                baseline_mean=float(scores.values[base][both].mean()) if both.any() else None,
                p_holm=p_holm,
                family=sum(p is not None for p in adjusted),
                level=level,
                # A missing answer counted as 0 seconds would be the best there is.
                delta_failures_as_0=None if is_lower else _delta_failures_as_0(scores, place, base),
                lower_is_better=is_lower,
            )
        )
    return made


def compare_table(compared: Sequence[ArmComparison]) -> pd.DataFrame:
    """Returns one row an arm, index `arm`.

    Columns: `baseline`, `score`; `cases` (scored in both); `mean`, `baseline_mean`, `delta` (over these cases), `low`,
    `high` (interval of `delta`), `p`, `p_holm` (corrected for the number of arms), `wins`, `ties`, `losses` (cases),
    `dropped` (cases scored in one of the two alone), `delta_failures_as_0`, `smallest_gap` (gap that this many cases
    show four times in five), `cases_needed` (for the gap seen), `method`, `verdict` (the row in a sentence).
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
        "wins": ([one.wins for one, _ in each], "Int64"),
        "ties": ([found.ties for _, found in each], "Int64"),
        "losses": ([one.losses for one, _ in each], "Int64"),
        "dropped": ([found.only_a + found.only_b for _, found in each], "Int64"),
        "delta_failures_as_0": ([one.delta_failures_as_0 for one, _ in each], "Float64"),
        "smallest_gap": ([found.smallest_gap for _, found in each], "Float64"),
        "cases_needed": ([found.rows_needed for _, found in each], "Int64"),
        "method": ([found.method for _, found in each], TEXT),
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
    bare = score.removeprefix("score.")
    if bare not in names:
        raise UsageError(f"There is no score {score!r}; there are: {', '.join(names)}.")
    return bare


def verdict_text(view: RunView, *, level: float = 0.95) -> str:
    """Returns a few lines of plain words: which arm is best by the first score, by how much, and what to do next."""
    names = score_names(view)
    if not names:
        return "No verdict: nothing is scored yet. Next: results.score(tk.contains()) or a function of yours."
    name = names[0]
    scores = case_scores(view, name)
    labels = arm_labels(view.arms)
    shown = for_screen(name, keep_lines=False)
    if np.isnan(scores.values).all():
        return f"No verdict: {shown} has no number for any trial{_commonest_reason(view, name)}."
    if len(labels) == 1:
        found = estimate(scores.values[0], clusters=scores.clusters, level=level)
        lines = [f"{labels[0]}: {shown} {_mean_in_words(found)}. One arm: there is nothing to compare it with."]
    else:
        lines = _headline(compare_arms(view, level=level))
    if len(names) > 1:
        others = ", ".join(f"results.compare({other!r})" for other in names[1:4])
        lines.append(for_screen(f"By the other scores: {others}.", keep_lines=False))
    return "\n".join(lines)


def amount(value: float, binary: bool) -> str:
    """Returns a difference with its sign: in points of a hundred for shares, else with three digits.

    Example:
        >>> amount(0.125, True), amount(-0.0042, False)
        ('+12.5', '-0.0042')
    """
    return f"{value * 100:+.1f}" if binary else f"{value:+.3g}"


def _headline(compared: Sequence[ArmComparison]) -> list[str]:
    better = sorted((one for one in compared if one.is_better), key=_delta, reverse=True)
    worse = [one for one in compared if one.is_worse]
    base, score = compared[0].baseline, compared[0].score
    if better:
        lead = better[0]
        lines = [f"{lead.arm} beats the baseline {base} on {score}: {lead.gap}."]
        if len(better) > 1:
            also = _listed([one.arm for one in better[1:]])
            lines.append(
                f"Also better than the baseline: {also}. The gaps among these are not tested here; "
                f"results.compare(baseline={lead.arm!r}) does."
            )
        lines += _dropped(lead)
        if lead.losses:
            lines.append(f"Next: read the {_cases(lead.losses)} that it lost: results.wide('score.{score}').")
        return lines
    lead = max(compared, key=_delta)
    if len(worse) == len(compared):
        lines = [
            f"The baseline {base} is better than every other arm on {score}; the nearest is {lead.arm}: {lead.gap}."
        ]
        return lines + _dropped(lead)
    if lead.comparison.n == 0:
        return [f"No verdict: no case is scored both in an arm and in the baseline {base}."]
    if all(one.comparison.wins == one.comparison.losses == 0 for one in compared):
        lines = [f"Undecided: every arm has the same {score} as the baseline {base} in {_cases(lead.comparison.n)}."]
    else:
        lines = [f"Undecided: no arm is shown to be better than the baseline {base} on {score}."]
        lines.append(f"Nearest to it or ahead: {lead.arm}, {lead.gap}.")
    if worse:
        lines.append(f"Worse than the baseline: {_listed([one.arm for one in worse])}.")
    lines += _dropped(lead)
    advice = f" {lead.outlook[0].upper()}{lead.outlook[1:]}." if lead.outlook else ""
    lines.append(f"Next: add cases, or keep the cheaper arm.{advice}")
    return lines


def _delta(one: ArmComparison) -> float:
    return one.gain if one.comparison.delta is not None else float("-inf")


def _dropped(one: ArmComparison) -> list[str]:
    if one.delta_failures_as_0 is None:
        return []
    dropped = one.comparison.only_a + one.comparison.only_b
    shown = amount(one.delta_failures_as_0, one.comparison.is_binary)
    unit = " points" if one.comparison.is_binary else ""
    return [
        f"{_cases(dropped)} left out, scored in one of the two alone; with missing answers as 0 it is {shown}{unit}."
    ]


def _paired(a: np.ndarray, b: np.ndarray, scores: CaseScores, level: float) -> Comparison:
    return compare_paired(a, b, clusters=scores.clusters, level=level)


def _delta_failures_as_0(scores: CaseScores, place: int, base: int) -> float | None:
    a, b = scores.values[place], scores.values[base]
    one_sided = np.isnan(a) != np.isnan(b)
    if one_sided.sum() <= _TELLING_DROP * len(a):
        return None
    a = np.where(np.isnan(a) & scores.failed[place], 0.0, a)
    b = np.where(np.isnan(b) & scores.failed[base], 0.0, b)
    difference = (a - b)[~np.isnan(a - b)]
    return float(difference.mean()) if len(difference) else None


def _chosen_baseline(view: RunView, baseline: str | int | None) -> int:
    if baseline is not None:
        return find_arm(view, baseline)
    indices = [arm.index for arm in view.arms]
    return indices.index(view.baseline) if view.baseline in indices else 0


def _commonest_reason(view: RunView, name: str) -> str:
    reasons = Counter(
        score.explanation
        for scores in view.scores.values()
        for score in scores
        if score.name == name and score.explanation
    )
    if not reasons:
        return ""
    reason, count = reasons.most_common(1)[0]
    return f" ({for_screen(shorten(reason, 120), keep_lines=False)}: {count} trials)"


def _mean_in_words(found: Estimate) -> str:
    if found.mean is None:
        return "has no number"
    told = ""
    if found.interval is not None:
        told = f", {found.interval.level * 100:g} % interval {found.interval.low:.3g} to {found.interval.high:.3g}"
    return f"{found.mean:.3g} ({_cases(found.n)}{told})"


def _cases(n: int) -> str:
    return f"{n:,} case" if n == 1 else f"{n:,} cases"


def _listed(labels: Sequence[str]) -> str:
    return "; ".join(labels[:4]) + (f" and {len(labels) - 4} more" if len(labels) > 4 else "")
