"""Answers that are not a success: OpenAI's error JSON, and which status each of our errors gets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._records import EMPTY, FrozenDict
from toolkit._redact import redact
from toolkit.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigError,
    MissingDependencyError,
    MissingVariablesError,
    ModelNotFoundError,
    PluginError,
    PromptError,
    PromptNotFoundError,
    PromptSourceError,
    ProviderConnectionError,
    ProviderError,
    ProviderServerError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    ToolkitError,
    UnknownNameError,
    UsageError,
)

INVALID = "invalid_request_error"
AUTH = "auth_error"
SERVER = "server_error"
UPSTREAM = "upstream_error"
RATE_LIMIT = "rate_limit_error"

# First match wins, so the special stand before the general.
_STATUSES: tuple[tuple[type[ToolkitError], int, str], ...] = (
    (PromptNotFoundError, 404, INVALID),
    (MissingVariablesError, 400, INVALID),
    (PromptSourceError, 502, UPSTREAM),
    (PromptError, 500, SERVER),
    (ConfigError, 500, SERVER),
    (MissingDependencyError, 500, SERVER),
    (PluginError, 500, SERVER),
    (UsageError, 400, INVALID),
    # The key that was refused is the proxy's, not the client's: a 401 would send the client to look for its own.
    (AuthenticationError, 502, UPSTREAM),
    (QuotaError, 429, "insufficient_quota"),
    (ModelNotFoundError, 502, UPSTREAM),
    (BadRequestError, 400, INVALID),
    (ProviderTimeoutError, 504, UPSTREAM),
    (ProviderConnectionError, 502, UPSTREAM),
    (ProviderServerError, 502, UPSTREAM),
    (RateLimitError, 429, RATE_LIMIT),
    (ProviderError, 502, UPSTREAM),
    (ToolkitError, 500, SERVER),
)

# Our messages set argument names in backticks; the first one is what the error is about.
_NAMED = re.compile(r"`(model|messages|prompt_id|prompt_variables|prompt_version|prompt_label|user|stream)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and JSON value of an answer."""

    status: int
    body: Mapping[str, Any]
    headers: FrozenDict = EMPTY


class Refused(Exception):
    """A request that is answered with an error; never leaves this room.

    Args:
        status: HTTP status.
        message: What is wrong and what to do.
        kind: The error's `type`.
        param: Field that it is about; `None` = none.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        headers: Mapping[str, str] = EMPTY,
    ) -> None:
        super().__init__(message)
        self.answer = error_answer(status, message, kind=kind, param=param, headers=headers)


def error_answer(
    status: int, message: str, *, kind: str = INVALID, param: str | None = None, headers: Mapping[str, str] = EMPTY
) -> Answer:
    """Returns an error in OpenAI's form; `code` is the status as text, as LiteLLM's proxy has it.

    Example:
        >>> error_answer(404, "No such path.").body
        {'error': {'message': 'No such path.', 'type': 'invalid_request_error', 'param': None, 'code': '404'}}
    """
    error = {"message": redact(message), "type": kind, "param": param, "code": str(status)}
    return Answer(status=status, body={"error": error}, headers=FrozenDict(headers))


def answer_of(error: ToolkitError) -> Answer:
    """Returns how one of our errors is answered.

    Example:
        >>> answer_of(UsageError("`prompt_id` 'x' is given and nothing says where it is.")).body["error"]["param"]
        'prompt_id'
    """
    status, kind = next((status, kind) for cls, status, kind in _STATUSES if isinstance(error, cls))
    return error_answer(status, str(error), kind=kind, param=_param(error), headers=_headers(error))


def _param(error: ToolkitError) -> str | None:
    if isinstance(error, PromptNotFoundError):
        return "prompt_id"
    if isinstance(error, MissingVariablesError):
        return "prompt_variables"
    if isinstance(error, UnknownNameError):
        return "model"
    named = _NAMED.search(str(error)) if isinstance(error, UsageError) else None
    return named[1] if named is not None else None


def _headers(error: ToolkitError) -> dict[str, str]:
    seconds = getattr(error, "retry_after_s", None)
    return {} if seconds is None or not math.isfinite(seconds) else {"retry-after": str(math.ceil(seconds))}
