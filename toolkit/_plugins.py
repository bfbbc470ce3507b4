"""Finds a named plug-in: built-ins first, then entry points; loads it on first use only.

`TOOLKIT_PLUGINS` limits which distributions may offer plug-ins: unset means all, empty means built-ins only, and a
comma-separated list means those.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from toolkit.errors import PluginConflictError, PluginError, UnknownNameError


def load_plugin(group: str, name: str, *, builtins: Mapping[str, str], what: str) -> Callable[..., Any]:
    """Returns the factory registered as `name`.

    Args:
        group: Entry-point group, such as `toolkit.providers`.
        name: The name people write before the slash or colon.
        builtins: Our own table of `name -> "module:attribute"`; it wins over entry points.
        what: The vocabulary's word for the thing, for messages (`provider`, `prompt source`).

    Raises:
        UnknownNameError: If nothing has this name; the message lists what is known, nearest first.
        PluginConflictError: If two distributions claim the name.
        PluginError: If it is there and cannot be imported; the message names the distribution and version.
    """
    if name in builtins:
        module, _, attribute = builtins[name].partition(":")
        factory: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return factory
    found = [entry for entry in _entry_points(group) if entry.name == name]
    if not found:
        known = known_plugins(group, builtins=builtins)
        raise UnknownNameError(unknown_name(what, name, known), name=name, known=known)
    if len(found) > 1:
        raise PluginConflictError(
            f"Two plug-ins claim the {what} {name!r}: {' and '.join(_origin(entry) for entry in found)}; "
            "uninstall one, or name the one to use in TOOLKIT_PLUGINS."
        )
    return _load(found[0], what)


def known_plugins(group: str, *, builtins: Mapping[str, str]) -> list[str]:
    """Returns the sorted names of everything that `load_plugin` would find; loads none of it."""
    return sorted({*builtins, *(entry.name for entry in _entry_points(group))})


def unknown_name(what: str, name: str, known: list[str]) -> str:
    """Returns the sentence for a name that nobody has, with the nearest known names.

    Example:
        >>> unknown_name("provider", "opnai", ["local", "openai"])
        "There is no provider 'opnai'. Did you mean 'openai'? Known: local, openai."
    """
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    guess = f" Did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
    listed = ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else "")
    return f"There is no {what} {name!r}.{guess} Known: {listed or 'none'}."


def _load(entry: metadata.EntryPoint, what: str) -> Callable[..., Any]:
    try:
        factory: Callable[..., Any] = entry.load()
    except Exception as error:  # a plug-in is foreign code: whatever it raises, we say whose it is
        raise PluginError(
            f"The {what} {entry.name!r} of {_origin(entry)} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    return factory


def _origin(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _entry_points(group: str) -> list[metadata.EntryPoint]:
    entries = list(metadata.entry_points(group=group))
    allowed = os.environ.get("TOOLKIT_PLUGINS")
    if allowed is None:
        return entries
    names = {name.strip() for name in allowed.split(",") if name.strip()}
    return [entry for entry in entries if entry.dist is not None and entry.dist.name in names]
