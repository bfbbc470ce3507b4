"""The gate of a pipeline: a rule in words, the arms that it is about, and the decision over their comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit._records import Arm
from toolkit.errors import UsageError

if TYPE_CHECKING:  # pandas and numpy come with them, and `toolkit --help` needs none
    from toolkit.results import ArmComparison
    from toolkit.stats import Standing

# Above this share of cases without a score in both arms, a gate does not pass: what is missing could be what is worse.
_MOST_UNSCORED = 0.02

_RULE = re.compile(
    r"\s*(?P<arm>\S.*?)\s+worse\s+than\s+(?P<than>\S.*?)\s+by\s+(?P<margin>\d+(?:\.\d+)?|\.\d+)"
    r"(?P<points>\s+points?)?(?:\s+on\s+(?P<score>\S.*?))?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`reply@9 worse than reply@8 by 0.02 on exact`: what must not be so."""

    text: str
    arm: str
    than: str
    margin: float
    """The loss that is accepted, in the score's unit."""
    score: str | None
    """`None` = the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """What a rule says of one pair of arms."""

    rule: Rule
    arm: str
    than: str
    standing: Standing
    passed: bool
    sentence: str


def parse_rule(text: str) -> Rule:
    """Reads `ARM worse than ARM by MARGIN`, with ` on SCORE` behind it where it is not the first; `2 points` is 0.02.

    Raises:
        UsageError: If it is written in another way, or the margin is 0.

    Example:
        >>> parse_rule("reply@9 worse than reply@8 by 2 points on exact").margin
        0.02
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--fail-if {text!r} is not a rule; write one such as 'reply@9 worse than reply@8 by 0.02', "
            "with ' on exact' behind it for a score that is not the first."
        )
    margin = float(found["margin"]) / (100 if found["points"] else 1)
    if not margin > 0:
        raise UsageError(
            f"--fail-if {text!r}: no number of cases can show that an arm is not worse at all; "
            "give the loss that you would accept, such as 0.02."
        )
    return Rule(text=text.strip(), arm=found["arm"], than=found["than"], margin=margin, score=found["score"])


def pairs_of(rule: Rule, arms: Sequence[Arm]) -> list[tuple[int, int]]:
    """Returns the places of the arms that a rule compares: by label or prompt, each with its partner.

    Where a prompt stands on several arms, partners are those of the same model and params.

    Raises:
        UsageError: If one of the two is no arm, or an arm has no partner.
    """
    from toolkit.results import arm_labels, fitting_arms

    first, second = fitting_arms(arms, rule.arm), fitting_arms(arms, rule.than)
    labels = arm_labels(arms)
    for name, places in ((rule.arm, first), (rule.than, second)):
        if not places:
            raise UsageError(f"--fail-if {rule.text!r}: {name!r} is no arm of this sweep; it has: {', '.join(labels)}.")
    if len(first) == len(second) == 1:
        pairs = [(first[0], second[0])]
    else:
        pairs = [(a, b) for a in first for b in second if _setting(arms[a]) == _setting(arms[b])]
    if {a for a, _ in pairs} != set(first) or any(a == b for a, b in pairs):
        raise UsageError(
            f"--fail-if {rule.text!r}: not every arm of {rule.arm!r} has one of {rule.than!r} to be compared with; "
            f"name arms by their labels: {', '.join(labels)}."
        )
    return pairs


def decide(rule: Rule, compared: ArmComparison, *, cases: int, undecided_passes: bool = False) -> GateVerdict:
    """Returns whether a gate passes: when the arm is shown to be not worse by more than the margin.

    Decided by the 95 % interval of the difference: an arm that is worse by the margin passes with a chance of at most
    2.5 %. When every case has the same score in both arms there is no spread to make an interval from; then at most
    3.7 / n of further cases can differ (with 97.5 % confidence), each by one whole unit of the score.

    Args:
        rule: What must not be so.
        compared: The arm against the other one.
        cases: Cases that the sweep has; more than 2 % of them without a score in both arms, and it is undecided.
        undecided_passes: Whether what cannot be decided passes.
    """
    from toolkit.stats import standing

    found = compared.comparison
    missing = cases - found.n
    enough = found.n > 0 and missing <= _MOST_UNSCORED * cases
    where: Standing = standing(compared.gain_interval, margin=rule.margin)
    if not enough and where == "not worse":
        where = "undecided"
    passed = where == "not worse" or (where == "undecided" and undecided_passes)
    sentence = _sentence(rule, compared, where, missing=missing if not enough else 0)
    return GateVerdict(
        rule=rule, arm=compared.arm, than=compared.baseline, standing=where, passed=passed, sentence=sentence
    )


def _setting(arm: Arm) -> tuple[str, object]:
    return arm.model, arm.params


def _sentence(rule: Rule, compared: ArmComparison, where: Standing, *, missing: int) -> str:
    from toolkit.results import cases_to_clear, counted, margin_words

    by = f"on {compared.on_score} by more than {margin_words(rule.margin, compared.is_share)}"
    told = f": {compared.plain_gap}" if compared.comparison.n else ""
    if where == "not worse":
        return f"{compared.arm} is not worse than {compared.baseline} {by}{told}."
    if where == "worse":
        lost = f"keep {compared.baseline}, or read what was lost in a notebook: {compared.diff_call}.worse"
        return f"{compared.arm} is worse than {compared.baseline} {by}{told}. Next: {lost}."
    cannot = f"It cannot be told whether {compared.arm} is worse than {compared.baseline} {by}{told}"
    if missing:
        have = "has" if missing == 1 else "have"
        lacking = f"{counted(missing, 'case')} {have} no score in one of the two"
        why = f"what is answered and not scored says why in reason.{compared.score}"
        return f"{cannot}; {lacking}. Next: run it again; {why}."
    needed = cases_to_clear(compared, -rule.margin)
    more = (
        f"about {needed:,} cases would do if the gap stays"
        if needed is not None
        else "add cases, or accept a larger loss"
    )
    return f"{cannot}. Next: {more}."
