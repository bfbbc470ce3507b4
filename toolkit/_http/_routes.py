"""Which way a request goes: the environment's proxy, never for loopback, and the certificates that are trusted."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request

import certifi


class Routes:
    """The proxies that the environment, or the system, names at this moment."""

    def __init__(self) -> None:
        self._from_environment = bool(urllib.request.getproxies_environment())
        self._proxies = urllib.request.getproxies()

    def proxy_for(self, scheme: str, host: str, port: int) -> str | None:
        """Returns the proxy's address for an origin, or `None` for a direct connection.

        Args:
            scheme: `http` or `https`.
            host: Without brackets.
            port: To be found in `NO_PROXY` as `host:port`.
        """
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or _is_loopback(host) or self._is_left_out(f"{host}:{port}"):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def _is_left_out(self, host: str) -> bool:
        if self._from_environment:
            return bool(urllib.request.proxy_bypass_environment(host, self._proxies))  # type: ignore[attr-defined]
        return bool(urllib.request.proxy_bypass(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context() -> ssl.SSLContext:
    """Returns what trusts `SSL_CERT_FILE` and `SSL_CERT_DIR`, or certifi's bundle when neither is set.

    Raises:
        OSError: If the file they name cannot be read; `ssl.SSLError`, which is one, if it holds no certificate.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    context = ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder or None)
    context.set_alpn_protocols(["http/1.1"])
    return context
