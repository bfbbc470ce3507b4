"""Sweeps: plan a grid, run it, resume it."""

from toolkit.sweep._plan import Plan
from toolkit.sweep._prompts import prompt, prompts, refresh
from toolkit.sweep._sweep import asweep, open_run, plan, runs, sweep
from toolkit.sweep._toolkit import Toolkit
from toolkit.sweep._traffic import traffic

__all__ = ["Plan", "Toolkit", "asweep", "open_run", "plan", "prompt", "prompts", "refresh", "runs", "sweep", "traffic"]
