"""The run store: what is committed stays, in any version, whatever happens to the process."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOON, make_arm, make_outcome, make_prompt, make_trial
from toolkit import _sync
from toolkit._records import Case, Failure, FrozenDict, Score
from toolkit.errors import RunNotFoundError, StoreError, StoreVersionError
from toolkit.store import VERSION, RunStore


@pytest.fixture
def store(tmp_path):
    """A new store, closed at the end."""
    opened = RunStore(tmp_path / "home" / "runs.sqlite")
    yield opened
    opened.close()


def save(store, trials, *, run_id="run-1", baseline=0):
    """Keeps a run of these trials."""
    arms = tuple({trial.arm.index: trial.arm for trial in trials}.values())
    _sync.run(store.save_run(run_id=run_id, created_at=NOON, arms=arms, trials=trials, baseline=baseline))


def attempt(store, trial_id="t1:a", run_id="run-1"):
    """Begins an attempt and returns its number."""
    return _sync.run(store.begin_attempt(run_id=run_id, trial_id=trial_id, request_key="r1:a", sent_at=NOON))


def finish(store, outcome, attempt_id, run_id="run-1"):
    """Ends an attempt with an outcome."""
    _sync.run(store.finish(outcome, run_id=run_id, attempt_id=attempt_id))


def test_a_run_comes_back_as_it_was_saved(store):
    """Arms, prompts, cases, trials, outcomes and scores of a run are read back equal to what was written."""
    prompt = make_prompt(
        (FrozenDict({"role": "user", "content": "{{word}}"}),), labels=("production",), config={"temperature": 1.0}
    )
    arm = make_arm(prompt=prompt, params=FrozenDict({"stop": ["a", "b"], "seed": 1}))
    case = Case(
        index=3, variables=FrozenDict({"word": "é\u2028\x00", "n": 1.0, "list": [1, {"a": None}]}), expected=("x",)
    )
    trial = make_trial(arm=arm, case=case, repeat=2)
    save(store, [trial])
    outcome = make_outcome(run_id="run-1")
    finish(store, outcome, attempt(store))
    store.save_scores("run-1", [("t1:a", Score(name="exact", value=1.0, explanation="same", scorer="exact()"))])

    view = store.load_run("run-1")

    assert view.trials == (trial,)
    assert view.arms == (arm,)
    assert view.outcomes == {"t1:a": outcome}
    assert view.scores == {"t1:a": (Score(name="exact", value=1.0, explanation="same", scorer="exact()"),)}
    assert (view.created_at, view.baseline, view.attempted) == (NOON, 0, frozenset({"t1:a"}))
    assert repr(view.trials[0].case.variables["n"]) == "1.0"


@pytest.mark.parametrize("text", ["", "a\x00b", "\ud800 lone", "\u2028\u202e", "x" * 1_000_000])
def test_every_text_survives(store, text):
    """An answer's text comes back to the last code point, lone surrogates and NUL included."""
    save(store, [make_trial()])
    finish(store, make_outcome(text=text), attempt(store))
    assert store.load_run("run-1").outcomes["t1:a"].text == text


def test_sent_without_an_outcome_is_attempted_and_not_answered(store):
    """A trial whose attempt was begun and never ended is known as attempted, has no outcome and will be sent again."""
    save(store, [make_trial()])
    attempt(store)
    view = store.load_run("run-1")
    assert view.attempted == {"t1:a"}
    assert view.outcomes == {}
    assert store.answered(["t1:a"]) == set()


def test_an_attempt_that_never_ended_counts_as_possibly_billed(store):
    """When a later attempt is answered, the earlier one that vanished is counted in attempts and possibly_billed."""
    save(store, [make_trial()])
    attempt(store)
    finish(store, make_outcome(), attempt(store))
    outcome = store.load_run("run-1").outcomes["t1:a"]
    assert (outcome.attempts, outcome.possibly_billed) == (2, 1)


def test_an_answer_is_never_replaced(store):
    """A second outcome for an answered trial, be it an answer or a failure, leaves the first as it is."""
    save(store, [make_trial()])
    finish(store, make_outcome(text="first"), attempt(store))
    finish(store, make_outcome(text="second"), attempt(store))
    failed = make_outcome(status="failed", response=None, failure=Failure(kind="x", error_type="X", message="m"))
    finish(store, failed, attempt(store))
    assert store.load_run("run-1").outcomes["t1:a"].text == "first"


def test_a_failure_is_replaced_by_an_answer(store):
    """A trial that failed and is sent again keeps the answer, and counts both attempts."""
    save(store, [make_trial()])
    failure = Failure(kind="timeout", error_type="ProviderTimeoutError", message="slow", possibly_billed=True)
    finish(store, make_outcome(status="failed", response=None, failure=failure), attempt(store))
    assert store.load_run("run-1").outcomes["t1:a"].failure == failure
    assert store.answered(["t1:a"]) == set()
    finish(store, make_outcome(text="at last"), attempt(store))
    outcome = store.load_run("run-1").outcomes["t1:a"]
    assert (outcome.text, outcome.failure, outcome.attempts, outcome.possibly_billed) == ("at last", None, 2, 1)


def test_runs_share_outcomes_by_content(store):
    """Two runs with a trial of the same content share its outcome, which keeps the run that paid."""
    trial = make_trial()
    save(store, [trial], run_id="run-1")
    finish(store, make_outcome(), attempt(store), run_id="run-1")
    save(store, [trial], run_id="run-2")
    assert store.load_run("run-2").outcomes["t1:a"].run_id == "run-1"
    assert [run_id for run_id, _ in store.runs()] == ["run-1", "run-2"]


def test_unscored_comes_back_as_nan(store):
    """A score of NaN is kept as not scored, with its reason."""
    save(store, [make_trial()])
    store.save_scores("run-1", [("t1:a", Score(name="exact", explanation="no expected answer"))])
    (score,) = store.load_run("run-1").scores["t1:a"]
    assert (score.is_scored, score.explanation) == (False, "no expected answer")


def test_a_score_of_the_same_name_is_replaced(store):
    """Scoring again under one name keeps the newer score alone."""
    save(store, [make_trial()])
    store.save_scores("run-1", [("t1:a", Score(name="exact", value=0.0))])
    store.save_scores("run-1", [("t1:a", Score(name="exact", value=1.0))])
    assert [score.value for score in store.load_run("run-1").scores["t1:a"]] == [1.0]


def test_an_unknown_run_names_the_newest(store):
    """Asking for a run that is not there says which are."""
    save(store, [make_trial()])
    with pytest.raises(RunNotFoundError, match=r"no run 'run-9'.*run-1"):
        store.load_run("run-9")


def test_one_bad_write_takes_no_other_with_it(store):
    """When one write of a group fails, its caller is told and the others are committed."""
    save(store, [make_trial()])

    def bad(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    futures = [store._writer.submit(bad if number == 3 else _insert_attempt) for number in range(6)]
    for number, future in enumerate(futures):
        if number == 3:
            with pytest.raises(StoreError, match="no_such_table"):
                future.result()
        else:
            future.result()
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("SELECT count(*) FROM attempt").fetchone() == (5,)


def _insert_attempt(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO attempt (run_id, trial_id, request_key, sent_at, state) VALUES ('r', 't', 'k', 'now', 'sent')"
    )


def test_writing_to_a_closed_store_says_so(tmp_path):
    """A store that was closed refuses writes with a sentence."""
    store = RunStore(tmp_path / "runs.sqlite")
    store.close()
    with pytest.raises(StoreError, match="closed"):
        attempt(store)


def test_only_the_owner_can_read_it(store):
    """The folder and the file are readable by their owner only, since answers may be private."""
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_newer_store_is_refused_and_left_alone(tmp_path):
    """A store of a newer version raises an error that names both versions, and is not changed."""
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE future (x)")
        connection.execute(f"PRAGMA user_version = {VERSION + 7}")
    with pytest.raises(StoreVersionError, match=f"version {VERSION + 7}.*up to {VERSION}.*Upgrade") as caught:
        RunStore(path)
    assert (caught.value.found, caught.value.supported) == (VERSION + 7, VERSION)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("future",)]


def test_a_store_of_an_older_version_is_migrated(tmp_path):
    """A store that stopped at any earlier migration is brought forward and keeps what it holds."""
    from toolkit.store._schema import MIGRATIONS

    for steps in range(VERSION):
        path = tmp_path / f"{steps}.sqlite"
        with sqlite3.connect(path) as connection:
            for step in MIGRATIONS[:steps]:
                step(connection)
            connection.execute(f"PRAGMA user_version = {steps}")
            if steps:
                connection.execute(
                    "INSERT INTO run (run_id, created_at, baseline, toolkit_version) "
                    "VALUES ('old', '2026-01-01T00:00:00+00:00', 0, '0.0.1')"
                )
        store = RunStore(path)
        assert [run_id for run_id, _ in store.runs()] == (["old"] if steps else [])
        store.close()


@pytest.mark.parametrize("content", [b"", b"not a database, but quite long text of somebody's diary" * 40])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, content):
    """A file that is no run store raises an error that names it and keeps its bytes; an empty file becomes a store."""
    path = tmp_path / "runs.sqlite"
    path.write_bytes(content)
    if not content:
        RunStore(path).close()
        return
    with pytest.raises(StoreError, match=r"runs\.sqlite.*not a run store"):
        RunStore(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused(tmp_path):
    """A SQLite file with other tables is not turned into a store."""
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (day)")
    with pytest.raises(StoreError, match="something else"):
        RunStore(path)


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path):
    """A read-only folder raises one clear error that names the file and TOOLKIT_HOME."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o755)
    code = textwrap.dedent(
        f"""
        import os, pathlib
        from toolkit.errors import StoreError
        from toolkit.store import RunStore
        os.chmod({str(folder)!r}, 0o555)
        if os.geteuid() == 0:
            os.setuid(65534)  # the superuser may write anywhere
        try:
            RunStore(pathlib.Path({str(folder)!r}) / "runs.sqlite")
        except StoreError as error:
            print(error)
        """
    )
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cannot be made: Permission denied" in shown
    assert "TOOLKIT_HOME" in shown
    assert list(folder.iterdir()) == []


def test_readers_see_what_another_process_commits(store):
    """What another process commits is there for the next read."""
    save(store, [make_trial()])
    code = textwrap.dedent(
        f"""
        import pathlib
        from tests.builders import NOON, make_outcome
        from toolkit import _sync
        from toolkit.store import RunStore
        store = RunStore(pathlib.Path({str(store.path)!r}))
        number = _sync.run(store.begin_attempt(run_id="run-1", trial_id="t1:a", request_key="k", sent_at=NOON))
        _sync.run(store.finish(make_outcome(text="from outside"), run_id="run-1", attempt_id=number))
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert store.load_run("run-1").outcomes["t1:a"].text == "from outside"


def test_a_token_count_beyond_64_bits_is_unknown(store):
    """A usage that no column can hold is kept as unknown and does not lose the answer."""
    save(store, [make_trial()])
    outcome = make_outcome()
    usage = replace(outcome.response.usage, output_tokens=2**70)
    finish(store, replace(outcome, response=replace(outcome.response, usage=usage)), attempt(store))
    stored = store.load_run("run-1").outcomes["t1:a"]
    assert (stored.text, stored.response.usage.output_tokens) == ("hello", None)
