"""What writers share: snapshots of prompts, and trials that two of them answer."""

from __future__ import annotations

import asyncio

from tests.builders import NOON, make_outcome, make_prompt
from tests.store.builders import make_trials, save
from toolkit import _sync
from toolkit.store import (
    RunStore,
    _traffic,
)


def test_a_prompt_that_many_calls_share_is_hashed_once(monkeypatch):
    """The snapshot of a prompt is kept for the calls that follow; of many prompts only so many are."""
    monkeypatch.setattr(_traffic, "_MOST_SNAPSHOTS", 1)
    snapshots = _traffic.Snapshots()
    first, second = make_prompt(), make_prompt("Other {{word}}.")
    row = snapshots.row(first)
    assert snapshots.row(first) is row
    assert snapshots.row(second) != row
    assert snapshots.row(first) == row


def test_two_writers_of_one_trial_leave_one_whole_answer(tmp_path):
    """Of two writers that answer the same trials at once, the first answer stays, with its own text and cost."""
    store, other = RunStore(tmp_path / "runs.sqlite"), RunStore(tmp_path / "runs.sqlite")
    trials = make_trials(6)
    save(store, trials)
    save(other, trials, run_id="run-2")

    async def answer_all(each, run_id, text, cost_usd):
        for trial in trials:
            number = await each.begin_attempt(run_id=run_id, trial_id=trial.trial_id, request_key="r1:a", sent_at=NOON)
            outcome = make_outcome(trial.trial_id, text, run_id=run_id, cost_usd=cost_usd)
            await each.finish(outcome, run_id=run_id, attempt_id=number)

    async def both():
        await asyncio.gather(answer_all(store, "run-1", "one", 1.0), answer_all(other, "run-2", "two", 2.0))

    _sync.run(both())
    found = dict(store.load_run("run-1").outcomes)
    assert dict(other.load_run("run-2").outcomes) == found
    assert {(each.run_id, each.text, each.cost_usd) for each in found.values()} <= {
        ("run-1", "one", 1.0),
        ("run-2", "two", 2.0),
    }
    assert [each.attempts for each in found.values()] == [2] * 6
    other.close()
    store.close()
