"""What every part says when there is too little to tell, when nothing differs, and when numbers are not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.stats import (
    anova_components,
    bootstrap_paired,
    clopper_pearson,
    compare_medians,
    compare_paired,
    compare_worst_case,
    confidence_sequence,
    estimate,
    fleiss_kappa,
    flips,
    judge_report,
    krippendorff_alpha,
    mean_interval,
    mean_pass_at_k,
    outlook,
    paired_t,
    sign_flip_p,
    split_variance,
    wilcoxon,
)

NAN, INF = math.nan, math.inf


def mean_gap(a, b):
    return np.mean(a - b, axis=-1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimate([1.0, INF]),
        lambda: mean_interval([1.0, -INF]),
        lambda: compare_paired([1.0, INF], [0.0, 0.0]),
        lambda: compare_paired([1.0, 0.0], [0.0, INF]),
        lambda: compare_worst_case([1.0, INF], [0.0, 0.0], failed_a=[False, True], failed_b=[False, False]),
        lambda: bootstrap_paired([1.0, INF], [0.0, 0.0], mean_gap),
        lambda: compare_medians([1.0, INF], [1.0, 1.0]),
        lambda: sign_flip_p([1.0, INF]),
        lambda: wilcoxon([1.0, INF]),
        lambda: paired_t([1.0, INF]),
        lambda: anova_components([[1.0, INF], [0.0, 1.0]]),
        lambda: mean_pass_at_k([[1.0, INF]], 1),
        lambda: outlook([[INF], [1.0]], [[1.0], [1.0]], gap=0.1),
        lambda: split_variance(np.array([[1.0, INF], [1.0, 2.0]]), factors=("case",)),
        lambda: krippendorff_alpha([[1.0, INF], [1.0, 2.0]]),
        lambda: confidence_sequence([INF], population=3),
        lambda: fleiss_kappa([[INF, 1.0]]),
    ],
)
def test_infinite_numbers_are_refused(call):
    """An infinite number is an error that says so, never a number in an answer."""
    with pytest.raises(ValueError, match=r"infinite|finite|lie within"):
        call()


def test_the_place_of_an_infinite_number_is_named():
    """The error names the place of the infinite number."""
    with pytest.raises(ValueError, match="infinite number at place 2"):
        estimate([0.1, 0.2, INF])


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([0.5], None), ([0.5, NAN], None), ([0.1, 0.9, 0.4], ["a", "a", "a"]), ([0.5, 0.5, 0.5], None)],
    ids=["one case", "one beside NaN", "one cluster", "no spread"],
)
def test_too_little_has_no_interval(values, clusters):
    """Fewer than two cases or clusters, and values without spread, have no interval, and the method says none."""
    found = estimate(values, clusters=clusters)
    assert (found.interval, found.method, found.caution) == (None, "none", None)


@pytest.mark.parametrize(
    ("n", "clusters", "words"),
    [(29, 0, "29 cases"), (30, 0, None), (100, 19, "19 clusters"), (100, 20, None)],
)
def test_rough_intervals_say_so(n, clusters, words):
    """A t interval of fewer than 30 cases, or of fewer than 20 clusters, carries a caution."""
    values = [(x % 7) / 7 for x in range(n)]
    caution = estimate(values, clusters=[x % clusters for x in range(n)] if clusters else None).caution
    assert caution is None if words is None else caution.startswith(words)


def test_wilson_needs_no_caution():
    """Wilson's interval is good for few cases, and carries no caution."""
    assert estimate([1, 0, 1]).caution is None


def test_one_case_has_no_exact_interval():
    """One case has no Clopper-Pearson interval either."""
    assert clopper_pearson(1, 1) is None


@pytest.mark.parametrize(("a", "b"), [([1, 0, 1], [1, 0, 1]), ([0.5, 0.2, 0.1], [0.5, 0.2, 0.1])])
def test_all_ties(a, b):
    """Arms that never differ have a difference of 0, p = 1, and nothing to say about the cases needed."""
    found = compare_paired(a, b)
    assert (found.delta, found.p_value, found.wins, found.losses, found.rows_needed) == (0.0, 1.0, 0, 0, None)


@pytest.mark.parametrize("differences", [[], [0.0, 0.0], [NAN]])
def test_tests_of_nothing(differences):
    """Without a difference every test has p = 1, or no statistic."""
    ranks = wilcoxon(differences)
    assert (ranks.p_value, ranks.p_greater, ranks.n, ranks.method) == (1.0, 1.0, 0, "none")
    assert sign_flip_p(differences) == 1.0
    assert paired_t(differences) is None


def test_constant_difference_has_no_interval_but_a_p():
    """A difference that is the same in each case has no spread to make an interval of; sign flips still count."""
    found = compare_paired([0.3, 0.4, 0.5], [0.1, 0.2, 0.3])
    assert found.interval is None
    assert found.p_value == 0.25


@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ([1.0], [2.0], "fewer than two"),
        ([1.0, NAN], [2.0, 1.0], "fewer than two"),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], "the same statistic"),
        ([2.0, 3.0, 2.0], [0.0, 0.0, 0.0], "not a finite number"),
        ([2.0, 3.0, 2.0], [1.0, 0.0, 2.0], "no finite statistic"),
    ],
)
def test_ratio_that_cannot_be_told(a, b, note):
    """A ratio of medians without cases, without spread or over 0 has no interval, and the note says why."""
    found = compare_medians(a, b, draws=199)
    assert (found.interval, found.method) == (None, "none")
    assert note in found.note


def test_ratio_over_nothing_is_not_told():
    """The ratio to a median of 0 is not told: nothing is infinitely dearer."""
    assert compare_medians([1.0, 1.0], [0.0, 0.0], draws=199).ratio is None


def test_negative_seconds_are_refused():
    """A value below 0 is no latency and no cost."""
    with pytest.raises(ValueError, match=r"0 or more; got -1\.0"):
        compare_medians([1.0, -1.0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare_paired([1, 0], [1]), "2 and 1 values"),
        (lambda: compare_paired([1, 0], [1, 0], clusters=["a"]), "2 cases and 1 cluster"),
        (lambda: bootstrap_paired([1], [1, 2], mean_gap), "1 and 2 values"),
        (lambda: compare_worst_case([1], [1], failed_a=[True, False], failed_b=[False]), "1 cases and 2 marks"),
        (lambda: outlook([[1]], [[1], [0]], gap=0.1), "1 and 2"),
        (lambda: compare_paired([1, 0], [1, 0], level=95), "got 95"),
        (lambda: estimate([[1.0]]), "one row"),
        (lambda: bootstrap_paired([1, 2], [1, 2], mean_gap, draws=10), "99 draws"),
        (lambda: bootstrap_paired([1, 2], [1, 2], lambda a, b: np.mean(a - b)), "axis=-1"),
        (lambda: split_variance(np.zeros((2, 2))), "4 axes; got 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    """Lengths that differ, levels in percent and statistics that mix resamples are refused with what was given."""
    with pytest.raises(ValueError, match=words):
        call()


def test_nothing_repeated_nothing_known():
    """Cases tried once say nothing about sampling: its variance is not told, rather than 0."""
    found = anova_components([[1.0], [0.0], [1.0]])
    assert (found.within, found.between, found.within_sd, found.sampling_share) == (None, None, None, None)


def test_empty_tables():
    """No cases at all are no error: everything is not told."""
    assert anova_components([]).n == 0
    assert flips([]).rate is None
    assert mean_pass_at_k([], 1).mean is None
    assert judge_report([]).swap_consistency is None
    assert krippendorff_alpha([[1.0, NAN], [NAN, 2.0]]) is None
    assert outlook([], [], gap=0.1).rows is None
