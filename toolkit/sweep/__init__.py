"""Sweeps: plan a grid, run it, resume it."""

from toolkit.sweep._plan import Plan
from toolkit.sweep._sweep import asweep, open_run, plan, runs, sweep

__all__ = ["Plan", "asweep", "open_run", "plan", "runs", "sweep"]
