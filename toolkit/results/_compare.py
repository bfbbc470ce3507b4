"""Compares every arm with the baseline, case by case: in numbers, as a table, and in a sentence an arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._columns import TEXT
from toolkit.results._frame import score_names, to_series
from toolkit.results._labels import arm_labels, find_arm
from toolkit.results._scoring import counts_down
from toolkit.results._screen import for_screen
from toolkit.results._summary import CaseScores, case_scores
from toolkit.results._words import counted
from toolkit.stats import Comparison, compare_paired, compare_worst_case, holm

# Above this share of cases left out, the effect of counting failures as 0 is told as well.
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
    left_out: int = 0
    """Cases that are not compared, because one of the two has no answer or no score."""
    worst_case: Comparison | None = None
    """The same with every missing answer counted as 0; `None` when at most 2 % of the cases are left out."""
    worst_p_holm: float | None = None
    """Its p, corrected as `p_holm` is."""
    lower_is_better: bool = False
    """Whether the smaller number wins, as of seconds and USD."""

    @property
    def delta_failures_as_0(self) -> float | None:
        """Mean difference in the worst case; `None` when at most 2 % of the cases are left out."""
        return self.worst_case.delta if self.worst_case is not None else None

    @property
    def is_shaken(self) -> bool:
        """True when the verdict would be another one if every missing answer counted as 0."""
        if self.worst_case is None:
            return False
        delta = self.worst_case.delta or 0.0
        is_decided = self.worst_p_holm is not None and self.worst_p_holm <= 1 - self.level + 1e-12 and bool(delta)
        return is_decided != self.is_decided or (is_decided and (delta > 0) != self.is_better)

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
        return f"{amount(found.delta or 0.0, binary)}{unit}{told}, {counted(found.n, 'case')}"

    @property
    def outlook(self) -> str:
        """How small a gap these cases can show, and how many cases the gap seen would need."""
        found = self.comparison
        unit = " points" if found.is_binary else ""
        parts = []
        if found.smallest_gap is not None:
            gap = amount(found.smallest_gap, found.is_binary).lstrip("+")
            if found.is_binary and found.smallest_gap >= 1:
                parts.append(f"{counted(found.n, 'case')} are too few to see any gap")
            else:
                parts.append(
                    f"with {counted(found.n, 'case')} only a gap of about {gap}{unit} or more is likely to be seen"
                )
        if found.rows_needed is not None and found.rows_needed > found.n:
            parts.append(f"a gap of the size seen needs about {found.rows_needed:,} cases")
        return "; ".join(parts)

    @property
    def diff_call(self) -> str:
        """The call that shows case by case what changed from the baseline to the arm."""
        return f"results.diff({self.baseline!r}, {self.arm!r}, score={self.score!r})"

    @property
    def sentence(self) -> str:
        """The comparison in one sentence, and what to do next."""
        found = self.comparison
        if found.n == 0:
            return (
                f"Not comparable: no case is scored in both {self.arm} and {self.baseline}. "
                "Next: results.summary() shows which has no answers or no scores."
            )
        if found.wins == found.losses == 0:
            cases = f"{'each of ' if found.n > 1 else ''}{counted(found.n, 'case')}"
            return (
                f"{self.arm} has the same {self.score} as {self.baseline} in {cases}. "
                "Next: take the cheaper of the two: results.compare('cost_usd')."
            )
        count = f"won {self.wins}, lost {self.losses}, tied {found.ties}"
        if self.is_decided:
            word = "better" if self.is_better else "worse"
            lost = f"read the {counted(self.losses, 'case')} lost: {self.diff_call}.worse"
            return (
                f"{self.arm} is {word} than {self.baseline} on {self.score}: {self.gap}, {count}. "
                f"Next: {lost if self.losses else 'results.compare(' + repr('cost_usd') + ') has the price of it'}."
            )
        outlook = f": {self.outlook}" if self.outlook else ", or decide by cost"
        return (
            f"{self.arm} against {self.baseline} is undecided on {self.score}: {self.gap}, {count}. "
            f"Next: add cases{outlook}."
        )


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
    base = chosen_baseline(view, baseline)
    scores, is_lower = case_scores(view, name), counts_down(view, name)
    others = [place for place in range(len(labels)) if place != base]
    found = [_paired(scores.values[place], scores.values[base], scores, level) for place in others]
    adjusted = holm([comparison.p_value for comparison in found])
    # A missing answer counted as 0 seconds would be the best there is.
    worst = [None if is_lower else _worst_case(scores, place, base, level) for place in others]
    again = holm([(one or first).p_value for one, first in zip(worst, found, strict=True)])
    made = []
    for nth, (place, comparison) in enumerate(zip(others, found, strict=True)):
        both = ~np.isnan(scores.values[place]) & ~np.isnan(scores.values[base])
        made.append(
            ArmComparison(
                arm=labels[place],
                baseline=labels[base],
                score=for_screen(name, keep_lines=False),
                comparison=comparison,
                mean=float(scores.values[place][both].mean()) if both.any() else None,
                baseline_mean=float(scores.values[base][both].mean()) if both.any() else None,
                p_holm=adjusted[nth],
                family=sum(p is not None for p in adjusted),
                level=level,
                left_out=int(_left_out(scores, place, base).sum()),
                worst_case=worst[nth],
                worst_p_holm=again[nth] if worst[nth] is not None else None,
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


def amount(value: float, binary: bool) -> str:
    """Returns a difference with its sign: in points of a hundred for shares, else with three digits.

    Example:
        >>> amount(0.125, True), amount(-0.0042, False)
        ('+12.5', '-0.0042')
    """
    return f"{value * 100:+.1f}" if binary else f"{value:+.3g}"


def _paired(a: np.ndarray, b: np.ndarray, scores: CaseScores, level: float) -> Comparison:
    return compare_paired(a, b, clusters=scores.clusters, level=level)


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
