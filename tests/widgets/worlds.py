"""What tests of pickers and forms share: a folder of prompts, an engine on it, widgets looked through, patience."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets

from toolkit.config import ConfigFile, Settings
from toolkit.engine import Engine
from toolkit.prompts import PromptSource
from toolkit.providers import Provider
from toolkit.testing import FakeProvider, fake_engine

FIRST = "---\nmodel: fake/m\nlabels: [production]\ncommit_message: the first one\n---\nDear {{name}}, order {{order}}."
SECOND = "---\nmodel: fake/m\ntemperature: 0.5\n---\nHello {{name}}, order {{order}} is on its way."
CHAT = "---\nmodel: fake/m\n---\nSystem: You are {{tone}}.\n\nUser: Hello."
CASES = [{"name": "Ana", "order": "A-17"}, {"name": "Bo", "order": "B-2"}, {"name": "Cy", "order": "C-3"}]


def write_prompts(folder: Path) -> Path:
    """Writes two versions of `reply` and one of `greet`, and returns their folder."""
    prompts = folder / "prompts"
    prompts.mkdir()
    for name, text in (("reply.v1", FIRST), ("reply.v2", SECOND), ("greet", CHAT)):
        (prompts / f"{name}.prompt").write_text(text, encoding="utf-8")
    return prompts


def make_engine(
    folder: Path,
    *,
    provider: Provider | None = None,
    sources: tuple[PromptSource, ...] = (),
    config: ConfigFile | None = None,
) -> Engine:
    """An engine on those prompts, with a scripted provider called `fake`."""
    settings = Settings(home=folder / "home", prompts_folder=write_prompts(folder))
    return fake_engine(settings, providers=[provider or FakeProvider()], sources=sources, config=config)


def parts_of(widget: Any) -> Iterator[Any]:
    """A widget and everything in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts_of(child)


def state_of(widget: Any) -> str:
    """Everything that a page, and a notebook that is saved, gets of a widget and what is in it, as text."""
    return json.dumps([part.get_state() for part in parts_of(widget)], default=str)


def nameless(widget: Any) -> list[str]:
    """The controls in a widget that a screen reader has no name for."""
    kinds = (ipywidgets.Button, ipywidgets.widgets.widget_description.DescriptionWidget)
    shown = (ipywidgets.HTML, ipywidgets.Label)
    return [
        type(part).__name__
        for part in parts_of(widget)
        if isinstance(part, kinds) and not isinstance(part, shown) and not part.description
    ]
