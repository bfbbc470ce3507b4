"""Strengths from pairwise preferences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.stats import Preference, bradley_terry, elo, elo_expected, rank_arms


def votes(*scores, first="a", second="b"):
    """One preference a case, between two arms."""
    return [Preference(case=case, first=first, second=second, score=score) for case, score in enumerate(scores)]


def test_two_arms_by_hand():
    """Won three to one, the odds are three: log 3 apart, half of it on each side of 0, error sqrt(1/3 + 1)."""
    found = bradley_terry([[0, 3], [1, 0]])
    assert found.log_strengths == (pytest.approx(math.log(3) / 2), pytest.approx(-math.log(3) / 2))
    assert found.difference(0, 1) == (pytest.approx(math.log(3)), pytest.approx(math.sqrt(4 / 3)))
    assert (found.deviance, found.df) == (pytest.approx(0.0, abs=1e-12), 0)


def test_strengths_have_mean_0():
    """Log-strengths are centred, whatever the order of the arms."""
    wins = np.array([[0, 4, 6], [2, 0, 5], [1, 2, 0]])
    order = [2, 0, 1]
    found, turned = bradley_terry(wins), bradley_terry(wins[np.ix_(order, order)])
    assert sum(found.log_strengths) == pytest.approx(0.0, abs=1e-12)
    assert [found.log_strengths[place] for place in order] == pytest.approx(list(turned.log_strengths))


def test_arms_that_never_met_are_compared_through_others():
    """A beats b 3 to 1 and b beats c 3 to 1: a and c never met and are log 9 apart."""
    found = bradley_terry([[0, 3, 0], [1, 0, 3], [0, 1, 0]])
    assert found.difference(0, 2)[0] == pytest.approx(math.log(9))


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 3], [0, 0]],
        [[0, 1, 5, 5], [1, 0, 5, 5], [0, 0, 0, 1], [0, 0, 1, 0]],
        [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    ],
    ids=["never lost", "two that never lost to the others", "two groups that never met"],
)
def test_no_finite_strength_is_refused(wins):
    """Where strengths would be infinite or free they are refused, with what to do; lent wins make them finite."""
    with pytest.raises(ValueError, match=r"pseudo_wins=0\.1"):
        bradley_terry(wins)
    assert all(math.isfinite(strength) for strength in bradley_terry(wins, pseudo_wins=0.1).log_strengths)


def test_lopsided_table_settles():
    """Ten thousand wins to one still have a strength: log 10,000."""
    assert bradley_terry([[0, 10_000], [1, 0]]).difference(0, 1)[0] == pytest.approx(math.log(10_000))


@pytest.mark.parametrize("wins", [[[0, 1]], [[0]], [[1, 2], [3, 0]], [[0, -1], [1, 0]], [[0, math.inf], [1, 0]]])
def test_what_is_no_table_of_wins_is_refused(wins):
    """A table that is not square, has counts below 0 or has arms beating themselves is refused."""
    with pytest.raises(ValueError, match=r"square|finite counts"):
        bradley_terry(wins)


def test_elo_is_the_same_number():
    """The chance that Elo's difference stands for is the model's."""
    strong, weak = bradley_terry([[0, 3], [1, 0]]).log_strengths
    assert elo_expected(elo(strong), elo(weak)) == pytest.approx(0.75)
    assert elo(0.0) == 1500.0


def test_ties_are_half_wins():
    """Two wins, two ties and no loss for one are three wins and one loss."""
    ranking = rank_arms(votes(1.0, 1.0, 0.5, 0.5), draws=99)
    assert [(arm.arm, arm.wins, arm.ties, arm.losses) for arm in ranking.arms] == [("a", 2, 2, 0), ("b", 0, 2, 2)]
    assert ranking.arms[0].log_strength == pytest.approx(math.log(3) / 2)


def test_strongest_stands_first():
    """Arms come from the strongest to the weakest, with the rating beside the strength."""
    ranking = rank_arms(votes(0.0, 0.0, 0.0, 1.0), draws=99)
    assert [arm.arm for arm in ranking.arms] == ["b", "a"]
    assert ranking.arms[0].elo == pytest.approx(1500 + 200 * math.log10(3))


def test_cases_are_resampled_not_votes():
    """Each vote written down five times in its case is no more certain than each once."""
    once = votes(*[1.0, 1.0, 0.0, 1.0, 0.5] * 6)
    ranking, five = rank_arms(once), rank_arms([vote for vote in once for _ in range(5)])
    assert five.arms[0].interval.low == pytest.approx(ranking.arms[0].interval.low, abs=0.1)
    assert (ranking.n_cases, five.n_cases, five.n_preferences) == (30, 30, 150)


def test_resamples_without_strengths_are_told():
    """Resamples in which an arm never lost get lent wins, and their number is told."""
    ranking = rank_arms(votes(1.0, 1.0, 1.0, 0.0), draws=400)
    # All four draws of the three wins: (3/4)^4 = .32, and all four of the loss: 1/256.
    assert ranking.draws_lent / 400 == pytest.approx(0.32, abs=0.07)
    assert ranking.arms[0].interval.low < ranking.arms[0].log_strength < ranking.arms[0].interval.high


def test_lent_wins_are_told():
    """Strengths that rest on lent wins say so."""
    with pytest.raises(ValueError, match="no finite strengths"):
        rank_arms(votes(1.0, 1.0))
    assert (
        rank_arms(votes(1.0, 1.0), pseudo_wins=0.1, draws=99).note == "0.1 wins added for every pair in both directions"
    )


def test_one_case_has_no_interval():
    """Votes on a single case have strengths but no interval."""
    one = [Preference(case=1, first="a", second="b", score=score) for score in (1.0, 0.0, 1.0)]
    assert rank_arms(one, draws=99).arms[0].interval is None


@pytest.mark.parametrize(
    ("preferences", "words"),
    [
        ([], "no preference"),
        (votes(0.7), "1, 0.5 or 0"),
        (votes(1.0, first="a", second="a"), "'a' meets itself"),
    ],
)
def test_what_is_no_preference_is_refused(preferences, words):
    """No preferences, a score between, and an arm against itself are refused."""
    with pytest.raises(ValueError, match=words):
        rank_arms(preferences)
