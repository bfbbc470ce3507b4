"""When a model is given up: after how many failures of a kind that no later call can get around."""

from __future__ import annotations

from toolkit._records import Failure
from toolkit.errors import FailureKind

_FIRST = 5
_IN_A_ROW = 20

# How many of a model's first trials may end so. One refusal of a key or an account is proof enough, and a name that
# still does not resolve after its retries; a model or a certificate may be looked up on one of several machines.
_FIRST_OF_KIND = {
    FailureKind.AUTH: 1,
    FailureKind.QUOTA: 1,
    FailureKind.DNS: 1,
    FailureKind.NOT_FOUND: _FIRST,
    FailureKind.TLS: _FIRST,
}

# Also of a model that has answered before: a key expires and an account runs dry in the middle of a sweep.
_AT_ONCE = frozenset({FailureKind.AUTH, FailureKind.QUOTA})


class Patience:
    """Counts how one model's trials end, and says when to stop sending.

    A model is given up at its first `auth` or `quota`; at `dns` when it has never answered; when its first 5 trials, or
    more than 20 in a row later, all end with `not_found` or `tls` (`dns` likewise, later). Other failures never count.
    """

    def __init__(self) -> None:
        self._has_answered = False
        self._kind: str | None = None
        self._in_a_row = 0

    def is_over(self, failure: Failure | None) -> bool:
        """Takes in how a trial ended, `None` = answered; returns True when the model is to be given up.

        Example:
            >>> patience = Patience()
            >>> patience.is_over(Failure(kind="auth", error_type="AuthenticationError", message="refused"))
            True
        """
        if failure is None:
            self._has_answered, self._kind, self._in_a_row = True, None, 0
            return False
        kind = failure.kind
        self._in_a_row = self._in_a_row + 1 if kind == self._kind else 1
        self._kind = kind
        first = _FIRST_OF_KIND.get(kind)  # type: ignore[call-overload]  # a kind is its text
        if first is None:
            self._has_answered = True
            return False
        if kind in _AT_ONCE:
            return True
        return self._in_a_row > _IN_A_ROW if self._has_answered else self._in_a_row >= first
