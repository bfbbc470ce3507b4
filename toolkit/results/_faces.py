"""What results hand over: files, differences between two arms, pictures. Each is a call into a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit._records import RunView
from toolkit.results._diff import Diff, diff_arms
from toolkit.results._export import ExportView, export
from toolkit.results._plot import PlotKind, Theme, plot_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Faces:
    """The part of `Results` that looks at a run in other forms."""

    _view: RunView

    def export(self, path: str | Path, *, view: ExportView = "trials", safe: bool = True) -> Path:
        """Writes `.csv .xlsx .parquet .jsonl` (a table), `.md .html .tex` (a report) or `.sweep` (the whole run).

        The file appears whole or not at all. `tk.load` opens a `.sweep` file elsewhere, with no key and no store;
        `tk.load_frame` reads `.csv`, `.jsonl` and `.parquet` back as they were.

        Args:
            path: Where to write; an earlier file of this name is replaced.
            view: `trials`, or `summary` = one row an arm, with intervals and its gap to the baseline.
            safe: For `.csv`: whether text that a spreadsheet would run as a formula gets a `'` before it.

        Raises:
            UsageError: If the kind is not one of these, the folder does not exist, or the file cannot be written.
            MissingDependencyError: If the kind needs a package that is not installed; the message names it.
        """
        return export(self._view, path, view=view, safe=safe)

    def diff(self, a: str | int, b: str | int, *, score: str | None = None) -> Diff:
        """Returns case by case what got better, worse or stayed from arm `a` to arm `b`, worst first, word by word.

        Args:
            a: Arm before: its label, its index, or its prompt such as `reply@7` where that says which.
            b: Arm after.
            score: Name of the score that decides; `None` = the first, where there is one.

        Raises:
            UsageError: If there is no one such arm, both are the same, or there is no such score.

        Example:
            >>> results.diff("reply@7", "reply@8").worse[0].words    # doctest: +SKIP
        """
        return diff_arms(self._view, a, b, score=score)

    def plot(self, kind: PlotKind = "all", *, score: str | None = None, theme: Theme = "light") -> Figure:
        """Returns a matplotlib figure: arms with intervals, gaps to the baseline, cost against quality.

        Args:
            kind: `arms`, `gaps` or `cost`; `all` = the three side by side.
            score: Name of a score; `None` = the first.
            theme: `light` reads in print and on any page; `dark` suits dark notebooks.

        Raises:
            UsageError: If nothing is scored, or there is no such score, kind or theme.
            MissingDependencyError: If matplotlib is not installed.
        """
        figure: Figure = plot_run(self._view, kind, score=score, theme=theme)
        return figure
