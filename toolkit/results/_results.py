"""Results: the read-only view of one run; frame, comparison, verdict, scores, exports, display."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from toolkit._records import RunView, Score, Trial
from toolkit.errors import TrialsFailedError, UnknownNameError, UsageError
from toolkit.langfuse import MemoryLedger, Outlet
from toolkit.results._audit import Audit, audit
from toolkit.results._columns import cell_text
from toolkit.results._decision_face import DecisionFace
from toolkit.results._drift import Drift
from toolkit.results._explain import Explanation, explain
from toolkit.results._faces import Faces
from toolkit.results._frame import columns_of, rows_of_view, to_frame, to_series
from toolkit.results._grid_face import Grid, GridFace
from toolkit.results._judging import Judging
from toolkit.results._labels import arm_labels
from toolkit.results._langfuse_face import LangfuseFace, LateTraces
from toolkit.results._pandas import pd
from toolkit.results._promotion_face import PromotionFace
from toolkit.results._promotion_source import FindSource
from toolkit.results._raw import raw_trial
from toolkit.results._score_face import ScoreFace
from toolkit.results._scoring import Ask
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import arms_table, summary_table, wide_table
from toolkit.results._verdict import verdict_text
from toolkit.results._vote_face import Ballots, VoteFace
from toolkit.results._words import counted


class Results(GridFace, ScoreFace, VoteFace, DecisionFace, PromotionFace, LangfuseFace, Faces):
    """What a run gave: `df` and everything that is computed from it.

    Args:
        view: The run as values.
        reload: Reads the run again; `None` = it cannot change.
        save_scores: Keeps scores: gets the run's id, and pairs of trial id and score; `None` = only this object does.
        sent: Trials that were sent just now; `None` = not told.
        since: When that sending began (UTC); `None` = nothing was sent just now.
        note: How the run was stopped; empty when it went to its end.
        others: Reads other runs, newest first, for `explain`; `None` = there are none.
        check_drift: Asks the prompt sources what has changed; `None` = they are not known.
        ask: Has a model asked about the answers, for judges; `None` = none can be asked.
        ballots: Keeps votes; `None` = only this object does.
        find_source: Gives a prompt source by its name, to move labels there; `None` = none can be moved.
        outlet: Tells where the run can be pushed; `None` = what the environment says, noted in this object alone.
        traces: Address of the trace of each trial that was pushed, by trial id; `None` = none was.
    """

    def __init__(
        self,
        view: RunView,
        *,
        reload: Callable[[], RunView] | None = None,
        save_scores: Callable[[str, Sequence[tuple[str, Score]]], None] | None = None,
        sent: int | None = None,
        since: dt.datetime | None = None,
        note: str = "",
        others: Callable[[], Iterable[RunView]] | None = None,
        check_drift: Callable[[RunView], Drift] | None = None,
        ask: Ask | None = None,
        ballots: Ballots | None = None,
        find_source: FindSource | None = None,
        outlet: Callable[[], Outlet] | None = None,
        traces: Mapping[str, str] | None = None,
    ) -> None:
        self._view = view
        self._reload = reload
        self._save_scores = save_scores
        self._sent = sent
        self._since = since
        self._note = note
        self._others = others
        self._check_drift = check_drift
        self._ask = ask
        self._ballots = ballots
        self._find_source = find_source
        self._outlet = outlet
        self._traces: Mapping[str, str] = {} if traces is None else traces
        self._compare_url: str | None = None
        self._memory = MemoryLedger()
        self._judgings: dict[str, Judging] = {}
        self._grid: Grid | None = None

    @property
    def view(self) -> RunView:
        """The run as values, with the scores given so far."""
        return self._view

    @property
    def run_id(self) -> str:
        """Identity of the run."""
        return self._view.run_id

    @property
    def note(self) -> str:
        """How the run was stopped before its last trial; empty when it went to its end."""
        return self._note

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

    @property
    def verdict(self) -> str:
        """A few lines: which arm is best or that it is undecided, by how much, and what to do next."""
        return verdict_text(self._view)

    def raw(self, trial_id: str) -> dict[str, Any]:
        """Returns everything known of one trial, nested: messages sent, params, the answer as it came, scores.

        Raises:
            UnknownNameError: If the run has no such trial.
        """
        if not isinstance(trial_id, str):
            raise UsageError(f"A trial is named by its id, which is text; got a {type(trial_id).__name__}.")
        row = next((row for row in rows_of_view(self._view) if row.trial.trial_id == trial_id), None)
        if row is None:
            raise UnknownNameError(
                f"The run {self.run_id!r} has no trial {trial_id!r}; the column 'trial_id' of df has them.",
                name=trial_id,
            )
        places = {arm.index: place for place, arm in enumerate(self._view.arms)}
        return raw_trial(row, arm_labels(self._view.arms)[places[row.trial.arm.index]])

    def explain(
        self,
        trial: str | Mapping[str, Any] | None = None,
        *,
        arm: str | int | None = None,
        case: int | None = None,
        repeat: int = 0,
    ) -> Explanation:
        """Returns why a trial was sent, or why not; of one that was, which field no stored answer shared.

        Args:
            trial: A trial id, or a row of `df`; `None` = by arm, case and repeat.
            arm: Label or index of an arm, as in `arms`; may be left out when there is one.
            case: Index of the case.
            repeat: From 0.

        Raises:
            UnknownNameError: If the run has no such trial.

        Example:
            >>> results.explain(case=3, arm=0)    # doctest: +SKIP
        """
        return explain(self._view, self._find(trial, arm, case, repeat), since=self._since, others=self._other_runs)

    def _other_runs(self) -> Iterable[RunView]:
        return self._others() if self._others is not None else ()

    def _find(
        self, trial: str | Mapping[str, Any] | None, arm: str | int | None, case: int | None, repeat: int
    ) -> Trial:
        trial_id = trial.get("trial_id", "(no trial_id)") if isinstance(trial, Mapping | pd.Series) else trial
        if not isinstance(trial_id, str | None):
            raise UsageError(f"A trial is named by its id, or by one row of df; got a {type(trial).__name__}.")
        labels = dict(zip((each.index for each in self._view.arms), arm_labels(self._view.arms), strict=True))
        for each in self._view.trials:
            if trial_id is not None and each.trial_id == trial_id:
                return each
            names = (None, each.arm.index, labels[each.arm.index])
            if trial_id is None and arm in names and each.case.index == case and each.repeat == repeat:
                return each
        wanted = repr(trial_id) if trial_id is not None else f"arm={arm!r}, case={case!r}, repeat={repeat!r}"
        raise UnknownNameError(
            f"The run {self.run_id!r} has no trial {wanted}; the columns 'trial_id', 'case' and 'repeat' of df and the "
            "table `arms` have them.",
            name=wanted,
        )

    def check_drift(self) -> Drift:
        """Returns what has changed at the prompt sources since the prompts were pinned: labels moved, versions edited.

        Asks the sources again. The value is false when nothing has changed; its `changes` say what has. Whether models
        still answer as they did is another question, which `tk.drift(run_id)` asks them.

        Raises:
            UsageError: If these results were made without their prompt sources.
        """
        if self._check_drift is None:
            raise UsageError("These results do not know the prompt sources; open the run with tk.open_run(run_id).")
        return self._check_drift(self._view)

    @property
    def failures(self) -> pd.DataFrame:
        """One row a trial without an answer; those that early stopping left unsent are not failures.

        Columns: `trial_id`, `arm`, `case`, `repeat`, `status`, `failure`, `message`, `attempts`.
        """
        frame = self.df
        labels = dict(zip((arm.index for arm in self._view.arms), arm_labels(self._view.arms), strict=True))
        frame["arm"] = to_series([labels[trial.arm.index] for trial in self._view.trials], "text")
        names = ["trial_id", "arm", "case", "repeat", "status", "failure", "message", "attempts"]
        return frame.loc[~frame["status"].isin(["ok", "stopped_early"]), names].reset_index(drop=True)

    def raise_for_failures(self) -> None:
        """Does nothing when every trial has an answer, those aside that early stopping left unsent.

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
            f"{len(failures):,} of {counted(len(self), 'trial')} of run {self.run_id!r} without an answer: {told}. "
            f"First: {first['arm']}, case {first['case']}: {reason.rstrip('. ') or first['status']}. "
            "`results.failures` lists them; resuming the run asks only for these again.",
            failures=failures["trial_id"].tolist(),
        )

    def audit(self) -> Audit:
        """Checks that planned trials and rows are the same, that outcomes belong to trials, and that sums agree."""
        return audit(self._view)

    def refresh(self) -> Results:
        """Reads the run again, and returns itself; scores and votes that were not kept elsewhere stay."""
        if self._reload is not None:
            mine, votes = self._view.scores, self._view.votes
            self._view = self._reload()
            if isinstance(self._traces, LateTraces):
                self._traces.forget()
            if self._save_scores is None:
                self._view = replace(self._view, scores={**self._view.scores, **mine})
            if self._ballots is None:
                self._view = replace(self._view, votes=votes)
        return self
