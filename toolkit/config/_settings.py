"""Settings of one configuration, read from the environment."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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
    durability: Literal["normal", "full"] = "normal"
    """What a power cut may take from the run store: `normal` = the last commits, `full` = nothing;
    `TOOLKIT_DURABILITY`."""
    idle_timeout_s: float = 60.0
    """Longest silence between two pieces of a streamed answer, in seconds; `TOOLKIT_IDLE_TIMEOUT_S`."""
    max_answer_bytes: int = 16 * 1024 * 1024
    """Most bytes of one answer after decompression, more is not read; `TOOLKIT_MAX_ANSWER_BYTES`."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads the variables that the fields name, `TOOLKIT_PROMPT_SOURCE`, and the `LANGFUSE_*` variables.

        Args:
            environ: Stands in for `os.environ`; `None` = `os.environ` itself.

        Raises:
            ConfigError: If a number of seconds or bytes is none.
        """
        if environ is None:
            return _of_this_process(tuple(hash(os.environ.get(name)) for name in _VARIABLES))
        return cls(
            home=Path(environ.get("TOOLKIT_HOME") or ".toolkit"),
            prompts_folder=Path(environ.get("TOOLKIT_PROMPTS") or "prompts"),
            prompt_source=environ.get("TOOLKIT_PROMPT_SOURCE") or None,
            langfuse=langfuse_from_environment(environ),
            prompt_cache_ttl_s=_seconds(environ, "TOOLKIT_PROMPT_CACHE_TTL_S", 60.0),
            durability=durability(environ.get("TOOLKIT_DURABILITY") or "normal", where="TOOLKIT_DURABILITY"),
            idle_timeout_s=_seconds(environ, "TOOLKIT_IDLE_TIMEOUT_S", 60.0, above_zero=True),
            max_answer_bytes=_bytes(environ, "TOOLKIT_MAX_ANSWER_BYTES", 16 * 1024 * 1024),
        )


_VARIABLES = (
    "TOOLKIT_HOME",
    "TOOLKIT_PROMPTS",
    "TOOLKIT_PROMPT_SOURCE",
    "TOOLKIT_PROMPT_CACHE_TTL_S",
    "TOOLKIT_DURABILITY",
    "TOOLKIT_IDLE_TIMEOUT_S",
    "TOOLKIT_MAX_ANSWER_BYTES",
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


def durability(word: object, *, where: str) -> Literal["normal", "full"]:
    """Returns `word` if it is one of the two.

    Raises:
        ConfigError: If it is not; `where` says where it stands.
    """
    if word == "normal" or word == "full":
        return "full" if word == "full" else "normal"
    raise ConfigError(f"{where} is {word!r}; write 'normal' or 'full'.")


def _seconds(environ: Mapping[str, str], variable: str, default_s: float, *, above_zero: bool = False) -> float:
    text = environ.get(variable)
    if not text:
        return default_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf or (above_zero and seconds == 0):
        raise ConfigError(
            f"{variable} is {text!r}; write a number of seconds {'above' if above_zero else 'from'} 0"
            f"{'' if above_zero else ' up'}."
        )
    return seconds


def _bytes(environ: Mapping[str, str], variable: str, default_bytes: int) -> int:
    text = environ.get(variable)
    if not text:
        return default_bytes
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 16 or int(text) == 0:
        raise ConfigError(f"{variable} is {text!r}; write a whole number of bytes above 0.")
    return int(text)
