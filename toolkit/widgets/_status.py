"""The status line of a widget made of ipywidgets' own parts: said to screen readers, in red when it is an error."""

from __future__ import annotations

import ipywidgets

from toolkit.results import element
from toolkit.widgets._theme import PREFIX, value


class StatusLine(ipywidgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """One line of words that changes. All words are escaped."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class(f"{PREFIX}-status")
        self.say("")

    def say(self, text: str) -> None:
        """Shows words; none = an empty line."""
        self._show(text, "")

    def fail(self, text: str) -> None:
        """Shows what went wrong; goes well with `guarded(status.fail, ...)`."""
        self._show(text, f"display:block;color:{value('bad')};border-left:3px solid;padding-left:.6em")

    def _show(self, text: str, style: str) -> None:
        self.words = text
        line = element("span", text, style=style) if style else text
        self.value = str(
            element("div", line, role="status", aria_live="polite", class_=f"{PREFIX} tex2jax_ignore mathjax_ignore")
        )
