"""Where prompts come from: references, sources and the filling of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.prompts._reference import PromptReference, Selector, parse_reference
from toolkit.prompts._registry import Sources
from toolkit.prompts._source import PromptSource
from toolkit.prompts._template import CompiledTemplate, compile_template, fill, placeholders, render

if TYPE_CHECKING:
    from toolkit.prompts._folder import FolderSource
    from toolkit.prompts._langfuse import LangfuseSource

__all__ = [
    "CompiledTemplate",
    "FolderSource",
    "LangfuseSource",
    "PromptReference",
    "PromptSource",
    "Selector",
    "Sources",
    "compile_template",
    "fill",
    "parse_reference",
    "placeholders",
    "render",
]

# Loaded on first touch: they bring the YAML and the HTTP library.
_LATER = {"FolderSource": "toolkit.prompts._folder", "LangfuseSource": "toolkit.prompts._langfuse"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
