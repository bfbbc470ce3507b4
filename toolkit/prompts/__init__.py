"""Where prompts come from: references, sources and the filling of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.prompts._managed import LabelMove, ManagedPrompt, as_text
from toolkit.prompts._reference import PromptReference, Selector, parse_reference
from toolkit.prompts._registry import AnyPrompt, Sources
from toolkit.prompts._source import (
    PromptSource,
    PromptSourceWithHistory,
    PromptVersion,
    SourceAccess,
    WritablePromptSource,
)
from toolkit.prompts._template import CompiledTemplate, as_message, compile_template, fill, placeholders, render
from toolkit.prompts._values import is_nan, text_of

if TYPE_CHECKING:
    from toolkit.prompts._files import ParsedPrompt, parse_prompt
    from toolkit.prompts._folder import FolderSource
    from toolkit.prompts._generic import GenericSource
    from toolkit.prompts._humanloop import HumanloopSource
    from toolkit.prompts._inline import InlineSource, inline_source
    from toolkit.prompts._langfuse import LangfuseSource

__all__ = [
    "AnyPrompt",
    "CompiledTemplate",
    "FolderSource",
    "GenericSource",
    "HumanloopSource",
    "InlineSource",
    "LabelMove",
    "LangfuseSource",
    "ManagedPrompt",
    "ParsedPrompt",
    "PromptReference",
    "PromptSource",
    "PromptSourceWithHistory",
    "PromptVersion",
    "Selector",
    "SourceAccess",
    "Sources",
    "WritablePromptSource",
    "as_message",
    "as_text",
    "compile_template",
    "fill",
    "inline_source",
    "is_nan",
    "parse_prompt",
    "parse_reference",
    "placeholders",
    "render",
    "text_of",
]

# Loaded on first touch: they bring the YAML and the HTTP library.
_LATER = {
    "FolderSource": "toolkit.prompts._folder",
    "GenericSource": "toolkit.prompts._generic",
    "HumanloopSource": "toolkit.prompts._humanloop",
    "InlineSource": "toolkit.prompts._inline",
    "LangfuseSource": "toolkit.prompts._langfuse",
    "ParsedPrompt": "toolkit.prompts._files",
    "inline_source": "toolkit.prompts._inline",
    "parse_prompt": "toolkit.prompts._files",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
