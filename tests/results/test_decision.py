"""What helps to decide: ratios, the cheapest arm that will do, where differences come from, steadiness, doubts."""

from __future__ import annotations

import time
from dataclasses import replace

import pandas as pd
import pytest

from tests.results import runs
from toolkit._records import FrozenDict, Score, Trial
from toolkit.errors import UsageError
from toolkit.results import Results
from toolkit.scorers import answer_form
from toolkit.store import CACHE_SOURCE


def taking(*lines, measure="latency_s", **fields):
    """Returns results with one arm a line of seconds, or of USD; `None` = no answer."""

    def outcome(arm, case, value):
        if value is None:
            return runs.failure()
        if measure == "latency_s":
            return runs.outcome(f"t-{arm}-{case}", runs.response(latency_s=value))
        return runs.outcome(f"t-{arm}-{case}", cost_usd=value)

    answers = [[outcome(arm, case, value) for case, value in enumerate(line)] for arm, line in enumerate(lines)]
    return Results(runs.run(answers, **fields))


def priced(costs, scores):
    """Returns results with one arm a line of scores, whose answers all cost the same."""
    answers = [
        [runs.outcome(f"t-{arm}-{case}", cost_usd=cost) for case in range(len(scores[0]))]
        for arm, cost in enumerate(costs)
    ]
    return Results(runs.run(answers, scores={"right": scores}))


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


# Seconds and USD


def test_seconds_are_compared_by_the_ratio_of_medians():
    """The ratio is the arm's median over the baseline's, on the cases that both answered."""
    row = taking([1.0, 2.0, 3.0, 9.0], [2.0, 3.0, 6.0, None]).compare("latency_s").loc["reply@2"]
    assert row[["cases", "dropped", "median", "baseline_median", "ratio"]].tolist() == [3, 1, 3.0, 2.0, 1.5]
    assert (row["baseline"], row["measure"]) == ("reply@1", "latency_s")


@pytest.mark.parametrize(
    ("measure", "factor", "sentence"),
    [
        ("latency_s", 1.5, "reply@2 is 1.5 times as slow as reply@1 (95 % interval 1.5 to 1.5 times) on 40 cases."),
        ("latency_s", 0.5, "reply@2 takes 0.5 times as long as reply@1 (95 % interval 0.5 to 0.5 times) on 40 cases."),
        ("cost_usd", 3.0, "reply@2 costs 3 times as much as reply@1 (95 % interval 3 to 3 times) on 40 cases."),
        ("cost_usd", 0.25, "reply@2 costs 0.25 times as much as reply@1 (95 % interval 0.25 to 0.25 times) on 40"),
    ],
)
def test_a_ratio_is_told_in_one_sentence(measure, factor, sentence):
    """An arm that is slower, faster, dearer or cheaper is told with its ratio, interval, cases, and what is next."""
    base = [1.0 + case / 7 for case in range(40)]
    # A hair's breadth apart, so that the ratio has a spread.
    other = [value * (factor + (case % 3 - 1) * 1e-4) for case, value in enumerate(base)]
    told = taking(base, other, measure=measure).compare(measure)["verdict"].iloc[0]
    assert told.startswith(sentence)
    assert "Next: results." in told


def test_a_ratio_around_one_is_undecided():
    """An interval that holds 1 is called undecided."""
    base = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    told = taking(base, base[::-1]).compare("latency_s")["verdict"].iloc[0]
    assert "Next: decide by the score, or add cases." in told
    assert told.startswith("Undecided: reply@2 takes about as long as reply@1 (95 % interval 0.")


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (
            ([None], [1.0]),
            "Not comparable: no case has its cost known in both reply@2 and reply@1. Next: give `prices=`",
        ),
        (([0.0, 0.0], [0.0, 0.0]), "No ratio: reply@1 costs nothing on 2 cases, and so does reply@2. Next:"),
        (([1.0], [2.0]), "reply@2 costs 2 times as much as reply@1 on 1 case; no interval: fewer than two cases"),
    ],
)
def test_what_has_no_ratio_says_why(lines, start):
    """Without a common case, with a free baseline, or with one case, the sentence says so and what to do."""
    assert taking(*lines, measure="cost_usd").compare("cost_usd")["verdict"].iloc[0].startswith(start)


def test_a_ratio_near_one_is_not_rounded_to_it():
    """An interval that ends just below 1 is not printed as if it held 1."""
    base = [1.0 + case / 7 for case in range(40)]
    other = [value * (0.996 + (case % 3 - 1) * 1e-4) for case, value in enumerate(base)]
    told = taking(base, other).compare("latency_s")["verdict"].iloc[0]
    assert told.startswith("reply@2 takes 0.996 times as long as reply@1 (95 % interval 0.996 to 0.996 times)")


def test_answers_that_were_there_already_have_no_seconds():
    """An answer of an earlier run counts for its cost and not for its seconds."""
    old = [runs.outcome(f"t-1-{case}", run_id="run-0") for case in range(3)]
    results = Results(runs.run([["a"] * 3, old]))
    assert results.compare("latency_s")["cases"].tolist() == [0]
    assert results.compare("cost_usd")["cases"].tolist() == [3]


def test_a_score_of_that_name_goes_first():
    """Where a score is called `latency_s`, comparing it compares the score."""
    results = Results(runs.run([["a"] * 3] * 2, scores={"latency_s": [[1, 2, 3], [2, 3, 4]]}))
    assert results.compare("latency_s")["delta"].tolist() == [1.0]


def test_ten_thousand_cases_take_seconds():
    """The ratio of one arm over 10,000 cases is there in well under ten seconds."""
    base = [1.0 + case % 97 / 50 for case in range(10_000)]
    results = taking(base, base[::-1])
    start = time.perf_counter()
    results.compare("latency_s")
    assert time.perf_counter() - start < 10


# The cheapest arm that will do


def test_the_cheapest_arm_that_is_not_worse_is_taken():
    """Of two cheaper arms that lose at most the margin, the cheapest is taken, and its sentence has cost and gap."""
    same = [1] * 150 + [0] * 50
    found = priced([0.01, 0.002, 0.004], [same, same, same]).cheapest(0.05)
    assert (found.arm, found.is_baseline) == ("reply@2", False)
    assert found.sentence.startswith(
        "Take reply@2: $0.002 an answer, against $0.01 for reply@1. On right it is shown to lose less than 5 points: "
        "0 points (97.5 % interval -1.6 to +1.6), 200 cases. Next:"
    )
    assert found.df.index.tolist() == ["reply@2", "reply@3", "reply@1"]
    assert found.df["standing"].tolist() == ["not worse", "not worse", "baseline"]
    assert found.df["chosen"].tolist() == [True, False, False]
    assert found.df["cost_usd_mean"].tolist() == pytest.approx([0.002, 0.004, 0.01])


def test_a_cheaper_arm_that_is_worse_is_not_taken():
    """A cheaper arm that loses more than the margin leaves the baseline, and the sentence says so."""
    found = priced([0.01, 0.001], [[1] * 60, [1] * 20 + [0] * 40]).cheapest(0.05)
    assert (found.arm, found.is_baseline) == ("reply@1", True)
    assert found.sentence == (
        "Keep reply@1 at $0.01 an answer: every cheaper arm loses more than 5 points on right. "
        "Next: sweep another cheap model, or accept more."
    )
    assert found.df["standing"].tolist() == ["worse", "baseline"]


def test_too_few_cases_leave_a_cheaper_arm_open():
    """A cheaper arm that might do is named, with the number of cases that would tell."""
    found = priced([0.01, 0.001], [[1] * 8 + [0] * 2, [1] * 7 + [0, 1, 0]]).cheapest(0.05)
    assert found.is_baseline
    assert "Cheaper and undecided: reply@2 at $0.001, 0 points (95 % interval -" in found.sentence
    assert "cases would tell, if it is as good." in found.sentence


@pytest.mark.parametrize(
    ("costs", "start"),
    [
        ((None, None), "No choice by cost: no arm's cost is known. Next: sweep again with `prices=`"),
        ((0.0, 0.0), "No choice by cost: every arm costs $0 an answer."),
    ],
)
def test_without_different_costs_there_is_no_choice(costs, start):
    """Where no cost is known, or all are the same, the sentence says that cost does not decide."""
    assert priced(costs, [[1, 0] * 5] * 2).cheapest().sentence.startswith(start)


def test_an_arm_of_unknown_cost_is_named():
    """An arm that is not worse and has no price is not taken, and is named."""
    same = [1] * 150 + [0] * 50
    found = priced([0.01, None], [same, same]).cheapest(0.05)
    assert found.arm == "reply@1"
    assert "Not worse, but of unknown cost: reply@2. Next: give `prices=`" in found.sentence
    assert found.df["cost_usd_mean"].tolist() == [pytest.approx(0.01), pd.NA]


def test_intervals_are_widened_for_the_number_of_arms():
    """With two other arms each interval is made at 97.5 %, so that it is wider than with one."""
    scores = [[1] * 30 + [0] * 30, [1] * 28 + [0] * 32, [0] * 60]
    one = priced([0.01, 0.002], scores[:2]).cheapest().df.loc["reply@2"]
    two = priced([0.01, 0.002, 0.001], scores).cheapest().df.loc["reply@2"]
    assert two["low"] < one["low"]
    assert two["high"] > one["high"]


@pytest.mark.parametrize("margin", [0, -0.1, float("nan"), float("inf")])
def test_a_margin_is_above_0(margin):
    """A margin that no loss fits into is refused."""
    with pytest.raises(UsageError, match="margin"):
        priced([0.01, 0.002], [[1, 0], [1, 0]]).cheapest(margin)


def test_one_arm_has_nothing_to_choose_from():
    """With a single arm there is nothing to choose, and the message says what to sweep."""
    with pytest.raises(UsageError, match="second model or prompt"):
        priced([0.01], [[1, 0]]).cheapest()


# Where differences come from


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
