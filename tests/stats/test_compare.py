"""Paired comparison, corrections and power against published values."""

from __future__ import annotations

import itertools
import math

import pytest

from toolkit.stats import (
    bonett_price,
    compare_paired,
    holm,
    mcnemar,
    rows_for_gap,
    rows_for_pairs,
    sign_flip_p,
    smallest_gap,
)

NAN = math.nan

# Differences of crossed and self-fertilised maize, in eighths of an inch (Darwin 1876, in Fisher 1935).
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


@pytest.mark.parametrize(
    ("wins", "losses", "exact", "mid"),
    [
        (86, 150, 3.7159e-5, 2.8934e-5),  # approval of the prime minister, Agresti 2002
        (9, 2, 0.0654297, 0.0385742),
        (0, 0, 1.0, 1.0),
        (3, 3, 1.0, 1.0),
        (5, 0, 0.0625, 0.03125),
    ],
)
def test_mcnemar(wins, losses, exact, mid):
    """McNemar's exact p and mid-p have their published values."""
    found = mcnemar(wins, losses)
    assert found == (pytest.approx(exact, abs=5e-8, rel=1e-4), pytest.approx(mid, abs=5e-8, rel=1e-4))


def test_mcnemar_to_the_digit():
    """9 against 2: exact 134/2048 and mid-p 79/2048."""
    exact, mid = mcnemar(9, 2)
    assert (exact, mid) == (pytest.approx(134 / 2048, abs=1e-12), pytest.approx(79 / 2048, abs=1e-12))


def test_mcnemar_has_no_sides():
    """Wins and losses can be exchanged."""
    assert mcnemar(121, 59) == mcnemar(59, 121)


def test_mcnemar_of_many():
    """121 against 59 has the exact p 4.4344e-6."""
    assert mcnemar(121, 59)[0] == pytest.approx(4.4344e-6, rel=1e-4)


def test_bonett_price_by_hand():
    """9 wins and 2 losses in 41: shares 10/43 and 3/43, so the middle is 7/43."""
    interval = bonett_price(9, 2, 41)
    half = 1.959964 * math.sqrt((13 / 43 - (7 / 43) ** 2) / 43)
    assert interval.low == pytest.approx(7 / 43 - half, abs=1e-6)
    assert interval.high == pytest.approx(7 / 43 + half, abs=1e-6)


def test_bonett_price_of_agreement():
    """Arms that never differ have an interval around 0 that is not 0 wide."""
    interval = bonett_price(0, 0, 10)
    assert interval.low == pytest.approx(-interval.high)
    assert interval.high > 0.1


def test_sign_flips_of_maize():
    """Fisher's randomisation of Darwin's maize counts 1,726 of 32,768 patterns."""
    assert sign_flip_p(MAIZE) == 1726 / 32768


def test_sign_flips_count_ties_on_paper():
    """Sums that are equal on paper count as equal whatever the last bit says: .4, .2, 0 and .2 against .2."""
    assert sign_flip_p([0.1, 0.2, -0.1]) == 0.75


def test_sign_flips_drop_zeros():
    """Cases on which the arms agree change nothing."""
    assert sign_flip_p([*MAIZE, 0, 0, 0]) == 1726 / 32768


def test_sign_flips_without_difference():
    """Arms that never differ have p = 1."""
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_drawn_flips():
    """Beyond 20 differences 9,999 patterns are drawn: p is in ten-thousandths, near the truth and never 0."""
    differences = [1.0] * 17 + [-1.0] * 8
    p = sign_flip_p(differences)
    truth = 2 * sum(math.comb(25, k) for k in range(9)) / 2**25
    assert p * 10_000 == pytest.approx(round(p * 10_000))
    assert p == pytest.approx(truth, abs=0.012)
    assert sign_flip_p([1.0] * 60) == 1 / 10_000


def test_seed_decides():
    """The same seed draws the same patterns."""
    differences = [0.5] * 15 + [-0.4] * 10
    assert sign_flip_p(differences, seed=7) == sign_flip_p(differences, seed=7)


def test_binary_pairs():
    """Zeros and ones are counted as pairs, with Bonett and Price's interval and both p values."""
    a = [1] * 10 + [1] * 9 + [0] * 2 + [0] * 20
    b = [1] * 10 + [0] * 9 + [1] * 2 + [0] * 20
    found = compare_paired(a, b)
    assert (found.n, found.wins, found.ties, found.losses) == (41, 9, 30, 2)
    assert found.delta == pytest.approx(7 / 41)
    assert (found.p_exact, found.p_value) == (pytest.approx(0.0654297, abs=1e-7), pytest.approx(0.0385742, abs=1e-7))
    assert found.method == "bonett-price, mcnemar mid-p"
    assert found.interval == bonett_price(9, 2, 41)


def test_graded_pairs():
    """Other numbers get the t interval of the differences and sign flips."""
    found = compare_paired([x / 10 for x in MAIZE], [0.0] * 15)
    assert found.p_value == 1726 / 32768
    assert found.method == "t, sign flips"
    assert found.interval.low < found.delta < found.interval.high


def test_clusters_flip_together():
    """Cases with the same content count once: ten differences in two clusters flip as two."""
    found = compare_paired([1.0] * 10, [0.0] * 10, clusters=["a"] * 5 + ["b"] * 5)
    assert found.p_value == 0.5
    assert found.method == "t, sign flips, clustered"


def test_dropped_are_counted():
    """A case that only one arm has a score for is left out and counted."""
    found = compare_paired([1, NAN, 1, 0, NAN], [1, 1, NAN, 0, NAN])
    assert (found.n, found.only_a, found.only_b) == (2, 1, 1)


def test_nothing_in_common():
    """Without a case in common nothing is said."""
    found = compare_paired([1, NAN], [NAN, 1])
    assert (found.n, found.delta, found.interval, found.p_value, found.rows_needed) == (0, None, None, None, None)


def test_agreement_has_no_interval_of_width_0():
    """Graded scores that are the same everywhere have p = 1 and no interval."""
    found = compare_paired([0.3, 0.4, 0.5], [0.3, 0.4, 0.5])
    assert (found.delta, found.p_value, found.interval) == (0.0, 1.0, None)


def test_lengths_must_fit():
    """Arms with different numbers of cases are refused."""
    with pytest.raises(ValueError, match="same cases"):
        compare_paired([1, 0], [1])


def test_holm_of_benjamini_hochberg():
    """By Holm 3 of the 15 p values of Benjamini and Hochberg (1995) stay below .05: .0015, .0056, .0247."""
    printed = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    printed += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    adjusted = holm(printed)
    assert adjusted[:4] == [pytest.approx(p, abs=1e-9) for p in (0.0015, 0.0056, 0.0247, 0.114)]
    assert sum(p <= 0.05 for p in adjusted) == 3


def test_holm_keeps_order():
    """The corrected values stand where the given ones stood, whatever their order."""
    for order in itertools.permutations([0.01, 0.02, 0.04]):
        assert dict(zip(order, holm(order), strict=True)) == pytest.approx({0.01: 0.03, 0.02: 0.04, 0.04: 0.04})


def test_holm_never_overtakes():
    """A larger p is never corrected to less than a smaller one: 3 * .01, then 2 * .011 and .012 stay at .03."""
    assert holm([0.012, 0.01, 0.011]) == [0.03, 0.03, 0.03]


def test_holm_passes_over_none():
    """A comparison that could not be made does not count as one."""
    assert holm([None, 0.02, None]) == [None, 0.02, None]


@pytest.mark.parametrize(("variance", "rows"), [(1 / 9, 968.9975), (1 / 9 + 2 / 6, 3875.99), (1 / 9 + 2 / 60, 1259.70)])
def test_rows_for_gap(variance, rows):
    """A gap of .03 needs 969, 3,876 and 1,260 cases in the examples of Miller (2024)."""
    assert rows_for_gap(0.03, variance=variance) == pytest.approx(rows, abs=0.006)


@pytest.mark.parametrize(
    ("variance", "gap"), [(1 / 9 + 2 / 6, 0.132733), (1 / 9 + 2 / 60, 0.075670), (1 / 9, 0.066367)]
)
def test_smallest_gap(variance, gap):
    """198 cases show gaps of .1327, .0757 and .0664 in the examples of Miller (2024)."""
    assert smallest_gap(198, variance=variance) == pytest.approx(gap, abs=1e-6)


@pytest.mark.parametrize(("up", "down", "rows"), [(0.20, 0.10, 233.09), (0.17, 0.12, 908.11), (0.15, 0.05, 154.60)])
def test_rows_for_pairs(up, down, rows):
    """Connor's (1987) formula for paired shares gives 233, 908 and 155 cases."""
    assert rows_for_pairs(up, down) == pytest.approx(rows, abs=0.006)


def test_no_gap_needs_for_ever():
    """No number of cases shows a gap of 0, and no cases show no gap."""
    assert rows_for_pairs(0.1, 0.1) == rows_for_gap(0.0, variance=1.0) == smallest_gap(0, variance=1.0) == math.inf
