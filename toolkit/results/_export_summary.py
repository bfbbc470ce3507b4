"""The comparison as a table to hand over: one row an arm, its scores with intervals, its gap to the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit._records import RunView
from toolkit.results._arm_comparison import ArmComparison
from toolkit.results._columns import TEXT, title
from toolkit.results._compare import compare_arms
from toolkit.results._display import summary_cells
from toolkit.results._frame import score_names, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.results._summary import summary_table
from toolkit.results._words import amount


def comparison_frame(view: RunView) -> pd.DataFrame:
    """Returns one row an arm: the columns of `summary_table` behind `arm` and `baseline`, and the gap of each score.

    For each score `score.NAME.delta` (mean of arm minus baseline, over the cases that both have), `.delta.low` and
    `.delta.high` (its 95 % interval), `.delta.p` (corrected by Holm over the arms) and `.delta.cases`; all `<NA>` for
    the baseline itself.
    """
    found = summary_table(view).reset_index()
    labels = arm_labels(view.arms)
    columns = {"arm": to_series(labels, TEXT), "baseline": _flags(view)}
    columns.update({str(name): found[name] for name in found.columns if name != "arm"})
    for name, compared in _compared(view).items():
        rows = [compared.get(label) for label in labels]
        gaps = [row.comparison if row is not None else None for row in rows]
        intervals = [gap.interval if gap is not None else None for gap in gaps]
        columns[title("score", name, ".delta")] = to_series([gap.delta if gap else None for gap in gaps], "Float64")
        columns[title("score", name, ".delta.low")] = to_series([i.low if i else None for i in intervals], "Float64")
        columns[title("score", name, ".delta.high")] = to_series([i.high if i else None for i in intervals], "Float64")
        columns[title("score", name, ".delta.p")] = to_series([row.p_holm if row else None for row in rows], "Float64")
        columns[title("score", name, ".delta.cases")] = to_series([gap.n if gap else None for gap in gaps], "Int64")
    return pd.DataFrame(columns)


def comparison_cells(view: RunView) -> tuple[list[str], list[list[str]]]:
    """Returns the same table to be read: headers and cells as text, numbers rounded, one gap column a score."""
    headers, rows = summary_cells(view)
    names = score_names(view)
    labels = arm_labels(view.arms)
    compared = _compared(view)
    shown = [
        "arm",
        *(head for name in names for head in (name, f"{name}: gap to the baseline")),
        *headers[1 + len(names) :],
    ]
    cells = []
    for label, row in zip(labels, rows, strict=True):
        gaps = [_gap(compared[name].get(label)) for name in names]
        scores = [text for pair in zip(row[1 : 1 + len(names)], gaps, strict=True) for text in pair]
        cells.append([row[0], *scores, *row[1 + len(names) :]])
    return shown, cells


def _flags(view: RunView) -> pd.Series[bool]:
    return to_series([arm.index == view.baseline for arm in view.arms], "boolean")


def _compared(view: RunView) -> dict[str, dict[str, ArmComparison]]:
    """Returns for each score the comparison of each other arm, by its label."""
    if len(view.arms) < 2:
        return {name: {} for name in score_names(view)}
    return {name: _by_arm(compare_arms(view, score=name)) for name in score_names(view)}


def _by_arm(compared: Sequence[ArmComparison]) -> dict[str, ArmComparison]:
    return {one.arm: one for one in compared}


def _gap(one: ArmComparison | None) -> str:
    if one is None or one.comparison.delta is None:
        return ""
    in_points, interval = one.is_share, one.comparison.interval
    told = f" [{amount(interval.low, in_points)}, {amount(interval.high, in_points)}]" if interval is not None else ""
    p = f", p = {one.p_holm:.2g}" if one.p_holm is not None else ""
    return for_screen(f"{amount(one.comparison.delta, in_points)}{' points' if in_points else ''}{told}{p}")
