"""The gate's rule and its decision, over comparisons given by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.results import runs
from toolkit.cli._gate import decide, pairs_of, parse_rule
from toolkit.errors import UsageError
from toolkit.results import compare_arms


def compared(wins, losses, ties, unscored=0):
    """Returns the second of two arms against the first: that many cases won, lost, tied, and without a score."""
    first = [0.0] * wins + [1.0] * losses + [1.0] * ties + [None] * unscored
    second = [1.0] * wins + [0.0] * losses + [1.0] * ties + [1.0] * unscored
    view = runs.run([["a"] * len(first)] * 2, scores={"right": [first, second]})
    (found,) = compare_arms(view)
    return found, len(first)


@pytest.mark.parametrize(
    ("text", "arm", "than", "margin", "score"),
    [
        ("reply@9 worse than reply@8 by 0.02", "reply@9", "reply@8", 0.02, None),
        ("reply@9 worse than reply@8 by 2 points", "reply@9", "reply@8", 0.02, None),
        ("a by b worse than c · t=0 by .5 on exact", "a by b", "c · t=0", 0.5, "exact"),
        ("  reply@9   WORSE THAN reply@8 by 1 on my score ", "reply@9", "reply@8", 1.0, "my score"),
        ("a worse than b by 1 point on x", "a", "b", 0.01, "x"),
    ],
)
def test_a_rule_is_read(text, arm, than, margin, score):
    """A rule names two arms, the loss that is accepted, as a number or in points, and the score where it must."""
    rule = parse_rule(text)
    assert (rule.arm, rule.than, rule.margin, rule.score) == (arm, than, margin, score)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "reply@9",
        "reply@9 worse than reply@8",
        "a better than b by 1",
        "a worse than b by -1",
        "a worse than b by x",
    ],
)
def test_what_is_no_rule_is_refused(text):
    """Anything else is refused with a rule to copy."""
    with pytest.raises(UsageError, match=r"'reply@9 worse than reply@8 by 0\.02'"):
        parse_rule(text)


def test_a_margin_of_nothing_is_refused():
    """No number of cases shows that an arm is not worse at all, so that a margin of 0 is refused."""
    with pytest.raises(UsageError, match="give the loss that you would accept"):
        parse_rule("a worse than b by 0.0")


# The interval of Bonett and Price for a difference of paired shares, worked out by hand: with w wins, l losses and n
# cases, p = (w + 1) / (n + 2), q = (l + 1) / (n + 2), p - q plus and minus 1.96 * sqrt((p + q - (p - q)**2) / (n + 2)).
@pytest.mark.parametrize(
    ("wins", "losses", "ties", "margin", "standing"),
    [
        (0, 0, 300, 0.02, "not worse"),  # -0.0092 to +0.0092
        (0, 0, 50, 0.02, "undecided"),  # -0.0533 to +0.0533
        (0, 40, 60, 0.02, "worse"),  # -0.4833 to -0.2814
        (40, 0, 60, 0.02, "not worse"),
        (2, 8, 90, 0.02, "undecided"),  # -0.1235 to +0.0059
        (2, 8, 90, 0.2, "not worse"),
        (0, 0, 1, 0.02, "undecided"),
    ],
)
def test_a_gate_passes_when_not_worse_is_shown(wins, losses, ties, margin, standing):
    """A gate passes when the whole interval lies above minus the margin, and an open one fails unless told to pass."""
    one, cases = compared(wins, losses, ties)
    rule = parse_rule(f"b worse than a by {margin}")
    strict, lenient = decide(rule, one, cases=cases), decide(rule, one, cases=cases, undecided_passes=True)
    assert (strict.standing, strict.passed, lenient.passed) == (standing, standing == "not worse", standing != "worse")


@pytest.mark.parametrize(("unscored", "standing"), [(2, "not worse"), (10, "undecided")])
def test_cases_without_a_score_keep_a_gate_shut(unscored, standing):
    """More than 2 % of the cases without a score in both arms, and the gate is undecided and says so."""
    one, cases = compared(50, 0, 300, unscored)
    verdict = decide(parse_rule("b worse than a by 0.02"), one, cases=cases)
    assert verdict.standing == standing
    assert ("10 cases have no score in one of the two" in verdict.sentence) == (standing == "undecided")


def test_a_gate_that_fails_says_what_to_read():
    """A gate that fails names what to keep and how to see what was lost."""
    one, cases = compared(0, 40, 60)
    assert decide(parse_rule("b worse than a by 0.02"), one, cases=cases).sentence.endswith(
        "Next: keep reply@1, or read what was lost in a notebook: "
        "results.diff('reply@1', 'reply@2', score='right').worse."
    )


def test_a_single_case_without_a_score_is_one_case():
    """One case without a score is told in the singular."""
    one, cases = compared(0, 0, 19, 1)
    assert (
        "; 1 case has no score in one of the two."
        in decide(parse_rule("b worse than a by 1 point"), one, cases=cases).sentence
    )


def test_no_case_with_a_score_keeps_a_gate_shut():
    """Where no case is scored in both arms, the gate does not pass."""
    view = runs.run([["a"], ["b"]], scores={"right": [[1.0], [None]]})
    (one,) = compare_arms(view)
    assert decide(parse_rule("b worse than a by 0.02"), one, cases=1).standing == "undecided"


@pytest.mark.parametrize(("cases", "standing"), [(200, "not worse"), (100, "undecided")])
def test_equal_numbers_need_enough_cases(cases, standing):
    """Scores that are no shares and equal in every case pass from about 3.7 / margin cases on."""
    view = runs.run([["a"] * cases, ["b"] * cases], scores={"right": [[0.5] * cases] * 2})
    (one,) = compare_arms(view)
    assert one.comparison.interval is None
    verdict = decide(parse_rule("b worse than a by 0.02"), one, cases=cases)
    assert verdict.standing == standing
    assert ("about 185 cases" in verdict.sentence) == (standing == "undecided")


def test_a_sentence_says_what_to_do():
    """An undecided gate says how many cases would do if the gap stays."""
    # p = q = 6 / 102, half an interval 1.96 * sqrt(12 / 102 / 102) = 0.06656, and 100 * (0.06656 / 0.02)**2 = 1,108.
    one, cases = compared(5, 5, 90)
    assert decide(parse_rule("b worse than a by 0.02"), one, cases=cases).sentence == (
        "It cannot be told whether reply@2 is worse than reply@1 on right by more than 2 points: "
        "0 points (95 % interval -6.7 to +6.7), 100 cases. Next: about 1,108 cases would do if the gap stays."
    )


ARMS = [
    runs.arm(0, version="8", model="fake/a"),
    runs.arm(1, version="8", model="fake/b"),
    runs.arm(2, version="9", model="fake/a"),
    runs.arm(3, version="9", model="fake/b"),
    runs.arm(4, version="7", model="fake/a", prompt=runs.prompt(version="7", label="production")),
]


@pytest.mark.parametrize(
    ("rule", "pairs"),
    [
        ("reply@9 worse than reply@8 by 1", [(2, 0), (3, 1)]),
        ("folder:reply@9 worse than reply@8 by 1", [(2, 0), (3, 1)]),
        ("reply@9 · a worse than reply@8 · b by 1", [(2, 1)]),
        ("reply@production worse than reply@8 by 1", [(4, 0)]),
    ],
)
def test_arms_are_compared_with_their_partners(rule, pairs):
    """A prompt on several models is compared model by model, and labels name single arms."""
    assert pairs_of(parse_rule(rule), ARMS) == pairs


@pytest.mark.parametrize(
    "rule", ["reply@5 worse than reply@8 by 1", "reply@9 worse than reply@7 by 1", "reply@9 worse than reply@9 by 1"]
)
def test_a_rule_about_arms_that_there_are_not(rule):
    """A rule about an arm that there is not, without a partner, or against itself is refused with the labels."""
    with pytest.raises(UsageError, match="reply@8 · a"):
        pairs_of(parse_rule(rule), ARMS)


def test_more_seconds_are_worse():
    """Of a score that counts down, an arm that takes longer by more than the margin does not pass."""
    first, second = [1.0, 1.1, 1.2, 1.0, 1.1, 1.2] * 4, [3.0, 3.1, 3.3, 3.1, 3.0, 3.2] * 4
    view = runs.run([["a"] * len(first)] * 2, scores={"latency": [first, second]})
    down = {
        trial_id: tuple(replace(score, scorer="latency(lower_is_better=True)") for score in scores)
        for trial_id, scores in view.scores.items()
    }
    (slower,) = compare_arms(replace(view, scores=down))
    (faster,) = compare_arms(replace(view, scores=down), baseline=1)
    rule = parse_rule("a worse than b by 0.5")
    assert (decide(rule, slower, cases=len(first)).standing, decide(rule, slower, cases=len(first)).passed) == (
        "worse",
        False,
    )
    assert decide(rule, faster, cases=len(first)).passed
