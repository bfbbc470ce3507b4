"""Results: the read-only view of one run; frame, comparison, verdict, scores, exports, display."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import _sync
from toolkit._records import Case, Outcome, RunView, Score, messages_to_wire
from toolkit.errors import TrialsFailedError, UnknownNameError
from toolkit.prompts import render
from toolkit.results._audit import Audit, audit
from toolkit.results._columns import cell_text
from toolkit.results._compare import compare_arms, compare_table, verdict_text
from toolkit.results._display import html_form, text_form
from toolkit.results._export import export
from toolkit.results._frame import columns_of, rows_of_view, to_frame, to_series
from toolkit.results._labels import arm_labels
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import arms_table, summary_table, wide_table
from toolkit.scorers import Scorer, as_scorers, score_outcome

# Scorers in flight at a time: enough for one that asks a model, few enough for one that computes.
_SCORERS_IN_FLIGHT = 8


class Results:
    """What a run gave: `df` and everything that is computed from it.

    Args:
        view: The run as values.
        reload: Reads the run again; `None` = it cannot change.
        save_scores: Keeps scores: gets the run's id, and pairs of trial id and score; `None` = only this object does.
        sent: Trials that were sent just now; `None` = not told.
    """

    def __init__(
        self,
        view: RunView,
        *,
        reload: Callable[[], RunView] | None = None,
        save_scores: Callable[[str, Sequence[tuple[str, Score]]], None] | None = None,
        sent: int | None = None,
    ) -> None:
        self._view = view
        self._reload = reload
        self._save_scores = save_scores
        self._sent = sent

    @property
    def view(self) -> RunView:
        """The run as values, with the scores given so far."""
        return self._view

    @property
    def run_id(self) -> str:
        """Identity of the run."""
        return self._view.run_id

    def __len__(self) -> int:
        return len(self._view.trials)

    @property
    def df(self) -> pd.DataFrame:
        """One row a trial; `columns` says what each column means. A new frame each time, yours to change."""
        return to_frame(self._view)

    @property
    def columns(self) -> pd.DataFrame:
        """One row a column of `df`, index `column`: `dtype`, `unit`, `meaning`."""
        columns = columns_of(self._view)
        frame = pd.DataFrame(
            {
                name: to_series([getattr(each, name) for each in columns], "text")
                for name in ("dtype", "unit", "meaning")
            }
        )
        frame.index = pd.Index([each.name for each in columns], name="column")
        return frame

    @property
    def arms(self) -> pd.DataFrame:
        """One row an arm, index `arm`: the short label that stands in every other table."""
        return arms_table(self._view)

    def wide(self, value: str = "text") -> pd.DataFrame:
        """Returns cases x arms: index `case` (and `repeat` when there are several), one column an arm.

        Args:
            value: Any column of `df`: `text`, `status`, `latency_s`, `score.contains`.

        Raises:
            UsageError: If `df` has no such column.
        """
        return wide_table(self._view, value)

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Returns one row an arm, index `arm`: counts, scores with intervals, cost (USD), latency (s), tokens.

        A score is the mean over cases, repeats averaged within each. Its interval is `<NA>` when it cannot be told.

        Args:
            level: Confidence level of `score.NAME.low` and `.high`.
        """
        return summary_table(self._view, level=level)

    def compare(
        self, score: str | None = None, baseline: str | int | None = None, *, level: float = 0.95
    ) -> pd.DataFrame:
        """Returns one row for each other arm: paired case by case with the baseline, in numbers and in a sentence.

        Args:
            score: Name of a score; `None` = the first.
            baseline: Label or index of an arm; `None` = the one the run was planned with.
            level: Confidence level of the interval; 1 - `level` is the error rate of the verdict over all rows.

        Raises:
            UsageError: If nothing is scored, or there is no such score or arm.
        """
        return compare_table(compare_arms(self._view, score=score, baseline=baseline, level=level))

    @property
    def verdict(self) -> str:
        """A few lines: which arm is best or that it is undecided, by how much, and what to do next."""
        return verdict_text(self._view)

    def score(self, *scorers: Scorer | Callable[..., Any] | str, timeout_s: float = 60.0) -> Results:
        """Scores every answer, keeps the scores, and returns itself. Nothing is sent to the models under test again.

        Args:
            scorers: Scorers, functions, or names of scorers; a score of the same name is replaced.
            timeout_s: Seconds that one scorer may take for one answer.

        A scorer that raises, hangs or returns no number leaves `<NA>`; the reason is in `raw(trial_id)["scores"]`.

        Raises:
            UsageError: If something is not a scorer, or two have one name.
        """
        return _sync.run(self.ascore(*scorers, timeout_s=timeout_s))

    async def ascore(self, *scorers: Scorer | Callable[..., Any] | str, timeout_s: float = 60.0) -> Results:
        """Does what `score` does, for code that awaits."""
        made = as_scorers(scorers)
        cases, unclear = self._cases_to_score()
        places = asyncio.Semaphore(_SCORERS_IN_FLIGHT)

        async def one(scorer: Scorer, outcome: Outcome) -> list[tuple[str, Score]]:
            async with places:
                if outcome.trial_id in unclear:
                    found = [_unclear_score(scorer)]
                else:
                    found = await score_outcome(scorer, outcome, cases[outcome.trial_id], timeout_s=timeout_s)
            return [(outcome.trial_id, score) for score in found]

        outcomes = [self._view.outcomes[trial_id] for trial_id in cases]
        found = await asyncio.gather(*(one(scorer, outcome) for scorer in made for outcome in outcomes))
        self._keep([pair for pairs in found for pair in pairs])
        return self

    def raw(self, trial_id: str) -> dict[str, Any]:
        """Returns everything known of one trial, nested: messages sent, params, the answer as it came, scores.

        Raises:
            UnknownNameError: If the run has no such trial.
        """
        row = next((row for row in rows_of_view(self._view) if row.trial.trial_id == trial_id), None)
        if row is None:
            raise UnknownNameError(
                f"The run {self.run_id!r} has no trial {trial_id!r}; the column 'trial_id' of df has them.",
                name=trial_id,
            )
        trial, outcome, response = row.trial, row.outcome, row.response
        places = {arm.index: place for place, arm in enumerate(self._view.arms)}
        return {
            "trial_id": trial_id,
            "arm": arm_labels(self._view.arms)[places[trial.arm.index]],
            "prompt": trial.arm.prompt.reference,
            "model": trial.arm.model,
            "params": dict(trial.arm.params),
            "messages": messages_to_wire(render(trial.arm.prompt, trial.case.variables, missing="keep")),
            "case": trial.case.index,
            "repeat": trial.repeat,
            "variables": dict(trial.case.variables),
            "expected": trial.case.expected,
            "status": row.status,
            "attempts": outcome.attempts if outcome is not None else None,
            "failure": _fields(outcome.failure) if outcome is not None and outcome.failure is not None else None,
            "text": response.text if response is not None else None,
            "refusal": response.refusal if response is not None else None,
            "tool_calls": [dict(call) for call in response.tool_calls] if response is not None else [],
            "usage": _fields(response.usage) if response is not None else None,
            "request_id": response.request_id if response is not None else None,
            "response": dict(response.raw) if response is not None else None,
            "scores": {name: _fields(score) for name, score in row.scores.items()},
        }

    @property
    def failures(self) -> pd.DataFrame:
        """One row a trial without an answer.

        Columns: `trial_id`, `arm`, `case`, `repeat`, `status`, `failure`, `message`, `attempts`.
        """
        frame = self.df
        labels = dict(zip((arm.index for arm in self._view.arms), arm_labels(self._view.arms), strict=True))
        frame["arm"] = to_series([labels[trial.arm.index] for trial in self._view.trials], "text")
        names = ["trial_id", "arm", "case", "repeat", "status", "failure", "message", "attempts"]
        return frame.loc[frame["status"] != "ok", names].reset_index(drop=True)

    def raise_for_failures(self) -> None:
        """Does nothing when every trial has an answer.

        Raises:
            TrialsFailedError: Otherwise; `failures` has the trial ids, the message says how many of which kind.
        """
        failures = self.failures
        if failures.empty:
            return
        kinds = Counter(failures["failure"].fillna(failures["status"]).tolist())
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        first = failures.iloc[0]
        reason = for_screen(shorten(cell_text(first["message"]) or "", 200)) if pd.notna(first["message"]) else ""
        raise TrialsFailedError(
            f"{len(failures):,} of {len(self):,} trials of run {self.run_id!r} have no answer: {told}. "
            f"First: {first['arm']}, case {first['case']}: {reason or first['status']}. "
            "`results.failures` lists them; resuming the run asks only for these again.",
            failures=failures["trial_id"].tolist(),
        )

    def audit(self) -> Audit:
        """Checks that planned trials and rows are the same, that outcomes belong to trials, and that sums agree."""
        return audit(self._view)

    def export(self, path: str | Path, *, safe: bool = True) -> Path:
        """Writes a `.csv`, `.jsonl`, `.md` or `.parquet` file, whole or not at all, and returns its path.

        Args:
            path: Where to write; an earlier file of this name is replaced.
            safe: For `.csv`: whether text that a spreadsheet would run as a formula gets a `'` before it.

        Raises:
            UsageError: If the kind is not one of these, the folder does not exist, or the file cannot be written.
            MissingDependencyError: If it is Parquet and pyarrow is not installed.
        """
        return export(self._view, path, safe=safe)

    def refresh(self) -> Results:
        """Reads the run again, and returns itself; scores that were not kept elsewhere stay."""
        if self._reload is not None:
            mine = self._view.scores
            self._view = self._reload()
            if self._save_scores is None:
                self._view = replace(self._view, scores={**self._view.scores, **mine})
        return self

    def __repr__(self) -> str:
        return text_form(self._view, sent=self._sent)

    def _repr_html_(self) -> str:
        return str(html_form(self._view, sent=self._sent))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _cases_to_score(self) -> tuple[dict[str, Case], set[str]]:
        """Returns the case of each trial with an outcome, and the trials whose cases disagree on what is expected."""
        cases: dict[str, Case] = {}
        unclear: set[str] = set()
        for trial in self._view.trials:
            if trial.trial_id in self._view.outcomes:
                case = cases.setdefault(trial.trial_id, trial.case)
                if case.expected != trial.case.expected:
                    unclear.add(trial.trial_id)
        return cases, unclear

    def _keep(self, pairs: Sequence[tuple[str, Score]]) -> None:
        # Kept elsewhere before it is shown: a frame must not show what the store has not got.
        if self._save_scores is not None and pairs:
            self._save_scores(self.run_id, pairs)
        scores = {trial_id: {score.name: score for score in held} for trial_id, held in self._view.scores.items()}
        for trial_id, score in pairs:
            scores.setdefault(trial_id, {})[score.name] = score
        kept: Mapping[str, tuple[Score, ...]] = {trial_id: tuple(held.values()) for trial_id, held in scores.items()}
        self._view = replace(self._view, scores=kept)


def _unclear_score(scorer: Scorer) -> Score:
    return Score(
        name=scorer.name,
        explanation="cases with the same variables have different expected answers",
        scorer=scorer.spec,
        scorer_version=scorer.version,
    )


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}
