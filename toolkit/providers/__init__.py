"""Services that complete: one adapter a wire protocol, found by the name before the slash of a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from toolkit.providers._provider import Capabilities, Chunk, Provider
from toolkit.providers._registry import Providers

if TYPE_CHECKING:
    from toolkit.providers._local import LocalProvider
    from toolkit.providers._openai import OpenAIProvider

__all__ = ["Capabilities", "Chunk", "LocalProvider", "OpenAIProvider", "Provider", "Providers"]

# The adapters bring their libraries with them, so they are imported when they are named.
_LAZY = {"LocalProvider": "toolkit.providers._local", "OpenAIProvider": "toolkit.providers._openai"}


def __getattr__(name: str) -> Any:
    """Imports an adapter when it is first named."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
