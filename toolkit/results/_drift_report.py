"""Whether models still answer as they did: a sample of a run asked again, against the noise between repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toolkit._records import RunView
from toolkit.results._arm_comparison import gap_words, span_words
from toolkit.results._columns import TEXT, Row
from toolkit.results._compare import is_share
from toolkit.results._finding import Finding
from toolkit.results._frame import rows_of_view, score_names, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.results._summary import case_scores, clusters_of
from toolkit.results._words import counted, listed, p_words, percent
from toolkit.stats import Interval, compare_answers, compare_paired, holm
from toolkit.store import CACHE_SOURCE

_ANSWERS = "answers"

# Sentences of a report without a change; the table has all of them.
_MOST_TOLD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChange:
    """An arm that other models answer for than before."""

    arm: str
    before: tuple[str, ...]
    """By the provider's word, sorted."""
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DriftReport(Finding):
    """What asking again found; true when something has changed beyond the noise between repeats, or who serves it."""

    run_id: str
    """The run that was asked again."""
    again_run_id: str
    """The run of the new answers."""
    changed: tuple[str, ...]
    """Each change in a sentence."""
    served: tuple[ServedChange, ...]
    """Arms that another model answers for than before, by the provider's word."""

    def __bool__(self) -> bool:
        return bool(self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One thing that was compared, of one arm."""

    arm: str
    what: str
    cases: int
    before: float | None
    now: float | None
    gap: float | None
    interval: Interval | None
    p: float | None
    in_points: bool = True
    p_holm: float | None = None
    family: int = 0
    level: float = 0.95

    @property
    def is_changed(self) -> bool:
        if self.p_holm is None or not self.gap:
            return False
        return self.p_holm <= 1 - self.level + 1e-12 and (self.what != _ANSWERS or self.gap > 0)

    @property
    def verdict(self) -> str:
        """The comparison in one sentence."""
        if self.cases == 0:
            return f"{self.arm}: no case has {self.what} both before and now"
        on = counted(self.cases, "case")
        parts = span_words(self.interval, self.in_points)
        if self.p_holm is not None:
            corrected = f" after Holm's correction for {self.family} tests" if self.family > 1 else ""
            parts.append(f"{p_words(self.p_holm, alpha=1 - self.level)}{corrected}")
        if self.what != _ANSWERS:
            word = "has changed" if self.is_changed else "is not shown to have changed"
            gap = gap_words(self.gap, parts, self.in_points)
            return f"{self.arm}: {for_screen(self.what, keep_lines=False)} {word}: {gap}, {on}"
        told = f"{percent(self.now or 0.0)} of answers differ from the ones before"
        if self.before is None:
            return f"{self.arm}: {told}, {on}; without repeats there is no telling how many do by chance"
        word = "answers otherwise than before" if self.is_changed else "is not shown to answer otherwise than before"
        noise = f"{percent(self.before)} do between repeats"
        return f"{self.arm} {word}: {told}, {noise}; {gap_words(self.gap, parts, True)}, {on}"


def drift_report(
    before: RunView, now: RunView, *, cases: Sequence[int], level: float = 0.95, unscored: Sequence[str] = ()
) -> DriftReport:
    """Returns what has changed between a run and the same arms asked again.

    Its `df` has one row for the answers of each arm and one for each score: `what`, `cases`, `before` (for answers, the
    chance that two repeats differ; for a score, its mean), `now` (the chance that an old and a new answer differ; the
    mean), `gap`, `low`, `high`, `p`, `p_holm` (corrected for all rows), `changed`.

    Args:
        before: The run.
        now: The same arms over some of its cases.
        cases: For each case of `now`, in its order, the index of the case of `before`.
        level: Confidence level of the intervals; 1 - `level` is the error rate over all tests.
        unscored: Names of scores that could not be given anew, for the words.
    """
    back = dict(enumerate(cases))
    sample = frozenset(cases)
    old_rows = [row for row in rows_of_view(before) if row.trial.case.index in sample]
    new_rows = rows_of_view(now)
    labels = arm_labels(before.arms)
    lines: list[_Line] = []
    served: list[ServedChange] = []
    clusters = _clusters(now)
    for arm, label in zip(before.arms, labels, strict=True):
        old = [row for row in old_rows if row.trial.arm.index == arm.index]
        new = [row for row in new_rows if row.trial.arm.index == arm.index]
        lines.append(_of_answers(label, old, new, back, clusters, level))
        lines += _of_scores(label, before, now, arm.index, back, clusters, level)
        change = _served(label, old, new)
        served += [change] if change is not None else []
    adjusted = holm([line.p for line in lines])
    family = sum(p is not None for p in adjusted)
    lines = [replace(line, p_holm=p, family=family, level=level) for line, p in zip(lines, adjusted, strict=True)]
    changed = [f"{line.verdict}." for line in lines if line.is_changed]
    changed += [f"{one.arm} is served by {', '.join(one.now)} now; it was {', '.join(one.before)}." for one in served]
    return DriftReport(
        sentence=_sentence(lines, changed, new_rows, before, now, unscored),
        df=_table(lines),
        run_id=before.run_id,
        again_run_id=now.run_id,
        changed=tuple(changed),
        served=tuple(served),
    )


def _of_answers(
    label: str,
    old: Sequence[Row],
    new: Sequence[Row],
    back: Mapping[int, int],
    clusters: Sequence[str] | None,
    level: float,
) -> _Line:
    before, now = _texts(old), _texts(new)
    found = compare_answers(
        [before.get(back[place], []) for place in back],
        [now.get(place, []) for place in back],
        clusters=clusters,
        level=level,
    )
    return _Line(
        arm=label,
        what=_ANSWERS,
        cases=found.n,
        before=found.within,
        now=found.across,
        gap=found.gap.mean,
        interval=found.gap.interval,
        p=found.p_value,
    )


def _of_scores(
    label: str,
    before: RunView,
    now: RunView,
    index: int,
    back: Mapping[int, int],
    clusters: Sequence[str] | None,
    level: float,
) -> list[_Line]:
    """Each score that both have, case by case, repeats averaged."""
    arms = [arm.index for arm in before.arms]
    places = {case: place for place, case in enumerate(dict.fromkeys(trial.case.index for trial in before.trials))}
    known = score_names(now)
    lines = []
    for name in score_names(before):
        if name not in known:
            continue
        olds = case_scores(before, name).values[arms.index(index)]
        news = case_scores(now, name).values[[arm.index for arm in now.arms].index(index)]
        old = np.array([olds[places[back[place]]] for place in back])
        found = compare_paired(news, old, clusters=clusters, level=level)
        both = ~np.isnan(news) & ~np.isnan(old)
        lines.append(
            _Line(
                arm=label,
                what=f"score.{name}",
                cases=found.n,
                before=float(old[both].mean()) if both.any() else None,
                now=float(news[both].mean()) if both.any() else None,
                gap=found.delta,
                interval=found.interval,
                p=found.p_value,
                in_points=is_share(before, name) and is_share(now, name),
            )
        )
    return lines


def _texts(rows: Sequence[Row]) -> dict[int, list[str]]:
    """The answers of each case; one taken over from an equal request is the same by its making and is left out."""
    found: dict[int, list[str]] = {}
    for row in rows:
        texts = row.texts
        if texts is not None and row.measures is not None and row.measures.cost_source != CACHE_SOURCE:
            calls = "".join(f"\0{call}" for call in texts.tool_calls)
            found.setdefault(row.trial.case.index, []).append(texts.text + calls)
    return found


def _served(label: str, old: Sequence[Row], new: Sequence[Row]) -> ServedChange | None:
    before = {row.answer.model for row in old if row.answer is not None and row.answer.model}
    now = {row.answer.model for row in new if row.answer is not None and row.answer.model}
    # A sample need not meet every model that served a run before; one that was never met is news.
    if not before or now <= before:
        return None
    return ServedChange(arm=label, before=tuple(sorted(map(str, before))), now=tuple(sorted(map(str, now))))


def _clusters(view: RunView) -> tuple[str, ...] | None:
    variables = {trial.case.index: trial.case.variables for trial in view.trials}
    return clusters_of(view.arms, list(variables.values()))


def _table(lines: Sequence[_Line]) -> pd.DataFrame:
    spans = [line.interval for line in lines]
    columns: dict[str, tuple[Sequence[Any], str]] = {
        "what": ([line.what for line in lines], TEXT),
        "cases": ([line.cases for line in lines], "Int64"),
        "before": ([line.before for line in lines], "Float64"),
        "now": ([line.now for line in lines], "Float64"),
        "gap": ([line.gap for line in lines], "Float64"),
        "low": ([None if span is None else span.low for span in spans], "Float64"),
        "high": ([None if span is None else span.high for span in spans], "Float64"),
        "p": ([line.p for line in lines], "Float64"),
        "p_holm": ([line.p_holm for line in lines], "Float64"),
        "changed": ([line.is_changed for line in lines], "boolean"),
    }
    frame = pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})
    frame.index = pd.Index([line.arm for line in lines], name="arm")
    return frame


def _sentence(
    lines: Sequence[_Line],
    changed: Sequence[str],
    rows: Sequence[Row],
    before: RunView,
    now: RunView,
    unscored: Sequence[str],
) -> str:
    asked = len({row.trial.case.index for row in rows})
    repeats = 1 + max((row.trial.repeat for row in rows), default=0)
    of = len({trial.case.index for trial in before.trials})
    told = [
        f"Asked again on {now.created_at:%Y-%m-%d}: {asked:,} of {counted(of, 'case')} of run {before.run_id}, "
        f"{counted(repeats, 'repeat')} each (run {now.run_id})."
    ]
    tested = [line for line in lines if line.p is not None]
    if changed:
        told += changed
    elif tested:
        told.append(f"No change beyond chance in {counted(len(tested), 'test')}:")
        told += [f"{line.verdict}." for line in tested[:_MOST_TOLD]]
        if len(tested) > _MOST_TOLD:
            told.append(f"The other {len(tested) - _MOST_TOLD:,} are in the table.")
    mute = [line for line in lines if line.what == _ANSWERS and line.p is None]
    if mute:
        told.append(
            f"For {listed([line.arm for line in mute])} it cannot be told whether answers differ by more than "
            "repeats do; that takes two answers or more to a case."
        )
    missing = sum(row.answer is None for row in rows)
    if missing:
        told.append(
            f"{counted(missing, 'trial')} of {len(rows):,} without an answer now; they count nowhere. "
            f"tk.open_run({now.run_id!r}).failures says why; the same call asks for them again."
        )
    if unscored:
        told.append(f"Not scored again, because they cannot be made again from the run: {', '.join(unscored)}.")
    told.append(
        "Tests: answers dealt anew between before and now within each case (one-sided); scores case by case as in "
        "results.compare(); p corrected by Holm."
    )
    told.append(
        f"Next: sweep the run's prompts again and compare; tk.open_run({now.run_id!r}) has the new answers."
        if changed
        else "Next: ask a larger sample to see smaller changes; results.check_drift() tells whether prompts have moved."
    )
    return "\n".join(told)
