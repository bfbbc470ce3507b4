"""The one error that leaves the HTTP room: what kind of failure, and whether the request had been sent by then."""

from __future__ import annotations

from typing import Literal

from toolkit._redact import redact

HttpFailureKind = Literal["timeout", "connect", "dns", "tls", "connection", "too_large", "malformed"]


class HttpFailure(Exception):
    """No whole answer came: what kind of failure, in one line, and whether the request had been sent by then."""

    def __init__(self, kind: HttpFailureKind, message: str, *, request_sent: bool) -> None:
        super().__init__(message)
        self.kind: HttpFailureKind = kind
        self.message = message
        self.request_sent = request_sent

    @property
    def is_untrusted(self) -> bool:
        """True when a certificate is what failed; other failures of kind `tls` met a server that speaks otherwise."""
        return self.kind == "tls" and "certificate" in self.message.lower()


def sentence(error: BaseException) -> str:
    """Returns one line on another library's error, credentials masked."""
    return redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
