"""Compare prompt versions across models: which is best, by how much, and at what cost.

Every name loads on first touch, so that `import toolkit` costs nothing but the standard library.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from toolkit._notebook import shown_by as _shown_by

if TYPE_CHECKING:
    from toolkit._doctor import doctor
    from toolkit._kinds import FailureKind
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
    from toolkit.results import Results, load, load_frame
    from toolkit.scorers import (
        bleu,
        contains,
        cost,
        edit_similarity,
        exact,
        json_path,
        json_schema,
        json_valid,
        judge,
        judge_pairs,
        latency,
        length,
        numeric,
        one_of,
        regex,
        rouge_l,
        scorer,
        semantic,
    )
    from toolkit.store import repair_store
    from toolkit.sweep import (
        Plan,
        Run,
        Toolkit,
        asweep,
        bisect,
        drift,
        from_langfuse,
        from_traffic,
        last_results,
        open_run,
        plan,
        prompt,
        prompts,
        push_prompt,
        refresh,
        resume,
        runs,
        start_sweep,
        sweep,
        traffic,
    )
    from toolkit.widgets import BlindVote, CompareGrid, PromptPicker, RunProgress, SweepForm

_HOMES = {
    "BlindVote": "toolkit.widgets",
    "Case": "toolkit._records",
    "CompareGrid": "toolkit.widgets",
    "FailureKind": "toolkit._kinds",
    "MissingVariableWarning": "toolkit.errors",
    "MissingVariablesError": "toolkit.errors",
    "ModelResponse": "toolkit.engine",
    "Outcome": "toolkit._records",
    "Plan": "toolkit.sweep",
    "Prompt": "toolkit._records",
    "PromptError": "toolkit.errors",
    "PromptNotFoundError": "toolkit.errors",
    "PromptPicker": "toolkit.widgets",
    "ProviderError": "toolkit.errors",
    "Response": "toolkit._records",
    "Results": "toolkit.results",
    "Run": "toolkit.sweep",
    "RunProgress": "toolkit.widgets",
    "Score": "toolkit._records",
    "SweepForm": "toolkit.widgets",
    "Toolkit": "toolkit.sweep",
    "ToolkitError": "toolkit.errors",
    "UsageError": "toolkit.errors",
    "acompletion": "toolkit.engine",
    "asweep": "toolkit.sweep",
    "bisect": "toolkit.sweep",
    "bleu": "toolkit.scorers",
    "completion": "toolkit.engine",
    "configure": "toolkit.engine",
    "contains": "toolkit.scorers",
    "cost": "toolkit.scorers",
    "doctor": "toolkit._doctor",
    "drift": "toolkit.sweep",
    "edit_similarity": "toolkit.scorers",
    "estimate_tokens": "toolkit.providers",
    "exact": "toolkit.scorers",
    "from_langfuse": "toolkit.sweep",
    "from_traffic": "toolkit.sweep",
    "json_path": "toolkit.scorers",
    "json_schema": "toolkit.scorers",
    "json_valid": "toolkit.scorers",
    "judge": "toolkit.scorers",
    "judge_pairs": "toolkit.scorers",
    "last_results": "toolkit.sweep",
    "latency": "toolkit.scorers",
    "length": "toolkit.scorers",
    "load": "toolkit.results",
    "load_frame": "toolkit.results",
    "numeric": "toolkit.scorers",
    "one_of": "toolkit.scorers",
    "open_run": "toolkit.sweep",
    "plan": "toolkit.sweep",
    "prompt": "toolkit.sweep",
    "prompts": "toolkit.sweep",
    "push_prompt": "toolkit.sweep",
    "refresh": "toolkit.sweep",
    "regex": "toolkit.scorers",
    "repair_store": "toolkit.store",
    "resume": "toolkit.sweep",
    "rouge_l": "toolkit.scorers",
    "runs": "toolkit.sweep",
    "scorer": "toolkit.scorers",
    "semantic": "toolkit.scorers",
    "start_sweep": "toolkit.sweep",
    "sweep": "toolkit.sweep",
    "traffic": "toolkit.sweep",
}

# Results show themselves by what lies above them.
_shown_by("grid", "toolkit.widgets:CompareGrid")
_shown_by("progress", "toolkit.widgets:RunProgress")
_shown_by("promotion", "toolkit.widgets:PromotionBox")
_shown_by("vote", "toolkit.widgets:BlindVote")

# What `%load_ext toolkit` and `%unload_ext toolkit` look for.
_EXTENSION = ("load_ipython_extension", "unload_ipython_extension")

# Modules that people name by their whole path: `tk.errors.RateLimitError`.
_MODULES = ("errors", "testing")

__all__ = [
    "BlindVote",
    "Case",
    "CompareGrid",
    "FailureKind",
    "MissingVariableWarning",
    "MissingVariablesError",
    "ModelResponse",
    "Outcome",
    "Plan",
    "Prompt",
    "PromptError",
    "PromptNotFoundError",
    "PromptPicker",
    "ProviderError",
    "Response",
    "Results",
    "Run",
    "RunProgress",
    "Score",
    "SweepForm",
    "Toolkit",
    "ToolkitError",
    "UsageError",
    "acompletion",
    "asweep",
    "bisect",
    "bleu",
    "completion",
    "configure",
    "contains",
    "cost",
    "doctor",
    "drift",
    "edit_similarity",
    "estimate_tokens",
    "exact",
    "from_langfuse",
    "from_traffic",
    "json_path",
    "json_schema",
    "json_valid",
    "judge",
    "judge_pairs",
    "last_results",
    "latency",
    "length",
    "load",
    "load_frame",
    "numeric",
    "one_of",
    "open_run",
    "plan",
    "prompt",
    "prompts",
    "push_prompt",
    "refresh",
    "regex",
    "repair_store",
    "resume",
    "rouge_l",
    "runs",
    "scorer",
    "semantic",
    "start_sweep",
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
    if name in _EXTENSION:
        return getattr(importlib.import_module("toolkit.widgets._magic"), name)
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
