"""The verdict: a few lines in plain words, which arm is best or that it is undecided, what shakes it, what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from toolkit._records import RunView
from toolkit.results._arm_comparison import ArmComparison, gap_words, span_words
from toolkit.results._compare import compare_arms
from toolkit.results._frame import score_names
from toolkit.results._labels import arm_labels
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import case_scores, counts_by_arm
from toolkit.results._words import counted, listed
from toolkit.stats import Estimate, estimate

# Arms of live calls that a verdict speaks of; results.compare() has all of them.
_MOST_SENTENCES = 4

_RAISE = "raise `budget_usd`, `max_calls` or `max_tokens`, and the same sweep goes on"


def verdict_text(view: RunView, *, level: float = 0.95) -> str:
    """Returns a few lines of plain words: which arm is best by the first score, by how much, and what to do next."""
    names = score_names(view)
    if not names:
        return "No verdict: nothing is scored yet. Next: results.score(tk.contains()) or a function of yours."
    name = names[0]
    scores = case_scores(view, name)
    labels = arm_labels(view.arms)
    shown = for_screen(name, keep_lines=False)
    if np.isnan(scores.values).all():
        reason, advice = _commonest_reason(view, name), _on_nothing(view, name)
        return f"No verdict: {shown} has no number for any trial{reason}. Next: {advice}."
    if len(labels) == 1:
        found = estimate(scores.values[0], clusters=scores.clusters, level=level)
        lines = [
            f"{labels[0]}: {shown} {_mean_in_words(found)}. One arm: there is nothing to compare it with. "
            "Next: sweep it beside another prompt version or model."
        ]
    else:
        lines = _headline(compare_arms(view, level=level))
    lines += _doubts(view, name)
    if len(names) > 1:
        others = ", ".join(f"results.compare({other!r})" for other in names[1:4])
        lines.append(for_screen(f"By the other scores: {others}.", keep_lines=False))
    return "\n".join(lines)


def _headline(compared: Sequence[ArmComparison]) -> list[str]:
    better = sorted((one for one in compared if one.is_better), key=_delta, reverse=True)
    worse = [one for one in compared if one.is_worse]
    base, score = compared[0].baseline, compared[0].on_score
    if not compared[0].comparison.is_paired:
        return [one.sentence for one in sorted(compared, key=lambda one: not one.is_decided)[:_MOST_SENTENCES]]
    if better:
        return _of_winners(better, base, score)
    lead = max(compared, key=_delta)
    if len(worse) == len(compared):
        told = f"{lead.arm} is worse than the baseline {base} on {score}: {lead.gap}."
        if len(compared) > 1:
            told = f"The baseline {base} is better than every other arm on {score}. Nearest: {lead.arm}, {lead.gap}."
        return [told, *_caution(lead), *_worst_case(lead), f"Next: keep {base}; {lead.diff_call} shows why."]
    if lead.comparison.n == 0:
        return [
            f"No verdict: no case is scored both in an arm and in the baseline {base}. "
            "Next: results.summary() shows which arm has no answers or no scores."
        ]
    if all(one.comparison.wins == one.comparison.losses == 0 for one in compared):
        cases = counted(lead.comparison.n, "case")
        who = "every other arm" if len(compared) > 1 else lead.arm
        lines = [f"Undecided: {who} has the same {lead.score} as the baseline {base} in {cases}.", *_worst_case(lead)]
        advice = "get the missing answers" if lead.is_shaken else lead.advice_on_ties
        return [*lines, f"Next: {advice}.{_outlook(lead)}"]
    lines = [f"Undecided: no arm is shown to be better than the baseline {base} on {score}."]
    place = "Ahead, but not surely" if lead.gain > 0 else "Behind, but not surely" if lead.gain < 0 else "Level"
    lines.append(f"{place}: {lead.arm}, {lead.gap}.")
    if worse:
        lines.append(f"Worse than the baseline: {listed([one.arm for one in worse])}.")
    lines += [*_caution(lead), *_worst_case(lead)]
    lines.append(f"Next: add cases, or keep the cheaper arm.{_outlook(lead)}")
    return lines


def _outlook(one: ArmComparison) -> str:
    return f" {one.outlook[0].upper()}{one.outlook[1:]}." if one.outlook else ""


def _of_winners(better: Sequence[ArmComparison], base: str, score: str) -> list[str]:
    lead = better[0]
    lines = [f"{lead.arm} beats the baseline {base} on {score}: {lead.gap}."]
    if len(better) > 1:
        also = listed([one.arm for one in better[1:]])
        lines.append(
            f"Also better than the baseline: {also}. The gaps among these are not tested here; "
            f"results.compare(baseline={lead.arm!r}) does."
        )
    lines += [*_caution(lead), *_worst_case(lead)]
    price = "results.compare('cost_usd') has what it costs against the baseline"
    if lead.losses:
        return [*lines, f"Next: read the {counted(lead.losses, 'case')} that it lost: {lead.diff_call}.worse; {price}."]
    return [*lines, f"Next: {price}."]


def _caution(one: ArmComparison) -> list[str]:
    return [one.caution] if one.caution else []


def _delta(one: ArmComparison) -> float:
    return one.gain if one.comparison.delta is not None else float("-inf")


def _worst_case(one: ArmComparison) -> list[str]:
    """What missing answers could do to the comparison, where they are more than a few."""
    found = one.worst_case
    if found is None or found.delta is None:
        return []
    left_out = f"{counted(one.left_out, 'case')} left out, without an answer or a score in one of the two."
    if found.n == one.comparison.n:
        # Every one has its answer and lacks a score: there is nothing to be counted as 0.
        return [left_out]
    told = gap_words(found.delta, span_words(found.interval, one.is_share), one.is_share)
    then = (
        "that would be another verdict, so get the missing answers before you decide; the same sweep asks again"
        if one.is_shaken
        else "the verdict stays"
    )
    return [f"{left_out} In the worst case, with missing answers as 0, the gap is {told}: {then}."]


def _doubts(view: RunView, name: str) -> list[str]:
    """A line for each kind of trial that a score says little about: how many, where most are, what to do."""
    counts, labels = counts_by_arm(view, name), arm_labels(view.arms)
    reason = f"the column 'reason.{for_screen(name, keep_lines=False)}' of results.df says why"
    kinds = (
        ("missing", "n", "trial", "without an answer", "results.failures says why, and the same sweep asks again"),
        ("over_budget", "n", "trial", "not sent for want of budget", _RAISE),
        ("refused", "ok", "answer", "refused", "read them in results.wide('refused') and results.wide()"),
        ("truncated", "ok", "answer", "cut off at the token limit", "if the score needs the rest, raise max_tokens"),
        ("unscored", "ok", "answer", f"without the score {for_screen(name, keep_lines=False)}", reason),
    )
    lines = []
    for kind, whole, noun, told, advice in kinds:
        total = sum(each[kind] for each in counts)
        if not total:
            continue
        where = _where([(label, each[kind], each[whole]) for label, each in zip(labels, counts, strict=True)])
        of = counted(sum(each[whole] for each in counts), noun)
        lines.append(f"{total:,} of {of} {told}{where}: {advice}.")
    return lines


def _where(arms: Sequence[tuple[str, int, int]]) -> str:
    """In which arm such trials are: from each arm's label, their number, and the number that they are of."""
    label, most, whole = max(arms, key=lambda arm: arm[1])
    holding = [count for _, count, _ in arms if count]
    if len(arms) == 1:
        return ""
    if len(holding) == 1:
        return f", {'all ' if most > 1 else ''}in {label} ({most:,} of {whole:,})"
    if holding.count(most) > 1:
        return f", at most {most:,} in an arm"
    return f", most in {label} ({most:,} of {whole:,})"


def _on_nothing(view: RunView, name: str) -> str:
    """What to do where no trial has a number."""
    counts = counts_by_arm(view, name)
    if any(each["ok"] for each in counts):
        return "read some answers in results.wide() and see whether the scorer can do with them"
    if not any(each["missing"] for each in counts):
        return _RAISE
    return "results.failures says why there are no answers, and the same sweep asks again"


def _commonest_reason(view: RunView, name: str) -> str:
    reasons = Counter(
        score.explanation
        for scores in view.scores.values()
        for score in scores
        if score.name == name and score.explanation
    )
    if not reasons:
        return ""
    reason, count = reasons.most_common(1)[0]
    return f" ({for_screen(shorten(reason, 120), keep_lines=False)}: {counted(count, 'trial')})"


def _mean_in_words(found: Estimate) -> str:
    if found.mean is None:
        return "has no number"
    told = ""
    if found.interval is not None:
        told = f", {found.interval.level * 100:g} % interval {found.interval.low:.3g} to {found.interval.high:.3g}"
    return f"{found.mean:.3g} ({counted(found.n, 'case')}{told})"
