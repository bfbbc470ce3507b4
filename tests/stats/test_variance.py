"""Where the spread of scores comes from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolkit.stats import split_variance

NAN = math.nan

# Two arms, three cases, two repeats. Cell means (2, 4, 6) and (3, 9, 6); every pair of repeats is 1 off its mean.
TWO_BY_THREE = np.array([[[1, 3], [3, 5], [5, 7]], [[2, 4], [8, 10], [5, 7]]], dtype=float)


def test_two_factors_by_hand():
    """Mean squares 12 (arm), 19 (case), 7 (both) and 2 (repeats) make variances 5/6, 3, 2.5 and 2."""
    # Arms 4 and 6 around 5: 2 * (1 + 1) * 3. Cases 2.5, 6.5, 6: (6.25 + 2.25 + 1) * 4 / 2. Left over: .5, -1.5, 1.
    split = split_variance(TWO_BY_THREE, factors=("arm", "case"))
    assert split.part("arm").variance == pytest.approx((12 - 7) / 6)
    assert split.part("case").variance == pytest.approx((19 - 7) / 4)
    assert split.part("arm", "case").variance == pytest.approx((7 - 2) / 2)
    assert split.noise.variance == pytest.approx(2.0)
    assert split.total == pytest.approx(5 / 6 + 3 + 2.5 + 2)


def test_shares_add_up():
    """The shares of all parts and of the noise add up to 1."""
    split = split_variance(TWO_BY_THREE, factors=("arm", "case"))
    assert sum(part.share for part in split.parts) + split.noise.share == pytest.approx(1.0)
    assert split.interaction_share == pytest.approx(split.part("case", "arm").share)


def test_three_factors_are_found_again():
    """From many levels of prompt, model and case, the variances that made the scores come out again."""
    generator = np.random.default_rng(1)
    sizes = {"prompt": 40, "model": 40, "case": 60}
    made = {("prompt",): 4.0, ("model",): 1.0, ("case",): 9.0, ("prompt", "model"): 2.0, ("prompt", "case"): 3.0}
    made |= {("model", "case"): 0.5, ("prompt", "model", "case"): 1.5}
    scores = generator.normal(size=(40, 40, 60, 2))
    for names, variance in made.items():
        shape = [size if name in names else 1 for name, size in sizes.items()]
        scores = scores + generator.normal(scale=math.sqrt(variance), size=[*shape, 1])
    split = split_variance(scores)
    assert [part.factors for part in split.parts] == sorted(made, key=lambda names: (len(names), _order(names)))
    for names, variance in made.items():
        # A factor of 40 levels is known to within sqrt(2 / 39) of itself; three such errors.
        loose = 3 * math.sqrt(2 / 39) if len(names) == 1 else 0.15
        assert split.part(*names).variance == pytest.approx(variance, rel=loose)
    assert split.noise.variance == pytest.approx(1.0, rel=0.02)
    assert split.interaction == pytest.approx(2.0 + 3.0 + 0.5 + 1.5, rel=0.1)
    assert (split.is_balanced, split.has_own_noise, split.repeats) == (True, True, 2.0)


def _order(names):
    return [("prompt", "model", "case").index(name) for name in names]


def test_without_repeats_noise_holds_the_last_interaction():
    """Without repeats, noise and the interaction of all factors are one number, and the split says so."""
    split = split_variance(TWO_BY_THREE.mean(axis=2, keepdims=True), factors=("arm", "case"))
    assert split.has_own_noise is False
    assert split.part("arm", "case") is None
    assert split.noise.variance == pytest.approx(7 / 2)
    assert split.part("arm").variance == pytest.approx((6 - 3.5) / 3)


def test_factor_of_one_level_is_no_part():
    """With one model there is nothing to say about models: the split is that of prompts and cases."""
    split = split_variance(TWO_BY_THREE[:, None], factors=("prompt", "model", "case"))
    assert [part.name for part in split.parts] == ["prompt", "case", "prompt x case"]
    assert split.part("prompt").variance == pytest.approx(5 / 6)


def test_negative_estimates_count_as_nothing():
    """A variance that comes out below 0 by chance is 0, and so is its share."""
    split = split_variance(np.array([[[0.0], [1.0]], [[1.0], [0.0]]]), factors=("arm", "case"))
    assert (split.part("arm").variance, split.part("case").variance) == (0.0, 0.0)
    assert split.noise.share == 1.0


def test_incomplete_case_is_left_out():
    """A case without a value in one arm is left out and counted, and the split is the one without it."""
    with_gap = np.concatenate([TWO_BY_THREE, [[[NAN, NAN]], [[1.0, 2.0]]]], axis=1)
    split, without = (split_variance(scores, factors=("arm", "case")) for scores in (with_gap, TWO_BY_THREE))
    assert (split.dropped, split.is_balanced) == (1, False)
    assert split.parts == without.parts


def test_unequal_repeats_enter_with_their_means():
    """With a repeat missing in one cell the split is near that of the whole, and says that it is not balanced."""
    scores = TWO_BY_THREE.copy()
    scores[0, 0, 1] = NAN
    split = split_variance(scores, factors=("arm", "case"))
    # Five cells of two repeats and one of one.
    assert split.repeats == pytest.approx(6 / (5 / 2 + 1))
    assert (split.is_balanced, split.dropped, split.noise.variance) == (False, 0, pytest.approx(2.0))


@pytest.mark.parametrize(
    "scores",
    [np.zeros((2, 0, 1)), np.full((2, 3, 2), NAN), np.ones((1, 1, 4))],
    ids=["no case", "no value", "one arm, one case"],
)
def test_nothing_to_split(scores):
    """Without a complete case, or a factor of two levels, there is no split."""
    assert split_variance(scores, factors=("arm", "case")) is None


def test_scores_that_are_all_the_same():
    """Where nothing varies the total is 0 and shares are not told."""
    split = split_variance(np.full((2, 3, 2), 0.5), factors=("arm", "case"))
    assert (split.total, split.noise.share, split.interaction_share) == (0.0, None, None)
