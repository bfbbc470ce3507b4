"""The one line of Python that does what was clicked, with a button that copies it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from toolkit.results import Safe, element
from toolkit.widgets._bundle import Lasting
from toolkit.widgets._theme import CODE, theme_css

_STATIC = Path(__file__).parent / "static"


class CodeLine(Lasting, anywidget.AnyWidget):  # type: ignore[misc]  # anywidget's base has no types
    """Code to read and to copy.

    Args:
        code: Python, of one line or several.
        label: What stands before it.
    """

    _esm = (_STATIC / "code_line.js").read_text(encoding="utf-8")
    _css = theme_css(".pk-code") + (_STATIC / "code_line.css").read_text(encoding="utf-8")

    code = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("code").tag(sync=True)

    def __init__(self, code: str = "", *, label: str = "code", **kwargs: Any) -> None:
        super().__init__(code=code, label=label, **kwargs)

    def static_html(self) -> Safe:
        """Returns the code as text."""
        return element("pre", self.code, class_="pk tex2jax_ignore mathjax_ignore", style=CODE)

    def static_text(self) -> str:
        """Returns the code."""
        return self.code
