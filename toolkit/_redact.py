"""Keeps API keys out of reprs, logs, errors and the store."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

MASK = "****"

_KNOWN: set[str] = set()

# Shapes of keys that providers echo in their errors, in the order in which they are tried.
_SHAPES = (
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 " + MASK),
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|hl|sess|fw|pplx|tgp)[-_](?:[A-Za-z0-9_-]+[-_])?[A-Za-z0-9*_-]{8,}"), MASK),
    (re.compile(r"\bAIza[0-9A-Za-z_-]{20,}"), MASK),
    (re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), MASK),
    (re.compile(r"(?i)([?&](?:api[-_]?key|key|token|secret|sig)=)[^&\s\"']+"), r"\1" + MASK),
)

# How the names of environment variables that hold a credential end.
_CREDENTIAL_ENDINGS = ("_API_KEY", "_SECRET_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_MASTER_KEY")

# Shorter values are words ("test", "none") and would mask ordinary text.
_SHORTEST_KNOWN = 6


class Secret:
    """A credential that shows itself to nobody: not in `repr`, `vars`, a traceback's locals, a pickle or a copy.

    Args:
        value: The credential itself.

    Example:
        >>> key = Secret("sk-123456789")
        >>> key
        Secret('****')
        >>> key.reveal()
        'sk-123456789'
    """

    __slots__ = ("reveal",)

    reveal: Callable[[], str]

    def __init__(self, value: str) -> None:
        register_secret(value)

        def reveal() -> str:
            """Returns the credential, to be written into one request header and nowhere else."""
            return value

        object.__setattr__(self, "reveal", reveal)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode("utf-8"), other.reveal().encode("utf-8"))

    def __hash__(self) -> int:
        return hash(self.reveal())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("A Secret cannot be changed.")

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret is never pickled or copied; read the credential again where it is needed.")


class Unshown(Mapping[str, str]):
    """A mapping that shows no value, in a repr or in a traceback with local variables: one of them is a credential."""

    __slots__ = ("_get",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._get: Callable[[], Mapping[str, str]] = lambda: values

    def __getitem__(self, name: str) -> str:
        return self._get()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._get())

    def __len__(self) -> int:
        return len(self._get())

    def __repr__(self) -> str:
        return f"<{len(self)} values not shown>"

    def plain(self) -> Mapping[str, str]:
        """Returns the values themselves, for what needs them."""
        return self._get()


def register_secret(value: str) -> None:
    """Remembers a credential for this process, so that `redact` masks it wherever it turns up."""
    if len(value) >= _SHORTEST_KNOWN:
        _KNOWN.add(value)


def redact(text: str) -> str:
    """Returns `text` with every known credential and everything shaped like an API key masked.

    Known are the credentials that were used in this process, and those that the environment holds by their names.

    Example:
        >>> redact("Incorrect API key provided: sk-abcdefgh12345.")
        'Incorrect API key provided: ****.'
    """
    for value in sorted(_KNOWN | _of_environment(), key=len, reverse=True):
        text = text.replace(value, MASK)
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def known_masker() -> Callable[[str], str]:
    """Returns a function that masks the credentials known now, and nothing that only looks like one.

    For what models wrote: a text may speak of keys, and a real one still goes nowhere.
    """
    values = sorted(_KNOWN | _of_environment(), key=len, reverse=True)

    def mask(text: str) -> str:
        for value in values:
            if value in text:
                text = text.replace(value, MASK)
        return text

    return mask


def _of_environment() -> set[str]:
    """Credentials of the environment that nobody has asked for yet: a service may echo one all the same."""
    return {
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST_KNOWN and name.upper().endswith(_CREDENTIAL_ENDINGS)
    }
