"""Which host and keys a prompt source uses: the caller's before the environment's, and no key for a foreign host."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit._records import EMPTY, FrozenDict
from toolkit._redact import Secret
from toolkit.config import LANGFUSE_CLOUD, LangfuseSettings, Settings, normal_host
from toolkit.errors import MissingKeyError, UsageError
from toolkit.prompts._source import SourceAccess

HUMANLOOP_BASE = "https://api.humanloop.com/v5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a prompt server is, and the key for it."""

    base: str
    """Without a slash at its end."""
    key: Secret | None = None
    query_params: FrozenDict = EMPTY


def langfuse_access(access: SourceAccess, settings: Settings) -> LangfuseSettings:
    """Returns the Langfuse project that a caller means.

    Each key: the caller's, else the settings', else the environment's. Host: the caller's, else the settings', else
    `LANGFUSE_HOST`, `LANGFUSE_BASE_URL`, Langfuse's European cloud. With a host from the caller only the caller's keys
    count.

    Raises:
        MissingKeyError: If a key is missing; the message names the argument, and the variable where it would count.
    """
    public, secret = access.langfuse_public_key, access.langfuse_secret_key
    if access.langfuse_host:
        host = normal_host(access.langfuse_host)
        if not public or secret is None:
            raise _missing_langfuse(host, public=public)
        return LangfuseSettings(host=host, public_key=public, secret_key=secret)
    known = settings.langfuse
    if known is not None:
        host = known.host
        public, secret = public or known.public_key, secret or known.secret_key
    else:
        host = normal_host(os.environ.get("LANGFUSE_HOST") or os.environ.get("LANGFUSE_BASE_URL") or LANGFUSE_CLOUD)
        public, secret = public or os.environ.get("LANGFUSE_PUBLIC_KEY"), secret or _secret("LANGFUSE_SECRET_KEY")
    if not public or secret is None:
        unset = "langfuse_secret_key" if public else "langfuse_public_key"
        raise MissingKeyError(
            "Prompts from Langfuse need its keys: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (and LANGFUSE_HOST, "
            f"unless it is Langfuse's European cloud), or give langfuse_public_key and langfuse_secret_key; {unset} is "
            "missing.",
            variable=unset.upper(),
        )
    return LangfuseSettings(host=host, public_key=public, secret_key=secret)


def humanloop_access(access: SourceAccess, settings: Settings) -> Server:
    """Returns the Humanloop that a caller means: key and base of the caller, else of the environment.

    With a base from the caller only the caller's key counts.

    Raises:
        MissingKeyError: If there is no key; the message names the argument, and the variable where it would count.
    """
    if access.api_base:
        key = access.humanloop_api_key
        if key is None:
            raise MissingKeyError(
                f"api_base={access.api_base!r} is given without `humanloop_api_key`; give both: a key from the "
                "environment is never sent to a host that a caller names.",
                variable="humanloop_api_key",
            )
        return Server(base=normal_host(access.api_base), key=key)
    key = access.humanloop_api_key or _secret("HUMANLOOP_API_KEY")
    if key is None:
        raise MissingKeyError(
            "Prompts from Humanloop need its key: set HUMANLOOP_API_KEY, or give `humanloop_api_key`.",
            variable="HUMANLOOP_API_KEY",
        )
    return Server(base=normal_host(os.environ.get("HUMANLOOP_BASE_URL") or HUMANLOOP_BASE), key=key)


def generic_access(access: SourceAccess, settings: Settings) -> Server:
    """Returns the generic prompt-management server that a caller means; nothing comes from the environment.

    Raises:
        UsageError: If there is no `api_base`.
    """
    if not access.api_base:
        raise UsageError(
            "Prompts from a generic prompt-management server need its address: give `api_base` beside "
            "`prompt_integration: generic_prompt_management` in config.yaml."
        )
    return Server(base=normal_host(access.api_base), key=access.api_key, query_params=FrozenDict(access.query_params))


def folder_access(access: SourceAccess, settings: Settings) -> Path:
    """Returns the folder that a caller means: its own, else the settings'."""
    return Path(access.prompt_directory) if access.prompt_directory else settings.prompts_folder


def place_of(name: str, access: SourceAccess, settings: Settings) -> Hashable:
    """Returns where a built-in source is, keys included: one source is made for each such value.

    Raises:
        UsageError: If an address or a key is missing.
    """
    return _PLACES[name](access, settings)


_PLACES: Mapping[str, Callable[[SourceAccess, Settings], Hashable]] = {
    "folder": folder_access,
    "generic": generic_access,
    "humanloop": humanloop_access,
    "langfuse": langfuse_access,
}


def _secret(variable: str) -> Secret | None:
    value = os.environ.get(variable)
    return Secret(value) if value else None


def _missing_langfuse(host: str, *, public: str | None) -> MissingKeyError:
    unset = "langfuse_secret_key" if public else "langfuse_public_key"
    return MissingKeyError(
        f"langfuse_host={host!r} is given without `{unset}`; give `langfuse_public_key` and `langfuse_secret_key` with "
        "it: keys from the environment are never sent to a host that a caller names.",
        variable=unset,
    )
