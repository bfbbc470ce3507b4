"""What a page shows once a voter has finished, as plain JSON, and what it shows of open pairs without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from toolkit.results import Safe, VoteReport, element, for_screen, joined, rank_rows

Wire: TypeAlias = dict[str, Any]

_CELL = "border:1px solid rgba(128,128,128,.4);padding:.4em .7em;vertical-align:top;text-align:left"
_TABLE = "border-collapse:collapse;margin:.5em 0;white-space:pre-wrap;overflow-wrap:anywhere"

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


def next_pairs(pairs: Sequence[tuple[Sequence[tuple[str, str]], str, str]]) -> Safe:
    """Returns the next pairs as an inert table, without names.

    Args:
        pairs: Of each the case's variables by name, the left answer and the right one; no variables = no case is shown.
    """
    has_cases = any(variables for variables, _, _ in pairs)
    names = ("Case", "Left", "Right") if has_cases else ("Left", "Right")
    head = element("tr", [element("th", name, scope="col", style=_CELL) for name in names])
    rows = []
    for variables, *answers in pairs:
        told = [element("div", f"{name}: {value}", dir="auto") for name, value in variables]
        case = element("td", told, style=f"{_CELL};min-width:9em;opacity:.8") if has_cases else None
        sides = [element("td", element("div", text, dir="auto"), style=f"{_CELL};min-width:12em") for text in answers]
        rows.append(element("tr", case, sides))
    table = element("table", element("thead", head), element("tbody", rows), style=_TABLE)
    return joined(
        element("p", "Which answer is better? The next pairs:"), element("div", table, style="overflow-x:auto")
    )


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
