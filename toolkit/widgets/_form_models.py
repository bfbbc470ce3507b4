"""The models that a sweep form offers: those of config.yaml, those that the caller names, the embedded one."""

from __future__ import annotations

import os
from collections.abc import Sequence

from toolkit.engine import Engine
from toolkit.providers import embedded_models, services


def known_models(engine: Engine, named: Sequence[str] = ()) -> tuple[str, ...]:
    """Returns what can be picked without typing: the caller's models, aliases of config.yaml, embedded models."""
    aliases = tuple(engine.config.deployments) if engine.config is not None else ()
    return tuple(dict.fromkeys([*named, *aliases, *embedded_models()]))


def models_hint() -> str:
    """Returns what to type for any other model, with the providers whose keys are set."""
    keyed = [service.name for service in services(os.environ) if service.has_key]
    return f"provider/name, ... (keys are set for {', '.join(keyed)})" if keyed else "provider/name, ..."
