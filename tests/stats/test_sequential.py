"""Stopping early, and the cheapest arm that is not worse."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toolkit.stats import (
    Candidate,
    Interval,
    cheapest_not_worse,
    confidence_sequence,
    e_value,
    interval_of_ties,
    is_order_fixed,
    standing,
    ties_needed,
    watch,
    win_share_interval,
)


def interval(low, high):
    return Interval(low=low, high=high, level=0.95)


@pytest.mark.parametrize(
    ("wins", "losses", "comparisons", "better"),
    [(7, 0, 1, None), (8, 0, 1, "first"), (0, 8, 1, "second"), (8, 0, 2, None), (9, 0, 2, "first"), (60, 40, 1, None)],
)
def test_decides_at_comparisons_over_alpha(wins, losses, comparisons, better):
    """8 to 0 is evidence of 28.4, enough for one comparison (20) and not for two (40); 9 to 0 is 51.2."""
    assert watch(wins, losses, remaining=100, comparisons=comparisons).better == better


def test_evidence_is_fair():
    """If a win is as likely as a loss, the evidence after the next case is on average that of now."""
    for wins, losses in ((0, 0), (3, 1), (10, 12)):
        after = (e_value(wins + 1, losses) + e_value(wins, losses + 1)) / 2
        assert after == pytest.approx(e_value(wins, losses))


def test_nothing_seen_is_no_evidence():
    """Before the first case the evidence is 1 and every share is possible."""
    assert e_value(0, 0) == pytest.approx(1.0)
    found = win_share_interval(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)


def test_overwhelming_evidence_is_no_error():
    """Evidence too large for a number is infinite, not an error."""
    assert e_value(3000, 0) == math.inf
    assert watch(3000, 0, remaining=1).better == "first"


@pytest.mark.parametrize(("wins", "losses"), [(15, 4), (1, 0), (0, 6), (200, 180)])
def test_interval_is_the_inverse(wins, losses):
    """At an end inside 0 to 1 the mixture's likelihood is exactly 20 times that of the share."""
    found = win_share_interval(wins, losses)
    mixture = math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(wins + losses + 2)
    for share in (found.low, found.high):
        if 0 < share < 1:
            likely = wins * math.log(share) + losses * math.log(1 - share)
            assert mixture - likely == pytest.approx(math.log(20), abs=1e-6)
    assert found.low <= wins / (wins + losses) <= found.high


@pytest.mark.parametrize(("wins", "losses"), [(8, 0), (7, 0), (20, 5), (30, 14)])
def test_interval_and_decision_agree(wins, losses):
    """The interval leaves one half out exactly when the evidence decides."""
    found = watch(wins, losses, remaining=10)
    assert (found.win_share.low > 0.5) == (found.better == "first")


def test_order_that_cannot_change_stops():
    """A lead of five with four cases to go is kept, with five it is not; the first stops."""
    assert watch(10, 5, remaining=4).should_stop
    assert not watch(10, 5, remaining=5).should_stop
    assert watch(10, 5, remaining=4).better is None


def test_order_of_graded_scores():
    """With grades up to 5 apart, a lead of 11 holds against two cases and not against three."""
    assert is_order_fixed(-11.0, remaining=2, largest=5.0)
    assert not is_order_fixed(-11.0, remaining=3, largest=5.0)


@pytest.mark.parametrize("call", [lambda: watch(-1, 0, remaining=0), lambda: watch(1, 0, remaining=1, comparisons=0)])
def test_counts_below_0_are_refused(call):
    """Counts below 0 and no comparison at all are refused."""
    with pytest.raises(ValueError, match="0 or more"):
        call()


VALUES = np.random.default_rng(3).permutation(np.repeat([0.0, 0.5, 1.0], [20, 30, 50]))


def test_all_cases_seen_leave_no_doubt():
    """When every case of the list was seen, the interval is the mean itself."""
    last = confidence_sequence(VALUES, population=100)[-1]
    assert (last.low, last.high) == (pytest.approx(0.65), pytest.approx(0.65))


def test_interval_only_shrinks():
    """No look takes back what an earlier one ruled out."""
    path = confidence_sequence(VALUES, population=100)
    assert all(
        late.low >= early.low - 1e-12 and late.high <= early.high + 1e-12 for early, late in itertools.pairwise(path)
    )
    assert all(one.low <= 0.65 + 1e-9 and one.high >= 0.65 - 1e-9 for one in path)


def test_only_the_cases_seen_count():
    """The interval after 30 cases does not depend on what the later ones were."""
    path = confidence_sequence(VALUES, population=100)
    assert confidence_sequence(VALUES[:30], population=100) == path[:30]


def test_one_bet_by_hand():
    """After one 1 of 3, every mean below 1/3 is impossible and no other is ruled out."""
    (found,) = confidence_sequence([1.0], population=3)
    assert (found.low, found.high) == (pytest.approx(1 / 3), 1.0)


def ruled_out_at(candidate, values, population):
    """The first case after which a candidate mean is ruled out, by the formulas one case at a time; `None` = never."""
    up = down = 1.0
    total, squares, means = 0.0, 0.25, 0.5
    for t, value in enumerate(values, start=1):
        rest = (population * candidate - total) / (population - t + 1)
        bet = math.sqrt(2 * math.log(40) / (squares * math.log(t + 1)))
        up *= 1 + min(bet, 0.5 / rest) * (value - rest)
        down *= 1 - min(bet, 0.5 / (1 - rest)) * (value - rest)
        total, means = total + value, means + value
        squares += (value - means / (t + 1)) ** 2
        if max(up, down) >= 40 or not total <= population * candidate <= total + population - t:
            return t
    return None


@pytest.mark.parametrize("candidate", [0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.75, 0.8, 0.9])
def test_capital_by_hand(candidate):
    """A candidate mean is ruled out at the case at which its bets, made one after the other, have won 40 times."""
    values = VALUES[:70]
    path = confidence_sequence(values, population=100)
    out = [one.low >= candidate - 1e-9 if candidate < 0.65 else one.high <= candidate + 1e-9 for one in path]
    assert (out.index(True) + 1 if any(out) else None) == ruled_out_at(candidate, values, 100)


def test_bounds_scale():
    """Differences from -1 to 1 are the same bets on another scale."""
    unit, wide = (
        confidence_sequence(VALUES, population=100),
        confidence_sequence(VALUES * 2 - 1, population=100, lowest=-1),
    )
    assert [one.low for one in wide] == pytest.approx([2 * one.low - 1 for one in unit])


@pytest.mark.parametrize(
    ("values", "population", "words"),
    [([0.5, 1.5], 10, "within 0.0 and 1.0"), ([0.5, math.nan], 10, "every case"), ([0.5, 0.5], 1, "list of 1")],
)
def test_what_cannot_be_bet_on_is_refused(values, population, words):
    """Values outside the bounds, missing ones, and more values than cases are refused."""
    with pytest.raises(ValueError, match=words):
        confidence_sequence(values, population=population)


@pytest.mark.parametrize(
    ("difference", "where"),
    [
        (interval(-0.019, 0.01), "not worse"),
        (interval(-0.02, 0.01), "undecided"),
        (interval(0.01, 0.05), "not worse"),
        (interval(-0.2, -0.019), "undecided"),
        (interval(-0.2, -0.021), "worse"),
        (None, "undecided"),
    ],
)
def test_standing(difference, where):
    """Not worse needs the whole interval above minus the margin; worse, the whole interval below it."""
    assert standing(difference, margin=0.02) == where


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan])
def test_margin_is_above_0(margin):
    """A margin of 0 or less is refused."""
    with pytest.raises(ValueError, match="above 0"):
        standing(interval(0, 1), margin=margin)


def test_cheapest_that_passes():
    """Of the arms that are not worse the cheapest is taken; a cheaper one that is undecided is not."""
    choice = cheapest_not_worse(
        [
            Candidate(arm="mini", cost_usd=0.001, difference=interval(-0.10, 0.02)),
            Candidate(arm="small", cost_usd=0.002, difference=interval(-0.01, 0.02)),
            Candidate(arm="middle", cost_usd=0.004, difference=interval(0.01, 0.05)),
            Candidate(arm="free?", cost_usd=None, difference=interval(0.0, 0.1)),
        ],
        baseline="large",
        baseline_cost_usd=0.01,
        margin=0.02,
    )
    assert (choice.arm, choice.is_baseline, choice.unpriced) == ("small", False, ("free?",))
    assert choice.standings[0] == ("mini", "undecided")


def test_dearer_arm_is_not_taken():
    """An arm that is better and dearer does not replace the baseline here: this asks for the cheapest."""
    better = Candidate(arm="large", cost_usd=0.1, difference=interval(0.1, 0.2))
    choice = cheapest_not_worse([better], baseline="small", baseline_cost_usd=0.01, margin=0.02)
    assert (choice.arm, choice.is_baseline) == ("small", True)


def test_baseline_without_a_price():
    """Without a price of the baseline, the cheapest priced arm that is not worse is taken."""
    arm = Candidate(arm="small", cost_usd=0.1, difference=interval(0.0, 0.2))
    assert cheapest_not_worse([arm], baseline="b", baseline_cost_usd=None, margin=0.02).arm == "small"


@pytest.mark.parametrize(("n", "level", "bound"), [(100, 0.95, 0.036889), (30, 0.95, 0.122963), (100, 0.99, 0.052983)])
def test_interval_without_a_difference_seen(n, level, bound):
    """Where no case differs, the further cases that may differ are held below -log(tail) / n, on either side."""
    found = interval_of_ties(n, level=level)
    assert (round(found.low, 6), round(found.high, 6), found.level) == (-bound, bound, level)


def test_no_case_has_no_interval_of_ties():
    """Without a case there is nothing to bound."""
    assert interval_of_ties(0) is None


def test_ties_needed_are_just_enough():
    """The cases that are said to be enough for a margin are enough, and one fewer is not."""
    needed = ties_needed(0.02)
    assert standing(interval_of_ties(needed), margin=0.02) == "not worse"
    assert standing(interval_of_ties(needed - 1), margin=0.02) == "undecided"
