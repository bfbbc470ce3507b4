"""What a page shows once a voter has finished: who was who, as plain JSON with every foreign text safe to show."""

from __future__ import annotations

from typing import Any, TypeAlias

from toolkit.results import VoteReport, for_screen, rank_rows

Wire: TypeAlias = dict[str, Any]

_VOTER_COLUMNS = (
    ("votes", "votes"),
    ("ties", "ties"),
    ("both_bad", "both bad"),
    ("skipped", "skipped"),
    ("left_share", "left won"),
    ("said_again", "same again"),
    ("seconds", "seconds each"),
)


def report_parts(report: VoteReport, *, has_more: bool) -> Wire:
    """Returns what the page shows of a report: sentences, the ranking with where its intervals lie, the voters.

    Args:
        report: What the votes say.
        has_more: Whether the voter has pairs left.
    """
    return {
        "sentences": list(report.sentences),
        "arms": _arms(report),
        "voter_columns": [words for _, words in _VOTER_COLUMNS],
        "voters": [_voter(str(name), report) for name in report.voters.index],
        "has_more": has_more,
    }


def _arms(report: VoteReport) -> list[Wire]:
    if report.strengths is None:
        return []
    arms = report.strengths.arms
    ends = [arm.log_strength for arm in arms]
    ends += [end for arm in arms if arm.interval is not None for end in (arm.interval.low, arm.interval.high)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    width = (high - low) or 1.0

    def per_cent(value: float) -> float:
        return round(100 * (value - low) / width, 2)

    return [
        {
            "words": row,
            "at": per_cent(arm.log_strength),
            "from": None if arm.interval is None else per_cent(arm.interval.low),
            "to": None if arm.interval is None else per_cent(arm.interval.high),
            "zero": per_cent(0.0),
        }
        for arm, row in zip(arms, rank_rows(report.strengths), strict=True)
    ]


def _voter(name: str, report: VoteReport) -> list[str]:
    row: Any = report.voters.loc[name]
    own = {
        "left_share": lambda value: f"{100 * value:.0f} %",
        "said_again": lambda value: f"{value:.0f} of {row['shown_again']:.0f}" if row["shown_again"] else "none yet",
        "seconds": lambda value: f"{value:.1f}",
    }
    cells = []
    for column, _ in _VOTER_COLUMNS:
        value = row[column]
        is_missing = str(value) in ("<NA>", "nan")
        cells.append("?" if is_missing else own.get(column, lambda each: f"{each:.0f}")(value))
    return [for_screen(name, keep_lines=False), *cells]
