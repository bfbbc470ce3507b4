"""The gate before a label: each condition with its number, what it lets through and what it says otherwise."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from tests.results import runs
from toolkit.errors import PromotionRefusedError, UsageError
from toolkit.results import Gate
from toolkit.results._promotion_arms import candidate_arms, in_pairs, version_arms
from toolkit.results._promotion_gate import Terms, hold_gate


def run_of(won=0, lost=0, tied=0, *, mine=(), its=(), cost=0.01, its_cost=0.01, **fields):
    """Returns a run of the holder `reply@1` and the candidate `reply@2`.

    `mine` and `its` are further cases of the candidate and of the holder: a score, or `None` for no answer.
    """
    scores = [
        [*([0.0] * won), *([1.0] * lost), *([1.0] * tied), *its],
        [*([1.0] * won), *([0.0] * lost), *([1.0] * tied), *mine],
    ]
    answers = [
        [
            runs.failure() if score is None else runs.outcome(f"t-{arm}-{case}", cost_usd=each)
            for case, score in enumerate(line)
        ]
        for arm, (line, each) in enumerate(zip(scores, (its_cost, cost), strict=True))
    ]
    return runs.run(answers, scores={"right": scores}, **fields)


def gate_of(view, **terms) -> Gate:
    """Returns the gate of `reply@2` against `reply@1`."""
    return hold_gate(view, [(1, 0)], Terms(**terms)).gate


def condition(view, what, **terms):
    """Returns the one condition of that kind."""
    (found,) = [each for each in gate_of(view, **terms).conditions if each.what == what]
    return found


# Gain: of 98 cases Bonett and Price's interval is d minus or plus 1.96 times the root of (p + q - d d) / 100, where
# p = (won + 1) / 100, q = (lost + 1) / 100 and d = p - q.


@pytest.mark.parametrize(
    ("won", "lost", "low"),
    [
        (9, 0, 0.0274343),
        (3, 3, -0.0554362),
        (0, 9, -0.1525657),
    ],
)
def test_the_gain_is_judged_by_the_lower_end_of_its_interval(won, lost, low):
    """What decides is the lower end of the 95 % interval of the gain, not the gain that was seen."""
    found = condition(run_of(won, lost, 98 - won - lost), "gain")
    assert found.found == pytest.approx(low, abs=1e-6)
    assert found.passed == (low > -0.02)


def test_by_default_a_loss_of_two_points_must_be_ruled_out():
    """Without `min_gain` the interval must lie above -0.02, and the words say so with the numbers."""
    found = condition(run_of(9, 0, 89), "gain")
    assert (found.asked, found.passed) == (-0.02, True)
    assert found.sentence == (
        "reply@2 against reply@1 on right: +9.2 points (95 % interval +2.7 to +15.3), 98 cases; it is shown to lose "
        "less than 2 points."
    )


def test_too_few_cases_are_refused_with_how_many_would_do():
    """With as many cases lost as won, 98 cases leave the interval at 5.5 points; (5.54 / 2) ** 2 times as many do."""
    found = condition(run_of(3, 3, 92), "gain")
    assert not found.passed
    assert found.sentence == (
        "reply@2 against reply@1 on right: 0 points (95 % interval -5.5 to +5.5), 98 cases; it is not shown to lose "
        "less than 2 points. Next: about 753 cases would show it if the gap stays; there are 98."
    )


@pytest.mark.parametrize(("cases", "passed"), [(136, False), (137, True)])
def test_equal_zeros_and_ones_pass_from_137_cases_on(cases, passed):
    """Where no zero or one differs, the interval ends 1.96 times the root of 2, over n + 2, below 0."""
    assert condition(run_of(tied=cases), "gain").passed == passed


@pytest.mark.parametrize(("cases", "passed"), [(184, False), (185, True)])
def test_equal_grades_pass_from_185_cases_on(cases, passed):
    """Where no case tells the two apart, at most 3.69 / n of further ones differ: below 0.02 from 185 cases on."""
    found = condition(run_of(mine=[0.5] * cases, its=[0.5] * cases), "gain")
    assert found.passed == passed
    assert passed or "about 185 cases would show it" in found.sentence


@pytest.mark.parametrize(("least", "passed"), [(0.0, True), (0.027, True), (0.028, False), (-0.5, True)])
def test_min_gain_moves_the_bound(least, passed):
    """`min_gain` is what the interval's lower end, here 0.0274, must lie above; a negative one is a loss accepted."""
    assert condition(run_of(9, 0, 89), "gain", min_gain=least).passed == passed


def test_a_wider_level_asks_for_more():
    """At a level of 0.999 the same gain is not shown any more."""
    assert not condition(run_of(9, 0, 89), "gain", min_gain=0, level=0.999).passed


def test_the_pick_of_several_versions_is_held_to_more():
    """Of two versions to choose from, the interval is one of 97.5 %: 2.24 standard errors, and not 1.96."""
    found = condition(run_of(9, 0, 89), "gain", candidates=2)
    # 0.09 less 2.241403 times 0.0319218.
    assert found.found == pytest.approx(0.0184504, abs=1e-6)
    assert "(97.5 % interval +1.8 to +16.2), 98 cases, widened for 2 versions to choose from" in found.sentence


# Answers


@pytest.mark.parametrize(
    ("mine", "its", "passed"),
    [
        ([], [], True),
        ([None], [1.0], False),
        ([1.0], [None], True),
        ([None], [None], True),
        ([1.0] * 4, [None] * 4, False),
        ([None, None, 1.0], [1.0, 1.0, None], False),
    ],
)
def test_missing_answers_cannot_help(mine, its, passed):
    """The candidate has no more trials without a score than the holder, and at most 2 % are missing in all."""
    view = run_of(40, 0, 60, mine=mine, its=its)
    assert condition(view, "answers").passed == passed


def test_missing_answers_are_told_with_what_to_do():
    """The refusal counts both sides and names the call that asks again."""
    found = condition(run_of(40, 0, 60, mine=[None], its=[1.0]), "answers")
    assert found.sentence == (
        "reply@2 has 1 trial of 101 without an answer or a score, and reply@1 has 0; a candidate that answers less "
        "often is not let through. Next: tk.resume('run-1') asks again for what has no answer; "
        "results.failures says why."
    )


def test_what_early_stopping_left_unsent_is_not_missing():
    """A trial of the status `stopped_early` counts for neither side."""
    view = run_of(40, 0, 60, mine=[1.0], its=[1.0])
    unsent = {
        trial_id: runs.outcome(trial_id, runs.failure(), status="stopped_early", failure=None)
        for trial_id in ("t-0-100", "t-1-100")
    }
    scores = {key: held for key, held in view.scores.items() if key not in unsent}
    stopped = replace(view, outcomes={**view.outcomes, **unsent}, scores=scores)
    assert condition(stopped, "answers").sentence == (
        "reply@2 has 0 trials of 100 without an answer or a score, and reply@1 has 0."
    )


# Regressions and cost


@pytest.mark.parametrize(("most", "passed"), [(1, False), (2, True)])
def test_regressions_are_counted(most, passed):
    """Cases that got worse may be as many as is said, and not one more."""
    found = condition(run_of(30, 2, 60), "regressions", max_regressions=most)
    assert (found.found, found.passed) == (2.0, passed)


def test_a_case_without_an_answer_now_got_worse():
    """A case that the holder has a score for and the candidate has none counts among the regressions."""
    found = condition(run_of(30, 1, 60, mine=[None], its=[1.0]), "regressions", max_regressions=1)
    assert (found.found, found.passed) == (2.0, False)
    assert found.sentence.startswith("reply@2 is worse than reply@1 in 2 cases, 1 of them without an answer or a score")


@pytest.mark.parametrize(("most", "passed"), [(1.49, False), (1.5, True)])
def test_cost_is_the_ratio_of_the_means(most, passed):
    """An answer of 0.003 USD against one of 0.002 is 1.5 times as much."""
    found = condition(run_of(30, 0, 60, cost=0.003, its_cost=0.002), "cost", max_cost_ratio=most)
    assert (found.found, found.passed) == (pytest.approx(1.5), passed)
    assert "costs $0.003 and one of reply@1 $0.002, 1.5 times" in found.sentence


@pytest.mark.parametrize(
    ("cost", "its_cost", "found", "passed"),
    [(None, 0.01, None, False), (0.01, None, None, False), (0.0, 0.0, 1.0, True), (0.01, 0.0, float("inf"), False)],
)
def test_an_unknown_cost_does_not_pass(cost, its_cost, found, passed):
    """A cost that nobody knows is no cost of 0; against a holder that costs nothing only nothing passes."""
    told = condition(run_of(30, 0, 60, cost=cost, its_cost=its_cost), "cost", max_cost_ratio=2)
    assert (told.found, told.passed) == (found, passed)


def test_one_unknown_cost_is_an_unknown_cost():
    """A mean over the costs that happen to be known is none."""
    view = run_of(30, 0, 60)
    unpriced = {**view.outcomes, "t-1-5": replace(view.outcomes["t-1-5"], cost_usd=None)}
    told = condition(replace(view, outcomes=unpriced), "cost", max_cost_ratio=2)
    assert (told.found, told.passed) == (None, False)


# The gate as a whole


def test_only_what_is_asked_for_is_asked():
    """Regressions and cost are conditions only where a limit is given."""
    assert [each.what for each in gate_of(run_of(9, 0, 89)).conditions] == ["gain", "answers"]
    full = gate_of(run_of(9, 0, 89), max_regressions=0, max_cost_ratio=1)
    assert [each.what for each in full.conditions] == ["gain", "answers", "regressions", "cost"]


def test_one_condition_that_fails_fails_the_gate():
    """A gate passes when all of it holds, and names what does not."""
    found = gate_of(run_of(30, 2, 60), max_regressions=1)
    assert (found.passed, [each.what for each in found.failing]) == (False, ["regressions"])
    assert "FAILS  regressions" in repr(found)
    assert found.df["passed"].tolist() == [True, True, False]
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  our own


@pytest.mark.parametrize(
    "terms",
    [
        {"min_gain": "0.1"},
        {"min_gain": float("nan")},
        {"max_regressions": -1},
        {"max_regressions": 1.5},
        {"max_regressions": True},
        {"max_cost_ratio": 0},
        {"level": 1},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms):
    """An argument of the wrong kind is named with what was given."""
    (name, value), *_ = terms.items()
    with pytest.raises(UsageError, match=name) as refused:
        Terms(**terms).check()
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize("least", [1, 5, -2.0])
def test_points_are_refused_where_the_unit_is_a_share(least):
    """A score from 0 to 1 can gain less than 1; a `min_gain` of 5 was meant as 0.05, and is refused."""
    with pytest.raises(UsageError, match=f"0.05 is five points; got {least}"):
        gate_of(run_of(won=9, tied=89), min_gain=least)


# Which arms


def grid(*arms):
    """Returns a run of these arms with one case."""
    return runs.run([["yes"] for _ in arms], arms=arms, scores={"right": [[1.0] for _ in arms]})


def test_each_model_has_its_own_pair():
    """The candidate's arm on a model is measured against the holder's arm on the same one."""
    view = grid(
        runs.arm(0, version="1", model="fake/small"),
        runs.arm(1, version="1", model="fake/large"),
        runs.arm(2, version="2", model="fake/small"),
        runs.arm(3, version="2", model="fake/large"),
    )
    mine = candidate_arms(view, "reply@2")
    assert in_pairs(view, mine, version_arms(view, view.arms[2].prompt, "1")) == [(2, 0), (3, 1)]
    assert candidate_arms(view, "reply@2 · large") == [3]


def test_params_that_a_version_brings_are_part_of_it():
    """Two versions with a temperature of their own on one model each are a pair."""
    view = grid(
        runs.arm(0, version="1", params={"temperature": 0}), runs.arm(1, version="2", params={"temperature": 1})
    )
    assert in_pairs(view, [1], [0]) == [(1, 0)]


def test_an_arm_without_a_partner_is_refused():
    """A candidate's arm on a model that the holder was not asked on has nothing to be measured against."""
    view = grid(
        runs.arm(0, version="1", model="fake/small"),
        runs.arm(1, version="2", model="fake/small"),
        runs.arm(2, version="2", model="fake/large"),
    )
    with pytest.raises(PromotionRefusedError, match="'reply@2 · large' has no arm of the same model"):
        in_pairs(view, [1, 2], [0])


def test_a_prompt_of_two_sources_must_be_named_in_full():
    """`reply@2` from two sources is two prompts."""
    other = runs.Prompt(prompt_id="reply", version="2", kind="text", template="Say {{q}}!", source="langfuse")
    view = grid(runs.arm(0, version="2"), runs.arm(1, prompt=other))
    with pytest.raises(UsageError, match="stands for folder:reply@2; langfuse:reply@2"):
        candidate_arms(view, "reply@2")
    assert candidate_arms(view, "langfuse:reply@2") == [1]
