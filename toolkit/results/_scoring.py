"""Scores a run: what is scored already is kept, the rest is read some at a time, and every gap has its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from toolkit._records import Case, Outcome, RunView, Score
from toolkit.results._judging import Judging
from toolkit.scorers import UNVERSIONED, AskingScorer, Scorer, is_lower_better, score_outcomes, why_not
from toolkit.store import measures_of

# Answers that are in memory at a time, and the characters that their texts may have together.
_AT_A_TIME = 1_000
_MOST_TEXT = 1_000_000

Scored: TypeAlias = list[tuple[str, Score]]
"""Trial ids and scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asking a model gave."""

    scores: Sequence[tuple[str, Score]]
    judging: Judging | None = None
    """How a judge did; `None` for embeddings."""
    note: str | None = None
    """What asking for embeddings came to; `None` for a judge, and when nothing was asked."""


class Asking(Protocol):
    """A model that is to be asked about the answers of a run."""

    def attend(self) -> Asked:
        """Asks and waits; an interrupt keeps what has come in."""
        ...

    async def attended(self) -> Asked:
        """As `attend`, awaited."""
        ...


Ask: TypeAlias = Callable[[RunView, AskingScorer, bool], Asking]
"""From a run, a scorer, and whether scores that are kept are made again, to the asking."""


def to_score(view: RunView) -> tuple[dict[str, Case], set[str]]:
    """Returns the case of each trial with an outcome, and the trials whose cases disagree on what is expected."""
    cases: dict[str, Case] = {}
    unclear: set[str] = set()
    for trial in view.trials:
        if trial.trial_id in view.outcomes:
            case = cases.setdefault(trial.trial_id, trial.case)
            if case.expected != trial.case.expected:
                unclear.add(trial.trial_id)
    return cases, unclear


def counts_down(view: RunView, name: str) -> bool:
    """Tells whether the smaller of a score's numbers is the better one."""
    found = (score for scores in view.scores.values() for score in scores if score.name == name)
    first = next(found, None)
    return first is not None and is_lower_better(first.scorer)


def kept_trials(view: RunView, scorer: Scorer) -> frozenset[str]:
    """Returns the trials that this scorer has scored in this version, and that need not be scored again.

    What is not scored is tried again, and so is what may have become another outcome.
    """
    version = scorer.version
    if version == UNVERSIONED or getattr(scorer, "scores_failures", False):
        return frozenset()
    is_own, measures = _by(scorer), measures_of(view.outcomes)
    kept = []
    for trial_id, scores in view.scores.items():
        current = [score.is_scored for score in scores if score.scorer_version == version and is_own(score)]
        if current and all(current) and trial_id in measures and why_not(measures[trial_id]) is None:
            kept.append(trial_id)
    return frozenset(kept)


async def score_view(view: RunView, scorers: Sequence[Scorer], *, timeout_s: float, again: bool = False) -> Scored:
    """Returns the scores that are new or to be replaced.

    Args:
        view: The run with the scores that it has.
        scorers: Each with a name of its own.
        timeout_s: Seconds that one scorer may take for one answer.
        again: Whether scores that are kept are made again.
    """
    cases, unclear = to_score(view)
    found: dict[str, Scored] = {scorer.name: [] for scorer in scorers}
    kept = {scorer.name: frozenset() if again else kept_trials(view, scorer) for scorer in scorers}
    needed = [trial_id for trial_id in cases if any(trial_id not in ids for ids in kept.values())]
    # Read once for all scorers, so that the texts of a large run are never in memory together.
    for read in _batches(view, needed):
        wanted = {name: [trial_id for trial_id in read if trial_id not in kept[name]] for name in kept}
        for scorer in scorers:
            clear = [trial_id for trial_id in wanted[scorer.name] if trial_id not in unclear]
            answers = [(read[trial_id], cases[trial_id]) for trial_id in clear]
            scored = await score_outcomes(scorer, answers, timeout_s=timeout_s)
            pairs = [(trial_id, score) for trial_id, each in zip(clear, scored, strict=True) for score in each]
            pairs += [(trial_id, unclear_score(scorer)) for trial_id in wanted[scorer.name] if trial_id in unclear]
            found[scorer.name] += pairs
    return [pair for scorer in scorers for pair in _completed(view, scorer, found[scorer.name])]


def unclear_score(scorer: Scorer | AskingScorer) -> Score:
    """Returns the score of a trial that stands for cases with different expected answers."""
    return _gap(scorer.name, scorer, "cases with the same variables have different expected answers")


def _completed(view: RunView, scorer: Scorer, found: Scored) -> Iterator[tuple[str, Score]]:
    """The scores, with a gap told under each name that the scorer gives elsewhere, and names that it gave up marked."""
    own = {score.name for _, score in found if score.is_scored or score.name != scorer.name}
    is_own = _by(scorer)
    kept = (score for scores in view.scores.values() for score in scores if is_own(score))
    own |= {score.name for score in kept if score.scorer_version == scorer.version and score.is_scored}
    several = sorted(own - {scorer.name}) if scorer.name not in own else []
    if not several and not any(is_own(score) for scores in view.scores.values() for score in scores):
        yield from found
        return
    given: dict[str, set[str]] = {}
    for trial_id, score in found:
        if several and score.name == scorer.name:
            for name in several:
                given.setdefault(trial_id, set()).add(name)
                yield trial_id, _gap(name, scorer, score.explanation)
        else:
            given.setdefault(trial_id, set()).add(score.name)
            yield trial_id, score
    for trial_id, names in given.items():
        for score in view.scores.get(trial_id, ()):
            if is_own(score) and score.is_scored and score.name not in names:
                yield trial_id, _gap(score.name, scorer, "the scorer gives this score no more")


def _by(scorer: Scorer) -> Callable[[Score], bool]:
    """Tells of a score whether a scorer made it, in whatever version."""
    name, start, spec = scorer.name, f"{scorer.name}.", scorer.spec
    return lambda score: (score.name == name or score.name.startswith(start)) and score.scorer == spec


def _gap(name: str, scorer: Scorer | AskingScorer, reason: str | None) -> Score:
    return Score(name=name, explanation=reason, scorer=scorer.spec, scorer_version=scorer.version)


def _batches(view: RunView, trial_ids: Sequence[str]) -> Iterator[dict[str, Outcome]]:
    """Outcomes with their texts, as many at a time as are small enough together."""
    some: dict[str, Outcome] = {}
    size = 0
    for trial_id in trial_ids:
        some[trial_id] = outcome = view.outcomes[trial_id]
        size += len(outcome.text or "")
        if len(some) >= _AT_A_TIME or size >= _MOST_TEXT:
            yield some
            some, size = {}, 0
    if some:
        yield some
