"""Sweeps: plan a grid, run it, resume it."""

from toolkit.sweep._bisect import Bisection, BisectStep, bisect
from toolkit.sweep._drafts import based_on, check_draft, push_draft, push_prompt
from toolkit.sweep._drifting import drift
from toolkit.sweep._execution import last_results
from toolkit.sweep._from_langfuse import from_langfuse
from toolkit.sweep._from_traffic import from_traffic
from toolkit.sweep._live import Run, live_run
from toolkit.sweep._opened import open_run, runs
from toolkit.sweep._plan import Plan, notes_alone
from toolkit.sweep._prompts import prompt, prompts, refresh
from toolkit.sweep._resume import resume
from toolkit.sweep._sweep import asweep, plan, start_sweep, sweep
from toolkit.sweep._tally import ArmProgress, Progress
from toolkit.sweep._toolkit import Toolkit
from toolkit.sweep._traffic import traffic

__all__ = [
    "ArmProgress",
    "BisectStep",
    "Bisection",
    "Plan",
    "Progress",
    "Run",
    "Toolkit",
    "asweep",
    "based_on",
    "bisect",
    "check_draft",
    "drift",
    "from_langfuse",
    "from_traffic",
    "last_results",
    "live_run",
    "notes_alone",
    "open_run",
    "plan",
    "prompt",
    "prompts",
    "push_draft",
    "push_prompt",
    "refresh",
    "resume",
    "runs",
    "start_sweep",
    "sweep",
    "traffic",
]
