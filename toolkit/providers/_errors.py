"""One table from HTTP status and body to ProviderError classes, shared by every adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit._http import HttpFailure, describe_body
from toolkit._redact import redact
from toolkit.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    InvalidResponseError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderServerError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
)
from toolkit.providers._retry_hints import retry_hint_s

_LONGEST_WORDS = 300

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "cf-ray")

# Only these ask us to come back later; a hint on any other status is not about this request.
_STATUSES_WITH_HINT = frozenset({429, 503, 529})

# A gateway gave up waiting; the provider behind it may have finished, and charged for, the answer.
_BILLED_BEHIND_GATEWAY = frozenset({504, 520, 524})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What an error answer says, whichever of the usual shapes it has."""

    words: str = ""
    """The provider's own sentence, as it came."""
    codes: frozenset[str] = frozenset()
    """Every code, type and status word of the body, in lower case."""
    status: int | None = None
    """HTTP status that the body itself names; proxies put it there under a 200."""
    param: str | None = None
    """Parameter that the body names."""
    details: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    kind: str
    retryable: bool | None = None
    """`None` = as the class says."""


_CLASSES: dict[str, type[ProviderError]] = {
    "rate_limit": RateLimitError,
    "server": ProviderServerError,
    "overloaded": ProviderServerError,
    "timeout": ProviderTimeoutError,
    "quota": QuotaError,
    "auth": AuthenticationError,
    "not_found": ModelNotFoundError,
    "context_length": ContextLengthError,
    "content_filter": ContentFilterError,
    "bad_request": BadRequestError,
    "too_large": BadRequestError,
    "redirect": InvalidResponseError,
    "malformed_response": InvalidResponseError,
}

# What happened, and what to do next. `{key}` is the name of the environment variable, never its value.
_SENTENCES: dict[str, tuple[str, str]] = {
    "rate_limit": ("asks us to slow down", ""),
    "server": ("failed to answer", ""),
    "overloaded": ("is overloaded", ""),
    "timeout": ("gave up waiting", ""),
    "quota": ("has no credit or quota left for this account", "Waiting does not help: add credit or raise the limit."),
    "auth": ("refused the credential", "Check the environment variable {key}: is it set, current, and for this host?"),
    "not_found": ("does not know this model or address", "Check the model's name and the base URL."),
    "context_length": ("finds the request too long", "Shorten the prompt or its variables, or take a larger model."),
    "content_filter": ("refused the prompt by its content filter", "Change the prompt or the variables of this case."),
    "bad_request": ("refused the request", "Change what it names; the same request will be refused again."),
    "too_large": ("finds the request too large", "Shorten the prompt or its variables."),
    "redirect": ("answered with a redirect", "It is not followed, because the key belongs to one address: set the base "
                 "URL to the final one."),
    "malformed_response": ("answered with what its API does not promise", "Check the base URL."),
}  # fmt: skip

_BY_STATUS: dict[int, _Verdict] = {
    401: _Verdict(kind="auth"),
    402: _Verdict(kind="quota"),
    403: _Verdict(kind="auth"),
    404: _Verdict(kind="not_found"),
    408: _Verdict(kind="timeout"),
    409: _Verdict(kind="server"),
    413: _Verdict(kind="too_large"),
    425: _Verdict(kind="server"),
    429: _Verdict(kind="rate_limit"),
    431: _Verdict(kind="too_large"),
    501: _Verdict(kind="bad_request"),
    505: _Verdict(kind="bad_request"),
    529: _Verdict(kind="overloaded"),
}

# Words of bodies that say more than their status; the first that fits wins.
_BY_CODE: tuple[tuple[str, frozenset[str]], ...] = (
    ("quota", frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded",
                         "access_terminated", "billing_error", "insufficient_balance", "insufficient_credits"})),
    ("context_length", frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length",
                                  "context_window_exceeded"})),
    ("content_filter", frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation",
                                  "moderation_blocked", "data_inspection_failed"})),
    ("auth", frozenset({"invalid_api_key", "authentication_error", "permission_error", "permission_denied",
                        "unauthenticated", "invalid_authentication", "account_deactivated"})),
    ("not_found", frozenset({"model_not_found", "not_found_error", "deploymentnotfound", "model_not_available",
                             "not_found", "notfounderror"})),
    ("overloaded", frozenset({"overloaded_error", "overloaded", "engine_overloaded", "model_overloaded"})),
    ("rate_limit", frozenset({"rate_limit_exceeded", "rate_limit_error", "rate_limit", "too_many_requests",
                              "resource_exhausted", "requests", "tokens"})),
    ("timeout", frozenset({"timeout", "request_timeout", "timeout_error", "deadline_exceeded"})),
    ("too_large", frozenset({"request_too_large"})),
    ("server", frozenset({"server_error", "api_error", "internal_error", "internal_server_error", "internal",
                          "service_unavailable", "unavailable", "internalservererror"})),
    ("bad_request", frozenset({"invalid_request_error", "invalid_request", "invalid_argument", "bad_request",
                               "unsupported_parameter", "unsupported_value", "badrequesterror"})),
)  # fmt: skip

# What providers write where they give no code; only asked for a 400 or 422, where the status says little.
_BY_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("context_length", re.compile(
        r"maximum context length|context (?:length|size|window|limit)|too many (?:input )?tokens|prompt is too long|"
        r"input is too long|exceeds? the (?:maximum|model'?s?) .{0,40}tokens|input token count", re.I)),
    ("content_filter", re.compile(r"content[ _-]?(?:filter|policy|management policy)|safety system|flagged", re.I)),
    ("quota", re.compile(r"credit balance|insufficient (?:balance|credit|funds)|billing", re.I)),
    ("auth", re.compile(r"api key (?:not valid|expired)|(?:invalid|incorrect) api key", re.I)),
    ("not_found", re.compile(r"model .{0,80}(?:does not exist|not found|is not supported)|no such model|"
                             r"(?:invalid|unknown) model", re.I)),
)  # fmt: skip


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    provider: str,
    model: str,
    key_variable: str | None = None,
) -> ProviderError:
    """Returns the error that an answer with an error status stands for.

    Args:
        status: HTTP status, 300 or above.
        headers: Names in lower case.
        text: The body as text.
        provider: The provider's name, for the message.
        model: Provider-side model name, for the message.
        key_variable: Environment variable that holds the credential; `None` when there is none.

    Example:
        >>> error = error_from_response(401, {}, "{}", provider="openai", model="m", key_variable="OPENAI_API_KEY")
        >>> error.kind, error.retryable, "OPENAI_API_KEY" in str(error)
        ('auth', False, True)
    """
    body = read_error_body(text)
    return _build(
        _verdict(status, body),
        body,
        status=status,
        headers=headers,
        text=text,
        provider=provider,
        model=model,
        key_variable=key_variable,
    )


def error_from_body(
    error: object,
    *,
    status: int,
    headers: Mapping[str, str],
    provider: str,
    model: str,
    key_variable: str | None = None,
    partial: str | None = None,
) -> ProviderError:
    """Returns the error that an `error` value inside a 200, or in the middle of a stream, stands for.

    It is typed by its own code. A code that nobody knows is a failure of the server, which a retry can help.

    Args:
        error: The value of the body's `error` key: a map or a sentence.
        status: HTTP status of the answer around it.
        headers: As in `error_from_response`.
        provider: As in `error_from_response`.
        model: As in `error_from_response`.
        key_variable: As in `error_from_response`.
        partial: Text that had arrived before; `None` when the answer was not streamed.
    """
    body = _read_error({"error": error})
    inner = body.status if body.status is not None else (500 if status < 400 else status)
    built = _build(
        _verdict(inner, body),
        body,
        status=inner if body.status is not None else status,
        headers=headers,
        text="",
        provider=provider,
        model=model,
        key_variable=key_variable,
    )
    built.partial = partial
    built.possibly_billed = built.possibly_billed or bool(partial)
    return built


def error_from_http_failure(
    failure: HttpFailure, *, provider: str, model: str, partial: str | None = None
) -> ProviderError:
    """Returns the error for an exchange without a whole answer.

    Args:
        failure: What the HTTP layer reported.
        provider: As in `error_from_response`.
        model: As in `error_from_response`.
        partial: Text of a stream that had arrived before.
    """
    sentence, advice = _FAILURES[failure.kind]
    words = _one_line(failure.message)
    if failure.kind == "tls":
        advice = " ".join([*(more for sign, more in _TLS_ADVICE if sign in words), advice])
    message = f"{provider!r} {sentence} (model {model!r}): {words}.{' ' + advice if advice else ''}"
    details: dict[str, Any] = {
        "provider": provider, "model": model, "partial": partial, "possibly_billed": failure.request_sent,
    }  # fmt: skip
    if failure.kind == "timeout":
        return ProviderTimeoutError(message, **details)
    if failure.kind == "malformed":
        return InvalidResponseError(message, **details)
    if failure.kind == "too_large":
        return InvalidResponseError(message, kind="too_large", retryable=False, **details)
    return ProviderConnectionError(message, kind=failure.kind, retryable=failure.kind != "tls", **details)


_FAILURES: dict[str, tuple[str, str]] = {
    "timeout": ("gave no whole answer in time", "Allow more time, or ask for fewer tokens."),
    "connect": ("cannot be reached", "Check that the server is running and the base URL is right."),
    "dns": ("has a host name that does not resolve", "Check the base URL and the network."),
    "tls": ("could not be reached safely", "If a CA of your own signed it, point SSL_CERT_FILE at its bundle."),
    "connection": ("broke the connection", ""),
    "too_large": ("sent more than is read", "Ask for fewer tokens."),
    "malformed": ("answered with what its API does not promise", "Check the base URL."),
}


_TLS_ADVICE = (
    ("has expired", "It must be renewed, unless the clock of this machine is wrong."),
    ("mismatch", "It is for another host: check the base URL."),
    ("doesn't match", "It is for another host: check the base URL."),
)


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """Returns what `x-should-retry` says, which goes before what the status says; `None` when it says nothing."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def request_id(headers: Mapping[str, str]) -> str | None:
    """Returns the provider's own id of the exchange, which its support asks for; `None` when there is none."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def read_error_body(text: str) -> ErrorBody:
    """Reads the usual shapes of error bodies; anything else gives an `ErrorBody` without codes.

    Example:
        >>> read_error_body('{"error": {"message": "No.", "code": "insufficient_quota"}}').words
        'No.'
    """
    try:
        return _read_error(json.loads(text))
    except (ValueError, RecursionError):
        return ErrorBody(words=describe_body(text) if text.strip() else "")


def _read_error(value: Any, depth: int = 0) -> ErrorBody:
    """Walks `{"error": {...}}`, `{"error": "..."}`, `{"message": ...}`, `{"detail": ...}` and lists of them."""
    if isinstance(value, list | tuple) and value:
        value = value[0]
    if not isinstance(value, dict) or depth > 3:
        return ErrorBody(words=value if isinstance(value, str) else "")
    if value.get("error"):
        inner = _read_error(value["error"], depth + 1)
        return inner if inner.words or inner.codes else ErrorBody(words=json.dumps(value)[:_LONGEST_WORDS])
    codes = {str(value[name]).lower() for name in ("code", "type", "status") if _is_word(value.get(name))}
    inner_error = value.get("innererror")
    if isinstance(inner_error, dict) and _is_word(inner_error.get("code")):
        codes.add(str(inner_error["code"]).lower())
    words = value.get("message") or value.get("detail") or value.get("msg") or ""
    if not isinstance(words, str):
        words = json.dumps(words)
    if _is_word(value.get("param")) and str(value["param"]) not in words:
        words = f"{words} (parameter {value['param']!r})"
    details = value.get("details")
    return ErrorBody(
        words=words,
        codes=frozenset(codes),
        status=next((int(code) for code in codes if re.fullmatch(r"[45]\d\d", code)), None),
        param=value["param"] if isinstance(value.get("param"), str) and value["param"] else None,
        details=tuple(details) if isinstance(details, list | tuple) else (),
    )


def _is_word(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _verdict(status: int, body: ErrorBody) -> _Verdict:
    by_code = next((kind for kind, codes in _BY_CODE if codes & body.codes), None)
    # A code may sharpen a status, never soften it: "requests" under a 401 is still a refused credential.
    if by_code in ("quota", "context_length", "content_filter", "overloaded"):
        return _Verdict(kind=by_code)
    if status in (400, 422):
        by_words = next((kind for kind, pattern in _BY_WORDS if pattern.search(body.words)), None)
        return _Verdict(kind=by_words or (by_code if by_code in ("auth", "not_found") else None) or "bad_request")
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return _Verdict(kind="redirect", retryable=False)
    if 400 <= status < 500:
        return _Verdict(kind="bad_request")
    if status >= 500:
        return _Verdict(kind=by_code or "server")
    return _Verdict(kind="malformed_response")


def _build(
    verdict: _Verdict,
    body: ErrorBody,
    *,
    status: int,
    headers: Mapping[str, str],
    text: str,
    provider: str,
    model: str,
    key_variable: str | None,
) -> ProviderError:
    sentence, advice = _SENTENCES[verdict.kind]
    words = _one_line(body.words)
    if verdict.kind == "redirect" and "location" in headers:
        words = _one_line(f"to {headers['location']}")
    details: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "status": status,
        "request_id": request_id(headers),
        "kind": verdict.kind,
        "retryable": asked if (asked := should_retry(headers)) is not None else verdict.retryable,
        "possibly_billed": status in _BILLED_BEHIND_GATEWAY,
    }
    error_class = _CLASSES[verdict.kind]
    if issubclass(error_class, RateLimitError) and status in _STATUSES_WITH_HINT:
        details["retry_after_s"] = retry_hint_s(headers, body.details)
        if details["retry_after_s"] is not None:
            advice = f"It asks to wait {details['retry_after_s']:g} s."
    if issubclass(error_class, BadRequestError):
        details["param"] = body.param
    advice = advice.replace("{key}", key_variable or "that holds the key")
    said = f": {words}" if words else ""
    stop = "" if words.endswith((".", "!", "?")) else "."
    message = f"{provider!r} {sentence} (model {model!r}, HTTP {status}){said}{stop}{' ' + advice if advice else ''}"
    return error_class(message, **details)


def _one_line(text: str) -> str:
    line = redact(" ".join(text.split()))
    return line if len(line) <= _LONGEST_WORDS else line[: _LONGEST_WORDS - 1] + "…"
