"""The verdict: a few lines in plain words, which arm is best or that it is undecided, what shakes it, what is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from toolkit._records import RunView
from toolkit.results._compare import ArmComparison, amount, compare_arms
from toolkit.results._frame import score_names
from toolkit.results._labels import arm_labels
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import case_scores, counts_by_arm
from toolkit.results._words import counted, listed
from toolkit.stats import Estimate, estimate


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
        return f"No verdict: {shown} has no number for any trial{_commonest_reason(view, name)}."
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
    base, score = compared[0].baseline, compared[0].score
    if better:
        return _of_winners(better, base, score)
    lead = max(compared, key=_delta)
    if len(worse) == len(compared):
        told = f"The baseline {base} is better than every other arm on {score}; the nearest is {lead.arm}: {lead.gap}."
        return [told, *_worst_case(lead), f"Next: keep {base}; {lead.diff_call} shows why."]
    if lead.comparison.n == 0:
        return [
            f"No verdict: no case is scored both in an arm and in the baseline {base}. "
            "Next: results.summary() shows which arm has no answers or no scores."
        ]
    if all(one.comparison.wins == one.comparison.losses == 0 for one in compared):
        cases = counted(lead.comparison.n, "case")
        lines = [f"Undecided: every arm has the same {score} as the baseline {base} in {cases}."]
    else:
        lines = [f"Undecided: no arm is shown to be better than the baseline {base} on {score}."]
        lines.append(f"Nearest to it or ahead: {lead.arm}, {lead.gap}.")
    if worse:
        lines.append(f"Worse than the baseline: {listed([one.arm for one in worse])}.")
    lines += _worst_case(lead)
    advice = f" {lead.outlook[0].upper()}{lead.outlook[1:]}." if lead.outlook else ""
    lines.append(f"Next: add cases, or keep the cheaper arm.{advice}")
    return lines


def _of_winners(better: Sequence[ArmComparison], base: str, score: str) -> list[str]:
    lead = better[0]
    lines = [f"{lead.arm} beats the baseline {base} on {score}: {lead.gap}."]
    if len(better) > 1:
        also = listed([one.arm for one in better[1:]])
        lines.append(
            f"Also better than the baseline: {also}. The gaps among these are not tested here; "
            f"results.compare(baseline={lead.arm!r}) does."
        )
    lines += _worst_case(lead)
    if lead.losses:
        lines.append(f"Next: read the {counted(lead.losses, 'case')} that it lost: results.wide('score.{score}').")
    return lines


def _delta(one: ArmComparison) -> float:
    return one.gain if one.comparison.delta is not None else float("-inf")


def _worst_case(one: ArmComparison) -> list[str]:
    """What missing answers could do to the comparison, where they are more than a few."""
    found = one.worst_case
    if found is None or found.delta is None:
        return []
    unit = " points" if found.is_binary else ""
    told = f"{amount(found.delta, found.is_binary)}{unit}"
    if found.interval is not None:
        low, high = (amount(end, found.is_binary) for end in (found.interval.low, found.interval.high))
        told += f" ({one.level * 100:g} % interval {low} to {high})"
    then = (
        "that is another verdict, so get the missing answers before you decide; the same sweep asks for them again"
        if one.is_shaken
        else "the verdict stays"
    )
    return [
        f"{counted(one.left_out, 'case')} left out, without an answer or a score in one of the two. "
        f"In the worst case, with missing answers as 0, it is {told}: {then}."
    ]


def _doubts(view: RunView, name: str) -> list[str]:
    """A line for each kind of trial that a score says little about: how many, where most are, what to do."""
    counts, labels = counts_by_arm(view, name), arm_labels(view.arms)
    reason = f"the column 'reason.{for_screen(name, keep_lines=False)}' of results.df says why"
    kinds = (
        ("missing", "n", "trial", "without an answer", "results.failures says why, and the same sweep asks again"),
        ("refused", "ok", "answer", "refused", "read them in results.wide('refused') and results.wide()"),
        ("truncated", "ok", "answer", "cut off at the token limit", "if the score needs the rest, raise max_tokens"),
        ("unscored", "ok", "answer", f"without a score {for_screen(name, keep_lines=False)}", reason),
    )
    lines = []
    for kind, whole, noun, told, advice in kinds:
        total = sum(each[kind] for each in counts)
        if not total:
            continue
        most = max(range(len(counts)), key=lambda place: counts[place][kind])
        where = (
            f", most in {labels[most]} ({counts[most][kind]:,} of {counts[most][whole]:,})" if len(labels) > 1 else ""
        )
        of = counted(sum(each[whole] for each in counts), noun)
        lines.append(f"{total:,} of {of} {told}{where}: {advice}.")
    return lines


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
    return f" ({for_screen(shorten(reason, 120), keep_lines=False)}: {count} trials)"


def _mean_in_words(found: Estimate) -> str:
    if found.mean is None:
        return "has no number"
    told = ""
    if found.interval is not None:
        told = f", {found.interval.level * 100:g} % interval {found.interval.low:.3g} to {found.interval.high:.3g}"
    return f"{found.mean:.3g} ({counted(found.n, 'case')}{told})"
