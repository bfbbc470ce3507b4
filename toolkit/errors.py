"""Every exception the package raises, as one tree; picklable; says who must act and whether a retry can help.

ToolkitError
├── UsageError (also ValueError)     the caller wrote something wrong; never retried
│   ├── ConfigError                      a settings file or environment variable is wrong
│   │   └── MissingKeyError              a provider's or source's credential is not set
│   ├── UnknownNameError                 no such source, provider, model or scorer
│   ├── MissingDependencyError           an optional package is not installed
│   └── PluginError                      a plug-in cannot be loaded
│       └── PluginConflictError          two plug-ins claim one name
├── PromptError                      about one prompt
│   ├── PromptNotFoundError
│   ├── PromptSourceError                the source could not be reached or answered nonsense
│   ├── TemplateSyntaxError
│   └── MissingVariablesError
├── ProviderError                    one request to a provider failed
│   ├── ProviderTimeoutError, ProviderConnectionError, RateLimitError, ProviderServerError   (a retry can help)
│   ├── AuthenticationError, QuotaError, ModelNotFoundError          (no later call of that model can succeed)
│   ├── BadRequestError
│   │   ├── ContextLengthError
│   │   └── ContentFilterError
│   └── InvalidResponseError             the body is not what the API promises
├── SweepError
│   ├── SweepStoppedError
│   └── TrialsFailedError                raised by `Results.raise_for_failures()`
├── StoreError
│   ├── StoreVersionError
│   ├── StoreBusyError
│   ├── StoreFullError                   no space, or no right to write; what was paid for is held in memory
│   ├── StoreCorruptError                damaged; `repair_store` saves what is whole
│   └── RunNotFoundError
├── LangfuseError                    Langfuse refused, or could not be reached, beside the reading of prompts
├── PromotionRefusedError            the gate does not pass, or the label was moved by somebody else
└── ScorerError
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import Any

from toolkit._kinds import FailureKind as FailureKind
from toolkit._warnings import ConfigWarning as ConfigWarning
from toolkit._warnings import DriftWarning as DriftWarning
from toolkit._warnings import EvidenceWarning as EvidenceWarning
from toolkit._warnings import LangfuseWarning as LangfuseWarning
from toolkit._warnings import LeftOutWarning as LeftOutWarning
from toolkit._warnings import MissingVariableWarning as MissingVariableWarning
from toolkit._warnings import StoreWarning as StoreWarning
from toolkit._warnings import UnusedVariableWarning as UnusedVariableWarning


class ToolkitError(Exception):
    """Base of all errors raised here."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles by arguments and state: plain pickling would call `cls(*args)` and fail on keyword-only details."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        """Shows a notebook the error in one paragraph (IPython calls this); `TOOLKIT_TRACEBACK=1` brings the rest back.

        The message says what to do; the insides of an HTTP library above it would only hide that.
        """
        if os.environ.get("TOOLKIT_TRACEBACK"):
            return "".join(traceback.format_exception(self)).splitlines()
        return [f"{type(self).__name__}: {self}"]


def _rebuild(cls: type[ToolkitError], args: tuple[Any, ...], state: dict[str, Any]) -> ToolkitError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(ToolkitError, ValueError):
    """The caller wrote something wrong; nothing was sent."""


class ConfigError(UsageError):
    """A settings file or an environment variable is wrong; the message names the file, the line and the key."""


class MissingKeyError(ConfigError):
    """A credential is not set; the message names the environment variable."""

    def __init__(self, message: str, *, variable: str) -> None:
        super().__init__(message)
        self.variable = variable


class UnknownNameError(UsageError):
    """No source, provider, model or scorer has this name."""

    def __init__(self, message: str, *, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.name = name
        self.known = tuple(known)


class MissingDependencyError(UsageError, ImportError):
    """An optional package is needed and not installed; the message says what to install."""

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message)
        self.extra = extra


class PluginError(UsageError):
    """A plug-in was found and cannot be loaded; the message names its distribution and version."""


class PluginConflictError(PluginError):
    """Two plug-ins claim one name."""


class PromptError(ToolkitError):
    """Something is wrong with one prompt."""

    def __init__(
        self,
        message: str,
        *,
        prompt_id: str | None = None,
        source: str | None = None,
        status: int | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.prompt_id = prompt_id
        self.source = source
        self.status = status
        """HTTP status of the source's answer; `None` when the source is not a server or never answered."""
        self.retryable = retryable


class PromptNotFoundError(PromptError):
    """The source has no such prompt, version or label; the message says which exist."""


class PromptSourceError(PromptError):
    """The source could not be reached, refused us, or answered nonsense."""


class TemplateSyntaxError(PromptError):
    """The template cannot be read."""


class MissingVariablesError(PromptError):
    """Placeholders without a value, or values that cannot be rendered; nothing was sent."""

    def __init__(
        self,
        message: str,
        *,
        prompt_id: str | None = None,
        source: str | None = None,
        missing: Sequence[str] = (),
        given: Sequence[str] = (),
    ) -> None:
        super().__init__(message, prompt_id=prompt_id, source=source)
        self.missing = tuple(missing)
        self.given = tuple(given)


class ProviderError(ToolkitError):
    """One request to a provider failed.

    `kind` is the word that stands in the frame's `failure` column; `retryable` is all that the engine asks.
    """

    kind: str = FailureKind.PROVIDER
    retryable = False
    suspends_model = False
    """True when no later call of the same model can succeed until a person acts."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        kind: str | None = None,
        retryable: bool | None = None,
        possibly_billed: bool = False,
        partial: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        if kind is not None:
            self.kind = kind
        if retryable is not None:
            self.retryable = retryable
        self.possibly_billed = possibly_billed
        """The request was written to the wire and no whole answer came back."""
        self.partial = partial
        """Text of a streamed answer that broke off; never counted as an answer."""


class ProviderTimeoutError(ProviderError):
    """No whole answer within the time allowed."""

    kind = FailureKind.TIMEOUT
    retryable = True


class ProviderConnectionError(ProviderError):
    """The connection failed or broke; `kind` is `connect`, `connection`, `dns` or `tls`."""

    kind = FailureKind.CONNECTION
    retryable = True


class RateLimitError(ProviderError):
    """The provider asks us to slow down."""

    kind = FailureKind.RATE_LIMIT
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s
        """Seconds the provider asks us to wait; `None` when it did not say."""


class ProviderServerError(RateLimitError):
    """The provider failed (5xx, 529 overloaded); carries `retry_after_s` where the answer did."""

    kind = FailureKind.SERVER


class AuthenticationError(ProviderError):
    """The provider refused the credential."""

    kind = FailureKind.AUTH
    suspends_model = True


class QuotaError(ProviderError):
    """The account has no credit or quota left; waiting does not help."""

    kind = FailureKind.QUOTA
    suspends_model = True


class ModelNotFoundError(ProviderError):
    """The provider does not know the model or deployment."""

    kind = FailureKind.NOT_FOUND
    suspends_model = True


class BadRequestError(ProviderError):
    """The provider refused this request as it stands."""

    kind = FailureKind.BAD_REQUEST

    def __init__(self, message: str, *, param: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.param = param
        """Parameter that the provider cannot take, as for `temperature` on a reasoning model; `None` = none named."""


class ContextLengthError(BadRequestError):
    """The request is longer than the model reads."""

    kind = FailureKind.CONTEXT_LENGTH
    estimated_tokens: int | None = None
    """Tokens of the messages by our own estimate."""
    limit_tokens: int | None = None
    """Most that the model reads, by the provider's words or the dated table."""


class ContentFilterError(BadRequestError):
    """The provider's filter refused the prompt."""

    kind = FailureKind.CONTENT_FILTER


class InvalidResponseError(ProviderError):
    """The answer is not what the API promises; `kind` `malformed_response`, `empty_response`, `truncated_stream`."""

    kind = FailureKind.MALFORMED_RESPONSE
    retryable = True


class SweepError(ToolkitError):
    """A sweep could not go on."""


class SweepStoppedError(SweepError):
    """The sweep was stopped before its last trial; what had finished is in the store."""


class TrialsFailedError(SweepError):
    """Some trials have no answer."""

    def __init__(self, message: str, *, failures: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class StoreError(ToolkitError):
    """The run store cannot be read or written; the message names the file."""


class StoreVersionError(StoreError):
    """The store was written by a newer version of this package."""

    def __init__(self, message: str, *, found: int, supported: int) -> None:
        super().__init__(message)
        self.found = found
        self.supported = supported


class StoreBusyError(StoreError):
    """Another process keeps the store locked."""


class StoreFullError(StoreError):
    """The store takes no more for now: no space left, or no right to write; what was paid for is held in memory."""

    def __init__(
        self, message: str, *, path: str | None = None, held: int = 0, needed_bytes: int | None = None
    ) -> None:
        super().__init__(message)
        self.path = path
        self.held = held
        self.needed_bytes = needed_bytes


class StoreCorruptError(StoreError):
    """The store's file is damaged; it was left as it is, and `repair_store` saves what is whole into a new one."""

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class RunNotFoundError(StoreError):
    """The store has no such run; the message says which it has."""


class LangfuseError(ToolkitError):
    """Langfuse could not be reached, refused, or answered nonsense; the message says what was asked and what to do."""

    def __init__(
        self, message: str, *, status: int | None = None, retryable: bool = False, possibly_taken: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the answer; `None` when none came."""
        self.retryable, self.possibly_taken = retryable, possibly_taken
        """`possibly_taken`: something was written, and the server may have it all the same."""


class PromotionRefusedError(ToolkitError):
    """A label was not moved: the gate does not pass, or somebody else has moved it; the message has the numbers."""

    def __init__(self, message: str, *, gate: Any = None) -> None:
        super().__init__(message)
        self.gate = gate
        """The `Gate` with its conditions; `None` when the label was refused before it came to one."""


class ScorerError(ToolkitError):
    """A scorer failed; the answer is kept and can be scored again."""

    def __init__(self, message: str, *, scorer: str | None = None, trial_id: str | None = None) -> None:
        super().__init__(message)
        self.scorer = scorer
        self.trial_id = trial_id
