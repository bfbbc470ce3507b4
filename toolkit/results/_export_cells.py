"""Cells that are shown as written: what a spreadsheet, Markdown or LaTeX would run is marked, and can be unmarked."""

from __future__ import annotations

import math
import re

from toolkit.results._screen import for_screen

# White space and zero-width characters that a spreadsheet passes over before it looks at the first character.
_PASSED_OVER = re.compile("^[\\s\u200b-\u200d\u2060\ufeff\u00ad]+")
_RUN_BY_SPREADSHEETS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# What neither UTF-8 nor most readers take, and text that already looks like the escape of it.
_UNWRITABLE = re.compile("(\\\\*)([\x00\ud800-\udfff]|x00|ud[89a-f][0-9a-f]{2})")
_ESCAPED = re.compile(r"(\\+)(x00|ud[89a-f][0-9a-f]{2})")

_MARKDOWN_MARKS = re.compile(r"([\\`*_\[\]|$~#])")

_LATEX_MARKS = {
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
    ord("<"): r"\textless{}",
    ord(">"): r"\textgreater{}",
    ord("|"): r"\textbar{}",
    ord("`"): r"\textasciigrave{}",
    # Two hyphens would join into a dash, and brackets at the start of a line would be an option of the line break.
    ord("-"): "{-}",
    ord("["): "{[}",
    ord("]"): "{]}",
    **{ord(mark): "\\" + mark for mark in "&%$#_{}"},
}


def spreadsheet_safe(text: str) -> str:
    """Returns `text` with a `'` before it when a spreadsheet would run it; numbers stay.

    A text that has such quotes before a formula already gets one more, so that `spreadsheet_text` gives each back.

    Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.

    Example:
        >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-5"), spreadsheet_safe("- item"), spreadsheet_safe("'quoted'")
        ("'=1+1", '-5', "'- item", "'quoted'")
    """
    return f"'{text}" if _is_run(text.lstrip("'")) else text


def spreadsheet_text(cell: str) -> str:
    """Returns the text that `spreadsheet_safe` was given.

    Example:
        >>> spreadsheet_text("'=1+1"), spreadsheet_text("'quoted'")
        ('=1+1', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and _is_run(cell.lstrip("'")) else cell


def _is_run(text: str) -> bool:
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return False
    return text[:1] in ("\t", "\r", "\n") or _PASSED_OVER.sub("", text).startswith(_RUN_BY_SPREADSHEETS)


def writable(text: str) -> str:
    r"""Returns `text` with NUL and lone surrogates as escapes; `written` gives exactly `text` back.

    Backslashes before such an escape are doubled, and all others stay as they are.

    Example:
        >>> writable("a\x00b"), writable("C:\\temp"), writable("\\x00")
        ('a\\x00b', 'C:\\temp', '\\\\x00')
    """

    def escape(found: re.Match[str]) -> str:
        marks, what = found.groups()
        if len(what) > 1:
            return marks * 2 + what if marks else what
        return f"{marks * 2}\\x00" if what == "\x00" else f"{marks * 2}\\u{ord(what):04x}"

    return _UNWRITABLE.sub(escape, text)


def written(text: str) -> str:
    r"""Returns what `writable` was given.

    Example:
        >>> written("a\\x00b") == "a\x00b", written("\\\\x00")
        (True, '\\x00')
    """

    def read(found: re.Match[str]) -> str:
        marks, what = found.groups()
        kept = "\\" * (len(marks) // 2)
        return kept + (chr(int(what[1:], 16)) if len(marks) % 2 else what)

    return _ESCAPED.sub(read, text)


def markdown_cell(text: str) -> str:
    r"""Returns `text` as one cell of a Markdown table that shows it as written.

    Example:
        >>> markdown_cell("a|b\n<c>")
        'a\\|b<br>&lt;c&gt;'
    """
    text = for_screen(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_MARKS.sub(r"\\\1", text).replace("\t", " ").replace("\n", "<br>")


def latex_cell(text: str) -> str:
    r"""Returns `text` as one cell of a LaTeX table: no command, comment or formula of it is one there.

    Line breaks become `\newline{}`, which a column of fixed width keeps.

    Example:
        >>> latex_cell("50% of $x_1$\n\\input{a}")
        '50\\% of \\$x\\_1\\$\\newline{}\\textbackslash{}input\\{a\\}'
    """
    lines = for_screen(text).replace("\t", " ").split("\n")
    return r"\newline{}".join(line.translate(_LATEX_MARKS) for line in lines)
