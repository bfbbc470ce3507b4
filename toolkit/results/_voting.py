"""What blind votes say: a ranking with intervals, who agrees with whom, how steady the voters are, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from toolkit._records import RunView
from toolkit._votes import Vote
from toolkit.results._frame import to_series
from toolkit.results._html import Safe, element
from toolkit.results._labels import arm_labels
from toolkit.results._pandas import pd
from toolkit.results._ranks import rank_lines, ranks_table
from toolkit.results._screen import for_screen
from toolkit.results._vote_agreement import (
    Consistency,
    RaterAgreement,
    agreements,
    alpha_of_all,
    consistency_of,
    sides_of,
    winner_of,
)
from toolkit.results._vote_words import DRAWS, LENT, vote_lines
from toolkit.results._words import counted
from toolkit.stats import Preference, Ranking, rank_arms

_COLUMNS: Mapping[str, str] = {
    "voter": "text",
    "case": "Int64",
    "repeat": "Int64",
    "left": "text",
    "right": "text",
    "verdict": "text",
    "winner": "text",
    "seconds": "Float64",
    "at": "time",
    "is_repeat": "boolean",
    "note": "text",
    "left_trial": "text",
    "right_trial": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VoteReport:
    """What blind votes say. Its text form says what to make of it."""

    df: pd.DataFrame
    """One row a vote, oldest first: `voter`, `case`, `repeat`, `left` and `right` (arms), `verdict`, `winner` (an arm;
    `<NA>` when nobody won), `seconds`, `at` (UTC), `is_repeat`, `note`, `left_trial`, `right_trial`."""
    ranking: pd.DataFrame
    """One row an arm, the strongest first; index `arm`, columns as `strength`, `low`, `high`, `elo`, `won`, `tied`,
    `lost`. Equal texts and "both bad" are ties; pairs shown again and skipped ones do not count."""
    voters: pd.DataFrame
    """One row a voter, index `voter`: `votes`, `ties`, `both_bad`, `skipped`, `same_text` (pairs that nobody had to
    judge), `left_share` (of the decided pairs, how often the left answer won), `shown_again`, `said_again` (with the
    same verdict), `seconds` (median of a vote)."""
    agreement: pd.DataFrame
    """One row two raters with a pair in common: `first`, `second`, `n`, `share`, `kappa` (Cohen's) and `alpha`
    (Krippendorff's), both `<NA>` for fewer than 30 pairs. Scores of judges and of people rate a pair by which of its
    answers has the better score."""
    alpha: float | None
    """Krippendorff's, over all voters; `None` when no pair has two, or all say the same."""
    consistency: Consistency
    strengths: Ranking | None
    """What `ranking` is the table of; `None` without a vote that counts."""
    sentences: tuple[str, ...]
    """What all this says, and what to do next; the first counts the votes."""

    def __str__(self) -> str:
        first, *others = self.sentences
        return "\n".join([first, *self._rank_lines(), *others])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> Safe:
        first, *others = (element("p", line) for line in self.sentences)
        return element("div", first, self._rank_table(), others, class_="toolkit-results tex2jax_ignore mathjax_ignore")

    def _rank_lines(self) -> list[str]:
        if self.strengths is None:
            return []
        heading = f"Ranking by {counted(self.strengths.n_preferences, 'pair')} (Bradley-Terry):"
        return [heading, *(for_screen(line, keep_lines=False) for line in rank_lines(self.strengths))]

    def _rank_table(self) -> Safe | None:
        if self.strengths is None:
            return None
        rows = [
            element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
            for row in rank_rows(self.strengths)
        ]
        head = element("thead", element("tr", [element("th", name, scope="col") for name in _RANKED]))
        return element("table", head, element("tbody", rows))


_RANKED = ("arm", "strength", "95 % interval", "won", "tied", "lost")


def vote_report(view: RunView) -> VoteReport:
    """Returns what the votes on a run say; without votes, how to cast some."""
    labels = dict(zip((arm.index for arm in view.arms), arm_labels(view.arms), strict=True))
    arms = {trial.trial_id: labels[trial.arm.index] for trial in view.trials}
    # Votes on trials that the run no longer has say nothing about its arms.
    votes = [vote for vote in view.votes if vote.left in arms and vote.right in arms]
    ranking = _ranked(votes, arms)
    consistency = consistency_of(votes)
    pairwise = agreements(view, votes)
    alpha = alpha_of_all(view, votes)
    lines = vote_lines(votes, ranking, consistency, pairwise, alpha)
    return VoteReport(
        df=_frame(votes, arms),
        ranking=ranks_table(ranking),
        strengths=ranking,
        voters=_voters(votes),
        agreement=_agreement_frame(pairwise),
        alpha=alpha,
        consistency=consistency,
        sentences=tuple(for_screen(line, keep_lines=False) for line in lines),
    )


def rank_rows(ranking: Ranking) -> list[tuple[str, ...]]:
    """Returns the words of a ranking's table: arm, strength, interval, pairs won, tied and lost."""
    return [
        (
            for_screen(arm.arm, keep_lines=False),
            f"{arm.log_strength:+.2f}",
            f"{arm.interval.low:+.2f} to {arm.interval.high:+.2f}" if arm.interval is not None else "?",
            *(f"{count:,}" for count in (arm.wins, arm.ties, arm.losses)),
        )
        for arm in ranking.arms
    ]


def _frame(votes: Sequence[Vote], arms: Mapping[str, str]) -> pd.DataFrame:
    rows = []
    for vote in votes:
        won = winner_of(vote)
        said = {name: getattr(vote, name) for name in ("voter", "case", "repeat", "verdict", "seconds", "at", "note")}
        rows.append(
            said
            | {"left": arms[vote.left], "right": arms[vote.right], "winner": None if won is None else arms[won]}
            | {"is_repeat": vote.is_repeat, "left_trial": vote.left, "right_trial": vote.right}
        )
    return pd.DataFrame({name: to_series([row[name] for row in rows], dtype) for name, dtype in _COLUMNS.items()})


def _ranked(votes: Sequence[Vote], arms: Mapping[str, str]) -> Ranking | None:
    preferences = [
        Preference(case=vote.case, first=arms[vote.left], second=arms[vote.right], score=_SCORES.get(vote.verdict, 0.5))
        for vote in votes
        if not vote.is_repeat and vote.verdict != "skip" and arms[vote.left] != arms[vote.right]
    ]
    if not preferences:
        return None
    try:
        return rank_arms(preferences, draws=DRAWS)
    except ValueError:
        # No finite strengths: the one thing that these preferences can lack.
        return rank_arms(preferences, draws=DRAWS, pseudo_wins=LENT)


_SCORES = {"left": 1.0, "right": 0.0}


def _agreement_frame(pairwise: Sequence[RaterAgreement]) -> pd.DataFrame:
    columns: dict[str, tuple[list[Any], str]] = {
        "first": ([each.first for each in pairwise], "text"),
        "second": ([each.second for each in pairwise], "text"),
        "n": ([each.agreement.n for each in pairwise], "Int64"),
        "share": ([each.agreement.share for each in pairwise], "Float64"),
        "kappa": ([each.agreement.kappa for each in pairwise], "Float64"),
        "alpha": ([each.agreement.alpha for each in pairwise], "Float64"),
    }
    return pd.DataFrame({name: to_series(values, dtype) for name, (values, dtype) in columns.items()})


def _voters(votes: Sequence[Vote]) -> pd.DataFrame:
    names = list(dict.fromkeys(vote.voter for vote in votes))
    rows: list[dict[str, Any]] = []
    for name in names:
        own = [vote for vote in votes if vote.voter == name]
        counts = Counter(vote.verdict for vote in own if not vote.is_repeat)
        judged = [vote for vote in own if vote.is_judged]
        left, decided = sides_of(own)
        again = consistency_of(own)
        rows.append(
            {
                "votes": sum(counts[each] for each in ("left", "right", "tie", "both_bad")),
                "ties": counts["tie"],
                "both_bad": counts["both_bad"],
                "skipped": counts["skip"],
                "same_text": counts["same"],
                "left_share": left / decided if decided else None,
                "shown_again": again.n,
                "said_again": again.same,
                "seconds": median(vote.seconds for vote in judged) if judged else None,
            }
        )
    kinds = {"left_share": "Float64", "seconds": "Float64"}
    columns = "votes ties both_bad skipped same_text left_share shown_again said_again seconds".split()
    frame = pd.DataFrame(
        {column: to_series([row[column] for row in rows], kinds.get(column, "Int64")) for column in columns}
    )
    frame.index = pd.Index([for_screen(name, keep_lines=False) for name in names], name="voter")
    return frame
