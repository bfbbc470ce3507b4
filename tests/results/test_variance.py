"""Where differences come from, how steady answers are, and how findings are told."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.results import runs
from toolkit._records import FrozenDict, Score, Trial
from toolkit.errors import UsageError
from toolkit.results import Results
from toolkit.scorers import answer_form
from toolkit.store import CACHE_SOURCE


def repeated(texts, scores=None, arms=None):
    """Returns results from a grid of lists: arms, cases, repeats; scores in the same form."""
    view = runs.run([[None] * len(line) for line in texts], arms=arms)
    trials, outcomes, held = [], {}, {}
    for trial in view.trials:
        for repeat, text in enumerate(texts[trial.arm.index][trial.case.index]):
            trial_id = f"{trial.trial_id}-{repeat}"
            trials.append(Trial(trial_id=trial_id, arm=trial.arm, case=trial.case, repeat=repeat))
            outcomes[trial_id] = runs.outcome(trial_id, text)
            if scores is not None:
                value = scores[trial.arm.index][trial.case.index][repeat]
                held[trial_id] = (Score(name="right", value=float(value)),)
    return Results(replace(view, trials=tuple(trials), outcomes=outcomes, scores=held))


def two_by_two():
    """Returns four arms, two prompts on two models."""
    return [
        runs.arm(index, version=str(1 + index // 2), model=f"fake/{('small', 'large')[index % 2]}")
        for index in range(4)
    ]


def test_a_prompt_that_decides_all_has_all_of_the_spread():
    """Where only the prompt makes a difference, all of the variance is the prompt's."""
    scores = [[[0, 0]] * 3, [[0, 0]] * 3, [[1, 1]] * 3, [[1, 1]] * 3]
    found = repeated([[["a", "a"]] * 3] * 4, scores, two_by_two()).variance()
    assert found.df.loc["prompt", ["variance", "share"]].tolist() == [0.5, 1.0]
    assert set(found.df.index) == {
        "prompt", "model", "case", "prompt x model", "prompt x case", "model x case", "prompt x model x case",
        "repeat noise",
    }  # fmt: skip
    assert found.sentence == (
        "Spread of right between single trials: 100 % prompt. "
        "Next: choosing the prompt matters most; results.compare() tells which."
    )


def test_chance_between_repeats_is_noise():
    """Where repeats differ and nothing else does, all of the variance is noise, and steadiness is named as next."""
    scores = [[[0, 1]] * 4, [[0, 1]] * 4]
    found = repeated([[["a", "b"]] * 4] * 2, scores).variance()
    assert found.df.loc["repeat noise", ["variance", "share"]].tolist() == [0.5, 1.0]
    assert "results.stability()" in found.sentence


def test_without_repeats_noise_is_not_told_apart():
    """Without repeats the sentence says that chance cannot be told from the rest."""
    found = Results(runs.run([["a"] * 3] * 2, scores={"right": [[0, 1, 0], [1, 1, 0]]})).variance()
    assert "Without repeats, chance cannot be told from the rest" in found.sentence


def test_a_grid_with_holes_has_arms_as_one_factor():
    """Three of the four pairs of prompt and model are divided by arm and case."""
    view = runs.run([["a"] * 3] * 3, arms=two_by_two()[:3], scores={"right": [[0, 1, 0], [1, 1, 0], [1, 0, 0]]})
    assert set(Results(view).variance().df.index) == {"arm", "case", "repeat noise"}


def test_cases_left_out_of_the_split_are_counted():
    """A case that is not scored in every arm is left out of the split, and counted."""
    view = runs.run([["a"] * 3] * 2, scores={"right": [[0, 1, 0], [1, 1, None]]})
    assert "1 case left out, not scored in every arm" in Results(view).variance().sentence


def test_no_spread_is_said():
    """Where every trial scores the same there is nothing to divide, and the sentence says so."""
    view = runs.run([["a"] * 3] * 2, scores={"right": [[1, 1, 1], [1, 1, 1]]})
    assert Results(view).variance().sentence.startswith("Every trial has the same right")


def test_a_seed_that_hides_chance_is_told():
    """Where repeats are sent with a seed, the split says that they hide chance."""
    arms = [runs.arm(index, params={"seed": 7, "temperature": index}) for index in range(2)]
    found = repeated([[["a", "a"]] * 2] * 2, [[[0, 0], [1, 1]], [[1, 1], [1, 1]]], arms).variance()
    assert "A fixed seed is sent, which hides chance" in found.sentence


# Steadiness


def test_repeats_that_agree_are_counted_by_pairs():
    """Two of three pairs that differ are a chance of a third to agree; a case without repeats does not count."""
    texts = [[["yes", "yes", "no"], ["a", "a", "a"], ["b"]]]
    row = repeated(texts, [[[1, 1, 0], [0, 0, 0], [1]]]).stability().df.iloc[0]
    assert row["cases"] == 2
    assert row["same_exact"] == pytest.approx((1 / 3 + 1) / 2)
    assert row["flip_rate"] == pytest.approx((2 / 3 + 0) / 2)
    assert row["flipped_cases"] == 1
    assert 0 <= row["flip_low"] <= row["flip_rate"] <= row["flip_high"] <= 1


def test_other_words_are_told_from_another_answer():
    """Answers that differ in case, spaces and punctuation alone are the same in wording and not to the letter."""
    found = repeated([[["Positive.", " positive"]]], [[[1, 1]]]).stability()
    assert found.df[["same_exact", "same_normalised"]].iloc[0].tolist() == [0.0, 1.0]
    assert found.sentence.startswith(
        "reply@1 · small repeats itself word for word 0 % of the time, 100 % but for case, spaces and punctuation; "
        "its score changes 0 % of the time (1 case)."
    )


@pytest.mark.parametrize(
    ("one", "other", "form", "same"),
    [
        ("yes", "yes", "exact", True),
        ("yes", "yes ", "exact", False),
        ("**Yes!**", "yes", "normalised", True),
        ("yes", "no", "normalised", False),
        ('{"a": 1, "b": 2}', '```json\n{"b": 2.0, "a": 1}\n```', "json", True),
        ('{"a": 1}', '{"a": 2}', "json", False),
        ("It is 1,000.50 EUR.", "1000.5", "numeric", True),
        ("-0", "0.0", "numeric", True),
        ("4", "5", "numeric", False),
    ],
)
def test_forms_in_which_answers_are_the_same(one, other, form, same):
    """Answers are the same to the letter, in wording, as JSON whatever its layout, or by their last number."""
    assert (answer_form(one, form) == answer_form(other, form)) is same


@pytest.mark.parametrize(("text", "form"), [("positive", "json"), ("4", "json"), ("four", "numeric")])
def test_answers_without_a_form_are_left_out(text, form):
    """An answer that is no JSON object or array, or has no number, has no such form."""
    assert answer_form(text, form) is None
    assert repeated([[[text, text]]]).stability().df[f"same_{form}"].tolist() == [pd.NA]


def test_an_arm_that_wavers_is_named():
    """Where scores flip, the sentence names the arm and says to keep the repeats."""
    texts, scores = [[["a", "a"]] * 4, [["a", "b"]] * 4], [[[1, 1]] * 4, [[1, 0]] * 4]
    assert "Next: a single answer of reply@2 says little" in repeated(texts, scores).stability().sentence


def test_a_fixed_seed_is_told():
    """Where arms send a seed, the sentence says that repeats may be alike by force."""
    arms = [runs.arm(0, params={"seed": 7})]
    assert "A fixed seed is sent for reply@1" in repeated([[["a", "a"]]], [[[1, 1]]], arms).stability().sentence


def test_answers_of_equal_requests_are_no_repeats():
    """An answer that was taken over from an equal request does not count as a repeat."""
    results = repeated([[["a", "a"]]])
    view = results.view
    taken = {key: replace(outcome, cost_source=CACHE_SOURCE) for key, outcome in view.outcomes.items()}
    with pytest.raises(UsageError, match="repeats=3"):
        Results(replace(view, outcomes=taken)).stability()


def test_without_repeats_nothing_is_said_of_steadiness():
    """A run without repeats is refused, with the way to get them."""
    with pytest.raises(UsageError, match="repeats=3"):
        Results(runs.run([["a", "b"]])).stability()


def test_findings_show_table_and_sentence_and_escape_both():
    """A finding prints its sentence above its table, and its HTML has no element that came from a label."""
    arms = [runs.arm(0, version="<b>1</b>"), runs.arm(1, version="2")]
    found = repeated([[["a", "a"]]] * 2, [[[1, 1]]] * 2, arms).stability()
    assert repr(found).startswith(str(found))
    assert "same_exact" in repr(found)
    assert "<b>" not in found._repr_html_()
    assert "&lt;b&gt;" in found._repr_html_()


# What the verdict says of trials without a say


def test_the_worst_case_is_told_with_its_interval():
    """Where cases are left out, the verdict has the gap with failures as 0, its interval, and where answers miss."""
    base = [1] * 10 + [0] * 40
    line = [1] * 20 + [0] * 20 + [None] * 10
    answers = [["a"] * 50, ["a"] * 40 + [runs.failure()] * 10]
    verdict = Results(runs.run(answers, scores={"right": [base[::-1], line]})).verdict
    assert "10 cases left out, without an answer or a score in one of the two." in verdict
    assert "In the worst case, with missing answers as 0, the gap is +20.0 points (95 % interval" in verdict
    assert "10 of 100 trials without an answer, all in reply@2 (10 of 50): results.failures says why" in verdict


@pytest.mark.parametrize(("gone", "told"), [(1, False), (2, True)])
def test_two_per_cent_left_out_are_passed_over(gone, told):
    """Up to 2 % of cases left out the worst case is not told; above it is."""
    line = [1.0] * (50 - gone) + [None] * gone
    answers = [["a"] * 50, ["a"] * (50 - gone) + [runs.failure()] * gone]
    results = Results(runs.run(answers, scores={"right": [[1.0] * 50, line]}))
    assert ("In the worst case" in results.verdict) is told
    assert pd.notna(results.compare()["delta_failures_as_0"].iloc[0]) is told


def test_a_verdict_that_failures_shake_says_so():
    """An arm that wins on the cases that it answered, and not when its failures count, is not to be decided on yet."""
    base = [0] * 10 + [1] * 10
    line = [1] * 10 + [None] * 10
    answers = [["a"] * 20, ["a"] * 10 + [runs.failure()] * 10]
    verdict = Results(runs.run(answers, scores={"right": [base, line]})).verdict
    assert verdict.startswith("reply@2 beats the baseline")
    assert "that would be another verdict, so get the missing answers before you decide" in verdict


def test_doubtful_answers_are_counted():
    """Refused, cut off and unscored answers are counted, with the arm that has most of them and what to do."""
    answers = [
        ["a", "a", "a"],
        [runs.response("a", finish_reason="length"), runs.response("", refusal="no"), "a"],
    ]
    verdict = Results(runs.run(answers, scores={"right": [[1, 1, 1], [1, 1, None]]})).verdict
    assert "1 of 6 answers cut off at the token limit, in reply@2 (1 of 3): if the score needs the rest" in verdict
    assert "1 of 6 answers refused, in reply@2 (1 of 3): read them" in verdict
    assert "1 of 6 answers without the score right, in reply@2 (1 of 3): the column 'reason.right'" in verdict


def test_a_clean_run_has_no_doubts():
    """Where every trial is answered whole and scored, the verdict says nothing of that kind."""
    verdict = Results(runs.run([["a"] * 3] * 2, scores={"right": [[1, 0, 1], [1, 1, 1]]})).verdict
    assert not any(word in verdict for word in ("without", "refused", "cut off", "worst case"))


def test_params_are_a_factor_of_their_own():
    """Arms that differ in params alone have params beside the case."""
    arms = [runs.arm(index, params=FrozenDict({"temperature": index})) for index in range(2)]
    view = runs.run([["a"] * 3] * 2, arms=arms, scores={"right": [[0, 1, 0], [1, 1, 0]]})
    assert set(Results(view).variance().df.index) == {"params", "case", "repeat noise"}
