"""A finding: a table, and what it says in a sentence or two that end in what to do next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from toolkit.results._html import Safe, element
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Finding:
    """A table with its sentence. It prints both."""

    sentence: str
    """What the table says, and what to do next."""
    df: pd.DataFrame
    """The numbers; the function that gave this says what each column means."""

    def __str__(self) -> str:
        return for_screen(self.sentence)

    def __repr__(self) -> str:
        rows = [[for_screen(cell, keep_lines=False) for cell in row] for row in _cells(self.df)]
        return f"{self}\n\n{tabulate(rows[1:], headers=rows[0], tablefmt='simple', disable_numparse=True)}"

    def _repr_html_(self) -> Safe:
        head, *rows = _cells(self.df)
        table = element(
            "table",
            element("thead", element("tr", [element("th", name, scope="col") for name in head])),
            element(
                "tbody",
                [
                    element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
                    for row in rows
                ],
            ),
        )
        first, _, more = self.sentence.partition("\n")
        told = element("p", element("strong", first), f"\n{more}" if more else None, style="white-space:pre-wrap")
        return element("div", told, table, class_="toolkit-results tex2jax_ignore mathjax_ignore")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheapestFinding(Finding):
    """Which arm to take when a small loss is accepted for a lower cost."""

    arm: str
    """Label of the arm to take."""
    is_baseline: bool
    """True when that is the baseline: no cheaper arm is shown to be not worse."""
    margin: float
    """The loss that was accepted, in the score's unit."""


def _cells(frame: pd.DataFrame) -> list[list[str]]:
    """The header and the rows as text, the index first."""
    header = [str(frame.index.name or ""), *map(str, frame.columns)]
    rows = [
        [str(label), *(_cell(value) for value in row)]
        for label, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    ]
    return [header, *rows]


def _cell(value: object) -> str:
    # A frame's flags come as NumPy's own.
    if isinstance(value, np.bool_):
        value = bool(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "?" if value is pd.NA or value is None else f"{value:,}" if isinstance(value, int) else str(value)
