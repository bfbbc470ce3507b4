"""Pictures of a comparison: each arm with its interval, its gap to the baseline, and cost against quality."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from toolkit._optional import require
from toolkit._records import RunView
from toolkit.errors import UsageError
from toolkit.results._arm_comparison import ArmComparison
from toolkit.results._columns import title
from toolkit.results._compare import chosen_score, compare_arms
from toolkit.results._labels import arm_labels
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import summary_table

PlotKind = Literal["all", "arms", "gaps", "cost"]
"""`arms` = each arm's score with its interval; `gaps` = differences from the baseline; `cost` = cost against score."""

Theme = Literal["light", "dark"]

_MOST_LABEL_CHARACTERS = 42
_PANEL_IN = 5.6
_ROW_IN = 0.36


@dataclass(frozen=True, slots=True, kw_only=True)
class _Colours:
    paper: str
    ink: str
    faint: str
    undecided: str
    better: str
    worse: str


# Better and worse differ in lightness and mark as well, for print in grey and for colour-blind readers.
_THEMES: dict[Theme, _Colours] = {
    "light": _Colours(
        paper="#ffffff", ink="#1a1a1a", faint="#d0d0d0", undecided="#6b6b6b", better="#00664f", worse="#c2410c"
    ),
    "dark": _Colours(
        paper="#16181c", ink="#ececec", faint="#43474e", undecided="#a8a8a8", better="#4fd1a5", worse="#ff9a5c"
    ),
}
_MARKS = {"better": "^", "worse": "v", "undecided": "o"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One arm as the pictures show it."""

    label: str
    is_baseline: bool
    mean: float | None
    low: float | None
    high: float | None
    cost_usd: float | None
    """USD an answer; `None` = not known."""
    compared: ArmComparison | None
    """`None` = the baseline, or nothing to compare."""

    @property
    def standing(self) -> Literal["better", "worse", "undecided"]:
        """Where it stands to the baseline, as the comparison decides."""
        if self.compared is not None and self.compared.is_better:
            return "better"
        return "worse" if self.compared is not None and self.compared.is_worse else "undecided"


def plot_run(view: RunView, kind: PlotKind = "all", *, score: str | None = None, theme: Theme = "light") -> Any:
    """Returns a matplotlib figure; in a notebook it is shown, and its `savefig` writes it to a file.

    Args:
        view: The run with its scores.
        kind: `arms`, `gaps` or `cost`; `all` = side by side.
        score: Name of a score; `None` = the first.
        theme: `light` reads in print and on any page; `dark` suits dark notebooks.

    Raises:
        UsageError: If nothing is scored, or there is no such score, kind or theme.
        MissingDependencyError: If matplotlib is not installed.
    """
    for given, known in ((kind, get_args(PlotKind)), (theme, get_args(Theme))):
        if given not in known:
            raise UsageError(f"There is no plot {given!r}; choose one of: {', '.join(map(repr, known))}.")
    figures = require("matplotlib.figure", extra="plot", purpose="to draw plots")
    name = chosen_score(view, score)
    marks = marks_of(view, name)
    panels = list(_PANELS) if kind == "all" else [kind]
    colours = _THEMES[theme]
    height = max(3.2, 1.5 + _ROW_IN * len(marks))
    figure = figures.Figure(figsize=(_PANEL_IN * len(panels), height), facecolor=colours.paper, layout="constrained")
    for place, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        _style(axes, colours)
        _PANELS[panel](axes, marks, for_screen(name, keep_lines=False), colours)
    # A figure made without pyplot, which keeps figures and a backend for the whole process, is shown by this.
    figure._repr_png_ = lambda: _png(figure)
    return figure


def marks_of(view: RunView, score: str) -> list[Mark]:
    """Returns what the pictures show, one an arm, in the plan's order."""
    table = summary_table(view)
    compared = {one.arm: one for one in compare_arms(view, score=score)} if len(view.arms) > 1 else {}
    return [
        Mark(
            label=label,
            is_baseline=arm.index == view.baseline,
            mean=_number(row[title("score", score)]),
            low=_number(row[title("score", score, ".low")]),
            high=_number(row[title("score", score, ".high")]),
            cost_usd=_number(row["cost_usd_mean"]),
            compared=compared.get(label),
        )
        for arm, label, row in zip(view.arms, arm_labels(view.arms), table.to_dict("records"), strict=True)
    ]


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=110, facecolor=figure.get_facecolor())
    return made.getvalue()


def _style(axes: Any, colours: _Colours) -> None:
    axes.set_facecolor(colours.paper)
    axes.tick_params(colors=colours.ink, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(colours.faint)
    axes.set_axisbelow(True)


def _colour(mark: Mark, colours: _Colours) -> str:
    return {"better": colours.better, "worse": colours.worse, "undecided": colours.undecided}[mark.standing]


def _arms(axes: Any, marks: Sequence[Mark], score: str, colours: _Colours) -> None:
    for row, mark in enumerate(marks):
        if mark.mean is None:
            _note(axes, row, "not scored", colours)
            continue
        _interval(axes, row, (mark.mean, mark.low, mark.high), _colour(mark, colours), _MARKS[mark.standing])
    baseline = next((mark.mean for mark in marks if mark.is_baseline), None)
    if baseline is not None:
        axes.axvline(baseline, color=colours.undecided, linewidth=0.9, linestyle=":", zorder=1)
    _rows(axes, marks, colours)
    _head(axes, f"{_plain(score)}, mean and 95 % interval", colours)


def _gaps(axes: Any, marks: Sequence[Mark], score: str, colours: _Colours) -> None:
    others = [mark for mark in marks if not mark.is_baseline]
    factor = 100 if others and all(m.compared is not None and m.compared.is_share for m in others) else 1
    for row, mark in enumerate(others):
        found = mark.compared.comparison if mark.compared is not None else None
        if found is None or found.delta is None:
            _note(axes, row, "not comparable", colours)
            continue
        low, high = (found.interval.low, found.interval.high) if found.interval is not None else (None, None)
        values = tuple(None if value is None else value * factor for value in (found.delta, low, high))
        _interval(axes, row, values, _colour(mark, colours), _MARKS[mark.standing])
    axes.axvline(0, color=colours.ink, linewidth=0.9, zorder=1)
    _rows(axes, others, colours)
    base = next((mark.label for mark in marks if mark.is_baseline), "")
    unit = " (points)" if factor == 100 else ""
    signs = "▲ better   ▼ worse   ● undecided   (p after Holm's correction)"
    _head(axes, f"gap to {_plain(base)}{unit}", colours, signs)


def _cost(axes: Any, marks: Sequence[Mark], score: str, colours: _Colours) -> None:
    known = [mark for mark in marks if mark.cost_usd is not None and mark.mean is not None]
    missing = len(marks) - len(known)
    dearest = max((mark.cost_usd or 0 for mark in known), default=0)
    for mark in known:
        low = mark.mean if mark.low is None else mark.low
        high = mark.mean if mark.high is None else mark.high
        colour = _colour(mark, colours)
        axes.plot([mark.cost_usd] * 2, [low, high], color=colour, linewidth=1.4, alpha=0.55)
        axes.plot([mark.cost_usd], [mark.mean], _MARKS[mark.standing], color=colour, markersize=6)
        # Away from the nearer edge, where the label would be cut.
        is_right = (mark.cost_usd or 0) > dearest / 2
        axes.annotate(
            _plain(mark.label), (mark.cost_usd, mark.mean), xytext=(-7 if is_right else 7, 5),
            textcoords="offset points", ha="right" if is_right else "left", fontsize=8, color=colours.ink,
            parse_math=False,
        )  # fmt: skip
    if not known:
        axes.text(0.5, 0.5, "no arm has both a score and a known cost", ha="center", color=colours.ink, fontsize=9)
    axes.margins(y=0.15)
    if dearest:
        axes.set_xlim(-0.06 * dearest, 1.06 * dearest)
        axes.locator_params(axis="x", nbins=5)
    axes.grid(color=colours.faint, linewidth=0.6)
    axes.set_xlabel("USD an answer", color=colours.ink, fontsize=9)
    axes.set_ylabel(_plain(score), color=colours.ink, fontsize=9, parse_math=False)
    more = (
        f"{missing} arm{'' if missing == 1 else 's'} without a known cost or score left out"
        if missing and known
        else ""
    )
    _head(axes, "cost against quality", colours, more)


_PANELS: dict[str, Callable[[Any, Sequence[Mark], str, _Colours], None]] = {"arms": _arms, "gaps": _gaps, "cost": _cost}


def _interval(axes: Any, row: int, values: Sequence[float | None], colour: str, mark: str) -> None:
    middle, low, high = values
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt", alpha=0.7)
    axes.plot([middle], [row], mark, color=colour, markersize=7)


def _note(axes: Any, row: int, text: str, colours: _Colours) -> None:
    axes.annotate(
        text, (0.02, row), xycoords=("axes fraction", "data"), color=colours.undecided, fontsize=8, va="center"
    )


def _rows(axes: Any, marks: Sequence[Mark], colours: _Colours) -> None:
    labels = [f"{_plain(mark.label)}{' (baseline)' if mark.is_baseline else ''}" for mark in marks]
    axes.set_yticks(range(len(marks)), labels, parse_math=False)
    axes.set_ylim(len(marks) - 0.4, -0.6)
    axes.grid(axis="x", color=colours.faint, linewidth=0.6)


def _head(axes: Any, text: str, colours: _Colours, more: str = "") -> None:
    axes.set_title(text, color=colours.ink, fontsize=10, loc="left", parse_math=False)
    if more and axes.get_xlabel():
        more = f"{axes.get_xlabel()}\n{more}"
    if more:
        axes.set_xlabel(more, color=colours.ink, fontsize=8)


def _plain(text: str) -> str:
    return shorten(for_screen(text, keep_lines=False), _MOST_LABEL_CHARACTERS)
