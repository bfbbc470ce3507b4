"""Who may speak to the proxy: Host, Origin and Sec-Fetch against browsers, the master key against everybody."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection, Iterable

from toolkit._redact import Secret
from toolkit.proxy._refusal import AUTH, Refused

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

# On Linux a client of 0.0.0.0 reaches a loopback listener. A browser that is led there sends an Origin, which no
# request may have.
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104  a name that a client may write, not an address that is bound

# What browsers add to requests of a page: `none` is a person who typed the address.
_OWN_SITES = (b"none", b"same-origin")

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024

Headers = Iterable[tuple[bytes, bytes]]


class Guard:
    """Refuses requests that no program of ours would send, and those without the key.

    Args:
        port: Where the proxy listens; a Host names it, unless it is 80.
        master_key: What clients must show; `None` = nothing.
        allowed_hosts: Hosts besides the loopback's, `name` or `name:port`.
        allows_addresses: Whether a Host may be any IP address, as on a wide bind: only names can be turned to
            another address behind a browser's back.
    """

    def __init__(
        self,
        *,
        port: int,
        master_key: Secret | None = None,
        allowed_hosts: Collection[str] = (),
        allows_addresses: bool = False,
    ) -> None:
        self._port = port
        self._master_key = None if master_key is None else master_key.reveal().encode("utf-8")
        self._allows_addresses = allows_addresses
        given = [host if _has_port(host) else f"{host}:{port}" for host in (*LOOPBACK_NAMES, _ANY_ADDRESS)]
        for host in allowed_hosts:
            given += [host] if _has_port(host) else [host, f"{host}:{port}"]
        if port == 80:  # the one that is left out of a Host
            given += [*LOOPBACK_NAMES, _ANY_ADDRESS]
        self._hosts = frozenset(host.lower().encode("utf-8") for host in given)

    def admit(self, headers: Headers) -> dict[bytes, bytes]:
        """Returns the headers by name when the request may come in; of equal names the last counts.

        Raises:
            Refused: 400 or 403 for what only a browser or an attack sends, 431 for too many headers.
        """
        listed = list(headers)
        if len(listed) > MAX_HEADERS or sum(len(name) + len(value) for name, value in listed) > MAX_HEADER_BYTES:
            raise Refused(431, "The request's headers are too large.")
        by_name = dict(listed)
        if len(by_name) != len(listed) and sum(name == b"host" for name, _ in listed) > 1:
            raise Refused(400, "The request has two Host headers.")
        host = by_name.get(b"host", b"")
        if host.lower() not in self._hosts and not (self._allows_addresses and _is_address(host, self._port)):
            raise Refused(
                403, f"The Host {host.decode('latin-1')!r} is not served here; ask for 127.0.0.1:{self._port}."
            )
        if b"origin" in by_name:
            raise Refused(403, "Requests of web pages (with an Origin header) are not served here.")
        if by_name.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            raise Refused(403, "Requests of other sites' web pages are not served here.")
        return by_name

    def authenticate(self, headers: dict[bytes, bytes]) -> None:
        """Does nothing when the master key was shown, or none is set.

        Raises:
            Refused: 401 otherwise.
        """
        if self._master_key is None:
            return
        shown = [headers[name] for name in (b"x-api-key", b"api-key") if name in headers]
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            shown.append(token.strip())
        # All are compared, each in constant time: how long it takes says nothing of which was near.
        matches = [hmac.compare_digest(key, self._master_key) for key in shown]
        if not any(matches):
            reason = "The key is wrong" if shown else "No key was sent"
            raise Refused(
                401,
                f"{reason}; send the proxy's master key as 'Authorization: Bearer <key>' or 'x-api-key: <key>'.",
                kind=AUTH,
                headers={"www-authenticate": "Bearer"},
            )


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].count(":") == 1


def _is_address(host: bytes, port: int) -> bool:
    """True for `192.0.2.1:4000` and `[2001:db8::1]:4000` with our port."""
    try:
        name, colon, number = host.decode("ascii").rpartition(":")
        if not colon or number != str(port):
            return False
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
