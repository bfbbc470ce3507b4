"""How long an answer can get: what its request asks for, what its adapter sends instead, what its model can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.providers._prices import context_limit
from toolkit.providers._provider import EMBEDDING_PARAMS


def most_output_tokens(provider: str, model: str, params: Mapping[str, Any], *, input_tokens: int = 0) -> int | None:
    """Returns the most output tokens that a request can be charged for; `None` when nothing limits them that we know.

    The request's own `max_tokens` or `max_completion_tokens`, times `n`; without one, what the adapter sends where its
    API insists on a limit, else the room that the input leaves in what the model holds (`context_limit`). Embeddings
    have none.

    Args:
        provider: The name before the slash.
        model: Provider-side name.
        params: Effective parameters by their OpenAI names.
        input_tokens: Least tokens of the input.

    Example:
        >>> most_output_tokens("openai", "gpt-4o-mini", {"max_tokens": 100, "n": 2})
        200
        >>> most_output_tokens("openai", "gpt-4o-mini", {}, input_tokens=1000)
        127000
    """
    if EMBEDDING_PARAMS.keys() <= params.keys():
        return 0
    asked = [params[name] for name in ("max_tokens", "max_completion_tokens") if name in params]
    limits = [value for value in asked if isinstance(value, int) and not isinstance(value, bool) and value >= 0]
    one = max(limits) if limits else _without_being_asked(provider, model, input_tokens)
    if one is None:
        return None
    answers = params.get("n")
    return one * answers if isinstance(answers, int) and answers > 1 else one


def _without_being_asked(provider: str, model: str, input_tokens: int) -> int | None:
    # The adapters bring their libraries with them, so they are imported when a model of theirs is asked about.
    if provider == "anthropic":
        from toolkit.providers._anthropic import DEFAULT_MAX_TOKENS, output_limit

        return output_limit(model) or DEFAULT_MAX_TOKENS
    if provider == "local":
        from toolkit.providers._local import ANSWER_TOKENS

        return ANSWER_TOKENS
    context = context_limit(provider, model)
    return None if context is None else max(context - input_tokens, 0)
