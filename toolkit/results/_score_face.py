"""How results are scored: the calls for it, and where the scores go."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, get_args

from toolkit import _sync
from toolkit._records import RunView, Score
from toolkit.errors import UnknownNameError, UsageError
from toolkit.results._judging import PEOPLE, Judging
from toolkit.results._scoring import Ask, Asked, Asking, score_view
from toolkit.results._screen import for_screen
from toolkit.scorers import AskingScorer, Scorer, as_scorers

# What stands where a scorer's name would: nothing can rebuild a person.
_BY_HAND = "by hand"


class ScoreFace:
    """The part of `Results` that gives scores."""

    _view: RunView
    _save_scores: Callable[[str, Sequence[tuple[str, Score]]], None] | None
    _ask: Ask | None
    _judgings: dict[str, Judging]

    def score(self, *scorers: Scorer | Callable[..., Any] | str, timeout_s: float = 60.0, again: bool = False) -> Self:
        """Scores every answer, keeps the scores, and returns itself. Nothing is sent to the models under test again.

        An answer that a scorer has scored before is not scored again by the same scorer in the same version; a function
        has another version when its code changes, or anything that its code reads.

        Args:
            scorers: Scorers, functions, or names of scorers; a score of the same name is replaced.
            timeout_s: Seconds that one scorer may take for one answer.
            again: Whether answers that are scored already are scored again. A judge is never asked the same twice.

        A scorer that raises, hangs or returns no number leaves `<NA>`; the reason is in the column `reason.NAME`. A
        judge says what is to be known about its judging, and what it cost, on standard output; `judging` has it too.
        A scorer that asks for embeddings says what they cost.

        Raises:
            UsageError: If something is not a scorer, two have one name, or these results cannot ask a model.
        """
        _check(scorers, timeout_s)
        plain, asking = _parted(scorers)
        if plain:
            self._keep(_sync.run(score_view(self._view, plain, timeout_s=timeout_s, again=again)))
        for each in asking:
            self._take(each, self._asked(each, again).attend())
        return self

    async def ascore(
        self, *scorers: Scorer | Callable[..., Any] | str, timeout_s: float = 60.0, again: bool = False
    ) -> Self:
        """Does what `score` does, for code that awaits."""
        _check(scorers, timeout_s)
        plain, asking = _parted(scorers)
        if plain:
            self._keep(await score_view(self._view, plain, timeout_s=timeout_s, again=again))
        for each in asking:
            self._take(each, await self._asked(each, again).attended())
        return self

    @property
    def judging(self) -> Mapping[str, Judging]:
        """How each judge did that these results were scored by, by the name of its score.

        Scoring once more by the same judge sends nothing and fills it again.
        """
        return dict(self._judgings)

    def mark(self, trial_id: str, value: float | None, *, name: str = PEOPLE, note: str | None = None) -> Self:
        """Keeps a person's score of one answer, as the score `human` unless told otherwise, and returns itself.

        Judges are compared with the scores of this name; every table shows them beside the others.

        Args:
            trial_id: The trial.
            value: Any number; `None` = not scored after all.
            name: Name of the score.
            note: Why; it stands in `reason.NAME`.

        Raises:
            UnknownNameError: If the run has no such trial.
        """
        if all(trial.trial_id != trial_id for trial in self._view.trials):
            raise UnknownNameError(
                f"The run {self._view.run_id!r} has no trial {trial_id!r}; the column 'trial_id' of df has them.",
                name=trial_id,
            )
        self._keep(
            [
                (
                    trial_id,
                    Score(name=name, value=math.nan if value is None else value, explanation=note, scorer=_BY_HAND),
                )
            ]
        )
        return self

    def _asked(self, scorer: AskingScorer, again: bool) -> Asking:
        if self._ask is None:
            raise UsageError(
                f"The scorer {scorer.name!r} asks a model, and these results have no connection to one; open the run "
                "with tk.open_run(run_id)."
            )
        return self._ask(self._view, scorer, again)

    def _take(self, scorer: AskingScorer, asked: Asked) -> None:
        self._keep(asked.scores)
        if asked.judging is not None:
            self._judgings[scorer.name] = asked.judging
            sys.stdout.write(f"{asked.judging}\n")
        if asked.note is not None:
            sys.stdout.write(f"{for_screen(asked.note, keep_lines=False)}\n")

    def _keep(self, pairs: Sequence[tuple[str, Score]]) -> None:
        # Kept elsewhere before it is shown: a frame must not show what the store has not got.
        if self._save_scores is not None and pairs:
            self._save_scores(self._view.run_id, pairs)
        scores = {trial_id: {score.name: score for score in held} for trial_id, held in self._view.scores.items()}
        for trial_id, score in pairs:
            scores.setdefault(trial_id, {})[score.name] = score
        kept: Mapping[str, tuple[Score, ...]] = {trial_id: tuple(held.values()) for trial_id, held in scores.items()}
        self._view = replace(self._view, scores=kept)


def _check(scorers: Sequence[object], timeout_s: float) -> None:
    if not scorers:
        raise UsageError("No scorer is given; name one or more, such as results.score(tk.contains()).")
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise UsageError(f"`timeout_s` is a positive number of seconds; got {timeout_s!r}.")


def _parted(scorers: Sequence[Scorer | Callable[..., Any] | str]) -> tuple[list[Scorer], list[AskingScorer]]:
    """The scorers that are called, and those that ask a model."""
    made = as_scorers(scorers)
    asking = [each for each in made if isinstance(each, get_args(AskingScorer))]
    return [each for each in made if each not in asking], asking
