"""A comparison that is looked at after every case: when it is settled, for whom, and what is known then."""

from __future__ import annotations

import math
from random import Random

import pytest

from toolkit.stats import chance_to_see, course_interval, follow, rows_for_gap

NAN = math.nan


@pytest.mark.parametrize(
    ("differences", "comparisons", "decided_at", "better"),
    [
        # 2^n / (n + 1) passes 20 at the 8th win and 40 at the 9th.
        ([1] * 9, 1, 8, "first"),
        ([1] * 9, 2, 9, "first"),
        ([-1] * 9, 1, 8, "second"),
        ([0, 1] * 8, 1, 16, "first"),
        ([1] * 7, 1, None, None),
        ([1, -1] * 30, 1, None, None),
    ],
)
def test_settled_when_the_evidence_reaches_the_bar(differences, comparisons, decided_at, better):
    """Wins and losses are settled at the first case at which the evidence reaches comparisons / .05."""
    found = follow(differences, population=1000, comparisons=comparisons)
    assert (found.decided_at, found.better) == (decided_at, better)


def test_a_case_without_a_score_decides_nothing():
    """A case without a difference is gone through and adds no evidence."""
    found = follow([NAN] * 30 + [1] * 7, population=100)
    assert (found.n, found.better) == (7, None)
    assert follow([NAN] * 30 + [1] * 8, population=100).decided_at == 38


def test_what_was_shown_stays_shown():
    """Losses after the look that settled it take nothing back."""
    assert follow([1] * 8 + [-1] * 20, population=100).better == "first"


@pytest.mark.parametrize(("remaining", "is_fixed"), [(4, True), (5, False)])
def test_order_is_fixed_when_the_rest_cannot_turn_it(remaining, is_fixed):
    """With a lead of five cases, four more cannot change who is ahead, and five can."""
    found = follow([1] * 5, population=5 + remaining)
    assert found.is_order_fixed is is_fixed
    assert found.is_settled is is_fixed


def test_graded_scores_are_settled_by_betting():
    """Differences of a quarter in every case are settled, for the arm that they favour, and the interval agrees."""
    for sign, better in ((1, "first"), (-1, "second")):
        found = follow([0.25 * sign] * 60, population=200)
        assert found.better == better
        assert not found.is_binary
    assert course_interval([0.25] * 60, population=200).low > 0


def test_graded_scores_without_a_gap_are_not_settled():
    """Differences that cancel out are not settled before the list is through."""
    assert follow([0.25, -0.25] * 40, population=200).better is None


def test_scores_beyond_the_bounds_settle_nothing():
    """A difference outside -1 to 1 cannot be bet on: nothing is settled by it, and there is no interval."""
    found = follow([3.0] * 50, population=50)
    assert (found.is_bounded, found.is_settled) == (False, False)
    assert course_interval([3.0] * 50, population=50) is None


def test_chance_to_see_inverts_the_number_of_cases():
    """The cases that a gap needs four times in five see it with a chance of four in five."""
    needed = rows_for_gap(0.05, variance=0.2)
    assert chance_to_see(0.05, round(needed), variance=0.2) == pytest.approx(0.8, abs=0.001)
    assert chance_to_see(0.0, 50, variance=0.2) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.soak
def test_graded_looks_raise_no_more_false_alarms():
    """Of 1,000 lists whose graded scores cancel out, at most 5 in 100 are ever called different."""
    rng, alarms = Random(5), 0
    for _ in range(1000):
        half = [rng.choice([0.25, 0.5, 0.75]) for _ in range(100)]
        gaps = [*half, *(-gap for gap in half)]
        rng.shuffle(gaps)
        found = follow(gaps[:190], population=200)
        alarms += found.better is not None
    assert alarms <= 50


@pytest.mark.soak
@pytest.mark.parametrize(("win", "loss", "decided"), [(0.15, 0.15, 0.028), (0.20, 0.10, 0.44), (0.27, 0.07, 0.99)])
def test_wins_and_losses_are_settled_as_often_as_simulated_elsewhere(win, loss, decided):
    """Of 200 cases, the share of runs that is settled is what another program found, within its error."""
    rng, runs, found = Random(7), 2000, 0
    for _ in range(runs):
        gaps = [1 if (u := rng.random()) < win else -1 if u < win + loss else 0 for _ in range(200)]
        found += follow(gaps, population=200).better is not None
    # Both are Monte Carlo figures over 2,000 runs: four standard errors of their difference.
    assert found / runs == pytest.approx(decided, abs=4 * math.sqrt(2 * decided * (1 - decided) / runs) + 0.005)
