"""Compare prompt versions across models: which is best, by how much, and at what cost.

Every name loads on first touch, so that `import toolkit` costs nothing but the standard library.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit._records import Case, Outcome, Prompt, Response, Score
    from toolkit.errors import ToolkitError
    from toolkit.results import Results
    from toolkit.scorers import contains, exact, regex
    from toolkit.sweep import Plan, asweep, open_run, plan, runs, sweep

_HOMES = {
    "Case": "toolkit._records",
    "Outcome": "toolkit._records",
    "Plan": "toolkit.sweep",
    "Prompt": "toolkit._records",
    "Response": "toolkit._records",
    "Results": "toolkit.results",
    "Score": "toolkit._records",
    "ToolkitError": "toolkit.errors",
    "asweep": "toolkit.sweep",
    "contains": "toolkit.scorers",
    "exact": "toolkit.scorers",
    "open_run": "toolkit.sweep",
    "plan": "toolkit.sweep",
    "regex": "toolkit.scorers",
    "runs": "toolkit.sweep",
    "sweep": "toolkit.sweep",
}

__all__ = [
    "Case",
    "Outcome",
    "Plan",
    "Prompt",
    "Response",
    "Results",
    "Score",
    "ToolkitError",
    "asweep",
    "contains",
    "exact",
    "open_run",
    "plan",
    "regex",
    "runs",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Loads a public name from its home on first touch (PEP 562)."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("promptsweep")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Roof(ModuleType):
    """Keeps a room from taking the place of a public name: `tk.sweep` is the call, also once `toolkit/sweep/` is there.

    Python binds a loaded subpackage to its parent; for a name that is public here, that binding is left out.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOMES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Roof
