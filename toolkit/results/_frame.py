"""Makes the tidy frame: always one row a trial, with nullable dtypes set by us."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from toolkit._collecting import without_collecting
from toolkit._records import RunView, Score, Status
from toolkit.results._columns import ANSWER, IDENTITY, TEXT, Column, Field, Row, TextField, cell_text, title
from toolkit.results._once import shareable
from toolkit.results._pandas import pd
from toolkit.store import CACHE_SOURCE, measures_of


@functools.cache
def _dtypes() -> Mapping[str, Any]:
    """What pandas calls our dtypes; asked for late, as pandas itself is."""
    return {
        TEXT: pd.StringDtype("python"),
        "Int64": pd.Int64Dtype(),
        "Float64": pd.Float64Dtype(),
        "boolean": pd.BooleanDtype(),
        "time": pd.DatetimeTZDtype("us", "UTC"),
    }


_NO_SCORES: dict[str, Score] = {}


def to_frame(view: RunView) -> pd.DataFrame:
    """Returns one row a trial, in the plan's order; the columns are those of `columns_of`.

    A trial that was not sent is `skipped`; one that was sent and has no outcome is `unknown`. Trials of equal content
    share one outcome: the later rows show it as `cached`, at no cost and without a latency, as they do what an earlier
    run paid for.
    """
    with without_collecting():
        return _framed(rows_of_view(view), columns_of(view))


def _framed(rows: Sequence[Row], columns: Sequence[Column]) -> pd.DataFrame:
    cells: dict[str, list[Any]] = {column.name: [] for column in columns if column.of == "text"}
    fields = [(column.read.of, cells[column.name].append) for column in columns if isinstance(column.read, TextField)]
    # Texts come some rows at a time: one pass reads all that is made of them.
    for row in rows:
        texts = row.texts
        for read, append in fields:
            append(None if texts is None else read(texts))
    arms = [row.trial.arm.index for row in rows]
    one_of = {row.trial.arm.index: row for row in rows}

    def values(column: Column) -> list[Any]:
        if column.of == "text":
            return cells.pop(column.name)
        if column.of == "arm":
            by_arm = {index: column.read(row) for index, row in one_of.items()}
            return [by_arm[index] for index in arms]
        return column.read.of_all(rows) if isinstance(column.read, Field) else [column.read(row) for row in rows]

    # Not copied: each series was made just now and is nobody else's.
    made = {column.name: to_series(values(column), column.dtype) for column in columns}
    return pd.DataFrame(made, copy=False)


def columns_of(view: RunView) -> list[Column]:
    """Returns every column of the frame of this run, in order, with `param.*`, `var.*` and `score.*` spelt out."""
    cases = {trial.case.index: trial.case for trial in view.trials}
    params = [
        _value_column(title("param", name), "effective parameter", values, "params", name)
        for name, values in _by_name(arm.params for arm in view.arms).items()
    ]
    variables = [
        _value_column(title("var", name), "variable of the case", values, "variables", name)
        for name, values in _by_name(case.variables for case in cases.values()).items()
    ]
    scores = [_score_column(name) for name in score_names(view)]
    reasons = [_reason_column(name) for name in _reasoned(view)]
    return [*IDENTITY, *params, *variables, *ANSWER, *scores, *reasons]


@shareable
def score_names(view: RunView) -> list[str]:
    """Returns the names of the scores, in the order in which the trials show them first."""
    names: dict[str, None] = {}
    known: tuple[str, ...] = ()
    for trial in view.trials:
        scores = view.scores.get(trial.trial_id)
        if scores:
            # Most trials have the same scores as the one before.
            given = tuple([score.name for score in scores])
            if given != known:
                known = given
                names.update(dict.fromkeys(given))
    return list(names)


def _reasoned(view: RunView) -> list[str]:
    """The names of the scores of which one has a reason, in the order of `score_names`."""
    found = {score.name for scores in view.scores.values() for score in scores if score.explanation is not None}
    return [name for name in score_names(view) if name in found] if found else []


@shareable
def rows_of_view(view: RunView) -> list[Row]:
    """Returns what every column reads from, one a trial."""
    seen: set[str] = set()
    rows = []
    run_id, outcomes, measures, given = view.run_id, view.outcomes, measures_of(view.outcomes), view.scores.get
    for trial in view.trials:
        trial_id = trial.trial_id
        outcome, held = measures.get(trial_id), given(trial_id)
        scores = {score.name: score for score in held} if held else _NO_SCORES
        if outcome is None:
            rows.append(Row(run_id, trial, None, None, _unanswered(trial_id, view), False, scores, outcomes))
        else:
            foreign = outcome.run_id is not None and outcome.run_id != run_id
            is_cached = foreign or trial_id in seen or outcome.cost_source == CACHE_SOURCE
            rows.append(Row(run_id, trial, outcome, outcome.response, outcome.status, is_cached, scores, outcomes))
        seen.add(trial_id)
    return rows


def to_series(values: Sequence[Any], dtype: str) -> pd.Series[Any]:
    """Returns a series of one of our dtypes; `None` and NaN are `<NA>`."""
    # Any in between: the stubs know no nullable dtypes that are chosen at run time.
    series: Any = pd.Series(list(values), dtype="object" if dtype == "time" else _dtypes()[dtype])
    made: pd.Series[Any] = pd.to_datetime(series, utc=True).astype(_dtypes()["time"]) if dtype == "time" else series
    return made


def natural_dtype(values: Sequence[Any]) -> str:
    """Returns the dtype that suits values of one kind; text for a mixture and for what is nested.

    Example:
        >>> natural_dtype([1, None, 2]), natural_dtype([1, 2.5]), natural_dtype([True, 1]), natural_dtype([True, None])
        ('Int64', 'Float64', 'text', 'boolean')
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64" if all(value is None or abs(value) < 2**63 for value in values) else TEXT
    if kinds and kinds <= {int, float}:
        return "Float64"
    return TEXT


def _unanswered(trial_id: str, view: RunView) -> Status:
    return "unknown" if trial_id in view.attempted else "skipped"


def _by_name(mappings: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            values.setdefault(name, []).append(value)
    return values


def _value_column(heading: str, meaning: str, values: list[Any], where: str, name: str) -> Column:
    dtype = natural_dtype(values)

    def read(row: Row) -> Any:
        holder = row.trial.arm.params if where == "params" else row.trial.case.variables
        value = holder.get(name)
        return cell_text(value) if dtype == TEXT else value

    of: Literal["arm", "trial"] = "arm" if where == "params" else "trial"
    return Column(name=heading, dtype=dtype, of=of, meaning=meaning, read=read)


def _score_column(name: str) -> Column:
    def read(row: Row) -> float | None:
        score: Score | None = row.scores.get(name)
        return score.value if score is not None and score.is_scored else None

    return Column(name=title("score", name), dtype="Float64", meaning="score; <NA> = not scored", read=read)


def _reason_column(name: str) -> Column:
    def read(row: Row) -> str | None:
        score: Score | None = row.scores.get(name)
        return score.explanation if score is not None else None

    meaning = "why the score is what it is, or why there is none"
    return Column(name=title("reason", name), dtype=TEXT, meaning=meaning, read=read)
