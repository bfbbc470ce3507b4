"""Special functions against printed tables."""

from __future__ import annotations

import pytest

from toolkit.stats import incomplete_beta, normal_quantile, t_cdf, t_quantile, t_two_sided_p


@pytest.mark.parametrize(
    ("p", "df", "printed"),
    [
        (0.975, 1, 12.706205),
        (0.975, 2, 4.302653),
        (0.975, 9, 2.262157),
        (0.95, 5, 2.015048),
        (0.995, 30, 2.749996),
        (0.975, 120, 1.979930),
    ],
)
def test_t_quantile(p, df, printed):
    """The quantiles of Student's t are those of the printed tables (NIST/SEMATECH e-Handbook, 1.3.6.7.2)."""
    assert t_quantile(p, df) == pytest.approx(printed, abs=1e-6)


@pytest.mark.parametrize("df", [1, 2.5, 9, 400, 100_000])
@pytest.mark.parametrize("p", [0.001, 0.2, 0.5, 0.9, 0.9999])
def test_t_quantile_inverts_cdf(p, df):
    """A value stays below the quantile of p with chance p."""
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(p, rel=1e-10)


def test_t_with_one_degree_is_cauchy():
    """Student's t with one degree of freedom is the Cauchy distribution: below 1 with chance 3/4."""
    assert t_cdf(1.0, 1) == pytest.approx(0.75, abs=1e-14)


def test_t_p_of_sleep():
    """Student's sleep data (1908): t = -4.062128 on 9 degrees of freedom has p = .0028329."""
    assert t_two_sided_p(-4.062128, 9) == pytest.approx(0.0028329, abs=1e-7)


def test_t_p_of_maize():
    """Darwin's maize (Fisher 1935): t = 2.147987 on 14 degrees of freedom has p = .0497029."""
    assert t_two_sided_p(2.147987, 14) == pytest.approx(0.0497029, abs=1e-7)


@pytest.mark.parametrize(("k", "n", "tail"), [(2, 11, 67 / 2048), (0, 10, 1 / 1024), (4, 9, 0.5)])
def test_incomplete_beta_is_binomial_tail(k, n, tail):
    """At 1/2 the incomplete beta function of (n - k, k + 1) is the chance of at most k heads in n throws."""
    assert incomplete_beta(n - k, k + 1, 0.5) == pytest.approx(tail, abs=1e-14)


@pytest.mark.parametrize(("a", "b", "x"), [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5)])
def test_incomplete_beta_refuses(a, b, x):
    """A shape that is not positive and an x outside 0 to 1 are refused."""
    with pytest.raises(ValueError, match="incomplete beta"):
        incomplete_beta(a, b, x)


def test_quantile_refuses_certainty():
    """There is no quantile for a chance of 1."""
    with pytest.raises(ValueError, match="0 < p < 1"):
        t_quantile(1.0, 5)


def test_normal_quantile():
    """The normal quantile of .975 is 1.959964."""
    assert normal_quantile(0.975) == pytest.approx(1.959964, abs=1e-6)
