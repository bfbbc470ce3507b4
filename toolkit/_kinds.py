"""The kinds of failure: the words of the frame's column `failure`, and what each means for money and retries."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """Why a trial has no answer, in one word.

    A kind is a string, so that `df[df.failure == "timeout"]` and `df[df.failure == tk.FailureKind.TIMEOUT]` are the
    same. A provider that comes as a plug-in may use words of its own beside these.

    Example:
        >>> FailureKind.TIMEOUT == "timeout", FailureKind("rate_limit").name
        (True, 'RATE_LIMIT')
    """

    # Nothing was sent, or nothing arrived.
    DNS = "dns"
    """The host's name does not resolve; nothing was sent. Tried twice more, soon."""
    CONNECT = "connect"
    """Nobody answers at the address; nothing was sent. Tried again."""
    TLS = "tls"
    """The host's certificate is not trusted; nothing was sent. Not tried again."""
    CONNECTION = "connection"
    """The connection broke after the request was sent; it may be billed. Tried again."""
    TIMEOUT = "timeout"
    """No whole answer within the time allowed, or a stream that fell silent; it may be billed. Tried again."""

    # The provider refused.
    RATE_LIMIT = "rate_limit"
    """Too many requests or tokens; tried again when the provider says, or after a backoff."""
    OVERLOADED = "overloaded"
    """The provider has no capacity; tried again after a longer backoff."""
    SERVER = "server"
    """The provider failed (5xx, 409, 425); tried again."""
    AUTH = "auth"
    """The credential was refused; the model is suspended."""
    QUOTA = "quota"
    """No credit or quota is left; the model is suspended."""
    NOT_FOUND = "not_found"
    """The provider does not know the model, the deployment or the address; the model is suspended."""
    BAD_REQUEST = "bad_request"
    """The provider refused this request as it stands."""
    CONTEXT_LENGTH = "context_length"
    """The request is longer than the model reads."""
    CONTENT_FILTER = "content_filter"
    """The provider's filter refused the prompt."""
    TOO_LARGE = "too_large"
    """The request is larger than the provider takes, or the answer larger than is read."""
    REDIRECT = "redirect"
    """The provider sends us to another address, which is not followed."""

    # An answer came that is none.
    MALFORMED_RESPONSE = "malformed_response"
    """Not what the API promises: no JSON, a login page, broken compression; it may be billed. Tried once more."""
    EMPTY_RESPONSE = "empty_response"
    """A whole answer without a choice or a message; it may be billed. Tried once more."""
    TRUNCATED_STREAM = "truncated_stream"
    """A stream that ended before the answer did; what came is kept as `partial`. Tried again."""

    # On this side.
    ADAPTER = "adapter"
    """The provider's adapter made a mistake of its own."""
    PROVIDER = "provider"
    """A failure without a kind of its own, of a plug-in."""
    OVER_BUDGET = "over_budget"
    """Not sent: it could have cost more than the budget has left."""
    STOPPED_EARLY = "stopped_early"
    """Not sent: `stop_early` was given, and the arm's comparison was settled before."""
    STOPPED = "stopped"
    """Not sent, or cut off: the run was stopped before."""
    CANCELLED = "cancelled"
    """Nobody waited for the answer any more."""
