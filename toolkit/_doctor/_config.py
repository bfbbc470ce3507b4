"""Looks at config.yaml: whether one is in use, what it names, and which keys it asks for that are not set."""

from __future__ import annotations

import warnings
from pathlib import Path

from toolkit._doctor._checkup import Finding
from toolkit.config import ConfigFile, read_config
from toolkit.engine import Engine
from toolkit.errors import ConfigError

_USUAL = "config.yaml"
_SHOWN = 12


def look_at_config(engine: Engine) -> list[Finding]:
    """Returns the lines on the config.yaml in use, or on one that lies in this folder and is not."""
    config = engine.config
    if config is not None and config.path:
        return [_summary(config, f"{config.path}, in use"), *_unset(config)]
    path = Path(_USUAL)
    if not path.is_file():
        return [Finding(topic="config", name=_USUAL, text="none in use; the environment alone counts")]
    remedy = f"tk.configure({_USUAL!r}) makes it count."
    try:
        with warnings.catch_warnings():
            # What is unknown in it is told when it is put to use.
            warnings.simplefilter("ignore")
            read = read_config(path)
    except ConfigError as error:
        return [
            Finding(
                topic="config", name=_USUAL, state="fail", text=str(error), remedy="correct it; nothing of it counts."
            )
        ]
    summary = _summary(read, f"{path.absolute()}, found and not in use")
    return [Finding(topic="config", name=_USUAL, state="note", text=summary.text, remedy=remedy)]


def _summary(config: ConfigFile, place: str) -> Finding:
    parts = [place]
    for word, names in (("models", list(config.deployments)), ("prompts", list(config.prompts))):
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            parts.append(f"{word}: {', '.join(names[:_SHOWN])}{more}")
    return Finding(topic="config", name=_USUAL, text=" · ".join(parts))


def _unset(config: ConfigFile) -> list[Finding]:
    wanted: dict[str, list[str]] = {}
    for name, deployments in config.deployments.items():
        for deployment in deployments:
            for variable in deployment.credentials.unset.values():
                wanted.setdefault(str(variable), []).append(name)
    for name, entry in config.prompts.items():
        for variable in entry.credentials.unset.values():
            wanted.setdefault(str(variable), []).append(name)
    return [
        Finding(
            topic="config",
            name=variable,
            state="fail",
            text=f"is not set, and {', '.join(dict.fromkeys(names))} in {config.path} need it",
            remedy=f"set {variable}.",
        )
        for variable, names in wanted.items()
    ]
