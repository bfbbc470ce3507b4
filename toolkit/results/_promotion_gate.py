"""The gate before a label: what must be so of the candidate against the version that has the label, in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._arm_comparison import ArmComparison
from toolkit.results._arm_stopped import StoppedComparison
from toolkit.results._columns import TEXT, Row
from toolkit.results._compare import chosen_score, compare_arms, is_share
from toolkit.results._early import STOPPED
from toolkit.results._frame import rows_of_view, to_series
from toolkit.results._money import usd
from toolkit.results._pandas import pd
from toolkit.results._ratios import cost_usd
from toolkit.results._summary import case_values, check_level
from toolkit.results._words import amount, counted, margin_words
from toolkit.stats import bonferroni_level, ties_needed
from toolkit.store import CACHE_SOURCE

ACCEPTED_LOSS = 0.02
"""The loss, in the score's unit, of which a candidate must be shown to be clear when nobody says otherwise."""

# Above this share of trials without a score, what is missing could be what is worse.
_MOST_MISSING = 0.02

What = Literal["gain", "answers", "regressions", "cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of a candidate; described at `Results.promote`."""

    score: str | None = None
    min_gain: float | None = None
    max_regressions: int | None = None
    max_cost_ratio: float | None = None
    level: float = 0.95
    candidates: int = 1
    """Versions that might have been promoted in this one's place; the interval of the gain is widened for them."""

    def check(self) -> None:
        """Refuses what makes no sense.

        Raises:
            UsageError: Naming the argument and what was given.
        """
        check_level(self.level)
        if self.min_gain is not None and not (_is_number(self.min_gain) and math.isfinite(self.min_gain)):
            raise UsageError(
                f"`min_gain` is a difference in the score's unit, such as 0 or -0.01; got {self.min_gain!r}."
            )
        most = self.max_regressions
        if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
            raise UsageError(f"`max_regressions` is a whole number of cases, 0 or more; got {most!r}.")
        ratio = self.max_cost_ratio
        if ratio is not None and not (_is_number(ratio) and 0 < ratio < math.inf):
            raise UsageError(f"`max_cost_ratio` is above 0, such as 1.2 for a fifth more; got {ratio!r}.")

    @property
    def least_gain(self) -> float:
        """What the lower end of the gain's interval must lie above."""
        return -ACCEPTED_LOSS if self.min_gain is None else self.min_gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that must be so of one arm."""

    what: What
    arm: str
    """Label of the candidate's arm."""
    against: str
    """Label of the arm that it is measured against."""
    found: float | None
    """The number that decides; `None` = it cannot be told, and then the condition does not hold."""
    asked: float
    """What it is held against: `gain` must lie above it, the others must not."""
    passed: bool
    sentence: str
    """The same in words, with what to do where it does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Gate:
    """Every condition of a promotion; all must hold."""

    score: str
    level: float
    conditions: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        """True when every condition holds."""
        return all(condition.passed for condition in self.conditions)

    @property
    def failing(self) -> tuple[Condition, ...]:
        """The conditions that do not hold."""
        return tuple(condition for condition in self.conditions if not condition.passed)

    @property
    def df(self) -> pd.DataFrame:
        """One row a condition: `what`, `arm`, `against`, `found`, `asked`, `passed`, `sentence`."""
        dtypes = {"what": TEXT, "arm": TEXT, "against": TEXT, "found": "Float64", "asked": "Float64"}
        dtypes |= {"passed": "boolean", "sentence": TEXT}
        return pd.DataFrame(
            {name: to_series([getattr(each, name) for each in self.conditions], of) for name, of in dtypes.items()}
        )

    def __repr__(self) -> str:
        marks = {True: "holds", False: "FAILS"}
        return "\n".join(f"{marks[each.passed]}  {each.what:<12}{each.sentence}" for each in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A gate that was held, with the comparisons behind it."""

    gate: Gate
    compared: tuple[ArmComparison, ...]


def hold_gate(view: RunView, pairs: Sequence[tuple[int, int]], terms: Terms) -> Held:
    """Returns the gate over each pair of arms, candidate and holder by their places.

    All pairs must pass, so that several models make a false pass rarer and nothing is corrected for them. Several
    versions make it commoner: the one that is picked may have been lucky. For these the intervals are widened.

    Raises:
        UsageError: If nothing is scored, or there is no such score.
    """
    name = chosen_score(view, terms.score)
    level = bonferroni_level(terms.candidates, level=terms.level)
    conditions: list[Condition] = []
    compared: list[ArmComparison] = []
    for candidate, holder in pairs:
        others = [place for place in range(len(view.arms)) if place != holder]
        if is_share(view, name):
            _check_share(terms.min_gain)
        against = compare_arms(view, score=name, baseline=view.arms[holder].index, level=level)
        one = against[others.index(candidate)]
        compared.append(one)
        lost = _missing(view, candidate, holder, name)
        conditions += [_gain(one, terms), _answers(one, lost, view.run_id)]
        if terms.max_regressions is not None:
            conditions.append(_regressions(one, lost, terms.max_regressions))
        if terms.max_cost_ratio is not None:
            conditions.append(_cost(view, one, candidate, holder, terms.max_cost_ratio))
    return Held(gate=Gate(score=name, level=terms.level, conditions=tuple(conditions)), compared=tuple(compared))


def _check_share(min_gain: float | None) -> None:
    """Refuses points where the unit is a share: nothing could gain as much."""
    if min_gain is not None and not -1 <= min_gain < 1:
        raise UsageError(
            "`min_gain` is in the score's unit, and this score goes from 0 to 1: 0.05 is five points; got "
            f"{min_gain!r}."
        )


def cases_to_clear(one: ArmComparison, least_gain: float) -> int | None:
    """Returns how many cases would lift the gain's interval above `least_gain`, were the gain the one seen.

    `None` where no number of them does, or these are enough.

    Args:
        one: The comparison.
        least_gain: What the lower end of the interval must lie above.
    """
    interval, found = one.gain_interval, one.comparison
    room = one.gain - least_gain
    if interval is None or room <= 0:
        return None
    if found.wins == found.losses == 0:
        needed = ties_needed(room, level=one.level)
    else:
        needed = math.ceil(found.n * ((interval.high - interval.low) / 2 / room) ** 2)
    return needed if needed > found.n else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missing:
    """Trials without a score, of those that were to be sent."""

    candidate: int
    holder: int
    either: int
    planned: int
    lost_cases: int
    """Cases that the holder has a score for and the candidate has none."""


def _missing(view: RunView, candidate: int, holder: int, name: str) -> _Missing:
    """Counts what has no answer or no score; what early stopping left unsent is not missing."""
    sides: list[dict[tuple[int, int], bool | None]] = []
    rows = rows_of_view(view)
    for place in (candidate, holder):
        side: dict[tuple[int, int], bool | None] = {}
        for row in rows:
            if row.trial.arm.index == view.arms[place].index:
                score = row.scores.get(name)
                is_scored = row.answer is not None and score is not None and score.is_scored
                unsent = row.status == STOPPED
                side[row.trial.case.index, row.trial.repeat] = None if unsent else is_scored
        sides.append(side)
    mine, its = sides
    keys = [key for key in mine if key in its and mine[key] is not None and its[key] is not None]
    scored = [{case for (case, repeat) in keys if side[case, repeat]} for side in sides]
    return _Missing(
        candidate=sum(not mine[key] for key in keys),
        holder=sum(not its[key] for key in keys),
        either=sum(not (mine[key] and its[key]) for key in keys),
        planned=len(keys),
        lost_cases=len(scored[1] - scored[0]),
    )


def _gain(one: ArmComparison, terms: Terms) -> Condition:
    """Whether the candidate is shown to gain more than is asked: by default, to lose less than two points."""
    interval, least = one.gain_interval, terms.least_gain
    low = None if interval is None else interval.low
    passed = low is not None and low > least
    if isinstance(one, StoppedComparison) and one.is_better and low is not None and low >= least:
        # Shown to be better at all, which is what the end at 0 stands for there.
        passed = True
    against = f"{one.arm} against {one.baseline} on {one.on_score}: {one.plain_gap}"
    if terms.candidates > 1:
        against += f", widened for {terms.candidates} versions to choose from"
    asked = _asked(least, one.is_share)
    if one.comparison.n == 0:
        told = f"{one.arm} against {one.baseline}: no case is scored in both. Next: results.summary() shows why"
    elif passed:
        told = f"{against}; it is shown to {asked}"
    else:
        told = f"{against}; it is not shown to {asked}. Next: {_advice(one, least)}"
    return _condition("gain", one, low, least, passed, told)


def _asked(least: float, in_points: bool) -> str:
    if least < 0:
        return f"lose less than {margin_words(-least, in_points)}"
    unit = " points" if in_points else ""
    return "gain" if least == 0 else f"gain more than {amount(least, in_points).lstrip('+')}{unit}"


def _advice(one: ArmComparison, least: float) -> str:
    if isinstance(one, StoppedComparison):
        return "the sweep stopped early; the same one without stop_early sends the rest; then score it"
    needed = cases_to_clear(one, least)
    if needed is not None:
        return f"about {needed:,} cases would show it if the gap stays; there are {one.comparison.n:,}"
    if one.gain <= least:
        read = f"; read the {counted(one.losses, 'case')} that it loses: {one.diff_call}.worse" if one.losses else ""
        return f"keep {one.baseline}, or ask for less{read}"
    return f"add cases: with {one.comparison.n:,} it cannot be told"


def _answers(one: ArmComparison, lost: _Missing, run_id: str) -> Condition:
    """Whether what is missing could have made the candidate look better than it is."""
    most = min(float(lost.holder), math.floor(_MOST_MISSING * lost.planned))
    is_even = lost.candidate <= lost.holder
    is_few = lost.either <= _MOST_MISSING * lost.planned
    told = (
        f"{one.arm} has {counted(lost.candidate, 'trial')} of {lost.planned:,} without an answer or a score, "
        f"and {one.baseline} has {lost.holder:,}"
    )
    again = f"tk.resume({run_id!r}) asks again for what has no answer; results.failures says why"
    if not is_even:
        told += f"; a candidate that answers less often is not let through. Next: {again}"
    elif not is_few:
        told += f"; more than 2 % are missing, and these could be what is worse. Next: {again}"
    return _condition("answers", one, float(lost.candidate), most, is_even and is_few, told)


def _regressions(one: ArmComparison, lost: _Missing, most: int) -> Condition:
    """Whether few enough cases got worse; one that has no answer any more got worse."""
    count = one.losses + lost.lost_cases
    gone = f", {lost.lost_cases:,} of them without an answer or a score now" if lost.lost_cases else ""
    told = f"{one.arm} is worse than {one.baseline} in {counted(count, 'case')}{gone}; at most {most:,} may be"
    if count > most:
        told += f". Next: read them: {one.diff_call}.worse"
    return _condition("regressions", one, float(count), float(most), count <= most, told)


def _cost(view: RunView, one: ArmComparison, candidate: int, holder: int, most: float) -> Condition:
    """Whether an answer of the candidate costs little enough, over the cases that both answered."""
    costs = case_values(view, "cost_usd", cost_usd).values
    both = ~np.isnan(costs[candidate]) & ~np.isnan(costs[holder])
    indexes = {view.arms[candidate].index, view.arms[holder].index}
    if not both.any() or any(_is_unpriced(row) for row in rows_of_view(view) if row.trial.arm.index in indexes):
        told = f"The cost of {one.arm} against {one.baseline} is not known. Next: sweep again with `prices=`"
        return _condition("cost", one, None, most, False, told)
    mine, its = float(costs[candidate][both].mean()), float(costs[holder][both].mean())
    ratio = 1.0 if mine == its else math.inf if its == 0 else mine / its
    told = (
        f"An answer of {one.arm} costs {usd(mine)} and one of {one.baseline} {usd(its)}, {ratio:.3g} times as much, on "
        f"{counted(int(both.sum()), 'case')}; at most {most:g} times as much is asked for"
    )
    # What adding leaves in the last digits is no price.
    passed = ratio <= most + 1e-9
    if not passed:
        told += ". Next: accept the price with a higher max_cost_ratio, or shorten the prompt"
    return _condition("cost", one, ratio, most, passed, told)


def _is_unpriced(row: Row) -> bool:
    """True for an answer that was asked for itself and whose cost nobody knows."""
    measures = row.measures
    if row.answer is None or measures is None:
        return False
    return measures.cost_usd is None and measures.cost_source != CACHE_SOURCE


def _condition(what: What, one: ArmComparison, found: float | None, asked: float, passed: bool, told: str) -> Condition:
    return Condition(
        what=what, arm=one.arm, against=one.baseline, found=found, asked=asked, passed=passed, sentence=f"{told}."
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
