"""Settings: the environment, config.yaml, and YAML that is data only."""

from toolkit.config._callbacks import BOTH, Traced, traces_of
from toolkit.config._file import (
    INTEGRATIONS,
    ConfigFile,
    Credentials,
    Deployment,
    Dialect,
    PromptEntry,
    parse_config,
    read_config,
)
from toolkit.config._settings import (
    LANGFUSE_CLOUD,
    LangfuseSettings,
    Settings,
    langfuse_from_environment,
    normal_host,
)
from toolkit.config._yaml import MAX_YAML_BYTES, load_yaml

__all__ = [
    "BOTH",
    "INTEGRATIONS",
    "LANGFUSE_CLOUD",
    "MAX_YAML_BYTES",
    "ConfigFile",
    "Credentials",
    "Deployment",
    "Dialect",
    "LangfuseSettings",
    "PromptEntry",
    "Settings",
    "Traced",
    "langfuse_from_environment",
    "load_yaml",
    "normal_host",
    "parse_config",
    "read_config",
    "traces_of",
]
