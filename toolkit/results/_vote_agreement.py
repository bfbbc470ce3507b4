"""Who says the same: voters with themselves, with each other, and with the scores of judges and of people."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from toolkit._records import RunView
from toolkit._votes import Vote
from toolkit.results._frame import score_names
from toolkit.results._judging import PEOPLE
from toolkit.results._scoring import counts_down
from toolkit.stats import Agreement, Interval, judge_agreement, krippendorff_alpha, wilson

_Place: TypeAlias = tuple[int, int, tuple[str, str]]
"""Case, repeat and pair: what two raters have to share to be compared."""


# How what rebuilds a judge begins.
_JUDGES = ("judge(", "judge_pairs(")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """How often a pair that was shown again, with its sides changed, got the same verdict."""

    n: int
    """Pairs that were shown again and judged both times."""
    same: int
    interval: Interval | None
    """Wilson's, of the share; `None` for fewer than two."""

    @property
    def share(self) -> float | None:
        """Of the same verdicts; `None` without a pair."""
        return self.same / self.n if self.n else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterAgreement:
    """How far two raters agree on the pairs that both judged."""

    first: str
    """A voter."""
    second: str
    """Another voter, or the name of a score that a judge or a person gave."""
    agreement: Agreement


def winner_of(vote: Vote) -> str | None:
    """Returns the trial id of the preferred answer; `None` when neither is."""
    return vote.left if vote.verdict == "left" else vote.right if vote.verdict == "right" else None


def _firsts(votes: Iterable[Vote]) -> dict[str, dict[_Place, Vote]]:
    """The votes that people gave at first sight, by voter and pair."""
    found: dict[str, dict[_Place, Vote]] = {}
    for vote in votes:
        if vote.is_judged and not vote.is_repeat:
            found.setdefault(vote.voter, {})[(vote.case, vote.repeat, vote.pair)] = vote
    return found


def consistency_of(votes: Sequence[Vote]) -> Consistency:
    """Returns how often voters said the same of a pair that they were shown again."""
    firsts = _firsts(votes)
    pairs = [
        (vote, firsts.get(vote.voter, {}).get((vote.case, vote.repeat, vote.pair)))
        for vote in votes
        if vote.is_repeat and vote.is_judged
    ]
    both = [(again, first) for again, first in pairs if first is not None]
    same = sum(winner_of(again) == winner_of(first) for again, first in both)
    return Consistency(n=len(both), same=same, interval=wilson(same, len(both)))


def agreements(view: RunView, votes: Sequence[Vote]) -> list[RaterAgreement]:
    """Returns how far each two voters agree, and each voter with each judge's and people's score."""
    order = _arm_order(view)
    said = {
        voter: {place: _side(winner_of(vote), place, order) for place, vote in held.items()}
        for voter, held in _firsts(votes).items()
    }
    scored = _scores_as_raters(view, {place for held in said.values() for place in held}, order)
    found = []
    for (first, one), (second, other) in [
        *itertools.combinations(said.items(), 2),
        *itertools.product(said.items(), scored.items()),
    ]:
        both = [place for place in one if place in other]
        if both:
            agreement = judge_agreement([one[place] for place in both], [other[place] for place in both])
            found.append(RaterAgreement(first=first, second=second, agreement=agreement))
    return found


def alpha_of_all(view: RunView, votes: Sequence[Vote]) -> float | None:
    """Returns Krippendorff's alpha over all voters; `None` when no pair has two voters, or all say the same."""
    order, firsts = _arm_order(view), _firsts(votes)
    places = list(dict.fromkeys(place for held in firsts.values() for place in held))
    numbers = {"first": 1.0, "tie": 0.0, "second": -1.0}
    table = [
        [numbers[_side(winner_of(held[place]), place, order)] if place in held else math.nan for place in places]
        for held in firsts.values()
    ]
    return krippendorff_alpha(table) if len(table) > 1 else None


def _arm_order(view: RunView) -> dict[str, int]:
    """Where the arm of each trial stands in the run: verdicts are compared by arms, whoever stood on the left."""
    places = {arm.index: place for place, arm in enumerate(view.arms)}
    return {trial.trial_id: places[trial.arm.index] for trial in view.trials}


def _side(winner: str | None, place: _Place, order: Mapping[str, int]) -> str:
    """Which of a pair's arms won, by the run's order; "both bad" is a tie."""
    if winner is None:
        return "tie"
    return "first" if winner == min(place[2], key=order.__getitem__) else "second"


def _scores_as_raters(
    view: RunView, places: Iterable[_Place], order: Mapping[str, int]
) -> dict[str, dict[_Place, str]]:
    """What the scores of judges and people say of the pairs: by name and pair, the arm with the better score."""
    held = {
        trial_id: {score.name: score.value for score in scores if score.is_scored}
        for trial_id, scores in view.scores.items()
    }
    given = (score for scores in view.scores.values() for score in scores)
    wanted = {score.name for score in given if score.name == PEOPLE or score.scorer.startswith(_JUDGES)}
    raters: dict[str, dict[_Place, str]] = {}
    for name in score_names(view):
        if name not in wanted:
            continue
        sign = -1 if counts_down(view, name) else 1
        for place in places:
            one, other = place[2]
            a, b = held.get(one, {}).get(name), held.get(other, {}).get(name)
            if a is not None and b is not None:
                winner = None if a == b else one if sign * (a - b) > 0 else other
                raters.setdefault(name, {})[place] = _side(winner, place, order)
    return raters


def sides_of(votes: Sequence[Vote]) -> tuple[int, int]:
    """Returns how often the left answer won, and how many pairs were decided."""
    decided = [vote for vote in votes if vote.verdict in ("left", "right")]
    return sum(vote.verdict == "left" for vote in decided), len(decided)
