"""Results are plain frozen values, whatever arrays they were made of."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.stats import (
    BothOrders,
    Candidate,
    Preference,
    anova_components,
    bootstrap_paired,
    bradley_terry,
    cheapest_not_worse,
    compare_medians,
    compare_paired,
    compare_worst_case,
    confidence_sequence,
    estimate,
    flips,
    judge_agreement,
    judge_report,
    mcnemar_chi_square,
    mean_interval,
    outlook,
    paired_t,
    rank_arms,
    split_variance,
    watch,
    wilcoxon,
)

A = np.array([0.2, 0.4, 0.9, 0.1, 0.7])
B = np.array([0.1, 0.5, 0.6, 0.2, 0.3])
ROWS = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.0]])
VOTES = [Preference(case=case, first="a", second="b", score=case % 2) for case in range(6)]
PAIRS = [BothOrders(case=case, a_first="first", b_first="tie") for case in range(3)]

MADE = {
    "estimate": estimate(A),
    "comparison": compare_paired(A, B),
    "binary comparison": compare_paired(A > 0.3, B > 0.3),
    "clustered comparison": compare_paired(A, B, clusters=np.array([1, 1, 2, 3, 3])),
    "worst case": compare_worst_case(A, B, failed_a=A > 0.5, failed_b=B > 0.5),
    "bootstrap": bootstrap_paired(A, B, lambda a, b: np.mean(a - b, axis=-1), draws=99),
    "ratio": compare_medians(A, B, draws=99),
    "t": paired_t(A - B),
    "ranks": wilcoxon(A - B),
    "chi-square": mcnemar_chi_square(5, 2),
    "components": anova_components(ROWS),
    "outlook": outlook(ROWS, ROWS[::-1], gap=0.1),
    "flips": flips(ROWS.tolist()),
    "variance": split_variance(np.stack([ROWS, ROWS + 1]), factors=("arm", "case")),
    "strengths": bradley_terry(np.array([[0, 2], [1, 0]])),
    "ranking": rank_arms(VOTES, draws=99),
    "judge": judge_report(PAIRS),
    "agreement": judge_agreement([1.0, 2.0] * 20, [1.0, 2.0] * 20),
    "watch": watch(5, 2, remaining=10),
    "path": confidence_sequence(A, population=9),
    "choice": cheapest_not_worse(
        [Candidate(arm="a", cost_usd=0.1, difference=mean_interval(A))], baseline="b", baseline_cost_usd=0.2, margin=0.1
    ),
}


def inside(value):
    """Every value in a result, down to the leaves."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from inside(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from inside(each)
    else:
        yield value


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_results_are_plain(made):
    """A result holds Python's own numbers, words and truths only, pickles to an equal one, and has a hash."""
    assert {type(value) for value in inside(made)} <= {int, float, bool, str, type(None)}
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  our own bytes
    assert isinstance(hash(made), int)


PAIR = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (pair[0] / 4, pair[1] / 4))


@given(st.lists(PAIR, min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_arms_can_be_exchanged(pairs):
    """With the arms exchanged, the difference and its interval turn their sign and the p stays."""
    a, b = zip(*pairs, strict=True)
    one, other = compare_paired(a, b), compare_paired(b, a)
    assert other.delta == pytest.approx(-one.delta)
    assert (other.p_value, other.wins, other.losses) == (pytest.approx(one.p_value), one.losses, one.wins)
    if one.interval is not None:
        assert (other.interval.low, other.interval.high) == (
            pytest.approx(-one.interval.high),
            pytest.approx(-one.interval.low),
        )


@given(st.lists(PAIR, min_size=2, max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_order_of_cases_does_not_matter(pairs, random):
    """The same cases in another order make the same comparison, apart from p values that are drawn."""
    shuffled = random.sample(pairs, len(pairs))
    one, other = (compare_paired(*zip(*some, strict=True)) for some in (pairs, shuffled))
    assert (one.delta, one.wins, one.losses) == (pytest.approx(other.delta), other.wins, other.losses)
    if one.wins + one.losses <= 20:
        assert one.p_value == pytest.approx(other.p_value)
