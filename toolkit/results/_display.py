"""Short forms of results for a terminal and a notebook: header, verdict, one row an arm, the first answers."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from toolkit._collecting import without_collecting
from toolkit._records import RunView
from toolkit.results._columns import Row, as_json, title
from toolkit.results._frame import rows_of_view, score_names
from toolkit.results._grid import CaseGrid
from toolkit.results._grid_html import BAD, CELL, FAINT, TABLE, grid_html
from toolkit.results._html import Safe, element, joined
from toolkit.results._money import usd
from toolkit.results._once import made_once
from toolkit.results._pandas import pd
from toolkit.results._screen import for_screen
from toolkit.results._summary import summary_table
from toolkit.results._verdict import verdict_text
from toolkit.store import measures_of

HINT = (
    "More: .df .wide() .summary() .compare() .verdict .score(...) .failures .raw(trial_id) .diff(a, b) .plot() "
    ".grid() .export(path) .audit()"
)

_TIMES = "\N{MULTIPLICATION SIGN}"

_BOX = (
    "color:var(--jp-content-font-color1, var(--vscode-foreground, inherit));"
    "font-family:var(--jp-content-font-family, system-ui, sans-serif);font-size:13px;line-height:1.4"
)
_NUMBER = f"{CELL};text-align:right;white-space:nowrap"
_ARM = f"{CELL};min-width:12em;overflow-wrap:anywhere"
_BAR = "display:inline-block;height:.7em;background:var(--jp-brand-color1, #1976d2);vertical-align:baseline"
_BAR_PX = 60


def header_line(view: RunView, *, sent: int | None = None) -> str:
    """Returns `96 trials · 3 prompts x 2 params x 16 cases · 2 failed · $0.14 · 38 s`, with a real times sign.

    The cost is what this run's own answers cost, each once; the time is that during which a call was under way.

    Args:
        view: The run.
        sent: Trials that were sent just now; `None` = not told.
    """
    rows = rows_of_view(view)
    parts = [_count(len(rows), "trial"), _shape(view, rows)]
    if sent is not None:
        parts.append(f"{sent:,} sent now")
    statuses = Counter(row.status for row in rows if row.status != "ok")
    parts += [f"{count:,} {status.replace('_', ' ')}" for status, count in statuses.items()]
    own = [outcome for outcome in measures_of(view.outcomes).values() if outcome.run_id in (None, view.run_id)]
    answers = [outcome.cost_usd for outcome in own if outcome.response is not None]
    known = [cost for cost in answers if cost is not None]
    if answers:
        parts.append(usd(sum(known)) if len(known) == len(answers) else "cost unknown")
    unknown = {row.trial.trial_id for row in rows if row.status == "unknown"}
    doubtful = sum(outcome.possibly_billed for outcome in own) + len(unknown)
    if doubtful:
        parts.append(f"{doubtful:,} possibly billed")
    spans = [
        (outcome.started_at, outcome.retry_s + (outcome.response.latency_s or 0.0 if outcome.response else 0.0))
        for outcome in own
        if outcome.started_at is not None
    ]
    if spans:
        busy_s = _busy_s(spans)
        parts.append(f"{busy_s:.2g} s" if busy_s < 10 else f"{busy_s:,.0f} s")
    return " · ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the short forms of a run say, found out once for all of them."""

    header: str
    verdict: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    means: Sequence[Sequence[object]]
    """For each arm, the mean of each score."""

    @classmethod
    def of(cls, view: RunView, *, sent: int | None = None) -> Told:
        """Returns what there is to tell of a run.

        Args:
            view: The run.
            sent: Trials that were sent just now; `None` = not told.
        """
        with without_collecting(), made_once():
            table, scores = summary_table(view), score_names(view)
            headers, rows = _cells_of(view, table, scores)
            means = [[table[title("score", name)].iloc[place] for name in scores] for place in range(len(rows))]
            return cls(
                header=header_line(view, sent=sent),
                verdict=verdict_text(view),
                headers=headers,
                rows=rows,
                means=means,
            )


def text_form(told: Told) -> str:
    """Returns the form that a terminal shows: header, one row an arm, verdict, what else there is."""
    shown = [[for_screen(cell, keep_lines=False) for cell in row] for row in [told.headers, *told.rows]]
    table = tabulate(shown[1:], headers=shown[0], tablefmt="simple", disable_numparse=True)
    return "\n".join([told.header, "", table, "", told.verdict, "", HINT])


def html_form(view: RunView, told: Told, *, answers: Safe | None = None) -> Safe:
    """Returns the form that a notebook shows: static, everything escaped, nothing that runs, loads or links.

    Args:
        view: The run.
        told: What there is to tell of it.
        answers: The grid of answers where it is made already.
    """
    shown = answers if answers is not None else grid_html(CaseGrid(view))
    return _boxed(_head_html(told), shown, element("p", HINT, style=FAINT))


def head_form(told: Told) -> Safe:
    """Returns what the form of a notebook has above the answers: header, verdict, one row an arm."""
    return _boxed(_head_html(told))


def _head_html(told: Told) -> Safe:
    return joined(
        element("p", element("strong", told.header), style="margin:.3em 0"),
        element("div", told.verdict, style="white-space:pre-wrap;margin:.3em 0"),
        element("div", _summary_html(told), style="overflow-x:auto"),
    )


def _boxed(*children: Safe) -> Safe:
    return element("div", *children, class_="toolkit-results tex2jax_ignore mathjax_ignore", style=_BOX)


def summary_cells(view: RunView) -> tuple[list[str], list[list[str]]]:
    """Returns the headers and cells of the table with one row an arm, as text."""
    return _cells_of(view, summary_table(view), score_names(view))


def _cells_of(view: RunView, table: pd.DataFrame, scores: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    headers = ["arm", *scores, "ok", "failed", "refused", "cut", "cost", "median s", "p95 s", "tokens in/out"]
    rows: list[list[str]] = []
    for label, row in zip(table.index, table.to_dict("records"), strict=True):
        baseline = view.arms[len(rows)].index == view.baseline and len(view.arms) > 1
        rows.append(
            [
                f"{label} (baseline)" if baseline else str(label),
                *(_score_text(row, name) for name in scores),
                f"{row['ok']}/{row['n']}",
                *(str(row[name]) for name in ("failed", "refused", "truncated")),
                usd(row["cost_usd"]),
                *(_number_text(row[name]) for name in ("latency_s", "latency_s_p95")),
                f"{_whole_text(row['input_tokens'])}/{_whole_text(row['output_tokens'])}",
            ]
        )
    return headers, rows


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def _shape(view: RunView, rows: Sequence[Row]) -> str:
    prompts = len({arm.prompt.reference for arm in view.arms})
    models = len({arm.model for arm in view.arms})
    params = len({as_json(dict(sorted(arm.params.items()))) for arm in view.arms})
    cases = len({row.trial.case.index for row in rows})
    repeats = len({row.trial.repeat for row in rows})
    axes = [(prompts, "prompt"), (models, "model"), (params, "params")]
    if prompts * models * params != len(view.arms):
        axes = [(len(view.arms), "arm")]
    shown = [f"{count:,} params" if word == "params" else _count(count, word) for count, word in axes if count > 1]
    shown.append(_count(cases, "case"))
    if repeats > 1:
        shown.append(_count(repeats, "repeat"))
    return f" {_TIMES} ".join(shown)


def _busy_s(spans: Sequence[tuple[dt.datetime, float]]) -> float:
    """Seconds covered by at least one of the spans: a pause of days between two halves of a run does not count."""
    total, until = 0.0, None
    for start, length_s in sorted(spans):
        end = start + dt.timedelta(seconds=length_s)
        if until is None or start > until:
            total += length_s
            until = end
        elif end > until:
            total += (end - until).total_seconds()
            until = end
    return total


def _score_text(row: Mapping[Hashable, object], name: str) -> str:
    mean, low, high = (row[title("score", name, end)] for end in ("", ".low", ".high"))
    if not isinstance(mean, float):
        return "not scored"
    unscored = row[title("score", name, ".unscored")]
    interval = f" [{_number_text(low)}, {_number_text(high)}]" if isinstance(low, float) else ""
    return f"{_number_text(mean)}{interval}" + (f" ({unscored} unscored)" if unscored else "")


def _number_text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "?"


def _whole_text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"


def _summary_html(told: Told) -> Safe:
    body = []
    for cells, means in zip(told.rows, told.means, strict=True):
        shown: list[Safe] = [element("th", cells[0], scope="row", style=_ARM)]
        for column, cell in enumerate(cells[1:], start=1):
            mean = means[column - 1] if column <= len(means) else None
            is_bad = told.headers[column] == "failed" and cell != "0" and column > len(means)
            text = element("span", cell, style=BAD) if is_bad else cell
            shown.append(element("td", _bar(mean), text, style=_NUMBER))
        body.append(element("tr", shown))
    head = element("tr", [element("th", name, scope="col", style=CELL) for name in told.headers])
    return element("table", element("thead", head), element("tbody", body), style=TABLE)


def _bar(share: object) -> Safe | None:
    """A bar for a score between 0 and 1; the number beside it says the same."""
    if not isinstance(share, float) or not 0 <= share <= 1:
        return None
    return element("span", style=f"{_BAR};width:{round(share * _BAR_PX)}px;margin-right:.5em")
