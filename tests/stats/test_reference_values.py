"""Published numbers, each with where it was printed; recomputed to more digits where the print has few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.stats import (
    anova_components,
    benjamini_hochberg,
    bonferroni,
    bradley_terry,
    clopper_pearson,
    cohen_kappa,
    e_value,
    elo_expected,
    fleiss_kappa,
    gap_variance,
    holm,
    krippendorff_alpha,
    mcnemar,
    mcnemar_chi_square,
    mean_interval,
    paired_t,
    rows_for_gap,
    rows_for_pairs,
    sign_flip_p,
    smallest_gap,
    wilcoxon,
    wilson,
)

NAN = math.nan

# Hours of sleep gained with one drug less those with the other, ten patients (Student 1908).
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]

# Heights of crossed less self-fertilised maize, in eighths of an inch (Darwin 1876, in Fisher 1935).
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

# Hamilton depression scale before and after a tranquilliser, nine patients (Hollander and Wolfe 1973, table 3.1).
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

# Fifteen p values of a trial on myocardial infarction (Benjamini and Hochberg 1995, section 4.1).
INFARCTION = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
INFARCTION += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]

# Wins of the row over the column: Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore (Agresti 2002,
# table 10.10: American League, eastern division, 1987).
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]

# Four observers, twelve units, categories 1 to 5 (Krippendorff 2011, section C).
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]

# Fourteen raters, ten subjects, five categories (the worked example of "Fleiss' kappa", Wikipedia).
RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.255289, 0.366210),  # Newcombe 1998, table I, printed as .2553 and .3662
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (8, 10, 0.490162, 0.943318),
        (45, 50, 0.786398, 0.956524),
    ],
)
def test_wilson(successes, n, low, high):
    """Wilson's 95 % interval has its known ends."""
    found = wilson(successes, n)
    assert (found.low, found.high) == (near(low), near(high))


@pytest.mark.parametrize(("successes", "n", "low", "high"), [(0, 10, 0.0, 0.308497), (8, 10, 0.443905, 0.974789)])
def test_clopper_pearson(successes, n, low, high):
    """Clopper and Pearson's 95 % interval has its known ends."""
    found = clopper_pearson(successes, n)
    assert (found.low, found.high) == (near(low), near(high))


def test_none_in_300():
    """No failure in 300 means fewer than 1 in 100 with 95 % confidence: 1 - .05^(1/300)."""
    assert clopper_pearson(0, 300, level=0.90).high == near(0.009936)


@pytest.mark.parametrize(
    ("wins", "losses", "plain", "corrected"),
    [
        (86, 150, (17.355932, 3.0993e-5), (16.817797, None)),  # approval of the prime minister, Agresti 2002, 10.1
        (121, 59, (21.355556, None), (20.672222, 5.4501e-6)),  # the worked example of "McNemar's test", Wikipedia
    ],
)
def test_mcnemar_chi_square(wins, losses, plain, corrected):
    """McNemar's chi-square, plain and corrected for continuity, has its known values."""
    for correction, (statistic, p) in ((0.0, plain), (1.0, corrected)):
        found = mcnemar_chi_square(wins, losses, correction=correction)
        assert found.statistic == near(statistic)
        assert p is None or found.p_value == pytest.approx(p, rel=2e-5)


@pytest.mark.parametrize(
    ("wins", "losses", "exact", "mid"),
    [(86, 150, 3.7159e-5, 2.8934e-5), (121, 59, 4.4344e-6, None), (9, 2, 0.0654297, 0.0385742)],
)
def test_mcnemar_exact(wins, losses, exact, mid):
    """McNemar's exact p and its mid-p have their known values."""
    found = mcnemar(wins, losses)
    assert found[0] == pytest.approx(exact, rel=2e-5)
    assert mid is None or found[1] == pytest.approx(mid, rel=2e-5)


def test_signed_ranks_of_depression():
    """Hollander and Wolfe (1973, example 3.1): V = 40, one-sided p = 5/256, two-sided 10/256."""
    found = wilcoxon(np.subtract(BEFORE, AFTER))
    assert (found.positive, found.p_greater, found.p_value) == (40.0, near(0.01953125), near(0.0390625))


def test_signed_ranks_of_maize():
    """Darwin's maize: the smaller rank sum is 24 and p = .0412598."""
    found = wilcoxon(MAIZE)
    assert (found.negative, found.p_value) == (24.0, near(0.0412598))


def test_t_of_maize():
    """Darwin's maize (Fisher 1935, section 17): t = 2.147987, p = .0497029."""
    found = paired_t(MAIZE)
    assert (found.statistic, found.p_value) == (near(2.147987), near(0.0497029))


def test_sign_flips_of_maize():
    """Fisher (1935, section 21) counts 1,726 of the 32,768 sign patterns."""
    assert sign_flip_p(MAIZE) == near(0.0526733)


def test_t_of_sleep():
    """Student's sleep (1908): t = -4.062128 on 9 degrees of freedom, p = .0028329, interval (-2.459886, -.700114)."""
    found, interval = paired_t(SLEEP), mean_interval(SLEEP)
    assert (found.statistic, found.df, found.p_value) == (near(-4.062128), 9, near(0.0028329))
    assert (interval.low, interval.high) == (near(-2.459886), near(-0.700114))


@pytest.mark.parametrize(
    ("correct", "rejected", "first"),
    [
        (benjamini_hochberg, 4, [0.0015, 0.003, 0.0095, 0.035625, 0.0603]),
        (holm, 3, [0.0015, 0.0056, 0.0247, 0.114]),
        (bonferroni, 3, [0.0015, 0.006, 0.0285, 0.1425]),
    ],
)
def test_corrections_of_infarction(correct, rejected, first):
    """Of Benjamini and Hochberg's (1995) 15 p values theirs keeps 4 below .05, Holm's and Bonferroni's 3."""
    adjusted = correct(INFARCTION)
    assert adjusted[: len(first)] == [near(p) for p in first]
    assert sum(p <= 0.05 for p in adjusted) == rejected


@pytest.mark.parametrize(
    ("within", "repeats", "rows", "gap"),
    [(0.0, 1, 968.9975, 0.066367), (1 / 6, 1, 3875.99, 0.132733), (1 / 6, 10, 1259.70, 0.075670)],
)
def test_miller(within, repeats, rows, gap):
    """Miller (2024), section on power: cases for a gap of .03, and the gap that 198 cases show."""
    variance = gap_variance(1 / 9, within_a=within, within_b=within, repeats=repeats)
    assert rows_for_gap(0.03, variance=variance) == pytest.approx(rows, abs=0.006)
    assert smallest_gap(198, variance=variance) == near(gap)


@pytest.mark.parametrize(("up", "down", "rows"), [(0.20, 0.10, 233.09), (0.17, 0.12, 908.11), (0.15, 0.05, 154.60)])
def test_connor(up, down, rows):
    """Connor's (1987) formula gives 233, 908 and 155 pairs."""
    assert rows_for_pairs(up, down) == pytest.approx(rows, abs=0.005)


def test_bradley_terry_of_baseball():
    """Agresti (2002, section 10.6): strengths against Baltimore, their fit, and Milwaukee's error."""
    found = bradley_terry(BASEBALL)
    printed = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0.0]
    assert [found.difference(team, 6)[0] for team in range(7)] == [pytest.approx(x, abs=5e-5) for x in printed]
    assert (found.deviance, found.df) == (pytest.approx(15.7365, abs=5e-5), 15)
    assert found.difference(0, 6)[1] == pytest.approx(0.3433, abs=5e-5)


@pytest.mark.parametrize(
    ("other", "expected"), [(1609, 0.506), (1477, 0.686), (1388, 0.785), (1586, 0.539), (1720, 0.351)]
)
def test_elo(other, expected):
    """A player rated 1613 expects these scores (the worked example of "Elo rating system", Wikipedia)."""
    assert elo_expected(1613, other) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    ("scale", "alpha"), [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)]
)
def test_krippendorff(scale, alpha):
    """Krippendorff's (2011) four observers agree by .7434, .8154, .8491 and .7974 on the four scales."""
    assert krippendorff_alpha(OBSERVERS, scale=scale) == pytest.approx(alpha, abs=5e-5)


def test_fleiss():
    """The fourteen raters have a kappa of .209931."""
    assert fleiss_kappa(RATERS) == near(0.209931)


def test_cohen():
    """The worked example of "Cohen's kappa" (Wikipedia), 20, 5, 10 and 15, has a kappa of .4."""
    assert cohen_kappa([[20, 5], [10, 15]]) == near(0.4)


@pytest.mark.parametrize(
    ("wins", "losses", "evidence"),
    [
        (5, 0, 5.333333),  # 32/6
        (7, 0, 16.0),  # 128/8
        (8, 0, 28.444444),  # 256/9
        (10, 1, 15.515152),  # 2048/132
        (15, 4, 6.763261),  # 2^19 / (20 * C(19, 4))
        (30, 14, 3.4008),
        (60, 40, 0.9130),
    ],
)
def test_e_value(wins, losses, evidence):
    """The evidence is 2^n / ((n + 1) C(n, wins))."""
    n = wins + losses
    assert e_value(wins, losses) == pytest.approx(evidence, abs=5e-5)
    assert e_value(wins, losses) == pytest.approx(2**n / ((n + 1) * math.comb(n, wins)), rel=1e-10)


def test_components_by_hand():
    """Rows (1, 3), (5, 7), (3, 3): 4/3 within, a mean square of 78/9 between, so (78/9 - 4/3) / 2 between."""
    found = anova_components([[1, 3], [5, 7], [3, 3]])
    # Means 2, 6, 3 around 11/3: squares 25/9 + 49/9 + 4/9 = 78/9, times 2 over 2 degrees of freedom.
    assert found.within == near(4 / 3)
    assert found.between == near((78 / 9 - 4 / 3) / 2)
