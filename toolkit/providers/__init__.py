"""Services that complete: one adapter a wire protocol, found by the name before the slash of a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from toolkit.providers._model_limits import most_output_tokens
from toolkit.providers._prices import LIST_PRICES, Prices, context_limit, price
from toolkit.providers._provider import Access, Capabilities, Chunk, Embedder, Provider
from toolkit.providers._registry import Providers
from toolkit.providers._tokens import Estimate, estimate_tokens

if TYPE_CHECKING:
    from toolkit.providers._anthropic import AnthropicProvider
    from toolkit.providers._azure import AzureProvider
    from toolkit.providers._litellm import LiteLLMProvider
    from toolkit.providers._local import LocalProvider
    from toolkit.providers._openai import OpenAIProvider

__all__ = [
    "LIST_PRICES",
    "Access",
    "AnthropicProvider",
    "AzureProvider",
    "Capabilities",
    "Chunk",
    "Embedder",
    "Estimate",
    "LiteLLMProvider",
    "LocalProvider",
    "OpenAIProvider",
    "Prices",
    "Provider",
    "Providers",
    "context_limit",
    "estimate_tokens",
    "most_output_tokens",
    "price",
]

# The adapters bring their libraries with them, so they are imported when they are named.
_LAZY = {
    "AnthropicProvider": "toolkit.providers._anthropic",
    "AzureProvider": "toolkit.providers._azure",
    "LiteLLMProvider": "toolkit.providers._litellm",
    "LocalProvider": "toolkit.providers._local",
    "OpenAIProvider": "toolkit.providers._openai",
}


def __getattr__(name: str) -> Any:
    """Imports an adapter when it is first named."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
