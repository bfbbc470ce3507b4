"""Adds to a provider's refusal what only the request can tell: its length, close model names, the refused parameter."""

from __future__ import annotations

import difflib
import functools
import re

from toolkit._records import Request
from toolkit.errors import BadRequestError, ContextLengthError, ModelNotFoundError, ProviderError
from toolkit.providers._prices import _table, context_limit
from toolkit.providers._tokens import estimate_tokens

# How providers word the most that a model reads; the number is the limit.
_LIMITS = (
    re.compile(r"maximum context length (?:is|of) (\d[\d,]*)", re.I),
    re.compile(r"> (\d[\d,]*) maximum", re.I),
    re.compile(r"maximum number of tokens allowed \(?(\d[\d,]*)", re.I),
    re.compile(r"(?:context (?:size|length|window)|limit)(?: is| of|:)? \(?(\d[\d,]*)", re.I),
    re.compile(r"the model reads (\d[\d,]*)", re.I),
)

_REFUSAL_OF_PARAM = re.compile(
    r"unsupported|not supported|does not support|doesn't support|unrecognized|unknown|unexpected|not permitted|"
    r"deprecated|cannot (?:be )?(?:set|specified)|extra inputs", re.I)  # fmt: skip

_MOST_NAMES = 3


def explained(error: ProviderError, request: Request) -> ProviderError:
    """Returns the error, its message and its details completed from the request that it answers; no other is touched.

    A request that is too long gets its estimated tokens and the model's limit, an unknown model the names that are
    close to it, a refused parameter its name.
    """
    if isinstance(error, ContextLengthError):
        _add_length(error, request)
    elif isinstance(error, ModelNotFoundError):
        names = close_models(request.provider.partition("@")[0], request.model)
        if names:
            _append(error, f"Did you mean {' or '.join(repr(name) for name in names)}?")
    elif isinstance(error, BadRequestError) and error.kind == "bad_request":
        error.param = refused_param(error, request)
        if error.param is not None and repr(error.param) not in str(error):
            _append(error, f"It is about the parameter {error.param!r}.")
    return error


def refused_param(error: BadRequestError, request: Request) -> str | None:
    """Returns the parameter of the request that the provider cannot take; `None` when it complains of something else.

    Args:
        error: With the `param` that the body named, if it did.
        request: What was refused.
    """
    words = str(error)
    if not _REFUSAL_OF_PARAM.search(words):
        return None
    if error.param in request.params:
        return error.param
    named = [name for name in request.params if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)]
    return named[0] if len(named) == 1 else None


def token_limit(words: str) -> int | None:
    """Returns the limit of tokens that a provider's complaint names; `None` when it names none.

    Example:
        >>> token_limit("This model's maximum context length is 8192 tokens. However, you requested 9000.")
        8192
        >>> token_limit("prompt is too long: 210000 tokens > 200000 maximum")
        200000
    """
    for pattern in _LIMITS:
        if found := pattern.search(words):
            return int(found[1].replace(",", "")[:12])
    return None


def close_models(provider: str, model: str) -> list[str]:
    """Returns at most three known names that look like `model`, the closest first.

    Example:
        >>> close_models("anthropic", "claude-3-5-hiaku")[0]
        'claude-3-5-haiku'
    """
    known = [name for name in _known_models(provider) if name != model]
    return difflib.get_close_matches(model, known, n=_MOST_NAMES, cutoff=0.75)


@functools.cache
def _known_models(provider: str) -> tuple[str, ...]:
    """The names in the price table's patterns that stand there in full."""
    entry = _table()["providers"].get(provider)
    names: dict[str, None] = {}
    for known in entry["models"] if entry is not None else ():
        for part in known["match"].split("|"):
            name = part.removeprefix("^").removesuffix("$").replace("\\", "")
            if part.startswith("^") and re.fullmatch(r"[a-z0-9][a-z0-9._:/-]+", name):
                names.setdefault(name)
    return tuple(names)


def _add_length(error: ContextLengthError, request: Request) -> None:
    estimate = estimate_tokens(request.messages)
    error.estimated_tokens = estimate.expected
    error.limit_tokens = token_limit(str(error)) or context_limit(request.provider.partition("@")[0], request.model)
    limit = "" if error.limit_tokens is None else f", the model reads {error.limit_tokens:,}"
    _append(error, f"By our estimate the messages are {estimate.low:,} to {estimate.high:,} tokens{limit}.")


def _append(error: ProviderError, words: str) -> None:
    error.args = (f"{error.args[0]} {words}", *error.args[1:])
