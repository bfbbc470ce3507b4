"""How results show themselves: as text, as inert HTML, and in a notebook with the live grid of answers."""

from __future__ import annotations

import collections
import logging
from typing import Any, Protocol

from toolkit._collecting import without_collecting
from toolkit._notebook import has_kernel, maker_of
from toolkit._records import RunView
from toolkit.results._display import Told, head_form, html_form, text_form
from toolkit.results._html import Safe, element, joined
from toolkit.results._once import made_once
from toolkit.results._screen import for_screen

# Widgets live as long as the kernel unless they are closed, and each holds its run: of those that results have shown by
# themselves so many stay live. One that is closed is static again.
_MOST_LIVE = 8
_live: collections.deque[Grid] = collections.deque()

_log = logging.getLogger("toolkit.results")


class Grid(Protocol):
    """The live grid of answers, a widget."""

    @property
    def is_closed(self) -> bool:
        """True when it answers no page any more."""
        ...

    def close(self) -> None:
        """Lets go of its run; the page shows the static form again."""
        ...

    def refresh(self) -> None:
        """Shows what has been added to the results since."""
        ...

    def static_html(self) -> Safe:
        """Returns the first cases as inert HTML."""
        ...

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]: ...


class GridFace:
    """The part of `Results` that is looked at."""

    _view: RunView
    _sent: int | None
    _note: str
    _grid: Grid | None

    def grid(self) -> Grid:
        """Returns the grid of answers as a widget: cases against arms, what differs marked, filters, keys, exports.

        In a notebook the results show it themselves. It is one widget however often it is asked for. Of the grids that
        results have shown by themselves the last eight are live; the others are static again until they are shown anew.

        Example:
            >>> results.grid()    # doctest: +SKIP
        """
        if self._grid is None or self._grid.is_closed:
            made: Grid = maker_of("grid")(self)
            self._grid = made
        return self._grid

    def __repr__(self) -> str:
        return self._text(Told.of(self._view, sent=self._sent))

    def _repr_html_(self) -> str:
        return self._html(Told.of(self._view, sent=self._sent), None)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        with without_collecting(), made_once():
            return self._bundle()

    def _bundle(self) -> dict[str, Any]:
        # First, so that the page loads the widget's program while the verdict is found.
        live = self._live()
        told = Told.of(self._view, sent=self._sent)
        grid = Safe(live.pop("text/html")) if "text/html" in live else None
        return {**live, "text/plain": self._text(told), "text/html": self._html(told, grid)}

    def _live(self) -> dict[str, Any]:
        """What the grid shows of itself under a kernel; nothing where there is none."""
        if not has_kernel():
            return {}
        try:
            grid = self.grid()
            if grid not in _live:
                _live.append(grid)
            while len(_live) > _MOST_LIVE:
                _live.popleft().close()
            return dict(grid._repr_mimebundle_())
        except Exception:  # noqa: BLE001  a result must show in some form, whatever is wrong with this machine's widgets
            _log.warning("The live grid could not be made; results are shown without it.", exc_info=True)
            return {}

    def _text(self, told: Told) -> str:
        form = text_form(told)
        return f"{for_screen(self._note)}\n\n{form}" if self._note else form

    def head_html(self) -> Safe:
        """Returns what stands above the answers, as inert HTML: the header, the verdict, one row an arm."""
        return head_form(Told.of(self._view, sent=self._sent))

    def _html(self, told: Told, answers: Safe | None) -> str:
        form = html_form(self._view, told, answers=answers)
        return str(joined(element("p", self._note, role="status"), form) if self._note else form)
