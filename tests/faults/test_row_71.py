"""Row 71 of the fault matrix: results larger than one would want in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.builders import NOON, make_outcome
from tests.store.builders import make_trials, save
from toolkit import _sync
from toolkit.store import RunStore

TRIALS = 1_000
LENGTH = 100_000

READ = """
    import json, pathlib, sys
    import psutil
    import toolkit as tk
    from toolkit.results import Results

    from toolkit.store import RunStore

    me = psutil.Process()
    store = RunStore(pathlib.Path(sys.argv[1]))
    small = Results(store.load_run("small"))
    small.score(tk.contains("x")).summary(), repr(small), small._repr_html_(), small.audit(), small.wide("status")
    before = me.memory_info().rss
    large = Results(store.load_run("large"))
    large.score(tk.contains("x")).summary(), repr(large), large._repr_html_(), large.audit(), large.wide("status")
    lengths = {len(outcome.text) for outcome in large.view.outcomes.values()}
    grown = me.memory_info().rss - before
    scored = sum(score.is_scored for held in large.view.scores.values() for score in held)
    print(json.dumps({"grown": grown, "lengths": sorted(lengths), "scored": scored}))
"""


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    """A store with a run of ten trials and one of a thousand, each answered with 100 kB."""
    path = tmp_path_factory.mktemp("large") / "runs.sqlite"
    store = RunStore(path)
    trials = make_trials(TRIALS)
    save(store, trials[:10], run_id="small")
    save(store, trials, run_id="large")
    outcomes = [(make_outcome(trial.trial_id, "x" * LENGTH), None) for trial in trials]

    async def finish():
        for start in range(0, TRIALS, 100):
            await store.finish_all(outcomes[start : start + 100], run_id="large")

    _sync.run(finish())
    store.close()
    return path


@pytest.mark.fault(71)
def test_a_run_is_read_scored_and_shown_without_its_texts_in_memory(store_path):
    """A run of 100 MB of texts is opened, scored, summed up, shown and walked through in less than half of that."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ), str(store_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parent.parent.parent,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["lengths"], told["scored"]) == ([LENGTH], TRIALS)
    assert told["grown"] < TRIALS * LENGTH / 2


@pytest.mark.fault(71)
def test_the_frame_brings_every_text(store_path):
    """The frame has the whole text of every row, in the plan's order."""
    from toolkit.results import Results

    store = RunStore(store_path)
    frame = Results(store.load_run("small")).df
    assert frame["text"].tolist() == ["x" * LENGTH] * 10
    assert frame["trial_id"].tolist() == [f"t1:{number}" for number in range(10)]
    assert frame["started_at"].tolist() == [NOON] * 10
    store.close()
