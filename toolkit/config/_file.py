"""Reads config.yaml: LiteLLM's `model_list`, `prompts` and settings, into frozen deployments; unknown keys are told.

Source: LiteLLM's documentation of "Prompt Management" and of the proxy's config.yaml, read 2026-11; its files work
unchanged.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from toolkit._records import CHAT_PARAMS, EMPTY, FrozenDict
from toolkit._redact import Secret
from toolkit.config._callbacks import Traced, traces_of
from toolkit.config._settings import durability
from toolkit.config._yaml import load_yaml
from toolkit.errors import ConfigError, ConfigWarning

Dialect = Literal["toolkit", "litellm"]

_ENVIRON = "os.environ/"

_TOP = frozenset({"model_list", "prompts", "litellm_settings", "general_settings", "toolkit_settings"})

# Parts of a LiteLLM file that mean nothing here; a file that has them works, without a warning.
_TOP_OF_OTHERS = frozenset(
    "router_settings environment_variables guardrails mcp_servers callback_settings files_settings finetune_settings "
    "credential_list vector_store_registry search_tools assistant_settings".split()
)

_PARAMS = frozenset(
    "model prompt_id prompt_variables prompt_version prompt_label langfuse_public_key langfuse_secret "
    "langfuse_secret_key langfuse_host humanloop_api_key api_key api_base base_url api_version weight rpm tpm "
    "max_parallel_requests timeout max_retries drop_params ignore_prompt_manager_model "
    "ignore_prompt_manager_optional_params".split()
)

_PROMPT_PARAMS = frozenset(
    "prompt_id prompt_integration prompt_directory prompt_data dotprompt_content prompt_version prompt_label "
    "langfuse_public_key langfuse_secret langfuse_secret_key langfuse_host humanloop_api_key api_key api_base "
    "provider_specific_query_params ignore_prompt_manager_model ignore_prompt_manager_optional_params".split()
)

# A list or `true` in the place of one of these is a slip of the pen; as text it would be sent somewhere.
_TEXTS = (
    "api_key api_base base_url api_version master_key langfuse_public_key langfuse_secret langfuse_secret_key "
    "langfuse_host humanloop_api_key prompt_id prompt_version prompt_label prompt_directory dotprompt_content "
    "global_prompt_directory prompt_source".split()
)

INTEGRATIONS = {
    "dotprompt": "folder",
    "folder": "folder",
    "langfuse": "langfuse",
    "humanloop": "humanloop",
    "generic_prompt_management": "generic",
}
"""`prompt_integration` of a `prompts:` entry, and the prompt source that it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where something lives and the keys for it; whatever is `None` comes from the environment or is not needed."""

    api_key: Secret | None = None
    api_base: str | None = None
    api_version: str | None = None
    langfuse_public_key: str | None = None
    langfuse_secret_key: Secret | None = None
    langfuse_host: str | None = None
    humanloop_api_key: Secret | None = None
    unset: FrozenDict = EMPTY
    """Fields whose environment variable is not set, and its name: `{"api_key": "AZURE_API_KEY"}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One entry of `model_list`."""

    model_name: str
    """The alias that people ask for."""
    model: str
    """What it stands for: `openai/gpt-4o`, `langfuse/gpt-4o`."""
    params: FrozenDict = EMPTY
    """Chat parameters; the prompt's and the caller's go before them."""
    prompt_id: str | None = None
    prompt_variables: FrozenDict = EMPTY
    prompt_version: str | None = None
    prompt_label: str | None = None
    credentials: Credentials = Credentials()
    weight: float = 1.0
    """Share of the calls among the deployments of one name."""
    timeout_s: float | None = None
    max_retries: int | None = None
    max_parallel_requests: int | None = None
    rpm: float | None = None
    """Calls a minute."""
    tpm: float | None = None
    """Tokens a minute."""
    ignore_prompt_manager_model: bool = False
    ignore_prompt_manager_optional_params: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEntry:
    """One entry of `prompts`: where a bare `prompt_id` is found."""

    name: str
    """What people write as `prompt_id`."""
    prompt_id: str
    """What the source calls it."""
    source: str
    version: str | None = None
    label: str | None = None
    credentials: Credentials = Credentials()
    directory: str | None = None
    content: str | None = None
    """A whole `.prompt` file, written into the config."""
    data: FrozenDict = EMPTY
    """`prompt_data`: content and metadata by prompt id."""
    query: FrozenDict = EMPTY
    ignore_model: bool = False
    ignore_params: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A whole config.yaml."""

    path: str
    deployments: Mapping[str, tuple[Deployment, ...]] = field(default_factory=dict)
    """By `model_name`, in the file's order."""
    prompts: Mapping[str, PromptEntry] = field(default_factory=dict)
    dialect: Dialect = "toolkit"
    drop_params: bool = False
    prompt_directory: str | None = None
    prompt_source: str | None = None
    durability: Literal["normal", "full"] | None = None
    """`toolkit_settings: {durability: full}`; `None` = what the environment says."""
    credentials: Credentials = Credentials()
    """Langfuse defaults of `litellm_settings`."""
    traces: frozenset[Traced] = frozenset()
    """Which calls are traced in Langfuse: `success_callback`, `failure_callback`, `callbacks` of `litellm_settings`."""
    master_key: Secret | None = None
    """What the proxy's clients must show; `None` = nothing."""
    master_key_unset: str | None = None
    """How the file writes a master key that turned out empty: `os.environ/NAME` of a variable that is not set."""


def read_config(path: str | Path, *, environ: Mapping[str, str] | None = None) -> ConfigFile:
    """Returns the settings of a config.yaml.

    `os.environ/NAME` stands for the variable's value anywhere in the file; when it is not set, the key is absent.

    Args:
        path: The file, at most 1 MB.
        environ: Stands in for `os.environ`; `None` = `os.environ` itself.

    Raises:
        ConfigError: If it cannot be read or a value has the wrong form; names the file and the key.

    Warns:
        ConfigWarning: For a key that means nothing here, with the nearest one that does.
    """
    where = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{where!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where!r} is not UTF-8 text; save it as UTF-8.") from error
    return parse_config(load_yaml(text, where=where), where=where, environ=os.environ if environ is None else environ)


def parse_config(content: Any, *, where: str, environ: Mapping[str, str]) -> ConfigFile:
    """Returns the settings that the parsed YAML of a config.yaml holds; errors and warnings as for `read_config`."""
    top = _mapping(content if content is not None else {}, where)
    _tell_unknown(top, _TOP | _TOP_OF_OTHERS, where)
    reader = _Reader(where=where, environ=environ)
    deployments: dict[str, tuple[Deployment, ...]] = {}
    for number, entry in enumerate(_sequence(top.get("model_list"), f"{where}: model_list")):
        deployment = reader.deployment(entry, f"{where}: model_list[{number}]")
        deployments[deployment.model_name] = (*deployments.get(deployment.model_name, ()), deployment)
    deployments |= _aliased(top.get("router_settings"), deployments, f"{where}: router_settings")
    prompts: dict[str, PromptEntry] = {}
    for number, entry in enumerate(_sequence(top.get("prompts"), f"{where}: prompts")):
        prompt = reader.prompt(entry, f"{where}: prompts[{number}]")
        if prompt.name in prompts:
            raise ConfigError(f"{where}: prompts has two entries with the prompt_id {prompt.name!r}; keep one.")
        prompts[prompt.name] = prompt
    settings, unset = reader.resolve(top.get("litellm_settings") or {}, f"{where}: litellm_settings")
    general, _ = reader.resolve(top.get("general_settings") or {}, f"{where}: general_settings")
    own, _ = reader.resolve(top.get("toolkit_settings") or {}, f"{where}: toolkit_settings")
    dialect = own.get("dialect", settings.get("dialect", "toolkit"))
    if dialect not in ("toolkit", "litellm"):
        raise ConfigError(f"{where}: dialect is 'toolkit' or 'litellm'; got {dialect!r}.")
    master_key = _text(general.get("master_key"))
    written = (top.get("general_settings") or {}).get("master_key")
    return ConfigFile(
        path=where,
        deployments=deployments,
        prompts=prompts,
        dialect=dialect,
        drop_params=bool(settings.get("drop_params", False)),
        prompt_directory=settings.get("global_prompt_directory"),
        prompt_source=own.get("prompt_source"),
        durability=durability(own["durability"], where=f"{where}: toolkit_settings.durability")
        if "durability" in own
        else None,
        credentials=_credentials(settings, unset),
        traces=traces_of(settings),
        master_key=_secret(master_key),
        master_key_unset=str(written) if master_key is None and written is not None else None,
    )


class _Reader:
    """Reads entries of one file, with its place and the environment at hand."""

    def __init__(self, *, where: str, environ: Mapping[str, str]) -> None:
        self._where = where
        self._environ = environ

    def deployment(self, entry: Any, place: str) -> Deployment:
        name = self._filled(_mapping(entry, place).get("model_name"))
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{place} needs a model_name, the text that people ask for.")
        params, unset = self.resolve(entry.get("litellm_params"), f"{place} ({name}).litellm_params")
        place = f"{place} ({name}).litellm_params"
        model = params.get("model")
        if not isinstance(model, str) or not model:
            why = f"; {unset['model']}, which it is taken from, is not set" if "model" in unset else ""
            raise ConfigError(f"{place} needs a model, such as 'openai/gpt-4o-mini'{why}.")
        _tell_unknown(params, _PARAMS | CHAT_PARAMS, place)
        return Deployment(
            model_name=name,
            model=model,
            params=FrozenDict({key: value for key, value in params.items() if key in CHAT_PARAMS}),
            prompt_id=_text(params.get("prompt_id")),
            prompt_variables=FrozenDict(_mapping(params.get("prompt_variables") or {}, f"{place}.prompt_variables")),
            prompt_version=_text(params.get("prompt_version")),
            prompt_label=_text(params.get("prompt_label")),
            credentials=_credentials(params, unset),
            weight=_number(params.get("weight", 1), f"{place}.weight"),
            timeout_s=None if params.get("timeout") is None else _number(params["timeout"], f"{place}.timeout"),
            max_retries=_whole(params.get("max_retries"), f"{place}.max_retries"),
            max_parallel_requests=_whole(params.get("max_parallel_requests"), f"{place}.max_parallel_requests"),
            rpm=None if params.get("rpm") is None else _number(params["rpm"], f"{place}.rpm"),
            tpm=None if params.get("tpm") is None else _number(params["tpm"], f"{place}.tpm"),
            ignore_prompt_manager_model=bool(params.get("ignore_prompt_manager_model", False)),
            ignore_prompt_manager_optional_params=bool(params.get("ignore_prompt_manager_optional_params", False)),
        )

    def prompt(self, entry: Any, place: str) -> PromptEntry:
        name = _text(self._filled(_mapping(entry, place).get("prompt_id")))
        if not name:
            raise ConfigError(f"{place} needs a prompt_id.")
        place = f"{place} ({name}).litellm_params"
        params, unset = self.resolve(entry.get("litellm_params"), place)
        integration = params.get("prompt_integration")
        if not isinstance(integration, str) or integration not in INTEGRATIONS:
            known = ", ".join(INTEGRATIONS)
            raise ConfigError(f"{place}.prompt_integration is one of {known}; got {integration!r}.")
        _tell_unknown(params, _PROMPT_PARAMS, place)
        return PromptEntry(
            name=name,
            prompt_id=_text(params.get("prompt_id")) or name,
            source=INTEGRATIONS[integration],
            version=_text(params.get("prompt_version")),
            label=_text(params.get("prompt_label")),
            credentials=_credentials(params, unset),
            directory=_text(params.get("prompt_directory")),
            content=_text(params.get("dotprompt_content")),
            data=FrozenDict(_mapping(params.get("prompt_data") or {}, f"{place}.prompt_data")),
            query=FrozenDict(
                _mapping(params.get("provider_specific_query_params") or {}, f"{place}.provider_specific_query_params")
            ),
            ignore_model=bool(params.get("ignore_prompt_manager_model", False)),
            ignore_params=bool(params.get("ignore_prompt_manager_optional_params", False)),
        )

    def resolve(self, value: Any, place: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Puts the environment's values in; the second map names the variables behind absent top-level keys."""
        source = _mapping(value if value is not None else {}, place)
        unset = {
            str(key): item.removeprefix(_ENVIRON)
            for key, item in source.items()
            if isinstance(item, str) and item.startswith(_ENVIRON) and item.removeprefix(_ENVIRON) not in self._environ
        }
        filled: dict[str, Any] = self._filled(source)
        for key in _TEXTS:
            if isinstance(filled.get(key), list | dict | bool):
                kind = type(filled[key]).__name__
                raise ConfigError(f"{place}.{key} is a text; got a {kind}. Write one value there.")
        return filled, unset

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_ENVIRON):
            return self._environ.get(value.removeprefix(_ENVIRON))
        if isinstance(value, dict):
            filled = {str(key): self._filled(item) for key, item in value.items()}
            return {key: item for key, item in filled.items() if item is not None or value.get(key, "") is None}
        if isinstance(value, list):
            return [filled for item in value if (filled := self._filled(item)) is not None or item is None]
        return value


def _aliased(
    settings: Any, deployments: Mapping[str, tuple[Deployment, ...]], place: str
) -> dict[str, tuple[Deployment, ...]]:
    """The groups of `model_group_alias`: other names for names of `model_list`, whose own deployments go first."""
    place = f"{place}.model_group_alias"
    found: dict[str, tuple[Deployment, ...]] = {}
    given = _mapping(settings if settings is not None else {}, place).get("model_group_alias")
    for alias, named in _mapping(given if given is not None else {}, place).items():
        name = str(named.get("model") if isinstance(named, dict) else named)
        if name not in deployments:
            raise ConfigError(f"{place}: {alias!r} stands for {name!r}, which is no model_name of model_list.")
        if alias not in deployments:
            found[str(alias)] = tuple(replace(one, model_name=str(alias)) for one in deployments[name])
    return found


def _credentials(params: Mapping[str, Any], unset: Mapping[str, str]) -> Credentials:
    secret = params.get("langfuse_secret") or params.get("langfuse_secret_key")
    return Credentials(
        api_key=_secret(params.get("api_key")),
        api_base=_text(params.get("api_base") or params.get("base_url")),
        api_version=_text(params.get("api_version")),
        langfuse_public_key=_text(params.get("langfuse_public_key")),
        langfuse_secret_key=_secret(secret),
        langfuse_host=_text(params.get("langfuse_host")),
        humanloop_api_key=_secret(params.get("humanloop_api_key")),
        unset=FrozenDict(unset),
    )


def _secret(value: Any) -> Secret | None:
    return Secret(str(value)) if value is not None and value != "" else None


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ConfigError(f"{place} is a number of at least 0; got {value!r}.")
    return float(value)


def _whole(value: Any, place: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ConfigError(f"{place} is a whole number of at least 0; got {value!r}.")
    return value


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} is a mapping of keys to values; got {type(value).__name__}.")
    return value


def _sequence(value: Any, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(f"{place} is a list; got {type(value).__name__}. Does each entry begin with '- '?")
    return value


def _tell_unknown(given: Mapping[str, Any], known: frozenset[str], place: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            warnings.warn(f"{place}: the key {key!r} means nothing here and is left out.{guess}", ConfigWarning, 5)
