"""Compares what arms take, seconds and USD, with the baseline: ratios of medians over the same cases, in words too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._records import RunView
from toolkit.results._columns import TEXT, Row
from toolkit.results._compare import chosen_baseline
from toolkit.results._frame import score_names, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._summary import case_values, check_level
from toolkit.results._words import counted
from toolkit.stats import RatioComparison, compare_medians
from toolkit.store import CACHE_SOURCE

# Enough for an interval to two digits, and few enough that ten thousand cases take about a second.
_DRAWS = 1_999

# What the bootstrap notes where every case has the same ratio.
_NO_SPREAD = "every resample has the same statistic"


def latency_s(row: Row) -> float | None:
    """Returns the seconds of this run's own call; `None` for an answer that was there already."""
    return row.answer.latency_s if row.answer is not None and not row.is_cached else None


def cost_usd(row: Row) -> float | None:
    """Returns what the answer cost in USD, whoever paid for it; `None` for one taken over from an equal request."""
    if row.measures is None or row.answer is None or row.measures.cost_source == CACHE_SOURCE:
        return None
    return row.measures.cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    read: Callable[[Row], float | None]
    unit: str
    ratio: str
    """The ratio in words, with a gap for the number."""
    larger: str
    """The same where the arm is shown to take more."""
    missing: str
    zero: str
    smaller_next: str
    noun: str
    same: str
    """In place of a ratio of 1, with a gap for `about`."""


_MEASURES: Mapping[str, _Words] = {
    "latency_s": _Words(
        read=latency_s,
        unit="s",
        ratio="takes {} times as long as",
        larger="is {} times as slow as",
        missing="seconds are known only of answers that this run asked for itself",
        zero="takes no time",
        smaller_next="results.compare() tells whether it is as good",
        noun="seconds",
        same="takes{} as long as",
    ),
    "cost_usd": _Words(
        read=cost_usd,
        unit="USD",
        ratio="costs {} times as much as",
        larger="costs {} times as much as",
        missing="give `prices=` to the sweep where the price table has none",
        zero="costs nothing",
        smaller_next="results.cheapest() tells whether it is as good",
        noun="cost",
        same="costs{} as much as",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRatio:
    """What one arm takes against the baseline."""

    arm: str
    baseline: str
    measure: str
    """`latency_s` or `cost_usd`."""
    comparison: RatioComparison

    @property
    def sentence(self) -> str:
        """The comparison in one sentence, and what to do next."""
        found, words = self.comparison, _MEASURES[self.measure]
        on = f"on {counted(found.n, 'case')}"
        if found.n == 0:
            return (
                f"Not comparable: no case has its {words.noun} known in both {self.arm} and {self.baseline}. "
                f"Next: {words.missing}."
            )
        if found.ratio is None:
            mine = "so does" if not found.median_a else f"{found.median_a:.3g} {words.unit} is the median of"
            return f"No ratio: {self.baseline} {words.zero} {on}, and {mine} {self.arm}. Next: decide by the score."
        about = " about" if found.interval is not None else ""
        ratio = words.same.format(about) if found.ratio == 1 else words.ratio.format(_times(found.ratio))
        if found.interval is None and found.n > 1 and found.note == _NO_SPREAD:
            told = f"{self.arm} {ratio} {self.baseline} {on}, with no spread between them"
            return f"{told}. Next: {words.smaller_next if found.ratio < 1 else 'decide by the score'}."
        if found.interval is None:
            told = f"{self.arm} {ratio} {self.baseline} {on}"
            return f"{told}; no interval: {found.note}. Next: add cases if it matters, else decide by the score."
        percent = f"{found.interval.level * 100:g} % interval"
        ends = f"{percent} {_times(found.interval.low)} to {_times(found.interval.high)} times"
        span = f"{self.baseline} ({ends}) {on}"
        if found.is_larger:
            told = words.larger.format(_times(found.ratio))
            return f"{self.arm} {told} {span}. Next: results.compare() tells whether it is better for that."
        if found.is_smaller:
            return f"{self.arm} {ratio} {span}. Next: {words.smaller_next}."
        return f"Undecided: {self.arm} {ratio} {span}. Next: decide by the score, or add cases."


def is_measure(view: RunView, name: str | None) -> bool:
    """Tells whether a name means what arms take, and not a score that is called so."""
    return isinstance(name, str) and name in _MEASURES and name not in score_names(view)


def compare_ratios(
    view: RunView, measure: str, *, baseline: str | int | None = None, level: float = 0.95
) -> list[ArmRatio]:
    """Returns what each other arm takes against the baseline, in the plan's order.

    Args:
        view: The run.
        measure: `latency_s` or `cost_usd`.
        baseline: Label or index of an arm; `None` = the one that the run was planned with.
        level: Confidence level of the intervals.

    Raises:
        UsageError: If there is no such arm, or the level is none.
    """
    check_level(level)
    labels, base = arm_labels(view.arms), chosen_baseline(view, baseline)
    taken = case_values(view, measure, _MEASURES[measure].read)
    return [
        ArmRatio(
            arm=labels[place],
            baseline=labels[base],
            measure=measure,
            comparison=compare_medians(
                taken.values[place], taken.values[base], clusters=taken.clusters, level=level, draws=_DRAWS
            ),
        )
        for place in range(len(labels))
        if place != base
    ]


def ratio_table(compared: Sequence[ArmRatio]) -> pd.DataFrame:
    """Returns one row an arm, index `arm`.

    Columns: `baseline`, `measure`; `cases` (known in both); `median`, `baseline_median` (s or USD a case, over these
    cases), `ratio`, `low`, `high` (its interval; `<NA>` when it cannot be told), `dropped` (cases known in one of the
    two alone), `method` (`bca`, `percentile`, `none`), `verdict` (the row in a sentence).
    """
    each = [(one, one.comparison) for one in compared]
    interval = [found.interval for _, found in each]
    columns: dict[str, tuple[Sequence[Any], str]] = {
        "baseline": ([one.baseline for one, _ in each], TEXT),
        "measure": ([one.measure for one, _ in each], TEXT),
        "cases": ([found.n for _, found in each], "Int64"),
        "median": ([found.median_a for _, found in each], "Float64"),
        "baseline_median": ([found.median_b for _, found in each], "Float64"),
        "ratio": ([found.ratio for _, found in each], "Float64"),
        "low": ([one.low if one is not None else None for one in interval], "Float64"),
        "high": ([one.high if one is not None else None for one in interval], "Float64"),
        "dropped": ([found.only_a + found.only_b for _, found in each], "Int64"),
        "method": ([found.method for _, found in each], TEXT),
        "verdict": ([one.sentence for one, _ in each], TEXT),
    }
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index([one.arm for one in compared], name="arm")
    return frame


def _times(ratio: float) -> str:
    """A ratio to two digits, without an exponent: 1.4, 0.062, 140; to three where two would make it 1."""
    if ratio >= 100:
        return f"{ratio:,.0f}"
    rounded = f"{ratio:.2g}"
    return f"{float(f'{ratio:.3g}' if rounded == '1' else rounded):.10f}".rstrip("0").rstrip(".")
