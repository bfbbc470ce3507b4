"""Short forms of results for a terminal and a notebook: header, verdict, one row an arm, the first answers."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from toolkit._records import RunView
from toolkit.results._columns import Row, as_json, cell_text, is_truncated, title
from toolkit.results._frame import rows_of_view, score_names
from toolkit.results._html import Safe, element, joined
from toolkit.results._labels import arm_labels
from toolkit.results._screen import for_screen, shorten
from toolkit.results._summary import summary_table
from toolkit.results._verdict import verdict_text
from toolkit.scorers import is_refused
from toolkit.store import measures_of

HINT = (
    "More: .df .wide() .summary() .compare() .verdict .score(...) .failures .raw(trial_id) .diff(a, b) .plot() "
    ".export(path) .audit()"
)

_TIMES = "\N{MULTIPLICATION SIGN}"

_SHOWN_CASES = 5
_SHOWN_ARMS = 8
_SHOWN_CHARACTERS = 1_500

_LINE = "1px solid var(--jp-border-color2, var(--vscode-panel-border, rgba(128,128,128,.4)))"
_BOX = (
    "color:var(--jp-content-font-color1, var(--vscode-foreground, inherit));"
    "font-family:var(--jp-content-font-family, system-ui, sans-serif);font-size:13px;line-height:1.4"
)
_TABLE = "border-collapse:collapse;margin:.5em 0;text-align:left"
_CELL = f"border:{_LINE};padding:.3em .5em;vertical-align:top;text-align:left"
_NUMBER = f"border:{_LINE};padding:.3em .5em;vertical-align:top;text-align:right;white-space:nowrap"
_ANSWER = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:14em;overflow:auto;min-width:12em;max-width:32em"
_BAD = "color:var(--jp-error-color1, var(--vscode-errorForeground, #d32f2f));font-weight:600"
_FAINT = "opacity:.7"
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
        parts.append(f"{_busy_s(spans):.2g} s" if _busy_s(spans) < 10 else f"{_busy_s(spans):,.0f} s")
    return " · ".join(parts)


def text_form(view: RunView, *, sent: int | None = None) -> str:
    """Returns the form that a terminal shows: header, one row an arm, verdict, what else there is."""
    headers, rows = summary_cells(view)
    shown = [[for_screen(cell, keep_lines=False) for cell in row] for row in [headers, *rows]]
    table = tabulate(shown[1:], headers=shown[0], tablefmt="simple", disable_numparse=True)
    return "\n".join([header_line(view, sent=sent), "", table, "", verdict_text(view), "", HINT])


def html_form(view: RunView, *, sent: int | None = None) -> Safe:
    """Returns the form that a notebook shows: static, everything escaped, nothing that runs, loads or links."""
    return element(
        "div",
        element("p", element("strong", header_line(view, sent=sent)), style="margin:.3em 0"),
        element("div", verdict_text(view), style="white-space:pre-wrap;margin:.3em 0"),
        _summary_html(view),
        _answers_html(view),
        element("p", HINT, style=_FAINT),
        class_="toolkit-results tex2jax_ignore mathjax_ignore",
        style=_BOX,
    )


def summary_cells(view: RunView) -> tuple[list[str], list[list[str]]]:
    """Returns the headers and cells of the table with one row an arm, as text."""
    table = summary_table(view)
    scores = score_names(view)
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


def usd(cost: object) -> str:
    """Returns a sum of money as text; `?` when it is unknown.

    Example:
        >>> usd(0.1449), usd(0.00042), usd(0), usd(None)
        ('$0.14', '$0.00042', '$0', '?')
    """
    if not isinstance(cost, int | float):
        return "?"
    if cost >= 0.01:
        return f"${cost:,.2f}"
    return "$0" if cost == 0 else f"${float(f'{cost:.2g}'):.10f}".rstrip("0")


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


def _summary_html(view: RunView) -> Safe:
    headers, rows = summary_cells(view)
    table = summary_table(view)
    scores = score_names(view)
    body = []
    for place, cells in enumerate(rows):
        shown: list[Safe] = [element("th", cells[0], scope="row", style=_CELL)]
        for column, cell in enumerate(cells[1:], start=1):
            mean = table[title("score", scores[column - 1])].iloc[place] if column <= len(scores) else pd.NA
            is_bad = headers[column] == "failed" and cell != "0" and column > len(scores)
            text = element("span", cell, style=_BAD) if is_bad else cell
            shown.append(element("td", _bar(mean), text, style=_NUMBER))
        body.append(element("tr", shown))
    head = element("tr", [element("th", name, scope="col", style=_CELL) for name in headers])
    return element("table", element("thead", head), element("tbody", body), style=_TABLE)


def _bar(share: object) -> Safe | None:
    """A bar for a score between 0 and 1; the number beside it says the same."""
    if not isinstance(share, float) or not 0 <= share <= 1:
        return None
    return element("span", style=f"{_BAR};width:{round(share * _BAR_PX)}px;margin-right:.5em")


def _answers_html(view: RunView) -> Safe:
    rows = rows_of_view(view)
    cells = {(row.trial.arm.index, row.trial.case.index): row for row in reversed(rows)}
    cases = list(dict.fromkeys(row.trial.case.index for row in rows))
    arms = list(zip(view.arms, arm_labels(view.arms), strict=True))[:_SHOWN_ARMS]
    head = [element("th", name, scope="col", style=_CELL) for name in ["case", *(label for _, label in arms)]]
    body = []
    for case in cases[:_SHOWN_CASES]:
        shown = [_answer_cell(cells.get((arm.index, case))) for arm, _ in arms]
        first = next(row for row in rows if row.trial.case.index == case)
        body.append(element("tr", element("th", _case_text(first), scope="row", style=_CELL), shown))
    hidden = [
        *([f"{len(cases) - _SHOWN_CASES:,} more cases"] if len(cases) > _SHOWN_CASES else []),
        *([f"{len(view.arms) - _SHOWN_ARMS:,} more arms"] if len(view.arms) > _SHOWN_ARMS else []),
        *(["further repeats"] if any(row.trial.repeat for row in rows) else []),
    ]
    table = element("table", element("thead", element("tr", head)), element("tbody", body), style=_TABLE)
    more = element("p", f"Not shown: {', '.join(hidden)}; see .wide().", style=_FAINT) if hidden else None
    return element("div", table, more, style="overflow-x:auto")


def _case_text(row: Row) -> Safe:
    case = row.trial.case
    lines = [element("div", str(case.index))]
    for name, value in case.variables.items():
        text = f"{name}: {shorten(cell_text(value) or '', 160)}"
        lines.append(element("div", text, style=f"font-weight:normal;{_ANSWER}"))
    expected = cell_text(case.expected)
    if expected is not None:
        lines.append(element("div", f"expected: {shorten(expected, 160)}", style=f"font-weight:normal;{_FAINT}"))
    return joined(lines)


def _answer_cell(row: Row | None) -> Safe:
    if row is None:
        return element("td", "not planned", style=f"{_CELL};{_FAINT}")
    parts: list[Safe] = []
    response = row.response
    if response is None:
        kind = row.measures.failure.kind if row.measures is not None and row.measures.failure is not None else ""
        words = f"{row.status}: {kind}" if kind else row.status
        style = _FAINT if row.status in ("skipped", "over_budget") else _BAD
        parts.append(element("div", words.replace("_", " "), style=style))
        if row.measures is not None and row.measures.failure is not None:
            parts.append(element("div", shorten(row.measures.failure.message, 300), style=_ANSWER))
    else:
        if row.measures is not None and is_refused(row.measures):
            parts.append(element("div", "refused", style=_BAD))
        parts.append(element("div", shorten(response.text, _SHOWN_CHARACTERS), style=_ANSWER, dir="auto"))
        if is_truncated(row):
            parts.append(element("div", "cut off at the token limit", style=_BAD))
    scores = ", ".join(
        f"{name} {score.value:.3g}" if score.is_scored else f"{name} not scored" for name, score in row.scores.items()
    )
    if scores:
        parts.append(element("div", scores, style=_FAINT))
    return element("td", parts, style=_CELL)
