"""Looks at this machine: versions, extras, the way to the network, the table of prices. Asks nobody."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import platform
import urllib.request
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from toolkit._doctor._checkup import Finding
from toolkit._http import tls_context
from toolkit.providers import price_table

# By the extra's name: the modules that it brings, and what it is for.
_EXTRAS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "excel": (("openpyxl",), "export to Excel"),
    "jinja": (("jinja2",), "prompts written in Jinja"),
    "json": (("jsonschema", "jsonpath"), "JSON scorers"),
    "langfuse": (("langfuse",), "Langfuse's own client, beside ours"),
    "litellm": (("litellm",), "models named litellm/..."),
    "local": (("xllamacpp",), "the embedded model, for work without a key"),
    "parquet": (("pyarrow",), "Parquet files"),
    "plot": (("matplotlib",), "results.plot()"),
    "proxy": (("uvicorn", "httptools"), "toolkit proxy"),
    "semantic": (("wordllama",), "the scorer of meaning"),
    "text": (("rapidfuzz", "sacrebleu"), "scorers of wording"),
}

_PACKAGES = ("pandas", "numpy", "ipywidgets", "anywidget", "IPython", "jupyterlab", "httpx")

# A list of prices that is older than this misses models that people use.
_OLD_PRICES_DAYS = 180


def look_at_versions() -> list[Finding]:
    """Returns one line on this package and Python, and one on the packages that matter."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    packages = ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name)))
    return [
        Finding(topic="versions", name="promptsweep", text=f"{_version('promptsweep')}, {python}"),
        Finding(topic="versions", name="packages", text=packages),
    ]


def look_at_extras() -> list[Finding]:
    """Returns one line on the extras that are installed, and one for each that is not, with what brings it."""
    missing = {
        extra: purpose
        for extra, (modules, purpose) in _EXTRAS.items()
        if any(importlib.util.find_spec(module) is None for module in modules)
    }
    found = [extra for extra in _EXTRAS if extra not in missing]
    return [
        Finding(topic="extras", name="installed", text=", ".join(found) or "none"),
        *(
            Finding(
                topic="extras",
                name=extra,
                state="note",
                text=f"not installed; it brings {purpose}",
                remedy=f"pip install 'promptsweep[{extra}]'",
            )
            for extra, purpose in missing.items()
        ),
    ]


def look_at_prices(today: dt.date) -> Finding:
    """Returns the line on the table of list prices and its age."""
    source, made_on = price_table()
    is_old = (today - made_on).days > _OLD_PRICES_DAYS
    return Finding(
        topic="prices",
        name="list prices",
        state="note" if is_old else "ok",
        text=f"{source}, as of {made_on.isoformat()}",
        remedy="update promptsweep, or give prices=... to tk.sweep: newer models are not in the table."
        if is_old
        else "",
    )


def look_at_network(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Returns the proxies and certificates that the environment names; asks nobody.

    Args:
        environ: Where certificates are named; proxies are read as every request reads them.
    """
    proxies = urllib.request.getproxies()
    named = [f"{scheme} through {_without_user(proxies[scheme])}" for scheme in sorted(proxies) if scheme != "no"]
    left_out = f"; asked directly: {proxies['no']}" if named and proxies.get("no") else ""
    way = f"{', '.join(named)}{left_out}; this machine itself is never asked through a proxy" if named else "no proxy"
    return [Finding(topic="network", name="proxy", text=way), _certificates(environ)]


def _certificates(environ: Mapping[str, str]) -> Finding:
    named = {name: environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)}
    if not named:
        return Finding(topic="network", name="certificates", text="those of the package certifi")
    folder = named.get("SSL_CERT_DIR")
    reason = f"there is no folder {folder!r}" if folder and not Path(folder).is_dir() else ""
    try:
        tls_context()
    except OSError as error:  # `ssl.SSLError`, for a file without a certificate, is one
        reason = error.strerror or str(error)
    # Where they are is told when something is wrong there; a check-up that is well is passed on, in a notebook say.
    places = ", ".join(f"{name}={path}" for name, path in named.items())
    told = f"{places}: {reason}" if reason else f"those of {' and '.join(named)}, which can be read"
    return Finding(
        topic="network",
        name="certificates",
        state="fail" if reason else "ok",
        text=told,
        remedy="name a PEM file that can be read, or unset the variable." if reason else "",
    )


def _without_user(address: str) -> str:
    """Returns a proxy's address without the name and password in it.

    Example:
        >>> _without_user("http://carrier:secret@proxy.test:3128"), _without_user("proxy.test:3128")
        ('http://****@proxy.test:3128', 'proxy.test:3128')
    """
    scheme, colon, rest = address.rpartition("://")
    _, at, host = rest.rpartition("@")
    return f"{scheme}{colon}{'****@' if at else ''}{host}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
