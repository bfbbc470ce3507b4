"""From a prompt, variables and what the caller asks to the request that will be sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from toolkit._records import CHAT_PARAMS, EMPTY, FrozenDict, Prompt, Request
from toolkit.prompts import render
from toolkit.providers import Capabilities


def config_model(prompt: Prompt) -> str | None:
    """Returns the model that the prompt's config names, or `None`."""
    model = prompt.config.get("model")
    return model if isinstance(model, str) and model else None


def effective_params(prompt: Prompt, asked: Mapping[str, Any], defaults: Mapping[str, Any] = EMPTY) -> FrozenDict:
    """Returns the parameters to send: the caller's over the prompt's over config.yaml's; asked `None` takes one away.

    Example:
        >>> prompt = Prompt(prompt_id="p", version="1", kind="text", template="", source="folder",
        ...                 config=FrozenDict({"temperature": 0.7, "seed": 1, "languages": ["en"]}))
        >>> effective_params(prompt, {"temperature": 0, "seed": None})
        {'temperature': 0}
    """
    own = {name: value for name, value in prompt.config.items() if name in CHAT_PARAMS and value is not None}
    merged = {name: value for name, value in (dict(defaults) | own | dict(asked)).items() if value is not None}
    return FrozenDict(dict(sorted(merged.items())))


def takeable(params: FrozenDict, capabilities: Capabilities) -> FrozenDict:
    """Returns the parameters that a provider can take; what `drop_params` in config.yaml leaves.

    Example:
        >>> takeable(FrozenDict({"seed": 1, "temperature": 0}), Capabilities(params=frozenset({"temperature"})))
        {'temperature': 0}
    """
    if capabilities.params is None:
        return params
    return FrozenDict({name: value for name, value in params.items() if name in capabilities.params})


def build_request(
    prompt: Prompt,
    variables: Mapping[str, Any],
    *,
    provider: str,
    model: str,
    params: FrozenDict,
    missing: Literal["error", "keep"] = "error",
) -> Request:
    """Renders the prompt and returns the request.

    Args:
        prompt: A pinned version.
        variables: Values for its placeholders.
        provider: The provider's identity.
        model: Provider-side name.
        params: Effective parameters.
        missing: What to do with a placeholder that has no value.

    Raises:
        MissingVariablesError: If a placeholder has no value and `missing` is `error`.
    """
    return Request(provider=provider, model=model, messages=render(prompt, variables, missing=missing), params=params)
