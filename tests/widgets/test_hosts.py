"""What VS Code, Colab and other pages need of our widgets, as far as it can be seen without them."""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import pytest

from tests.widgets.answers import some_results
from toolkit import BlindVote, CompareGrid
from toolkit.widgets import CodeLine
from toolkit.widgets._bundle import VIEW
from toolkit.widgets._place import Place
from toolkit.widgets._theme import _HOSTS, theme_css

WIDGETS = [CompareGrid, BlindVote, CodeLine, Place]


@pytest.mark.parametrize("kind", WIDGETS)
def test_the_program_and_its_style_come_from_no_address(kind: type[Any]) -> None:
    """Program and style travel with the widget: no address, no import and no font is fetched by either."""
    text = f"{kind._esm}\n{getattr(kind, '_css', '')}"
    fetched = r"""https?://\w|["'`(]//\w|^\s*import\b|\bimport\(|@import|\burl\("""
    assert not re.search(fetched, text, flags=re.MULTILINE)


def test_every_colour_follows_vs_code() -> None:
    """Each of our colours and fonts is JupyterLab's, else VS Code's, else one that any page has."""
    css = theme_css(".x")
    for name in _HOSTS:
        assert re.search(rf"--pk-{name}:var\(--jp-[a-z0-9-]+,var\(--vscode-[a-zA-Z-]+,[^;]+\)\);", css), name


def test_colab_s_switch_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Colab, making a widget turns on the support for widgets that are not its own."""
    turned: list[bool] = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: turned.append(True)
    colab = types.ModuleType("google.colab")
    colab.output = output
    for name, module in (("google.colab", colab), ("google.colab.output", output)):
        monkeypatch.setitem(sys.modules, name, module)
    # Asked once in a process, by whichever widget comes first.
    from anywidget import _util

    _util.enable_custom_widget_manager_once.cache_clear()
    CodeLine("1")
    _util.enable_custom_widget_manager_once.cache_clear()
    assert turned == [True]


@pytest.mark.parametrize("host", ["vscode", "colab", "voila"])
@pytest.mark.parametrize("make", [CompareGrid, lambda results: BlindVote(results, voter="ana")], ids=["grid", "vote"])
def test_elsewhere_the_output_has_view_html_and_text(host: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """VS Code, Colab and Voila get the widget's view, and beside it HTML without a program, and a line of text."""
    if host == "colab":
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    elif host == "vscode":
        monkeypatch.setenv("VSCODE_PID", "1")
    else:
        monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    output = make(some_results(4, arms=2))._repr_mimebundle_()
    assert sorted(output) == [VIEW, "text/html", "text/plain"]
    assert "<script" not in output["text/html"]
    assert output["text/plain"].count("\n") == 0
