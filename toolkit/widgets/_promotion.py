"""A promotion as a widget: its proof, a button that moves the label, and one that puts it back."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import ipywidgets as w

from toolkit.results import Promotion, Safe, element
from toolkit.widgets._paint import guarded
from toolkit.widgets._place import Place, Placed
from toolkit.widgets._status import StatusLine
from toolkit.widgets._theme import PREFIX


class PromotionBox(Placed, w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows a promotion that waits to be confirmed; results show it by themselves.

    What is done here is done to the promotion itself: it can also be confirmed or rolled back in code.

    Args:
        promotion: As `results.promote(...)` gives it.
    """

    def __init__(self, promotion: Promotion) -> None:
        super().__init__()
        self.promotion = promotion
        mine = promotion.proposal
        self.proof, self.status = w.HTML(), StatusLine()
        self.move_button = w.Button(description=f"Move {mine.label} to {mine.version}", button_style="primary")
        self.back_button = w.Button(description="Put it back", tooltip=f"Give {mine.label} to who had it before")
        self.move_button.on_click(guarded(self.status.fail, lambda _: self._do(promotion.confirm)))
        self.back_button.on_click(guarded(self.status.fail, lambda _: self._do(promotion.rollback)))
        self.place = Place(self)
        self.add_class(f"{PREFIX}-parts")
        self.children = (self.proof, w.HBox([self.move_button, self.back_button]), self.status, self.place)
        self._paint()

    def static_html(self) -> Safe:
        """Returns the promotion as HTML without a kernel."""
        return element("div", self.promotion._repr_html_(), class_=f"{PREFIX} mathjax_ignore")

    def static_text(self) -> str:
        """Returns the promotion as text."""
        return repr(self.promotion)

    def _do(self, act: Callable[[], object]) -> None:
        """Confirms or rolls back; what would be a warning is shown here, where nobody sees one."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                act()
            finally:
                self._paint()
        if told:
            self.status.fail(str(told[0].message))
        else:
            self.status.say("")

    def _paint(self) -> None:
        self.proof.value = str(self.static_html())
        self.move_button.disabled = self.promotion.state != "waiting"
        self.back_button.disabled = self.promotion.state != "moved"
