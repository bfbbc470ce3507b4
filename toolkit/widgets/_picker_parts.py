"""The parts of a prompt picker and how they are laid out; what they do is the picker's."""

from __future__ import annotations

import ipywidgets as w

from toolkit.widgets._code_line import CodeLine
from toolkit.widgets._status import StatusLine
from toolkit.widgets._theme import PREFIX

_WIDE = {"description_width": "105px"}


class PickerParts(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Every field, button and view of a prompt picker, each with a name and a class `pk-...`."""

    def _make_parts(self) -> None:
        self.name = w.Combobox(description="Name", placeholder="type a part of a prompt's name", style=_WIDE)
        self.name.layout = w.Layout(width="60%", min_width="280px")
        self.refresh_button = w.Button(description="Refresh", tooltip="Ask the sources again")
        self.versions = w.SelectMultiple(description="Versions", rows=3, style=_WIDE, layout=w.Layout(width="98%"))
        self.compare = w.Dropdown(description="Compare with", options=[("nothing", "")], value="", style=_WIDE)
        self.case = w.BoundedIntText(description="Case", min=0, max=0, style=_WIDE)
        self.add_button = w.Button(description="Add to sweep", tooltip="Keep the highlighted versions and pick more")
        self.fields = w.VBox()
        self.about, self.picked = w.HTML(), w.VBox()
        self.preview, self.diff, self.config, self.json = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.tabs = w.Tab([self.preview, self.diff, self.config, self.json], layout=w.Layout(width="98%"))
        self.tabs.titles = ("Preview", "Diff", "Config", "JSON")
        self.status = StatusLine()
        self.code_line = CodeLine(label="code")
        for part, name in ((self.name, "name"), (self.versions, "versions"), (self.compare, "compare"),
                           (self.add_button, "add"), (self.refresh_button, "refresh"), (self.case, "case"),
                           (self.tabs, "tabs")):  # fmt: skip
            part.add_class(f"{PREFIX}-{name}")
        self.add_class(f"{PREFIX}-picker")
        self.children = (
            w.HBox([self.name, self.refresh_button], layout=w.Layout(flex_flow="row wrap")),
            self.about,
            self.versions,
            w.HBox([self.compare, self.case], layout=w.Layout(flex_flow="row wrap")),
            self.fields,
            self.tabs,
            w.HBox([self.add_button, self.picked], layout=w.Layout(flex_flow="row wrap")),
            self.code_line,
            self.status,
        )


class Field(w.Text):  # type: ignore[misc]  # ipywidgets has no types
    """The field of one variable."""

    def __init__(self, *, key: str, description: str) -> None:
        super().__init__(description=description, style=_WIDE, layout=w.Layout(width="60%"))
        self.key = key
