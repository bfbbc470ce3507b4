"""The same numbers as statsmodels, SciPy, scikit-learn, krippendorff and choix, on cases nobody picked."""

from __future__ import annotations

import math
import os

import choix
import krippendorff
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
import statsmodels.api
import statsmodels.stats.contingency_tables
import statsmodels.stats.inter_rater
import statsmodels.stats.multitest
import statsmodels.stats.proportion
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toolkit.stats import (
    anova_components,
    benjamini_hochberg,
    beta_quantile,
    bonferroni,
    bootstrap_paired,
    bradley_terry,
    clopper_pearson,
    cohen_kappa,
    cohen_kappa_of,
    estimate,
    fleiss_kappa,
    holm,
    incomplete_beta,
    krippendorff_alpha,
    mcnemar,
    mcnemar_chi_square,
    mean_interval,
    normal_cdf,
    paired_t,
    sign_flip_p,
    t_quantile,
    wilcoxon,
    wilson,
)

SCORES = st.floats(-100, 100).map(lambda x: round(x, 3))
MANY_SCORES = st.lists(SCORES, min_size=3, max_size=40)
COUNTS = st.integers(2, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.8, 0.9, 0.95, 0.99])


def on(*strategies: st.SearchStrategy, examples: int = int(os.environ.get("ORACLE_EXAMPLES", "50"))):
    """Runs a rule on many cases, the same ones each time; ORACLE_EXAMPLES=2000 in the environment runs it on more."""

    def decorate(rule):
        return settings(deadline=None, derandomize=True, max_examples=examples)(given(*strategies)(rule))

    return decorate


pytestmark = pytest.mark.filterwarnings(
    # What the oracles say of the rarer cases is theirs to say.
    "ignore::RuntimeWarning",
    "ignore:.*[Ss]eparation",
)


@on(COUNTS, LEVELS)
def test_shares(count, level):
    """Wilson's and Clopper and Pearson's ends are those of statsmodels."""
    successes, n = count
    for made, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
        found = made(successes, n, level=level)
        low, high = statsmodels.stats.proportion.proportion_confint(successes, n, alpha=1 - level, method=method)
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


@on(MANY_SCORES, LEVELS)
def test_t_interval(values, level):
    """The interval of a mean is SciPy's."""
    found = mean_interval(values, level=level)
    assume(found is not None)
    theirs = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(level)
    scale = 1e-7 * max(1.0, *map(abs, values))
    assert (found.low, found.high) == (pytest.approx(theirs.low, abs=scale), pytest.approx(theirs.high, abs=scale))


@on(st.lists(st.tuples(SCORES, st.integers(0, 5)), min_size=4, max_size=40))
def test_cr1(rows):
    """The clustered interval is that of statsmodels' regression on a constant, errors CR1, t on G - 1."""
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    found = mean_interval(values, clusters=clusters)
    assume(found is not None and found.high - found.low > 1e-6)
    fitted = statsmodels.api.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(clusters), "use_correction": False}, use_t=True
    )
    g = len(set(clusters))
    reach = scipy.stats.t.ppf(0.975, g - 1) * fitted.bse[0] * math.sqrt(g / (g - 1))
    mean = np.mean(values)
    assert (found.low, found.high) == (pytest.approx(mean - reach, rel=1e-6), pytest.approx(mean + reach, rel=1e-6))


@on(st.lists(st.tuples(SCORES, st.integers(0, 5)), min_size=4, max_size=40))
def test_cr1_as_statsmodels_corrects(rows):
    """Statsmodels' own small-sample factor for a constant, G/(G-1) (n-1)/(n-1), makes the same error."""
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    found = mean_interval(values, clusters=clusters)
    assume(found is not None and found.high - found.low > 1e-6)
    fitted = statsmodels.api.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(clusters)}, use_t=True
    )
    error = (found.high - found.low) / 2 / t_quantile(0.975, len(set(clusters)) - 1)
    assert error == pytest.approx(fitted.bse[0], rel=1e-6)


@on(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar(wins, losses):
    """McNemar's exact p and its chi-squares are those of statsmodels."""
    assume(wins + losses > 0)
    table = [[7, wins], [losses, 9]]
    theirs = statsmodels.stats.contingency_tables.mcnemar(table, exact=True)
    assert mcnemar(wins, losses)[0] == pytest.approx(min(1.0, theirs.pvalue), rel=1e-7, abs=1e-300)
    plain = statsmodels.stats.contingency_tables.mcnemar(table, exact=False, correction=False)
    assert mcnemar_chi_square(wins, losses).statistic == pytest.approx(plain.statistic, abs=1e-9)
    assert mcnemar_chi_square(wins, losses).p_value == pytest.approx(plain.pvalue, rel=1e-7, abs=1e-300)


@on(st.integers(0, 300), st.integers(0, 300))
def test_mid_p(wins, losses):
    """The mid-p is the exact p less the chance of the very count seen (SciPy's binomial)."""
    n, fewer = wins + losses, min(wins, losses)
    expected = 2 * scipy.stats.binom.cdf(fewer, n, 0.5) - scipy.stats.binom.pmf(fewer, n, 0.5)
    assert mcnemar(wins, losses)[1] == pytest.approx(min(1.0, expected), rel=1e-7, abs=1e-300)


@on(MANY_SCORES)
def test_paired_t(differences):
    """Student's t and its p are SciPy's."""
    found = paired_t(differences)
    assume(found is not None)
    theirs = scipy.stats.ttest_1samp(differences, 0.0)
    assume(math.isfinite(theirs.statistic))
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-6, abs=1e-9)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-12)


@on(st.lists(SCORES, min_size=2, max_size=12))
def test_sign_flips(differences):
    """All sign patterns counted give SciPy's permutation p."""
    theirs = scipy.stats.permutation_test(
        (np.array(differences),), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip_p(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


@on(st.lists(st.integers(-1000, 1000), min_size=3, max_size=45, unique_by=abs))
def test_signed_ranks(differences):
    """Without ties, Wilcoxon's p values are SciPy's exact ones."""
    differences = [d for d in differences if d]
    assume(differences)
    found = wilcoxon(differences)
    theirs = scipy.stats.wilcoxon(differences, method="exact", alternative="greater")
    assert (found.positive, found.p_greater) == (theirs.statistic, pytest.approx(theirs.pvalue, rel=1e-9))
    assert found.p_value == pytest.approx(scipy.stats.wilcoxon(differences, method="exact").pvalue, rel=1e-9)


@on(st.lists(st.integers(-4, 4).filter(bool), min_size=2, max_size=11))
def test_signed_ranks_with_ties(differences):
    """With ties, Wilcoxon's p is that of all sign patterns of the mean ranks, by SciPy's permutations."""
    found = wilcoxon(differences)
    ranks = scipy.stats.rankdata(np.abs(differences)) * np.sign(differences)
    theirs = scipy.stats.permutation_test(
        (ranks,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="greater", vectorized=False
    )
    assert found.p_greater == pytest.approx(theirs.pvalue, abs=1e-12)


@on(st.lists(st.integers(-50, 50).filter(bool), min_size=101, max_size=200))
def test_signed_ranks_of_many(differences):
    """Beyond 100 differences Wilcoxon's p is SciPy's normal approximation with ties and continuity."""
    theirs = scipy.stats.wilcoxon(differences, method="asymptotic", correction=True, alternative="greater")
    assert wilcoxon(differences).p_greater == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


@on(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections(p_values):
    """Holm's, Bonferroni's and Benjamini and Hochberg's values are those of statsmodels."""
    for correct, method in ((holm, "holm"), (bonferroni, "bonferroni"), (benjamini_hochberg, "fdr_bh")):
        theirs = statsmodels.stats.multitest.multipletests(p_values, method=method)[1]
        assert correct(p_values) == [pytest.approx(float(p), abs=1e-12) for p in theirs]


@on(st.floats(0.05, 200), st.floats(0.05, 200), st.floats(0.001, 0.999))
def test_beta(a, b, p):
    """The incomplete beta function and its inverse are SciPy's."""
    assert incomplete_beta(a, b, p) == pytest.approx(scipy.special.betainc(a, b, p), rel=1e-8, abs=1e-12)
    x = scipy.special.betaincinv(a, b, p)
    assume(1e-12 < x < 1 - 1e-9)
    assert beta_quantile(p, a, b) == pytest.approx(x, rel=1e-6, abs=1e-9)


@on(st.floats(-30, 30))
def test_normal(x):
    """The normal distribution is SciPy's, far out in the tails too."""
    assert normal_cdf(x) == pytest.approx(scipy.stats.norm.cdf(x), rel=1e-9)


LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60)


@on(LABELS)
def test_cohen(labels):
    """Cohen's kappa is scikit-learn's and statsmodels'."""
    first, second = [a for a, _ in labels], [b for _, b in labels]
    found = cohen_kappa_of(first, second)
    assume(found is not None)
    assert found == pytest.approx(sklearn.metrics.cohen_kappa_score(first, second), abs=1e-9)
    table = sklearn.metrics.confusion_matrix(first, second)
    assert cohen_kappa(table) == pytest.approx(statsmodels.stats.inter_rater.cohens_kappa(table).kappa, abs=1e-9)


@on(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=30))
def test_fleiss(ratings):
    """Fleiss's kappa is that of statsmodels."""
    counts = [[row.count(category) for category in range(4)] for row in ratings]
    found = fleiss_kappa(counts)
    assume(found is not None)
    assert found == pytest.approx(statsmodels.stats.inter_rater.fleiss_kappa(np.array(counts)), abs=1e-9)


RATINGS = st.lists(
    st.lists(st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.5, 7.0]), min_size=8, max_size=8), min_size=2, max_size=5
)


@on(RATINGS, st.sampled_from(["nominal", "ordinal", "interval", "ratio"]))
def test_krippendorff(ratings, scale):
    """Krippendorff's alpha is that of the package of his name, gaps and all."""
    found = krippendorff_alpha(ratings, scale=scale)
    assume(found is not None)
    theirs = krippendorff.alpha(np.array(ratings), level_of_measurement=scale)
    assert found == pytest.approx(theirs, abs=1e-9)


@on(st.lists(st.lists(st.integers(1, 30), min_size=5, max_size=5), min_size=5, max_size=5))
def test_bradley_terry(rows):
    """Strengths are those of choix's maximum likelihood."""
    wins = np.array(rows, dtype=float)
    np.fill_diagonal(wins, 0)
    battles = [(i, j) for i in range(5) for j in range(5) for _ in range(int(wins[i, j]))]
    theirs = choix.opt_pairwise(5, battles, alpha=0.0)
    found = bradley_terry(wins).log_strengths
    assert found == pytest.approx(tuple(theirs - np.mean(theirs)), abs=2e-3)


@on(st.lists(st.lists(st.integers(1, 30), min_size=4, max_size=4), min_size=4, max_size=4))
def test_bradley_terry_as_regression(rows):
    """Differences of strengths, their errors and the deviance are those of statsmodels' logistic regression."""
    wins = np.array(rows, dtype=float)
    np.fill_diagonal(wins, 0)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    design = np.zeros((len(pairs), 4))
    for row, (i, j) in enumerate(pairs):
        design[row, i], design[row, j] = 1, -1
    counts = np.array([(wins[i, j], wins[j, i]) for i, j in pairs])
    theirs = statsmodels.api.GLM(counts, design[:, :3], family=statsmodels.api.families.Binomial()).fit(tol=1e-12)
    found = bradley_terry(wins)
    for arm in range(3):
        assert found.difference(arm, 3) == pytest.approx((theirs.params[arm], theirs.bse[arm]), abs=1e-6)
    assert found.deviance == pytest.approx(theirs.deviance, abs=1e-6)


@on(st.lists(st.lists(SCORES, min_size=3, max_size=3), min_size=3, max_size=20))
def test_components(rows):
    """The mean squares between and within cases are those of SciPy's one-way analysis of variance."""
    found = anova_components(rows)
    assume(found.within > 1e-6)
    ratio = scipy.stats.f_oneway(*rows).statistic
    assert found.between == pytest.approx(max(0.0, found.within * (ratio - 1) / 3), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_bca(seed):
    """The ends of the paired bootstrap are SciPy's, as far as 9,999 draws tell."""
    generator = np.random.default_rng(seed)
    a, b = generator.lognormal(size=40), generator.lognormal(0.3, size=40)

    def statistic(x, y, axis=-1):
        return np.mean(x, axis=axis) / np.mean(y, axis=axis)

    found = bootstrap_paired(a, b, statistic, seed=seed)
    theirs = scipy.stats.bootstrap(
        (a, b), statistic, paired=True, method="BCa", rng=np.random.default_rng(seed + 100)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.method == "bca"
    assert (found.interval.low, found.interval.high) == (
        pytest.approx(theirs.low, abs=0.04 * width),
        pytest.approx(theirs.high, abs=0.04 * width),
    )


@on(st.lists(SCORES, min_size=1, max_size=30))
def test_estimate_is_the_mean(values):
    """An estimate's mean is NumPy's, whatever the interval."""
    assert estimate(values).mean == pytest.approx(float(np.mean(values)))
