"""Where prompts come from: references, sources and the filling of templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.prompts._managed import LabelMove, ManagedPrompt, as_text
from toolkit.prompts._reference import PromptReference, Selector, parse_reference
from toolkit.prompts._registry import AnyPrompt, Sources
from toolkit.prompts._source import (
    Evidence,
    PromotingPromptSource,
    PromptSource,
    PromptSourceWithHistory,
    PromptVersion,
    SourceAccess,
    WritablePromptSource,
)
from toolkit.prompts._template import CompiledTemplate, as_message, compile_template, fill, placeholders, render
from toolkit.prompts._values import is_nan, text_of, thawed

if TYPE_CHECKING:
    from toolkit.prompts._access import langfuse_access
    from toolkit.prompts._exchange import Exchange, Step, as_written, synced
    from toolkit.prompts._files import ParsedPrompt, parse_prompt
    from toolkit.prompts._folder import FolderSource
    from toolkit.prompts._generic import GenericSource
    from toolkit.prompts._humanloop import HumanloopSource
    from toolkit.prompts._inline import InlineSource, inline_source
    from toolkit.prompts._langfuse import LangfuseSource
    from toolkit.prompts._pulling import Pulling, pull_prompts
    from toolkit.prompts._pushing import Pushing, check_draft, push_new, push_prompts

__all__ = [
    "AnyPrompt",
    "CompiledTemplate",
    "Evidence",
    "Exchange",
    "FolderSource",
    "GenericSource",
    "HumanloopSource",
    "InlineSource",
    "LabelMove",
    "LangfuseSource",
    "ManagedPrompt",
    "ParsedPrompt",
    "PromotingPromptSource",
    "PromptReference",
    "PromptSource",
    "PromptSourceWithHistory",
    "PromptVersion",
    "Pulling",
    "Pushing",
    "Selector",
    "SourceAccess",
    "Sources",
    "Step",
    "WritablePromptSource",
    "as_message",
    "as_text",
    "as_written",
    "check_draft",
    "compile_template",
    "fill",
    "inline_source",
    "is_nan",
    "langfuse_access",
    "parse_prompt",
    "parse_reference",
    "placeholders",
    "pull_prompts",
    "push_new",
    "push_prompts",
    "render",
    "synced",
    "text_of",
    "thawed",
]

# Loaded on first touch: they bring the YAML and the HTTP library.
_LATER = {
    "Exchange": "toolkit.prompts._exchange",
    "FolderSource": "toolkit.prompts._folder",
    "GenericSource": "toolkit.prompts._generic",
    "HumanloopSource": "toolkit.prompts._humanloop",
    "InlineSource": "toolkit.prompts._inline",
    "LangfuseSource": "toolkit.prompts._langfuse",
    "ParsedPrompt": "toolkit.prompts._files",
    "Pulling": "toolkit.prompts._pulling",
    "Pushing": "toolkit.prompts._pushing",
    "Step": "toolkit.prompts._exchange",
    "as_written": "toolkit.prompts._exchange",
    "check_draft": "toolkit.prompts._pushing",
    "inline_source": "toolkit.prompts._inline",
    "langfuse_access": "toolkit.prompts._access",
    "parse_prompt": "toolkit.prompts._files",
    "pull_prompts": "toolkit.prompts._pulling",
    "push_new": "toolkit.prompts._pushing",
    "push_prompts": "toolkit.prompts._pushing",
    "synced": "toolkit.prompts._exchange",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
