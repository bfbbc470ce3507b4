"""Settings of one configuration, read from the environment."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolkit._redact import Secret
from toolkit.errors import ConfigError

LANGFUSE_CLOUD = "https://cloud.langfuse.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class LangfuseSettings:
    """Where a Langfuse project is, and its keys."""

    host: str
    public_key: str
    secret_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one configuration says; made once, passed down, never changed.

    Example:
        >>> Settings.from_environment({"TOOLKIT_PROMPTS": "my/prompts"}).prompts_folder.as_posix()
        'my/prompts'
    """

    home: Path = field(default_factory=lambda: Path(".toolkit"))
    """Folder of the run store; `TOOLKIT_HOME` moves it."""
    prompts_folder: Path = field(default_factory=lambda: Path("prompts"))
    """Folder of `.prompt` files; `TOOLKIT_PROMPTS` moves it."""
    prompt_source: str | None = None
    """Source of a reference that names none; `None` = Langfuse when its keys are set, else the folder."""
    langfuse: LangfuseSettings | None = None
    prompt_cache_ttl_s: float = 60.0
    """Seconds for which a fetched prompt is given out again; 0 = not at all; `TOOLKIT_PROMPT_CACHE_TTL_S`."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads the variables that the fields name, `TOOLKIT_PROMPT_SOURCE`, and the `LANGFUSE_*` variables.

        Args:
            environ: Stands in for `os.environ`; `None` = `os.environ` itself.

        Raises:
            ConfigError: If a number of seconds is none.
        """
        if environ is None:
            return _of_this_process(tuple(hash(os.environ.get(name)) for name in _VARIABLES))
        return cls(
            home=Path(environ.get("TOOLKIT_HOME") or ".toolkit"),
            prompts_folder=Path(environ.get("TOOLKIT_PROMPTS") or "prompts"),
            prompt_source=environ.get("TOOLKIT_PROMPT_SOURCE") or None,
            langfuse=langfuse_from_environment(environ),
            prompt_cache_ttl_s=_seconds(environ, "TOOLKIT_PROMPT_CACHE_TTL_S", 60.0),
        )


_VARIABLES = (
    "TOOLKIT_HOME",
    "TOOLKIT_PROMPTS",
    "TOOLKIT_PROMPT_SOURCE",
    "TOOLKIT_PROMPT_CACHE_TTL_S",
    "LANGFUSE_PUBLIC_KEY",
    "LANGFUSE_SECRET_KEY",
    "LANGFUSE_HOST",
    "LANGFUSE_BASE_URL",
)


@functools.lru_cache(maxsize=1)
def _of_this_process(_state: tuple[int, ...]) -> Settings:
    """The settings of `os.environ`, read again when a variable has changed: every completion asks for them.

    Args:
        _state: The variables' hashes, not their values, so that no key is kept here.
    """
    return Settings.from_environment(os.environ)


def langfuse_from_environment(environ: Mapping[str, str]) -> LangfuseSettings | None:
    """Returns the Langfuse settings of the environment, or `None` unless both keys are set.

    `LANGFUSE_HOST` goes before `LANGFUSE_BASE_URL`; without either it is Langfuse's European cloud. A host without a
    scheme gets `http://`.

    """
    public, secret = environ.get("LANGFUSE_PUBLIC_KEY"), environ.get("LANGFUSE_SECRET_KEY")
    if not public or not secret:
        # Half a pair is told when Langfuse is asked for: a folder needs neither, and a call may bring the rest.
        return None
    host = environ.get("LANGFUSE_HOST") or environ.get("LANGFUSE_BASE_URL") or LANGFUSE_CLOUD
    return LangfuseSettings(host=normal_host(host), public_key=public, secret_key=Secret(secret))


def normal_host(host: str) -> str:
    """Returns `host` with a scheme and without a trailing slash.

    Example:
        >>> normal_host("localhost:3000/")
        'http://localhost:3000'
    """
    host = host.strip().rstrip("/")
    return host if "://" in host else f"http://{host}"


def _seconds(environ: Mapping[str, str], variable: str, default_s: float) -> float:
    text = environ.get(variable)
    if not text:
        return default_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(f"{variable} is {text!r}; write a number of seconds from 0 up.")
    return seconds
