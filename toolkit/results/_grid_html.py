"""The grid of answers as inert HTML: for saved notebooks, pages that host code, and every place without a kernel."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.results._columns import Row, cell_text
from toolkit.results._diff import Piece, word_diff
from toolkit.results._grid import ArmTotals, CaseGrid, Key, Tone, failure_message, status_words
from toolkit.results._html import Safe, element, joined
from toolkit.results._money import usd
from toolkit.results._screen import shorten

_MOST_CASES = 20
_MOST_ARMS = 8

# Of all answers and variables together: with the markup a saved notebook stays below 0.1 MB.
_MOST_CHARACTERS = 30_000
_MOST_OF_ONE = 1_500
_FEWEST_OF_ONE = 160
_MOST_OF_VARIABLE = 160

# Cells up to which marked words have a colour: in large tables their style would be longer than the words.
_MOST_COLOURED = 60

# Answers that share less than this are shown without marks: every word would have one.
_SHARED = 0.3

# Short, since it stands in every cell; half transparent, since pages are light and dark.
CELL = "border:1px solid rgba(128,128,128,.4);padding:.3em .5em;vertical-align:top;text-align:left"
TABLE = "border-collapse:collapse;margin:.5em 0;text-align:left"
# On the table, for all that is in it.
_WRAPPED = f"{TABLE};white-space:pre-wrap;overflow-wrap:anywhere"
_COLUMN = f"{CELL};min-width:12em;max-width:32em"
_LIGHT = "font-weight:normal"
BAD = "color:var(--jp-error-color1, var(--vscode-errorForeground, #d32f2f));font-weight:600"
FAINT = "opacity:.75"
_SMALL = "font-size:.85em"
_COLOURS = {"del": "background:rgba(211,47,47,.18)", "ins": "background:rgba(46,125,50,.2)"}

_WAITING = element("td", "…", style=f"{CELL};{FAINT}", title="not answered yet")

# Tints under the page's own colour of text: that keeps its contrast on light and on dark pages.
_TONES: dict[Tone, str] = {
    "": "",
    "faint": "",
    "good": f"{_COLOURS['ins']};font-weight:600",
    "bad": f"{_COLOURS['del']};font-weight:600",
    "warn": "font-weight:600",
}


def grid_html(grid: CaseGrid, *, is_running: bool = False) -> Safe:
    """Returns the first cases and arms of a grid, answers marked word by word against the baseline's.

    Args:
        grid: The trials by case and arm.
        is_running: Whether trials without an outcome are still to come.
    """
    score = grid.scores[0] if grid.scores else None
    arms = list(range(len(grid.labels)))
    if len(arms) > _MOST_ARMS:
        # The baseline stays, wherever it is: what the others are marked against.
        arms = sorted({grid.baseline, *[place for place in arms if place != grid.baseline][: _MOST_ARMS - 1]})
    keys = grid.keys[:_MOST_CASES]
    most = min(_MOST_OF_ONE, max(_FEWEST_OF_ONE, _MOST_CHARACTERS // max(1, len(keys) * len(arms))))
    texts = grid.texts(keys)
    totals = grid.totals(score, grid.baseline)
    head = [
        element("th", "case", scope="col", style=_COLUMN),
        *(_head(totals[place], score, is_alone=len(grid.labels) == 1) for place in arms),
    ]
    body = [
        element(
            "tr",
            element("th", case_html(grid, key), scope="row", style=CELL),
            [
                _WAITING if is_running and _is_open(grid, key, place) else _cell(grid, key, place, texts, most)
                for place in arms
            ],
        )
        for key in keys
    ]
    table = element("table", element("thead", element("tr", head)), element("tbody", body), style=_WRAPPED)
    return element("div", table, _hidden(grid, len(keys), len(arms)), style="overflow-x:auto")


def case_html(grid: CaseGrid, key: Key) -> Safe:
    """Returns what a case is: its number, variables and expected answer."""
    case = grid.first(key).trial.case
    repeat = f", repeat {key[1]}" if grid.repeats > 1 else ""
    lines = [element("div", f"{case.index}{repeat}")]
    for name, value in case.variables.items():
        text = f"{name}: {shorten(cell_text(value) or '', _MOST_OF_VARIABLE)}"
        lines.append(element("div", text, style=_LIGHT, dir="auto"))
    expected = cell_text(case.expected)
    if expected is not None:
        text = f"expected: {shorten(expected, _MOST_OF_VARIABLE)}"
        lines.append(element("div", text, style=f"{_LIGHT};{FAINT}"))
    return joined(lines)


def totals_words(totals: ArmTotals, score: str | None) -> str:
    """Returns what heads a column beside its label: `contains 0.94 · 16/16 · $0.01 · 0.4 s`."""
    parts = [
        *([f"{score} {totals.score:.2f}"] if score is not None and totals.score is not None else []),
        f"{totals.answers:,}/{totals.trials:,}",
        *([f"{usd(totals.cost_usd)} each"] if totals.cost_usd else []),
        *([f"{totals.latency_s:.2g} s"] if totals.latency_s is not None else []),
    ]
    return " · ".join(parts)


def marked_pieces(base: str | None, text: str) -> Sequence[Piece] | None:
    """Returns the words of an answer against the baseline's; `None` when there is nothing to mark or nearly all."""
    if base is None or base == text:
        return None
    pieces = word_diff(base, text)
    kept = sum(len(piece.text) for piece in pieces if piece.kind == "kept")
    return pieces if kept >= _SHARED * max(len(base), len(text)) else None


def _head(totals: ArmTotals, score: str | None, *, is_alone: bool) -> Safe:
    label = f"{totals.label} (baseline)" if totals.is_baseline and not is_alone else totals.label
    words = element("div", totals_words(totals, score), style=f"{_LIGHT};{_SMALL}")
    return element("th", label, words, scope="col", style=_COLUMN)


def _cell(grid: CaseGrid, key: Key, place: int, texts: dict[str, str], most: int) -> Safe:
    row = grid.cells(key)[place]
    if row is None:
        return element("td", "not planned", style=f"{CELL};{FAINT}")
    base = grid.cells(key)[grid.baseline] if place != grid.baseline else None
    text = texts.get(row.trial.trial_id)
    if text is None:
        return element("td", _without_answer(row), _chips(grid, row, base), style=CELL)
    before = texts.get(base.trial.trial_id) if base is not None else None
    shown = shorten(text, most)
    pieces = marked_pieces(None if before is None else shorten(before, most), shown)
    is_coloured = min(len(grid.keys), _MOST_CASES) * min(len(grid.labels), _MOST_ARMS) <= _MOST_COLOURED
    words: str | list[str] = shown if pieces is None else [_marked(piece, is_coloured) for piece in pieces]
    return element("td", element("div", words, dir="auto"), _chips(grid, row, base), style=CELL)


def _is_open(grid: CaseGrid, key: Key, place: int) -> bool:
    row = grid.cells(key)[place]
    return row is not None and row.status in ("skipped", "unknown")


def _without_answer(row: Row) -> list[Safe]:
    style = FAINT if row.status in ("skipped", "over_budget", "stopped_early") else BAD
    message = failure_message(row)
    words = [element("div", status_words(row), style=style)]
    return [*words, element("div", shorten(message, 300))] if message else words


def _marked(piece: Piece, is_coloured: bool) -> str:
    if piece.kind == "kept":
        return piece.text
    tag = "del" if piece.kind == "removed" else "ins"
    return element(tag, piece.text, style=_COLOURS[tag]) if is_coloured else element(tag, piece.text)


def _chips(grid: CaseGrid, row: Row, base: Row | None) -> Safe | None:
    chips = grid.chips(row, base)
    if not chips:
        return None
    spans = [
        joined(
            " · " if place else "",
            element("span", chip.text, style=style) if (style := _TONES[chip.tone]) else chip.text,
        )
        for place, chip in enumerate(chips)
    ]
    return element("div", spans, style=_SMALL)


def _hidden(grid: CaseGrid, cases: int, arms: int) -> Safe | None:
    more_cases, more_arms = len(grid.keys) - cases, len(grid.labels) - arms
    noun = "cases" if grid.repeats == 1 else "cases and repeats"
    hidden = [
        *([f"{more_cases:,} more {noun}"] if more_cases else []),
        *([f"{more_arms:,} more arms"] if more_arms else []),
    ]
    return element("p", f"Not shown: {', '.join(hidden)}; see .grid() or .wide().", style=FAINT) if hidden else None
