"""What widgets made of ipywidgets lack: keys that stay in them, and the place of their static HTML in the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from toolkit.results import Safe, element
from toolkit.widgets._bundle import Bundle, Lasting, bundle, takes_place_of_html
from toolkit.widgets._slot import PAGE_PROGRAM, new_slot
from toolkit.widgets._theme import PREFIX, theme_css

_STATIC = Path(__file__).parent / "static"

PARTS = f"{PREFIX}-parts"
"""Class of every box made of ipywidgets' parts; its style comes with its `Place`."""


class Place(anywidget.AnyWidget):
    """A part without a face. The box that it is in keeps its keys, and stands where its static HTML is in the page.

    Without it a letter that is pressed on a button of the box makes, cuts or deletes cells of the notebook, and a
    notebook that is saved has an error message where the box was.

    Args:
        on_run: Called when Ctrl or Cmd with Enter is pressed in the box; `None` = the notebook gets these keys.
    """

    _esm = PAGE_PROGRAM + (_STATIC / "place.js").read_text(encoding="utf-8")
    _css = theme_css(f".{PARTS}") + (_STATIC / "parts.css").read_text(encoding="utf-8")

    slot = traitlets.Unicode("").tag(sync=True)
    of = traitlets.Unicode("").tag(sync=True)
    runs = traitlets.Bool(False).tag(sync=True)

    def __init__(self, of: Any, *, on_run: Callable[[], object] | None = None, **kwargs: Any) -> None:
        super().__init__(slot=new_slot(), of=of.model_id or "", runs=on_run is not None, **kwargs)
        self._on_run = on_run
        self.on_msg(self._on_message)

    def _on_message(self, _: object, content: object, buffers: object) -> None:
        asked = content.get("ask") if isinstance(content, Mapping) else None
        if asked == "look":
            self.send({"here": True})
        elif asked == "run" and self._on_run is not None:
            self._on_run()


class Placed(Lasting):
    """Puts a box with a `place` where its static HTML is. Stands before the box's class among the bases.

    Example:
        >>> class Picker(Placed, ipywidgets.VBox): ...    # doctest: +SKIP
    """

    place: Place

    def _repr_mimebundle_(self, **kwargs: Any) -> Bundle:
        if not takes_place_of_html():
            return super()._repr_mimebundle_(**kwargs)
        return {**bundle(self, None), "text/html": str(self._slotted())}  # type: ignore[arg-type]  # as in `Lasting`

    def _slotted(self) -> Safe:
        still: Any = self
        inner = element("div", still.static_html(), class_=f"{PREFIX}-static")
        return element("div", inner, class_=f"{PREFIX}-place tex2jax_ignore mathjax_ignore {self.place.slot}")
