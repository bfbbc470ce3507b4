"""Where a request goes: an address taken apart, its path and query left as they were written."""

from __future__ import annotations

import base64
import functools
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# Everything printable stays as it is, `%` too: the caller has encoded what needs it.
_KEPT = "".join(map(chr, range(33, 127)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address, taken apart."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Without brackets."""
    port: int
    authority: str
    """Host, and the port where it is not the scheme's own, as the header `host` has them."""
    target: str
    """Path and query."""
    credentials: str | None
    """Value of a Basic authorization header, where the address names a user."""

    def __repr__(self) -> str:
        return f"Address({self.scheme}://{self.authority})"


@functools.lru_cache(maxsize=1024)
def read_address(url: str) -> Address:
    """Returns an address taken apart.

    Percent-encoding and dots in the path are kept: `%2F` and `..` mean what the caller wrote. What is not printable
    ASCII is percent-encoded.

    Raises:
        ValueError: If it is no `http` or `https` address.

    Example:
        >>> read_address("http://[::1]:8000/a%2Fb/../c?x=1#y").target
        '/a%2Fb/../c?x=1'
    """
    if _CONTROLS.search(url):
        raise ValueError("the address holds a control character")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("the address is none that begins with http:// or https:// and a host")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
    if not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{host!r} is no host name")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    path = parts.path or "/"
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port,
        authority=shown if port == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{port}",
        target=quote(f"{path}?{parts.query}" if parts.query else path, safe=_KEPT),
        credentials=_basic(parts.username, parts.password),
    )


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
