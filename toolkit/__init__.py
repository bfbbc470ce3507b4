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
    from toolkit.engine import ModelResponse, acompletion, completion, configure
    from toolkit.errors import (
        MissingVariablesError,
        MissingVariableWarning,
        PromptError,
        PromptNotFoundError,
        ProviderError,
        ToolkitError,
        UsageError,
    )
    from toolkit.providers import estimate_tokens
    from toolkit.results import Results
    from toolkit.scorers import contains, exact, regex
    from toolkit.sweep import Plan, Toolkit, asweep, open_run, plan, prompt, prompts, refresh, runs, sweep, traffic

_HOMES = {
    "Case": "toolkit._records",
    "MissingVariableWarning": "toolkit.errors",
    "MissingVariablesError": "toolkit.errors",
    "ModelResponse": "toolkit.engine",
    "Outcome": "toolkit._records",
    "Plan": "toolkit.sweep",
    "Prompt": "toolkit._records",
    "PromptError": "toolkit.errors",
    "PromptNotFoundError": "toolkit.errors",
    "ProviderError": "toolkit.errors",
    "Response": "toolkit._records",
    "Results": "toolkit.results",
    "Score": "toolkit._records",
    "Toolkit": "toolkit.sweep",
    "ToolkitError": "toolkit.errors",
    "UsageError": "toolkit.errors",
    "acompletion": "toolkit.engine",
    "asweep": "toolkit.sweep",
    "completion": "toolkit.engine",
    "configure": "toolkit.engine",
    "contains": "toolkit.scorers",
    "estimate_tokens": "toolkit.providers",
    "exact": "toolkit.scorers",
    "open_run": "toolkit.sweep",
    "plan": "toolkit.sweep",
    "prompt": "toolkit.sweep",
    "prompts": "toolkit.sweep",
    "refresh": "toolkit.sweep",
    "regex": "toolkit.scorers",
    "runs": "toolkit.sweep",
    "sweep": "toolkit.sweep",
    "traffic": "toolkit.sweep",
}

# Modules that people name by their whole path: `tk.errors.RateLimitError`.
_MODULES = ("errors", "testing")

__all__ = [
    "Case",
    "MissingVariableWarning",
    "MissingVariablesError",
    "ModelResponse",
    "Outcome",
    "Plan",
    "Prompt",
    "PromptError",
    "PromptNotFoundError",
    "ProviderError",
    "Response",
    "Results",
    "Score",
    "Toolkit",
    "ToolkitError",
    "UsageError",
    "acompletion",
    "asweep",
    "completion",
    "configure",
    "contains",
    "estimate_tokens",
    "exact",
    "open_run",
    "plan",
    "prompt",
    "prompts",
    "refresh",
    "regex",
    "runs",
    "sweep",
    "traffic",
]


def __getattr__(name: str) -> Any:
    """Loads a public name from its home on first touch (PEP 562)."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("promptsweep")
    if name == "set_verbose":
        from toolkit._wire_log import is_verbose

        return is_verbose()
    if name in _MODULES:
        return importlib.import_module(f"toolkit.{name}")
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
    `tk.set_verbose = True` turns on the log of requests.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name == "set_verbose":
            from toolkit._wire_log import set_verbose

            set_verbose(bool(value))
        elif not (isinstance(value, ModuleType) and name in _HOMES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Roof
