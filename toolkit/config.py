"""Reads settings from the environment, and YAML as plain data: no tags, no duplicate keys, capped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from toolkit._redact import Secret
from toolkit.errors import ConfigError, MissingKeyError

MAX_YAML_BYTES = 1_000_000

# A YAML alias repeats a subtree; nine levels of ten aliases would be a billion nodes.
_MAX_YAML_NODES = 100_000

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

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Reads `TOOLKIT_HOME`, `TOOLKIT_PROMPTS`, `TOOLKIT_PROMPT_SOURCE` and the `LANGFUSE_*` variables.

        Args:
            environ: Stands in for `os.environ`; `None` = `os.environ` itself.

        Raises:
            MissingKeyError: If one half of the Langfuse key pair is set without the other.
        """
        environ = os.environ if environ is None else environ
        return cls(
            home=Path(environ.get("TOOLKIT_HOME") or ".toolkit"),
            prompts_folder=Path(environ.get("TOOLKIT_PROMPTS") or "prompts"),
            prompt_source=environ.get("TOOLKIT_PROMPT_SOURCE") or None,
            langfuse=langfuse_from_environment(environ),
        )


def langfuse_from_environment(environ: Mapping[str, str]) -> LangfuseSettings | None:
    """Returns the Langfuse settings of the environment, or `None` when neither key is set.

    `LANGFUSE_HOST` goes before `LANGFUSE_BASE_URL`; without either it is Langfuse's European cloud. A host without a
    scheme gets `http://`.

    Raises:
        MissingKeyError: If one half of the key pair is set without the other.
    """
    public, secret = environ.get("LANGFUSE_PUBLIC_KEY"), environ.get("LANGFUSE_SECRET_KEY")
    if not public and not secret:
        return None
    if not public or not secret:
        unset = "LANGFUSE_SECRET_KEY" if public else "LANGFUSE_PUBLIC_KEY"
        other = "LANGFUSE_PUBLIC_KEY" if public else "LANGFUSE_SECRET_KEY"
        raise MissingKeyError(f"{other} is set and {unset} is not; Langfuse needs both.", variable=unset)
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


def load_yaml(text: str, *, where: str) -> Any:
    """Returns the plain data of one YAML document: mappings, lists, text, numbers, booleans and `None`.

    Args:
        text: The document; at most 1 MB.
        where: What is read (a path), for messages.

    Raises:
        ConfigError: If it is not YAML, uses tags that build objects, repeats a key, is too large, or grows without
            bound through aliases; the message names `where` and the line.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_YAML_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_YAML_BYTES:,} bytes; settings and prompts are smaller than that.")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_node(node, where=where)
        return yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise ConfigError(f"{where}, line {line}: not valid YAML: {error.problem or error.context}.") from error
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid YAML: {str(error).splitlines()[0]}.") from error


def _check_node(node: yaml.Node | None, *, where: str) -> None:
    """Refuses duplicate keys and documents whose aliases multiply beyond `_MAX_YAML_NODES`."""
    pending = [node] if node is not None else []
    seen = 0
    while pending:
        current = pending.pop()
        seen += 1
        if seen > _MAX_YAML_NODES:
            raise ConfigError(f"{where}: its aliases expand to more than {_MAX_YAML_NODES:,} values; refused.")
        if isinstance(current, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in current.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys and key.value != "<<":
                        line = key.start_mark.line + 1
                        raise ConfigError(f"{where}, line {line}: the key {key.value!r} stands twice; keep one.")
                    keys.add(key.value)
                pending += [key, value]
        elif isinstance(current, yaml.SequenceNode):
            pending += current.value
