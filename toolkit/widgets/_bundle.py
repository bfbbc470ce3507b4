"""What a widget leaves in a notebook: the widget while a kernel is there, static HTML and a line of text after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from toolkit.results import Safe, for_screen, shorten

VIEW = "application/vnd.jupyter.widget-view+json"
"""Media type of a reference to a live widget."""

Bundle: TypeAlias = dict[str, Any]

_MOST_CHARACTERS = 200

# What hosts put into a kernel's environment that make models only for views that they see.
_OTHER_HOSTS = ("VSCODE_", "PYCHARM_", "DATABRICKS_")


class Static(Protocol):
    """A widget that can say what it shows without a kernel."""

    def static_html(self) -> Safe:
        """The state as inert HTML, made by `toolkit.results.element` alone."""
        ...

    def static_text(self) -> str:
        """The state in one line."""
        ...


class Lasting:
    """Puts the static forms of a widget beside it in a cell's output. Stands before the widget's class among the bases.

    Where the page has no live widget any more, it shows the HTML; where it has no HTML, the line.

    Example:
        >>> class Picker(Lasting, ipywidgets.VBox): ...    # doctest: +SKIP
    """

    def _repr_mimebundle_(self, **kwargs: Any) -> Bundle:
        live: Any = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]  # of the widget's class, which comes next
        return bundle(self, live)  # type: ignore[arg-type]  # whoever mixes this in has the static forms


def bundle(widget: Static, live: Bundle | tuple[Bundle, Bundle] | None) -> Bundle:
    """Returns the forms of a widget's output.

    Args:
        widget: Gives the static forms.
        live: What the widget's own class would show; `None` = nothing.
    """
    found = live[0] if isinstance(live, tuple) else live or {}
    view = {VIEW: found[VIEW]} if VIEW in found else {}
    line = shorten(for_screen(widget.static_text(), keep_lines=False), _MOST_CHARACTERS)
    return {**view, "text/html": str(widget.static_html()), "text/plain": line}


def takes_place_of_html(
    environment: Mapping[str, str] = os.environ, is_loaded: Callable[[str], bool] = sys.modules.__contains__
) -> bool:
    """Tells whether the page makes a widget's model without being shown its view, as JupyterLab and Notebook do.

    There a widget can take the place of the static HTML in a cell's output, and the notebook that is saved has the
    HTML alone; a reference to a widget would be an error message in it once the kernel is gone. VS Code, Colab, Voila
    and others make models only for views that they see.
    """
    is_other = any(name.startswith(_OTHER_HOSTS) for name in environment) or is_loaded("google.colab")
    return not is_other and not environment.get("SERVER_SOFTWARE", "").lower().startswith("voila")
