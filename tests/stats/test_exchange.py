"""Two sets of answers to the same cases: how often they differ across, within, and whether that can be chance."""

from __future__ import annotations

import pytest

from toolkit.stats import compare_answers


@pytest.mark.parametrize(
    ("before", "after", "across", "within"),
    [
        ([["a", "a"]], [["a", "a"]], 0.0, 0.0),
        ([["a", "a"]], [["b", "b"]], 1.0, 0.0),
        # Two of four pairs across differ; both sides differ in themselves.
        ([["a", "b"]], [["a", "b"]], 0.5, 1.0),
        # One pair of three within the first; one of two pairs of cases across.
        ([["a", "a", "b"]], [["a"]], 1 / 3, 2 / 3),
        # The noise of the two sides is averaged: 0 before, 1 after.
        ([["a", "a"]], [["a", "b"]], 0.5, 0.5),
        # Averaged over cases, not over answers.
        ([["a", "a"], ["x", "x"]], [["a", "a"], ["y", "y"]], 0.5, 0.0),
    ],
)
def test_chances_are_counted_over_pairs_of_answers(before, after, across, within):
    """Across is the share of pairs of an old and a new answer that differ, within that of pairs of one side."""
    found = compare_answers(before, after, draws=9)
    assert (found.across, found.within) == (pytest.approx(across), pytest.approx(within))


def test_p_is_the_share_of_deals_with_as_large_a_gap():
    """Of the three ways to deal a, b, b into one and two, one has the gap seen: six such cases come to 1 / 3 ** 6."""
    one = compare_answers([["a"]], [["b", "b"]], draws=99_999)
    assert one.p_value == pytest.approx(1 / 3, abs=0.01)
    six = compare_answers([["a"]] * 6, [["b", "b"]] * 6, draws=99_999)
    assert six.p_value == pytest.approx(1 / 3**6, abs=0.0004)


def test_p_is_never_zero():
    """The deal that was seen counts among the deals: p is at least 1 over their number."""
    assert compare_answers([["a"] * 3] * 30, [["b"] * 3] * 30, draws=999).p_value == pytest.approx(1 / 1000)


def test_without_change_p_is_one():
    """Where no two answers differ, every deal is as good as the one seen."""
    found = compare_answers([["a", "a"]] * 5, [["a", "a"]] * 5, draws=99)
    assert (found.gap.mean, found.p_value) == (0.0, 1.0)


def test_a_model_that_is_only_noisy_has_not_changed():
    """Answers that all differ from each other, before and after, are no change."""
    before = [[f"{case}/{turn}" for turn in range(3)] for case in range(20)]
    after = [[f"{case}/{turn}" for turn in range(3, 6)] for case in range(20)]
    found = compare_answers(before, after, draws=99)
    assert (found.across, found.within, found.p_value) == (1.0, 1.0, 1.0)


def test_without_repeats_nothing_is_claimed():
    """With one answer on either side there is a share of differing answers, and neither noise, gap nor p."""
    found = compare_answers([["a"], ["b"]], [["a"], ["c"]])
    assert (found.n, found.across, found.n_repeated) == (2, 0.5, 0)
    assert (found.within, found.gap.mean, found.p_value) == (None, None, None)


def test_missing_answers_are_left_out():
    """`None` is no answer; a case without one on a side is left out."""
    found = compare_answers([["a", None], [None]], [["a", "b"], ["c"]], draws=9)
    assert (found.n, found.across) == (1, 0.5)


def test_cases_must_be_the_same():
    """Answers to three cases cannot be compared with answers to two."""
    with pytest.raises(ValueError, match="to 3 cases before and to 2 after"):
        compare_answers([["a"]] * 3, [["a"]] * 2)


def test_the_same_seed_gives_the_same_p():
    """The deals are drawn from the seed, so that a report can be made again."""
    before, after = [["a", "b"], ["a", "a"]], [["b", "b"], ["a", "c"]]
    assert compare_answers(before, after, seed=4) == compare_answers(before, after, seed=4)


def test_false_alarms_are_as_rare_as_p_says():
    """Where nothing has changed, p falls to 0.1 or below in at most about one of ten runs."""
    from random import Random

    rng = Random(7)
    alarms = 0
    for _ in range(200):
        before = [[rng.choice("abc") for _ in range(2)] for _ in range(15)]
        after = [[rng.choice("abc") for _ in range(3)] for _ in range(15)]
        alarms += (compare_answers(before, after, draws=199).p_value or 1.0) <= 0.1
    # 20 are to be expected; 35 or more would be three standard deviations off.
    assert alarms < 35
