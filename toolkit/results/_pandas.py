"""pandas, loaded when it is first used: its import takes longer than the plan of a small sweep."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
else:

    class _Later(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self.__name__), name)

    pd = _Later("pandas")

__all__ = ["load_soon", "pd"]


def load_soon() -> None:
    """Loads pandas on a thread of its own, while a sweep waits for its first answers; a frame needs it at the end."""
    if "pandas" not in sys.modules:
        # No daemon: a process that ends in the middle of it would cut compiled code short.
        threading.Thread(target=_load, name="toolkit-pandas", daemon=False).start()


def _load() -> None:
    # Whoever needs it is told what is wrong with it.
    with contextlib.suppress(Exception):
        importlib.import_module("pandas")
