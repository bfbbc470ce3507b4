"""What blind votes say, in sentences that end in what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toolkit._votes import Vote
from toolkit.results._ranks import is_first_shown, lent_lines
from toolkit.results._vote_agreement import Consistency, RaterAgreement, sides_of
from toolkit.results._words import counted, listed, percent
from toolkit.stats import Ranking, wilson

LENT = 0.1
"""Wins that every pair of arms is lent in both directions where some arm never lost or never won."""

DRAWS = 999
"""Resamples that the intervals are taken from."""

# From this share of them on, an end of a 95 % interval is one of those that were lent wins.
_MANY_LENT = 0.025

# Below these, voters contradict themselves or each other too often to decide by.
_STEADY = 0.7
_AGREED = 0.6

_FEW_REPEATS = 5
_PAIRS_FOR_KAPPA = 30


def vote_lines(
    votes: Sequence[Vote],
    ranking: Ranking | None,
    consistency: Consistency,
    pairwise: Sequence[RaterAgreement],
    alpha: float | None,
) -> list[str]:
    """Returns the sentences of a report, each a line."""
    return [
        _counts_line(votes),
        *_ranking_lines(ranking),
        *_consistency_lines(consistency, votes),
        *_side_lines(votes),
        *_agreement_lines(pairwise, alpha, votes),
    ]


def _counts_line(votes: Sequence[Vote]) -> str:
    shown = [vote for vote in votes if not vote.is_repeat]
    judged = [vote for vote in shown if vote.is_judged]
    if not votes:
        return "Nobody has voted yet: results.vote() shows two answers at a time, without names."
    voters = Counter(vote.voter for vote in judged)
    cases = len({vote.case for vote in judged})
    who = ", ".join(f"{voter} {count:,}" for voter, count in voters.items())
    told = f"{counted(len(judged), 'blind vote')} on {counted(cases, 'case')}" + (f" ({who})" if who else "")
    ties, bad = (sum(vote.verdict == each for vote in judged) for each in ("tie", "both_bad"))
    details = [counted(ties, "tie")] if ties else []
    if bad:
        details.append(f"{bad:,} both bad, which {'counts as a tie' if bad == 1 else 'count as ties'}")
    same = sum(vote.verdict == "same" for vote in shown)
    if same:
        details.append(
            f"{counted(same, 'pair')} with the same text not shown and counted as {'a tie' if same == 1 else 'ties'}"
        )
    skipped = sum(vote.verdict == "skip" for vote in shown)
    if skipped:
        details.append(f"{skipped:,} skipped")
    return f"{'; '.join([told, *details])}."


def _ranking_lines(ranking: Ranking | None) -> list[str]:
    if ranking is None:
        return []
    lines = lent_lines(ranking)
    if ranking.note is None and ranking.draws_lent > _MANY_LENT * DRAWS:
        lines.append(
            f"In {ranking.draws_lent / DRAWS:.0%} of the resamples some arm never lost or never won, and {LENT:g} wins "
            "were lent: an end of the intervals rests on them."
        )
    first, second = ranking.arms[0], ranking.arms[1]
    if first.interval is None:
        lines.append("One case alone cannot tell how sure this is: vote on more.")
    elif is_first_shown(ranking):
        lines.append(
            f"{first.arm} is preferred to {second.arm}: take it, unless results.summary() shows what it costs."
        )
    else:
        lines.append(
            f"The intervals of {first.arm} and {second.arm} overlap, so this is undecided: vote on more cases, or ask "
            'somebody else: results.vote(voter="...").'
        )
    return lines


def _consistency_lines(found: Consistency, votes: Sequence[Vote]) -> list[str]:
    if not any(vote.is_judged for vote in votes):
        return []
    if found.share is None:
        return ["No pair was shown twice yet: from about ten votes on, some are, to see how steady the verdicts are."]
    told = f"Of {counted(found.n, 'pair')} shown again, {found.same:,} got the same verdict"
    if found.interval is not None:
        told += (
            f" ({percent(found.share)}, 95 % interval {percent(found.interval.low)} to {percent(found.interval.high)})"
        )
    if found.n < _FEW_REPEATS:
        return [f"{told}; too few to say how steady the verdicts are."]
    if found.share < _STEADY:
        return [f"{told}: the verdicts waver. Agree on what makes an answer better, then vote on more cases."]
    return [f"{told}."]


def _side_lines(votes: Sequence[Vote]) -> list[str]:
    left, decided = sides_of(votes)
    interval = wilson(left, decided)
    if interval is None or interval.low <= 0.5 <= interval.high:
        return []
    side = "left" if left * 2 > decided else "right"
    share = left / decided if side == "left" else 1 - left / decided
    return [
        f"The answer on the {side} won {percent(share)} of {counted(decided, 'decided pair')}, where 50 % is fair. "
        "Sides are drawn for each pair, so this hides differences and makes none: read both answers."
    ]


def _agreement_lines(pairwise: Sequence[RaterAgreement], alpha: float | None, votes: Sequence[Vote]) -> list[str]:
    lines, low = [], []
    for each in pairwise:
        found = each.agreement
        told = f"{each.first} and {each.second} agree on {percent(found.share or 0)} of {counted(found.n, 'pair')}"
        if found.kappa is not None:
            told += f", Cohen's kappa {found.kappa:.2f}"
            if found.kappa < _AGREED:
                low.append(f"{each.first} and {each.second}")
        elif found.n < _PAIRS_FOR_KAPPA:
            told += f"; {_PAIRS_FOR_KAPPA} are needed to see how much of that is chance"
        lines.append(f"{told}.")
    if low:
        lines.append(
            f"Kappa is below {_AGREED:g} for {listed(low)}: read the pairs where they differ before you decide."
        )
    if len({vote.voter for vote in votes if vote.is_judged}) > 2 and alpha is not None:
        lines.append(f"All voters together: Krippendorff's alpha {alpha:.2f} (0 = as by chance, 1 = always).")
    return lines
