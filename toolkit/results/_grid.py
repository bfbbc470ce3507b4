"""Cases against arms: what stands in each cell, how it went against the baseline, and what the chips say."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from toolkit._collecting import without_collecting
from toolkit._records import RunView, Score
from toolkit._redact import redact
from toolkit.results._columns import Row, is_truncated
from toolkit.results._diff import Change
from toolkit.results._frame import rows_of_view, score_names
from toolkit.results._labels import arm_labels
from toolkit.results._money import usd
from toolkit.results._scoring import counts_down
from toolkit.scorers import is_refused
from toolkit.store import StoredOutcomes

Tone: TypeAlias = Literal["", "good", "bad", "warn", "faint"]
"""How a chip is coloured; its words and signs say the same."""

Key: TypeAlias = tuple[int, int]
"""Index of the case, and repeat from 0."""

# Finish reasons that say nothing beyond "here is the answer".
_ENDED = frozenset({None, "", "stop", "end_turn", "STOP", "eos", "stop_sequence"})

_UNSENT = frozenset({"skipped", "over_budget", "cancelled", "stopped_early"})

_SIGNS: dict[Change, str] = {"better": "▲ ", "worse": "▼ ", "same": "", "unscored": ""}
_TONES: dict[Change, Tone] = {"better": "good", "worse": "bad", "same": "", "unscored": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A few characters about an answer."""

    text: str
    meaning: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTotals:
    """What heads a column."""

    label: str
    is_baseline: bool
    answers: int
    trials: int
    score: float | None
    """Mean of the chosen score over the answers that have one."""
    cost_usd: float | None
    """Mean of an answer; `None` when one is not known."""
    latency_s: float | None
    """Median."""


class CaseGrid:
    """The trials of a run by case and arm. It reads no texts but those it is asked for.

    Args:
        view: The run.
    """

    def __init__(self, view: RunView) -> None:
        self.view = view
        self.labels = arm_labels(view.arms)
        self.scores = score_names(view)
        places = {arm.index: place for place, arm in enumerate(view.arms)}
        self.baseline = places.get(view.baseline, 0)
        self._counts_down = {name: counts_down(view, name) for name in self.scores}
        self._cells: dict[Key, list[Row | None]] = {}
        with without_collecting():
            for row in rows_of_view(view):
                trial = row.trial
                cells = self._cells.setdefault((trial.case.index, trial.repeat), [None] * len(view.arms))
                cells[places[trial.arm.index]] = row
        self.keys: list[Key] = list(self._cells)
        self.repeats = len({repeat for _, repeat in self.keys})
        self._totals: dict[tuple[str | None, int], list[ArmTotals]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._cells

    def cells(self, key: Key) -> Sequence[Row | None]:
        """Returns what stands under each arm; `None` where nothing was planned."""
        return self._cells[key]

    def first(self, key: Key) -> Row:
        """Returns any row of a case: they share its variables."""
        return next(row for row in self._cells[key] if row is not None)

    def texts(self, keys: Iterable[Key]) -> dict[str, str]:
        """Returns the answers of some cases by trial id; a trial without one is not among them."""
        rows = [row for key in keys for row in self._cells[key] if row is not None and row.answer is not None]
        stored = self.view.outcomes
        if isinstance(stored, StoredOutcomes):
            return {trial_id: found.text for trial_id, found in stored.some([r.trial.trial_id for r in rows]).items()}
        return {row.trial.trial_id: row.answer.text for row in rows if row.answer is not None}

    def all_texts(self) -> dict[str, str]:
        """Returns every answer by trial id, read in the order of the store."""
        found = {}
        for cells in self._cells.values():
            for row in cells:
                texts = row.texts if row is not None else None
                if row is not None and texts is not None:
                    found[row.trial.trial_id] = texts.text
        return found

    def gain(self, row: Row | None, base: Row | None, score: str | None) -> float | None:
        """Returns by how much a cell's score is better than the baseline's; below 0 = worse, `None` = not told."""
        a, b = _value(base, score), _value(row, score)
        if a is None or b is None or score is None:
            return None
        return a - b if self._counts_down[score] else b - a

    def change(self, row: Row | None, base: Row | None, score: str | None) -> Change:
        """Returns how a cell went against the baseline's, by a score."""
        gain = self.gain(row, base, score)
        return "unscored" if gain is None else "worse" if gain < 0 else "better" if gain > 0 else "same"

    def is_regression(self, key: Key, baseline: int, score: str | None) -> bool:
        """Tells whether an arm has a worse score than the baseline in this case, or no answer where that has one."""
        cells = self._cells[key]
        base = cells[baseline]
        return any(
            self.change(row, base, score) == "worse" or (_is_answered(base) and row is not None and _is_lost(row))
            for place, row in enumerate(cells)
            if place != baseline
        )

    def chips(self, row: Row, base: Row | None, *, without: Sequence[str] = ()) -> list[Chip]:
        """Returns what is to be known of a cell beside its text.

        Args:
            row: The cell.
            base: The baseline's cell of this case; `None` = it is that.
            without: Scores that are shown in another way.
        """
        return [*self._score_chips(row, base, without), *_answer_chips(row)]

    def scored(self, key: Key, place: int, score: Score) -> None:
        """Puts a score on one cell, until the grid is made again."""
        row = self._cells[key][place]
        if row is not None:
            self._cells[key][place] = row._replace(scores={**row.scores, score.name: score})
            self._totals.clear()

    def totals(self, score: str | None, baseline: int) -> list[ArmTotals]:
        """Returns what heads each column."""
        wanted = score, baseline
        if wanted not in self._totals:
            columns = zip(*self._cells.values(), strict=True)
            self._totals[wanted] = [
                _totals(label, list(column), score, is_baseline=place == baseline)
                for place, (label, column) in enumerate(zip(self.labels, columns, strict=True))
            ]
        return self._totals[wanted]

    def _score_chips(self, row: Row, base: Row | None, without: Sequence[str]) -> list[Chip]:
        made = []
        for name, score in row.scores.items():
            if name in without:
                continue
            if not score.is_scored:
                made.append(Chip(text=f"{name}: not scored", meaning=score.explanation or "no score", tone="faint"))
                continue
            change = self.change(row, base, name) if name in self._counts_down else "unscored"
            before = _value(base, name)
            moved = f" ({score.value - before:+.3g})" if before is not None and change in ("worse", "better") else ""
            told = f"{change} than the baseline" if moved else "score"
            meaning = f"{told}: {score.explanation}" if score.explanation else told
            text = f"{_SIGNS[change]}{name} {score.value:.3g}{moved}"
            made.append(Chip(text=text, meaning=meaning, tone=_TONES[change]))
        return made


def word_gap(a: str, b: str) -> float:
    """Returns how much of the wording of two texts is not shared, from 0 to 1: cheap, and blind to the order of words.

    Example:
        >>> word_gap("a red house", "a blue house"), word_gap("a", "a"), word_gap("", "")
        (0.5, 0.0, 0.0)
    """
    if a == b:
        return 0.0
    first, second = set(a.split()), set(b.split())
    both = len(first | second)
    # Texts that differ in order or space alone differ a little.
    return max(1 - len(first & second) / both, 0.01) if both else 0.01


def status_words(row: Row) -> str:
    """Returns what became of a trial without an answer: `failed: rate limit`, `skipped`."""
    failure = row.measures.failure if row.measures is not None else None
    return (f"{row.status}: {failure.kind}" if failure is not None and failure.kind else row.status).replace("_", " ")


def is_unsent(row: Row) -> bool:
    """Tells whether a trial has no answer because it was not sent: nothing is lost yet."""
    return row.status in _UNSENT


def failure_message(row: Row) -> str:
    """Returns why a trial has no answer, without credentials; empty when nothing is known."""
    failure = row.measures.failure if row.measures is not None else None
    return redact(failure.message) if failure is not None else ""


def _is_answered(row: Row | None) -> bool:
    return row is not None and row.answer is not None


def _is_lost(row: Row) -> bool:
    """A trial that was to have an answer; one that was not sent is no loss yet."""
    return row.answer is None and row.status not in ("skipped", "over_budget", "stopped_early", "cancelled")


def _value(row: Row | None, score: str | None) -> float | None:
    found = row.scores.get(score) if row is not None and score is not None else None
    return found.value if found is not None and found.is_scored else None


def _answer_chips(row: Row) -> list[Chip]:
    answer, measures = row.answer, row.measures
    if answer is None or measures is None:
        return []
    chips = []
    if is_refused(measures):
        chips.append(Chip(text="refused", meaning="the model declined to answer", tone="bad"))
    if is_truncated(row):
        chips.append(Chip(text="cut off at the token limit", meaning="raise max_tokens for the rest", tone="warn"))
    elif answer.finish_reason not in _ENDED:
        chips.append(Chip(text=f"ended: {answer.finish_reason}", meaning="why the answer ended", tone="warn"))
    if answer.usage.output_tokens is not None:
        tokens = f"{answer.usage.output_tokens:,} tok"
        chips.append(Chip(text=tokens, meaning="tokens of the answer", tone="faint"))
    if answer.latency_s is not None:
        chips.append(Chip(text=f"{answer.latency_s:.2g} s", meaning="seconds that the call took", tone="faint"))
    if measures.cost_usd is not None:
        chips.append(Chip(text=usd(measures.cost_usd), meaning="what the answer cost", tone="faint"))
    if row.is_cached:
        chips.append(Chip(text="stored", meaning="answered before, and not paid for again", tone="faint"))
    return chips


def _totals(label: str, column: Sequence[Row | None], score: str | None, *, is_baseline: bool) -> ArmTotals:
    rows = [row for row in column if row is not None]
    answered = [row for row in rows if row.answer is not None]
    values = [value for row in rows if (value := _value(row, score)) is not None]
    costs = [row.measures.cost_usd for row in answered if row.measures is not None]
    known = [cost for cost in costs if cost is not None]
    seconds = [row.answer.latency_s for row in answered if row.answer is not None and row.answer.latency_s is not None]
    return ArmTotals(
        label=label,
        is_baseline=is_baseline,
        answers=len(answered),
        trials=len(rows),
        score=statistics.fmean(values) if values else None,
        cost_usd=statistics.fmean(known) if known and len(known) == len(costs) else None,
        latency_s=statistics.median(seconds) if seconds else None,
    )
