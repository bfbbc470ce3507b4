"""What every floor may know of a notebook: whether this process is its kernel, and who shows things there."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# From a name to `module:attribute`. The roof says it: what shows results lies above them.
_SHOWN_BY: dict[str, str] = {}


def has_kernel() -> bool:
    """Tells whether this process is a notebook's kernel; never imports IPython by itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def shown_by(name: str, home: str) -> None:
    """Says where a thing that is shown is made; nothing is imported.

    Args:
        name: What lower floors ask for: `grid`.
        home: `module:attribute`.
    """
    _SHOWN_BY[name] = home


def maker_of(name: str) -> Any:
    """Returns what makes a thing that is shown, imported now.

    Raises:
        KeyError: If nobody said where it is made.
    """
    module, _, attribute = _SHOWN_BY[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
