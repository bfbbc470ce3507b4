"""Which cases the grid shows, in which order, and what the page that is seen says; nothing here knows a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from toolkit.results import (
    CaseGrid,
    Chip,
    Key,
    Row,
    cell_text,
    failure_message,
    for_screen,
    is_unsent,
    marked_pieces,
    shorten,
    status_words,
    totals_words,
    word_gap,
)

PAGE = 25
"""Cases on a page."""

Show: TypeAlias = Literal["all", "failures", "different", "regressions"]
"""Which cases: those in which an arm has no answer, has another than the baseline, or has a worse score."""

Order: TypeAlias = Literal["case", "difference"]
"""The cases' own order, or the most different from the baseline first: by the score, then by the words."""

STAR = "star"
"""Score that a starred answer has: 1; taken off again it is not scored."""

# A cell shows the beginning of a long answer; the expanded cell has the rest.
_MOST_OF_ANSWER = 2_000
_MOST_OF_VARIABLE = 400
_MOST_OF_SEARCH = 200

# Answers are kept in memory for the next search up to this many characters.
_MOST_KEPT = 64 * 1024 * 1024

Wire: TypeAlias = dict[str, Any]
"""Plain JSON, every foreign text in it made safe to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridQuery:
    """What the user asks the grid for."""

    show: Show = "all"
    find: str = ""
    """Words to look for in answers, variables, expected answers and failures, in any case; empty = anything."""
    order: Order = "case"
    baseline: int = 0
    """Place of the arm that the others are compared with."""
    score: str | None = None
    """Which score tells better from worse; `None` = none."""
    page: int = 0


def read_query(asked: Mapping[str, Any], before: GridQuery, grid: CaseGrid) -> GridQuery:
    """Returns a query from what a page sent; what it did not send, or what means nothing, stays as it was."""
    changes: dict[str, Any] = {}
    for name, known in (("show", get_args(Show)), ("order", get_args(Order))):
        if name in asked and asked[name] in known:
            changes[name] = asked[name]
    for name, most in (("baseline", len(grid.labels) - 1), ("page", len(grid.keys)), ("score", len(grid.scores) - 1)):
        if type(asked.get(name)) is int:
            changes[name] = max(min(asked[name], most), 0)
    if "score" in changes:
        # Pages name scores by their place: a name is foreign text.
        changes["score"] = grid.scores[changes["score"]] if grid.scores else None
    if isinstance(asked.get("find"), str):
        changes["find"] = asked["find"].strip()[:_MOST_OF_SEARCH]
    return replace(before, **changes)


class GridState:
    """A grid with its filters; it remembers what is dear to find out.

    Args:
        grid: The trials by case and arm.
        traces: Address of the trace of a trial, by trial id; `None` = there are none.
    """

    def __init__(self, grid: CaseGrid, traces: Mapping[str, str] | None = None) -> None:
        self.grid = grid
        self.traces: Mapping[str, str] = {} if traces is None else traces
        self.query = GridQuery(baseline=grid.baseline, score=grid.scores[0] if grid.scores else None)
        self._all_texts: dict[str, str] | None = None
        self._gaps: dict[int, dict[Key, float]] = {}
        self._matching: tuple[GridQuery, list[Key]] | None = None

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Takes over what a page sent."""
        self.query = read_query(asked, self.query, self.grid)

    def moved_to(self, grid: CaseGrid) -> GridState:
        """Returns the state on a newer grid of the same run, with the same query."""
        moved = GridState(grid, self.traces)
        # A first score that came since is taken up.
        score = self.query.score if self.query.score in grid.scores else moved.query.score
        moved.query = replace(self.query, score=score)
        return moved

    def matching(self) -> list[Key]:
        """Returns the cases that fit the query, in its order."""
        wanted = replace(self.query, page=0)
        if self._matching is None or self._matching[0] != wanted:
            self._matching = wanted, self._ordered([key for key in self._shown() if self._fits_words(key)])
        return self._matching[1]

    def scored(self) -> None:
        """Forgets what depends on scores."""
        self._matching = None

    def page(self) -> Wire:
        """Returns the page that is seen; a page beyond the last is the last."""
        keys = self.matching()
        pages = max(1, -(-len(keys) // PAGE))
        number = min(self.query.page, pages - 1)
        self.query = replace(self.query, page=number)
        shown = keys[number * PAGE : (number + 1) * PAGE]
        texts = self.grid.texts(shown)
        query = self.query
        meanings: dict[str, int] = {}
        rows = [self._row(key, texts, meanings) for key in shown]
        return {
            "query": {
                "show": query.show,
                "find": for_screen(query.find, keep_lines=False),
                "order": query.order,
                "baseline": query.baseline,
                "score": self.grid.scores.index(query.score) if query.score in self.grid.scores else None,
                "page": number,
            },
            "pages": pages,
            "first": number * PAGE,
            "matching": len(keys),
            "total": len(self.grid.keys),
            "noun": "case" if self.grid.repeats == 1 else "answer",
            "scores": [for_screen(name, keep_lines=False) for name in self.grid.scores],
            "arms": [
                {
                    "label": each.label,
                    "words": for_screen(totals_words(each, query.score), keep_lines=False),
                    "baseline": each.is_baseline,
                }
                for each in self.grid.totals(query.score, query.baseline)
            ],
            "rows": rows,
            "meanings": list(meanings),
        }

    def row_at(self, case: object, repeat: object, arm: object) -> tuple[Key, int, Row]:
        """Returns the cell that a page named.

        Raises:
            LookupError: If there is none.
        """
        if isinstance(case, int) and isinstance(repeat, int) and isinstance(arm, int):
            key = case, repeat
            row = self.grid.cells(key)[arm] if key in self.grid and 0 <= arm < len(self.grid.labels) else None
            if row is not None:
                return key, arm, row
        raise LookupError(f"The grid has no cell for case {case!r}, repeat {repeat!r}, arm {arm!r}.")

    def page_table(self) -> list[list[str]]:
        """Returns the page that is seen as text, its header first: whole answers, for a spreadsheet."""
        number = self.query.page
        keys = self.matching()[number * PAGE : (number + 1) * PAGE]
        texts = self.grid.texts(keys)
        lines = [["case", *self.grid.labels]]
        for key in keys:
            cells = [
                "" if row is None else texts.get(row.trial.trial_id, f"({status_words(row)})")
                for row in self.grid.cells(key)
            ]
            lines.append([self._number(key), *cells])
        return lines

    def _shown(self) -> Sequence[Key]:
        show, grid, query = self.query.show, self.grid, self.query
        if show == "failures":
            return [key for key in grid.keys if any(row is not None and row.answer is None for row in grid.cells(key))]
        if show == "regressions":
            return [key for key in grid.keys if grid.is_regression(key, query.baseline, query.score)]
        if show == "different":
            texts = self._texts()
            return [key for key in grid.keys if _is_different(grid.cells(key), query.baseline, texts)]
        return grid.keys

    def _fits_words(self, key: Key) -> bool:
        wanted = self.query.find.casefold()
        if not wanted:
            return True
        case = self.grid.first(key).trial.case
        told = [cell_text(value) or "" for value in (*case.variables.values(), case.expected)]
        if any(wanted in text.casefold() for text in told):
            return True
        texts = self._texts()
        return any(
            wanted in texts.get(row.trial.trial_id, "").casefold()
            or (row.answer is None and wanted in f"{status_words(row)} {failure_message(row)}".casefold())
            for row in self.grid.cells(key)
            if row is not None
        )

    def _ordered(self, keys: list[Key]) -> list[Key]:
        if self.query.order == "case":
            return keys
        gaps, query = self._text_gaps(), self.query

        def worst_first(key: Key) -> tuple[float, float]:
            cells = self.grid.cells(key)
            gains = [self.grid.gain(row, cells[query.baseline], query.score) for row in cells]
            return min((gain for gain in gains if gain is not None), default=0.0), -gaps[key]

        return sorted(keys, key=worst_first)

    def _text_gaps(self) -> dict[Key, float]:
        """By case: how much of the wording any arm does not share with the baseline; 1 where only one has an answer."""
        baseline = self.query.baseline
        if baseline not in self._gaps:
            texts = self._texts()
            self._gaps[baseline] = {key: _widest_gap(self.grid.cells(key), baseline, texts) for key in self.grid.keys}
        return self._gaps[baseline]

    def _texts(self) -> dict[str, str]:
        if self._all_texts is not None:
            return self._all_texts
        texts = self.grid.all_texts()
        if sum(map(len, texts.values())) <= _MOST_KEPT:
            self._all_texts = texts
        return texts

    def _row(self, key: Key, texts: Mapping[str, str], meanings: dict[str, int]) -> Wire:
        case = self.grid.first(key).trial.case
        cells = self.grid.cells(key)
        expected = cell_text(case.expected)
        return {
            "case": key[0],
            "repeat": key[1],
            "number": self._number(key),
            "variables": [
                [for_screen(str(name), keep_lines=False), _screened(cell_text(value) or "", _MOST_OF_VARIABLE)]
                for name, value in case.variables.items()
            ],
            "expected": None if expected is None else _screened(expected, _MOST_OF_VARIABLE),
            "cells": [self._cell(cells, place, texts, meanings) for place in range(len(cells))],
        }

    def _cell(
        self, cells: Sequence[Row | None], place: int, texts: Mapping[str, str], meanings: dict[str, int]
    ) -> Wire:
        row = cells[place]
        if row is None:
            return {"status": "none", "words": "not planned", "chips": []}
        is_base = place == self.query.baseline
        base = None if is_base else cells[self.query.baseline]
        chips = [_chip(chip, meanings) for chip in self.grid.chips(row, base, without=(STAR,))]
        marks: Wire = {"chips": chips, "star": bool(_mark(row, STAR))}
        trace = web_address(self.traces.get(row.trial.trial_id))
        if trace is not None:
            marks["trace"] = trace
        text = texts.get(row.trial.trial_id)
        if text is None:
            message = _screened(failure_message(row), _MOST_OF_VARIABLE)
            status = "unsent" if is_unsent(row) else "failed"
            return {"status": status, "words": for_screen(status_words(row)), "message": message, **marks}
        before = texts.get(base.trial.trial_id) if base is not None else None
        shown = _screened(text, _MOST_OF_ANSWER)
        pieces = marked_pieces(None if before is None else _screened(before, _MOST_OF_ANSWER), shown)
        found = {"status": "ok", "more": max(0, len(text) - _MOST_OF_ANSWER), "same": before == text, **marks}
        if pieces is None:
            return {**found, "text": shown}
        # Against the baseline's text, which the page has: characters to keep, to mark as removed, and texts to add.
        steps = [
            piece.text if piece.kind == "added" else len(piece.text) * (1 if piece.kind == "kept" else -1)
            for piece in pieces
        ]
        return {**found, "steps": steps}

    def _number(self, key: Key) -> str:
        return str(key[0]) if self.grid.repeats == 1 else f"{key[0]} / {key[1]}"


def web_address(address: object) -> str | None:
    """Returns an address as it is where a link may lead there: to a web page, and with nothing hidden in it.

    Example:
        >>> web_address("https://example.org/trace/1"), web_address("javascript:alert(1)"), web_address(None)
        ('https://example.org/trace/1', None, None)
    """
    if not isinstance(address, str) or address.split() != [for_screen(address)]:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that hold no address
        return None
    is_page = parts.scheme in ("http", "https") and parts.netloc and "@" not in parts.netloc
    return address if is_page else None


def _is_different(cells: Sequence[Row | None], baseline: int, texts: Mapping[str, str]) -> bool:
    answers = [None if row is None else texts.get(row.trial.trial_id) for row in cells]
    # Where nothing was planned there is nothing to differ.
    return any(answer != answers[baseline] for answer, row in zip(answers, cells, strict=True) if row is not None)


def _widest_gap(cells: Sequence[Row | None], baseline: int, texts: Mapping[str, str]) -> float:
    base = cells[baseline]
    before = texts.get(base.trial.trial_id) if base is not None else None
    widest = 0.0
    for place, row in enumerate(cells):
        if place != baseline and row is not None:
            text = texts.get(row.trial.trial_id)
            if before is not None and text is not None:
                widest = max(widest, word_gap(before, text))
            elif before is not None or text is not None:
                widest = 1.0
    return widest


def _mark(row: Row, name: str) -> float | None:
    score = row.scores.get(name)
    return score.value if score is not None and score.is_scored else None


def _chip(chip: Chip, meanings: dict[str, int]) -> list[str | int]:
    meaning = _screened(chip.meaning, _MOST_OF_VARIABLE)
    return [_screened(chip.text, _MOST_OF_VARIABLE), chip.tone, meanings.setdefault(meaning, len(meanings))]


def _screened(text: str, most: int) -> str:
    # Cut first: an escape is longer than what it stands for.
    return for_screen(shorten(text, most))
