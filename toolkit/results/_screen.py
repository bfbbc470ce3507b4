"""Makes foreign text safe to show: what would move a cursor, reorder a line or break an encoder becomes an escape."""

from __future__ import annotations

import re

# C0 and C1 controls and DEL, Unicode's bidirectional controls, line and paragraph separators, lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_OR_TAB = re.compile("[\n\t]")

# What no UTF-8 encoder takes, and what ends a string in half of the world's programs.
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def for_screen(text: str, *, keep_lines: bool = True) -> str:
    r"""Returns `text` with control characters, bidirectional controls and lone surrogates as visible escapes.

    Args:
        text: Whatever a model, a prompt or a provider wrote.
        keep_lines: Whether line breaks and tabs stay; otherwise they are escapes too.

    Example:
        >>> for_screen("red \x1b[31m")
        'red \\x1b[31m'
    """
    text = _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))
    return text if keep_lines else _LINE_OR_TAB.sub(_escape, text)


def for_utf8(text: str) -> str:
    r"""Returns `text` with NUL and lone surrogates as escapes, so that it can be written as UTF-8.

    Example:
        >>> for_utf8("a\ud800b")
        'a\\ud800b'
    """
    return _UNWRITABLE.sub(_escape, text)


def shorten(text: str, most: int) -> str:
    """Returns `text` cut to `most` characters, the last of them an ellipsis when something was cut.

    Example:
        >>> shorten("abcdef", 4)
        'abc…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    code = ord(character)
    return named if named is not None else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
