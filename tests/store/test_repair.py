"""Repair: what is whole of a damaged store is saved into a new file, and what is not is said."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import NOON
from tests.store.builders import answer, attempt, make_trials, released_store, save
from toolkit import _sync
from toolkit._records import Score
from toolkit._votes import Vote
from toolkit.cli import main
from toolkit.errors import StoreError, StoreFullError
from toolkit.store import Delivery, RunStore, _repair, repair_store


@pytest.fixture
def path(tmp_path):
    """A closed store with a run of thirty answered trials on two arms, a score, a note and an attempt under way."""
    store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(32, arms=2), spec={"a": 1})
    for number in range(30):
        answer(store, f"t1:{number}", f"answer {number} " * 500)
    attempt(store, "t1:30")
    store.save_scores("run-1", [("t1:0", Score(name="exact", value=1.0))])
    store.save_votes("run-1", [Vote(voter="ana", case=0, left="t1:1", right="t1:0", verdict="left", at=NOON)])
    leaving = Delivery(kind="span", record="a", trial_id="t1:0", at=NOON)
    _sync.run(store.claim_deliveries("run-1", "there", [leaving]))
    store.close()
    return tmp_path / "runs.sqlite"


def content(path):
    """All that a store says of its run."""
    store = RunStore(path)
    view = store.load_run("run-1")
    found = view.trials, dict(view.outcomes), view.attempted, view.scores, view.votes, store.run_spec("run-1")
    store.close()
    return found


def change(path, sql):
    """Changes the file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_a_whole_store_is_saved_whole(path):
    """Of a store without damage everything is saved, and the report says that nothing is known to be lost."""
    before = path.read_bytes()
    made = repair_store(path)
    assert made.path == path.with_name("runs-repaired.sqlite")
    assert made.is_whole
    assert made.saved == {
        "prompt": 2, "run": 1, "run_spec": 1, "arm": 2, "run_case": 16, "trial": 32, "outcome": 30, "answer": 30,
        "score": 1, "vote": 1, "delivery": 1, "attempt": 31,
    }  # fmt: skip
    assert "Nothing is known to be lost" in str(made)
    assert content(made.path) == content(path)
    assert path.read_bytes() == before


def test_a_store_of_an_earlier_version_is_saved_in_the_newest(tmp_path):
    """A damaged store of a released version is saved into a store of the newest version."""
    made = repair_store(released_store(3, tmp_path / "runs.sqlite"), tmp_path / "new.sqlite")
    assert made.is_whole
    store = RunStore(made.path)
    assert [found.text[:3] for found in store.load_run("run-old").outcomes.values()] == ["one", "lon", "xxx", ""]
    store.close()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_saved_is_right(path, tmp_path, seed):
    """Of a store with damaged pages, what is saved is what was written; what is missing counts as not answered."""
    rng, right = random.Random(seed), content(path)
    bad = bytearray(path.read_bytes())
    for _ in range(2):
        start = rng.randrange(1, len(bad) // 4096) * 4096
        bad[start : start + 4096] = rng.randbytes(4096)
    path.write_bytes(bad)
    made = repair_store(path)
    assert path.read_bytes() == bytes(bad)
    store = RunStore(made.path)
    for run_id, _ in store.runs():
        view = store.load_run(run_id)
        assert view.trials == right[0]
        assert all(right[1][key].response == each.response for key, each in view.outcomes.items())
        assert store.answered(right[1]) == set(view.outcomes)
    assert store.runs() or not made.is_whole
    store.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_page_in_the_place_of_another_brings_nothing_twice(path, seed):
    """Where a page of a table was written over another of it, no row is saved twice and what is saved is right."""
    right, whole = content(path), path.read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    pages = [whole[start : start + size] for start in range(0, len(whole), size)]
    # A page with a table's rows begins with 13; in these the answers stand.
    answers = [number for number, page in enumerate(pages) if page[0] == 13 and b"answer " in page]
    source, target = random.Random(seed).sample(answers, 2)
    pages[target] = pages[source]
    path.write_bytes(b"".join(pages))
    made = repair_store(path)
    assert 0 < made.saved["answer"] < 30
    store = RunStore(made.path)
    view = store.load_run("run-1")
    assert len(view.outcomes) == made.saved["answer"]
    assert all(right[1][key].response == each.response for key, each in view.outcomes.items())
    store.close()


@pytest.mark.parametrize(
    ("sql", "told", "answers"),
    [
        ("UPDATE answer SET text = 'x' WHERE trial_id = 't1:3'", "1 rows of 'answer'", 29),
        ("UPDATE outcome SET cost_usd = 7 WHERE trial_id = 't1:3'", "1 attempts were answered, and the outcome is", 29),
        ("UPDATE attempt SET kind = 'x' WHERE trial_id = 't1:3'", "1 attempts are not what was written", 30),
        ("UPDATE attempt SET run_id = 'x' WHERE trial_id = 't1:3'", "1 attempts are not what was written", 30),
        ("UPDATE prompt SET snapshot = '[1'", "2 prompts are not what was written", None),
        ("UPDATE trial SET repeat = 7 WHERE position = 3", "The plan of run 'run-1' has holes", None),
        ("DROP TABLE score", "Some pages of 'score' cannot be read", 30),
        ("DROP TABLE attempt", "Some pages of 'attempt' cannot be read", 30),
    ],
)
def test_what_is_lost_is_said(path, sql, told, answers):
    """Each part that cannot be saved is named; the run is kept where its plan is whole, else its answers alone."""
    change(path, sql)
    made = repair_store(path)
    assert told in str(made)
    assert not made.is_whole
    store = RunStore(made.path)
    if answers is None:
        assert store.runs() == []
        assert store.answered([f"t1:{number}" for number in range(30)]) == {f"t1:{number}" for number in range(30)}
    else:
        assert len(store.load_run("run-1").outcomes) == answers
    store.close()


def test_the_command_prints_what_was_saved(path, tmp_path, capsys):
    """`toolkit runs repair` saves into the file that is asked for and prints what was saved."""
    assert main(["runs", "repair", str(path), "--into", str(tmp_path / "new.sqlite")]) == 0
    assert "Saved into" in capsys.readouterr().out
    assert (tmp_path / "new.sqlite").stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten(path, tmp_path, capsys):
    """A new file that exists, and a damaged one that does not, are refused."""
    (tmp_path / "taken").write_text("mine")
    assert main(["runs", "repair", str(path), "--into", str(tmp_path / "taken")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"
    with pytest.raises(StoreError, match="no run store"):
        repair_store(tmp_path / "none")


def test_a_new_file_that_cannot_be_written_is_told(path, tmp_path, monkeypatch):
    """Where the new file cannot be made or filled, the error names both files."""
    with pytest.raises(StoreFullError, match=r"runs\.sqlite.*none/new\.sqlite"):
        repair_store(path, tmp_path / "none" / "new.sqlite")

    def refuse(*_, **__):
        raise sqlite3.OperationalError("near nothing: syntax error")

    monkeypatch.setattr(_repair, "migrate", refuse)
    with pytest.raises(StoreError, match="syntax error"):
        repair_store(path)


HEADS = st.sampled_from([b"", b"SQLite format 3\x00", b"SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20"])


@given(head=HEADS, rest=st.binary(max_size=600), zeros=st.integers(0, 9000))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_brings_the_store_down(tmp_path, head, rest, zeros):
    """Any bytes in the place of the store give a store, or an error of ours that names the file; repair does too."""
    path = tmp_path / "any.sqlite"
    for each in tmp_path.glob("any*"):
        each.unlink()
    path.write_bytes(head + rest + bytes(zeros))
    for use in (lambda: RunStore(path).close(), lambda: repair_store(path)):
        try:
            use()
        except StoreError as error:
            assert "any.sqlite" in str(error)  # noqa: PT017  an error is one of two right answers
