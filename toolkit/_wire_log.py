"""Prints each request as a curl command that can be pasted into a shell, every credential masked; off by default."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping

from toolkit._redact import MASK, redact

_is_on = False

# Headers that carry a credential, by how the masked form reads.
_CREDENTIALS = {
    "authorization": f"Authorization: Bearer {MASK}",
    "x-api-key": f"x-api-key: {MASK}",
    "api-key": f"api-key: {MASK}",
}

# Headers without which a service does not take the request.
_VERSIONS = ("anthropic-version",)


def set_verbose(on: bool) -> None:
    """Turns the request log on or off for this process; `TOOLKIT_LOG=DEBUG` turns it on as well."""
    global _is_on
    _is_on = on


def is_verbose() -> bool:
    """True when requests are printed."""
    return _is_on or os.environ.get("TOOLKIT_LOG", "").upper() == "DEBUG"


def log_request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Prints one request to stderr.

    Args:
        method: `POST`.
        url: With the real endpoint.
        headers: As sent; shown are the API's version, and of a credential only that it is there.
        body: As sent.
    """
    sys.stderr.write(request_text(method, url, headers, body))
    sys.stderr.flush()


def request_text(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    r"""Returns what `log_request` prints.

    Example:
        >>> print(request_text("POST", "http://host/v1", {"authorization": "Bearer abc"}, b'{"a": "it\'s"}'))
        POST Request Sent from toolkit:
        curl -X POST \
        http://host/v1 \
        -H 'Authorization: Bearer ****' \
        -d '{"a": "it'"'"'s"}'
        <BLANKLINE>
    """
    given = {name.lower(): value for name, value in headers.items()}
    lines = [f"curl -X {method}", shlex.quote(redact(url))]
    lines += [f"-H {shlex.quote(shown)}" for name, shown in _CREDENTIALS.items() if name in given]
    lines += [f"-H {shlex.quote(f'{name}: {given[name]}')}" for name in _VERSIONS if name in given]
    lines.append(f"-d {shlex.quote(redact(body.decode('utf-8', 'replace')))}")
    return f"{method} Request Sent from toolkit:\n" + " \\\n".join(lines) + "\n"
