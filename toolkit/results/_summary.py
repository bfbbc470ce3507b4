"""The tables over a run's rows: its arms, one row an arm with scores and costs, and cases against arms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from toolkit._records import Arm, RunView
from toolkit.errors import PromptError, UsageError
from toolkit.prompts import placeholders
from toolkit.results._columns import TEXT, Row, cell_text, is_truncated, possibly_billed, title
from toolkit.results._frame import columns_of, natural_dtype, rows_of_view, score_names, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._once import shareable
from toolkit.results._pandas import pd
from toolkit.scorers import is_refused
from toolkit.stats import estimate
from toolkit.store import CACHE_SOURCE, measures_of

CLUSTER = "cluster"
"""Column that says which cases are not independent of each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScores:
    """One score brought to the form that statistics want: a number for each arm and case, repeats averaged."""

    name: str
    values: NDArray[np.float64]
    """Arms x cases; NaN where nothing is scored."""
    failed: NDArray[np.bool_]
    """Arms x cases: the arm was asked, and no repeat of the trial has an answer."""
    clusters: tuple[str, ...] | None
    """For each case what it may share with others; `None` when no two cases do."""


@shareable
def case_scores(view: RunView, name: str) -> CaseScores:
    """Returns the scores called `name` by arm and case."""
    found = {
        trial_id: score.value
        for trial_id, scores in view.scores.items()
        for score in scores
        if score.name == name and score.is_scored
    }
    return _by_case(view, name, [found.get(trial.trial_id) for trial in view.trials])


def case_values(view: RunView, name: str, read: Callable[[Row], float | None]) -> CaseScores:
    """Returns any number of a trial by arm and case, repeats averaged.

    Args:
        view: The run.
        name: What the number is called.
        read: Reads it from a trial; `None` = it has none.
    """
    return _by_case(view, name, [read(row) for row in rows_of_view(view)])


def _by_case(view: RunView, name: str, values: Sequence[float | None]) -> CaseScores:
    """The values of the trials, one each in the plan's order, by arm and case."""
    measures = measures_of(view.outcomes)
    variables = {trial.case.index: trial.case.variables for trial in view.trials}
    places = {index: place for place, index in enumerate(variables)}
    arms = {arm.index: place for place, arm in enumerate(view.arms)}
    shape = (len(arms), len(places))
    count = len(view.trials)
    # As one number a trial, arm x cases + case, so that numpy does the counting.
    cells = np.fromiter(
        (arms[trial.arm.index] * shape[1] + places[trial.case.index] for trial in view.trials), np.int64, count
    )
    answers = (measures.get(trial.trial_id) for trial in view.trials)
    is_answered = np.fromiter((each is not None and each.response is not None for each in answers), np.bool_, count)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    is_known = ~np.isnan(numbers)
    size = shape[0] * shape[1]
    totals = np.bincount(cells[is_known], weights=numbers[is_known], minlength=size)
    counts = np.bincount(cells[is_known], minlength=size)
    means = np.full(size, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    # Of live calls, each case belongs to one arm.
    failed = (np.bincount(cells[is_answered], minlength=size) == 0) & (np.bincount(cells, minlength=size) > 0)
    return CaseScores(
        name=name,
        values=means.reshape(shape),
        failed=failed.reshape(shape),
        clusters=clusters_of(view.arms, list(variables.values())),
    )


def clusters_of(arms: Sequence[Arm], variables: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """Returns what each case may share with others; `None` when no two cases do.

    The column `cluster`, where every case has one and no prompt reads it; else the variables that prompts read.
    """
    try:
        read = {name for arm in arms for name in placeholders(arm.prompt)}
    except PromptError:
        # A run that someone else made may hold a template that this version cannot read: all variables count then.
        read = set()
    if CLUSTER not in read and all(each.get(CLUSTER) is not None for each in variables):
        shared: list[Any] = [each[CLUSTER] for each in variables]
    else:
        shared = [{name: each[name] for name in each if name in read} if read else each for each in variables]
    contents = tuple(json.dumps(each, sort_keys=True, default=str) for each in shared)
    return contents if len(set(contents)) < len(contents) else None


def arms_table(view: RunView) -> pd.DataFrame:
    """Returns one row an arm, index `arm` (its label).

    Columns: `prompt`, `prompt_source`, `prompt_version`, `prompt_label`, `model`, `model_sent`, `param.*`, `baseline`.
    """
    names = list(dict.fromkeys(name for arm in view.arms for name in arm.params))
    columns: dict[str, tuple[list[Any], str]] = {
        "prompt": ([arm.prompt.prompt_id for arm in view.arms], TEXT),
        "prompt_source": ([arm.prompt.source for arm in view.arms], TEXT),
        "prompt_version": ([arm.prompt.version for arm in view.arms], TEXT),
        "prompt_label": ([arm.prompt.label for arm in view.arms], TEXT),
        "model": ([arm.model for arm in view.arms], TEXT),
        "model_sent": ([arm.model_sent for arm in view.arms], TEXT),
    }
    for name in names:
        values = [arm.params.get(name) for arm in view.arms]
        dtype = natural_dtype(values)
        columns[title("param", name)] = ([cell_text(value) for value in values] if dtype == TEXT else values, dtype)
    columns["baseline"] = ([arm.index == view.baseline for arm in view.arms], "boolean")
    return _indexed(columns, arm_labels(view.arms))


def summary_table(view: RunView, *, level: float = 0.95) -> pd.DataFrame:
    """Returns one row an arm, index `arm` (its label).

    Columns: `n`, `ok`, `failed`, `skipped` (every other status), `refused`, `truncated`; for each score `score.NAME`
    (mean over cases), `.low` and `.high` (its interval at `level`; `<NA>` when it cannot be told) and `.unscored`
    (trials with an answer and no score); `cost_usd` (USD, what this run paid; `<NA>` when one is unknown),
    `cost_usd_mean` (USD an answer, whoever paid for it), `latency_s` (s, median of this run's calls), `latency_s_p95`,
    `input_tokens`, `output_tokens` (of all answers; `<NA>` when one was not told), `possibly_billed` (attempts without
    a recorded answer).
    """
    check_level(level)
    by_arm = _rows_by_arm(view)
    counts = [_counts(each) for each in by_arm]
    columns: dict[str, tuple[list[Any], str]] = {}
    for name in _COUNTS:
        columns[name] = ([each[name] for each in counts], "Int64")
    for name in score_names(view):
        scores = case_scores(view, name)
        found = [estimate(values, clusters=scores.clusters, level=level) for values in scores.values]
        columns[title("score", name)] = ([each.mean for each in found], "Float64")
        columns[title("score", name, ".low")] = (
            [each.interval.low if each.interval else None for each in found],
            "Float64",
        )
        columns[title("score", name, ".high")] = (
            [each.interval.high if each.interval else None for each in found],
            "Float64",
        )
        columns[title("score", name, ".unscored")] = ([_unscored(each, name) for each in by_arm], "Int64")
    measures = [_measures(each) for each in by_arm]
    for name, dtype in _MEASURES.items():
        columns[name] = ([each[name] for each in measures], dtype)
    return _indexed(columns, arm_labels(view.arms))


def check_level(level: float) -> None:
    """Refuses what is no confidence level.

    Raises:
        UsageError: If it is no number between 0 and 1.
    """
    if isinstance(level, bool | str) or not isinstance(level, SupportsFloat) or not 0 < float(level) < 1:
        raise UsageError(f"`level` is a confidence between 0 and 1, such as 0.95; got {level!r}.")


def wide_table(view: RunView, value: str = "text") -> pd.DataFrame:
    """Returns cases x arms: index `case` (and `repeat` when there are several), one column an arm's label.

    Args:
        view: The run.
        value: Any column of the frame.

    Raises:
        UsageError: If the frame has no such column.
    """
    known = {column.name: column for column in columns_of(view)}
    if value not in known:
        raise UsageError(f"There is no column {value!r}; choose one of: {', '.join(known)}.")
    rows = rows_of_view(view)
    has_repeats = any(row.trial.repeat for row in rows)
    keys = list(dict.fromkeys((row.trial.case.index, row.trial.repeat) for row in rows))
    cells = {(row.trial.arm.index, row.trial.case.index, row.trial.repeat): known[value].read(row) for row in rows}
    index: pd.Index[Any] = (
        pd.MultiIndex.from_tuples(keys, names=["case", "repeat"])
        if has_repeats
        else pd.Index([case for case, _ in keys], name="case")
    )
    frame = pd.DataFrame(index=index)
    for arm, label in zip(view.arms, arm_labels(view.arms), strict=True):
        series = to_series([cells.get((arm.index, *key)) for key in keys], known[value].dtype)
        frame[label] = series.set_axis(index)
    frame.columns.name = "arm"
    return frame


def total_cost_usd(rows: Sequence[Row]) -> float | None:
    """Returns what this run paid for the answers of these rows, in USD; `None` when the price of one is not known.

    A row that is cached costs nothing.
    """
    return _total([row.measures.cost_usd for row in rows if row.measures and row.answer and not row.is_cached])


def mean_cost_usd(rows: Sequence[Row]) -> float | None:
    """What an answer costs, whoever paid for it: those of the store count, those taken from an equal request do not."""
    costs = [
        row.measures.cost_usd
        for row in rows
        if row.measures and row.answer and row.measures.cost_source != CACHE_SOURCE
    ]
    total = _total(costs)
    return total / len(costs) if total is not None and costs else None


def _total(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


_COUNTS = ("n", "ok", "failed", "skipped", "refused", "truncated")

_MEASURES = {
    "cost_usd": "Float64",
    "cost_usd_mean": "Float64",
    "latency_s": "Float64",
    "latency_s_p95": "Float64",
    "input_tokens": "Int64",
    "output_tokens": "Int64",
    "possibly_billed": "Int64",
}


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    ok = sum(row.status == "ok" for row in rows)
    failed = sum(row.status == "failed" for row in rows)
    return {
        "n": len(rows),
        "ok": ok,
        "failed": failed,
        "skipped": len(rows) - ok - failed,
        "refused": sum(row.measures is not None and is_refused(row.measures) for row in rows),
        "truncated": sum(bool(is_truncated(row)) for row in rows),
    }


@shareable
def _rows_by_arm(view: RunView) -> list[list[Row]]:
    by_arm: dict[int, list[Row]] = {arm.index: [] for arm in view.arms}
    for row in rows_of_view(view):
        by_arm[row.trial.arm.index].append(row)
    return list(by_arm.values())


def counts_by_arm(view: RunView, score: str) -> list[dict[str, int]]:
    """Returns for each arm `n`, `ok`, `refused`, `truncated`, `over_budget`, `missing`, `unscored`.

    Missing = without an answer for another reason than the budget or early stopping; unscored = an answer, and no such
    score.
    """
    made = []
    for rows in _rows_by_arm(view):
        counts = _counts(rows)
        over = sum(row.status == "over_budget" for row in rows)
        stopped = sum(row.status == "stopped_early" for row in rows)
        missing = counts["n"] - counts["ok"] - over - stopped
        made.append(counts | {"missing": missing, "over_budget": over, "unscored": _unscored(rows, score)})
    return made


def _measures(rows: Sequence[Row]) -> dict[str, Any]:
    answers = [row.answer for row in rows if row.answer is not None]
    cost = total_cost_usd(rows)
    latencies = [
        row.answer.latency_s for row in rows if row.answer and row.answer.latency_s is not None and not row.is_cached
    ]
    return {
        "cost_usd": cost if answers else None,
        "cost_usd_mean": mean_cost_usd(rows),
        "latency_s": float(np.median(latencies)) if latencies else None,
        "latency_s_p95": float(np.quantile(latencies, 0.95)) if latencies else None,
        "input_tokens": _sum_if_known([answer.usage.input_tokens for answer in answers]),
        "output_tokens": _sum_if_known([answer.usage.output_tokens for answer in answers]),
        "possibly_billed": sum(possibly_billed(row) for row in rows),
    }


def _sum_if_known(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if counts and len(known) == len(counts) else None


def _unscored(rows: Sequence[Row], name: str) -> int:
    return sum(row.answer is not None and (name not in row.scores or not row.scores[name].is_scored) for row in rows)


def _indexed(columns: dict[str, tuple[list[Any], str]], labels: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index(list(labels), name="arm")
    return frame
