"""Reports to read: Markdown, LaTeX, and one HTML page that runs, loads and links nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from tabulate import tabulate

from toolkit._records import RunView
from toolkit.results._display import header_line
from toolkit.results._export_cells import latex_cell, markdown_cell
from toolkit.results._export_summary import comparison_cells
from toolkit.results._html import Safe, element, joined
from toolkit.results._pandas import pd
from toolkit.results._summary import wide_table
from toolkit.results._verdict import verdict_text

# Nothing may be fetched or run, whoever changes the page later; the style stands in the page itself.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 100em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border: 1px solid rgba(128, 128, 128, .5); padding: .3em .6em; text-align: left; vertical-align: top; }
td { white-space: pre-wrap; overflow-wrap: anywhere; max-width: 40em; }
.verdict { white-space: pre-wrap; }
.gone { font-style: italic; opacity: .75; }
.wide { overflow-x: auto; }
@media print { body { margin: 0; max-width: none; } .wide { overflow: visible; } tr { break-inside: avoid; } }
"""


def markdown_bytes(view: RunView, *, answers: bool) -> bytes:
    """Returns a report in Markdown: header, verdict, one row an arm, and the answers where they are asked for."""
    headers, rows = comparison_cells(view)
    parts = [
        f"# Run {markdown_cell(view.run_id)}",
        markdown_cell(header_line(view)),
        *(markdown_cell(line) for line in verdict_text(view).splitlines()),
        _markdown_table(headers, rows),
    ]
    if answers:
        heads, cases = _answers(view)
        parts.append(_markdown_table(heads, [[key, *(_told(text) for text in cells)] for key, *cells in cases]))
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def latex_bytes(view: RunView, *, answers: bool) -> bytes:
    """Returns the tables as LaTeX that another document inputs: no preamble, no packages beyond LaTeX's own.

    Texts keep their letters: compile with LuaLaTeX or XeLaTeX where they go beyond Latin ones.
    """
    headers, rows = comparison_cells(view)
    lines = [header_line(view), *verdict_text(view).splitlines()]
    parts = [
        f"% Run {latex_cell(view.run_id)}".replace(r"\newline{}", " "),
        "\n\n".join(latex_cell(line) for line in lines),
    ]
    parts.append(_latex_table(headers, rows, "l" * len(headers)))
    if answers:
        heads, cases = _answers(view)
        width = 0.9 / max(1, len(heads) - 1)
        spec = "l" + rf"p{{{width:.3f}\linewidth}}" * (len(heads) - 1)
        parts.append(_latex_table(heads, [[key, *(_told(text) for text in cells)] for key, *cells in cases], spec))
    return ("\n\n".join(parts) + "\n").encode("utf-8")


def html_bytes(view: RunView, *, answers: bool) -> bytes:
    """Returns one page that stands alone: everything escaped, and a policy that lets nothing be run or fetched."""
    headers, rows = comparison_cells(view)
    body = [
        element("p", element("strong", f"Run {view.run_id}"), " · ", f"{view.created_at:%Y-%m-%d %H:%M} UTC"),
        element("p", header_line(view)),
        element("p", verdict_text(view), class_="verdict"),
        _html_table(headers, [[element("td", cell) for cell in row] for row in rows]),
    ]
    if answers:
        heads, cases = _answers(view)
        body.append(_html_table(heads, [[_cell(text) for text in row] for row in cases]))
    body.append(element("p", f"Written by promptsweep {metadata.version('promptsweep')}.", class_="gone"))
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n<title>Comparison of prompts</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{joined(body)}\n</body>\n</html>\n"
    )
    return page.encode("utf-8")


# A text, or what stands for a trial without one: a status.
_Answer = str | tuple[str]


def _answers(view: RunView) -> tuple[list[str], list[list[_Answer]]]:
    """Returns headers and one line a case: its number, then each arm's answer."""
    answers, statuses = wide_table(view), wide_table(view, "status")
    columns = zip(
        *([*zip(answers[name].tolist(), statuses[name].tolist(), strict=True)] for name in answers.columns), strict=True
    )
    lines: list[list[_Answer]] = []
    for key, cells in zip(answers.index.tolist(), columns, strict=True):
        number = " / ".join(str(part) for part in key) if isinstance(key, tuple) else str(key)
        lines.append([number, *((str(status),) if text is pd.NA else str(text) for text, status in cells)])
    return [" / ".join(str(name) for name in answers.index.names), *map(str, answers.columns)], lines


def _told(answer: _Answer) -> str:
    return answer if isinstance(answer, str) else f"({answer[0]})"


def _cell(answer: _Answer) -> Safe:
    if isinstance(answer, str):
        return element("td", answer, dir="auto")
    return element("td", answer[0].replace("_", " "), class_="gone")


def _markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str | tuple[str]]]) -> str:
    return tabulate(
        [[markdown_cell(_told(cell)) for cell in row] for row in rows],
        headers=[markdown_cell(name) for name in headers],
        tablefmt="github",
        disable_numparse=True,
    )


def _latex_table(headers: Sequence[str], rows: Sequence[Sequence[str | tuple[str]]], spec: str) -> str:
    made = tabulate(
        [[latex_cell(_told(cell)) for cell in row] for row in rows],
        headers=[latex_cell(name) for name in headers],
        tablefmt="latex_raw",
        disable_numparse=True,
    )
    _, _, rest = made.partition("\n")
    return rf"\begin{{tabular}}{{{spec}}}" + "\n" + rest


def _html_table(headers: Sequence[str], rows: Sequence[Sequence[Safe]]) -> Safe:
    head = element("tr", [element("th", name, scope="col") for name in headers])
    body = [element("tr", row) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", body)), class_="wide")
