"""What tests of stores share: runs of some trials, calls of the async face, files of released versions."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.builders import NOON, make_arm, make_outcome, make_prompt, make_trial
from toolkit import _sync
from toolkit._records import Case, FrozenDict

RELEASED = Path(__file__).parent.parent / "data" / "stores"


def released_store(version, path):
    """Writes the store of a released version to `path`."""
    path.write_bytes(gzip.decompress((RELEASED / f"v{version}.sqlite.gz").read_bytes()))
    return path


def make_trials(count, *, arms=1):
    """Trials of different content, case after case."""
    made = [make_arm(index, prompt=make_prompt(version=str(index + 1))) for index in range(arms)]
    cases = [Case(index=number, variables=FrozenDict({"word": f"w{number}"})) for number in range(count)]
    return [make_trial(f"t1:{number}", arm=made[number % arms], case=cases[number // arms]) for number in range(count)]


def save(store, trials, *, run_id="run-1", baseline=0, **fields):
    """Keeps a run of these trials."""
    arms = tuple({trial.arm.index: trial.arm for trial in trials}.values())
    _sync.run(store.save_run(run_id=run_id, created_at=NOON, arms=arms, trials=trials, baseline=baseline, **fields))


def attempt(store, trial_id="t1:0", run_id="run-1", **fields):
    """Begins an attempt and returns its number."""
    return _sync.run(store.begin_attempt(run_id=run_id, trial_id=trial_id, request_key="r1:a", sent_at=NOON, **fields))


def finish(store, outcome, attempt_id, run_id="run-1"):
    """Ends an attempt with an outcome."""
    _sync.run(store.finish(outcome, run_id=run_id, attempt_id=attempt_id))


def answer(store, trial_id="t1:0", text="hello", run_id="run-1", **fields):
    """Sends a trial and has it answered."""
    finish(store, make_outcome(trial_id, text, run_id=run_id, **fields), attempt(store, trial_id, run_id), run_id)
