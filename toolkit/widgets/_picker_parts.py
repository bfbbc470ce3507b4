"""The parts of a prompt picker and how they are laid out; what they do is the picker's."""

from __future__ import annotations

import ipywidgets as w

from toolkit.widgets._code_line import CodeLine
from toolkit.widgets._place import Place
from toolkit.widgets._status import StatusLine
from toolkit.widgets._theme import PREFIX

_WIDE = {"description_width": "105px"}


class PickerParts(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Every field, button and view of a prompt picker, each with a name and a class `pk-...`."""

    def _make_parts(self) -> None:
        self.name = w.Combobox(description="Name", placeholder="type a part of a prompt's name", style=_WIDE)
        self.refresh_button = w.Button(description="Refresh", tooltip="Ask the sources again")
        self.versions = w.SelectMultiple(description="Versions", rows=3, style=_WIDE, layout=w.Layout(width="auto"))
        self.compare = w.Dropdown(description="Compare with", options=[("nothing", "")], value="", style=_WIDE)
        self.case = w.BoundedIntText(description="Case", min=0, max=0, style=_WIDE)
        self.add_button = w.Button(description="Add to sweep", tooltip="Keep the highlighted versions and pick more")
        self.fields = w.VBox()
        self.about, self.picked = w.HTML(), w.VBox()
        self.preview, self.diff, self.config, self.json = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.tabs = w.Tab([self.preview, self.diff, self.config, self.json], layout=w.Layout(width="auto"))
        self.tabs.titles = ("Preview", "Diff", "Config", "JSON")
        self.status, self.place = StatusLine(), Place(self)
        self.code_line = CodeLine(label="code")
        head = w.HBox([self.name, self.refresh_button, self.status])
        beside = w.HBox([self.compare, self.case])
        added = w.HBox([self.add_button, self.picked])
        # Of a prompt that is picked: hidden while none is.
        self.body = w.VBox([self.about, self.versions, beside, self.fields, self.tabs, added, self.code_line])
        for part, name in ((self, "parts"), (self, "picker"), (self.body, "parts"), (self.name, "name"),
                           (self.refresh_button, "refresh"), (self.versions, "versions"), (self.compare, "compare"),
                           (self.case, "case"), (self.fields, "variables"), (self.tabs, "tabs"),
                           (self.add_button, "add"), (self.picked, "picked"), (head, "row"), (added, "row"),
                           (beside, "fields"), (self.fields, "fields")):  # fmt: skip
            part.add_class(f"{PREFIX}-{name}")
        self.children = (head, self.body, self.place)

    def add_tab(self, title: str, part: w.Widget) -> None:
        """Adds a tab behind those that are there."""
        titles = (*self.tabs.titles, title)
        self.tabs.children = (*self.tabs.children, part)
        self.tabs.titles = titles


class Field(w.Text):  # type: ignore[misc]  # ipywidgets has no types
    """The field of one variable."""

    def __init__(self, *, key: str, description: str) -> None:
        super().__init__(description=description, style=_WIDE)
        self.key = key
