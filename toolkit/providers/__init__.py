"""Services that complete: one adapter a wire protocol, found by the name before the slash of a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from toolkit.providers._model_limits import most_output_tokens
from toolkit.providers._prices import LIST_PRICES, Prices, context_limit, price, price_table
from toolkit.providers._provider import EMBEDDING_PARAMS, Access, Capabilities, Chunk, Embedded, Embedder, Provider
from toolkit.providers._registry import Providers
from toolkit.providers._services import Reached, Service, reach, services
from toolkit.providers._tokens import Estimate, estimate_tokens
from toolkit.providers._weights import embedded_models

if TYPE_CHECKING:
    from toolkit.providers._anthropic import AnthropicProvider
    from toolkit.providers._azure import AzureProvider
    from toolkit.providers._litellm import LiteLLMProvider
    from toolkit.providers._local import LocalProvider
    from toolkit.providers._openai import OpenAIProvider

__all__ = [
    "EMBEDDING_PARAMS",
    "LIST_PRICES",
    "Access",
    "AnthropicProvider",
    "AzureProvider",
    "Capabilities",
    "Chunk",
    "Embedded",
    "Embedder",
    "Estimate",
    "LiteLLMProvider",
    "LocalProvider",
    "OpenAIProvider",
    "Prices",
    "Provider",
    "Providers",
    "Reached",
    "Service",
    "context_limit",
    "embedded_models",
    "estimate_tokens",
    "most_output_tokens",
    "price",
    "price_table",
    "reach",
    "services",
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
