"""What of a run was handed to another service: noted before it leaves, once, and read back as it was noted."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from contextlib import closing

import pytest

from tests.builders import NOON
from tests.store.builders import make_trials, released_store, save
from toolkit import _sync
from toolkit.errors import StoreCorruptError
from toolkit.store import Delivery, RunStore, repair_store

LATER = NOON + dt.timedelta(minutes=1)


@pytest.fixture
def store(tmp_path):
    """A store with one run."""
    made = RunStore(tmp_path / "runs.sqlite")
    save(made, make_trials(2))
    yield made
    made.close()


def delivery(record="a", **fields):
    """A generation that is about to leave, unless told otherwise."""
    return Delivery(record=record, **({"kind": "span", "trial_id": "t1:0", "at": NOON} | fields))


def claim(store, *deliveries, target="there", **fields):
    """Notes what is about to leave."""
    return _sync.run(store.claim_deliveries("run-1", target, deliveries, **fields))


def test_what_is_noted_is_read_as_it_was(store, tmp_path):
    """Notes are there after the store is opened again, oldest first, with all that they say."""
    arrived = delivery("b", kind="score", content="0.5", state="arrived", at=LATER)
    claim(store, delivery())
    _sync.run(store.note_deliveries("run-1", "there", [arrived]))
    store.close()
    again = RunStore(tmp_path / "runs.sqlite")
    assert again.deliveries("run-1") == [delivery(), arrived]
    assert again.delivered_to("run-1") == {"there": [arrived]}
    again.close()


def test_a_record_is_claimed_once(store):
    """Of two who claim one record, the first gets it; the note stays the first one's."""
    assert claim(store, delivery("a"), delivery("b")) == {("span", "a"), ("span", "b")}
    assert claim(store, delivery("b", at=LATER), delivery("c", at=LATER)) == {("span", "c")}
    assert {each.record: each.at for each in store.deliveries("run-1")} == {"a": NOON, "b": NOON, "c": LATER}


def test_many_who_claim_at_once_get_each_record_once(store):
    """Claims from several threads never give one record to two of them."""
    wanted = [delivery(str(number)) for number in range(50)]
    claimed = []
    threads = [threading.Thread(target=lambda: claimed.append(claim(store, *wanted))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, claimed)) == len(set().union(*claimed)) == 50


def test_an_old_claim_is_taken_over_only_as_it_was_seen(store):
    """A claim is taken over when it still says what was seen; one that was renewed or has arrived is not."""
    claim(store, delivery("old"), delivery("renewed", at=LATER), delivery("arrived"))
    _sync.run(store.note_deliveries("run-1", "there", [delivery("arrived", state="arrived")]))
    seen = {("span", name): NOON for name in ("old", "renewed", "arrived")}
    again = [delivery(name, at=LATER) for name in ("old", "renewed", "arrived")]
    assert claim(store, *again, instead_of=seen) == {("span", "old")}


def test_targets_do_not_know_of_each_other(store):
    """What was handed to one project says nothing of another."""
    claim(store, delivery(), target="here")
    assert claim(store, delivery(), target="there") == {("span", "a")}
    assert len(store.deliveries("run-1", "here")) == 1
    assert len(store.deliveries("run-1")) == 2


def test_a_note_can_be_taken_back(store):
    """What is known not to have left is noted no more, and can be claimed again."""
    claim(store, delivery("a"), delivery("b"))
    _sync.run(store.forget_deliveries("run-1", "there", [("span", "a")]))
    assert [each.record for each in store.deliveries("run-1")] == ["b"]
    assert claim(store, delivery("a")) == {("span", "a")}


@pytest.mark.parametrize("change", ["content = 'other'", "state = 'lost', seal = NULL"])
def test_a_damaged_note_is_found(store, change):
    """A note that is not what was written is damage, not an answer."""
    claim(store, delivery())
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"UPDATE delivery SET {change}")  # noqa: S608  our own words
    with pytest.raises(StoreCorruptError, match="delivery"):
        store.deliveries("run-1")


def test_a_repaired_store_knows_what_was_handed_on(store, tmp_path):
    """Notes are saved with everything else, so that a push after a repair makes nothing twice."""
    claim(store, delivery())
    store.close()
    made = repair_store(tmp_path / "runs.sqlite")
    again = RunStore(made.path)
    assert again.deliveries("run-1") == [delivery()]
    again.close()


def test_a_store_of_an_earlier_version_takes_notes(tmp_path):
    """A store of a released version is brought forward and takes notes."""
    store = RunStore(released_store(4, tmp_path / "runs.sqlite"))
    run_id = store.runs()[0][0]
    assert _sync.run(store.claim_deliveries(run_id, "there", [delivery()])) == {("span", "a")}
    store.close()
