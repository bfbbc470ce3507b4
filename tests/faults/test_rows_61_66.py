"""Rows 61 to 64 and 66 of the fault matrix: what becomes of the run store when the disk fails it."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.store.builders import answer, make_trials, released_store, save
from toolkit.errors import StoreCorruptError, StoreError, StoreVersionError, StoreWarning
from toolkit.store import VERSION, RunStore, _file

# In a process of its own, so that its limit on the size of files is no other's. The limit stands for a full disk: from
# the twentieth request on, no file may grow. It is lifted for the second half: somebody made room.
SWEEP_ON_A_FULL_DISK = """
    import json, resource, time
    import toolkit as tk
    from toolkit.engine import default_engine
    from toolkit.errors import StoreFullError
    from toolkit.testing import FakeProvider

    sent = []

    def answer(request):
        sent.append(request.messages[0].content)
        if len(sent) == 20:
            files = default_engine().settings.home.iterdir()
            size = max(file.stat().st_size for file in files)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return request.messages[0].content + "!" * 20_000

    engine = default_engine()
    engine.providers = type(engine.providers)(engine.http, extra={"fake": FakeProvider(answer)})

    def sweep():
        prompt = tk.Prompt(prompt_id="p", version="1", kind="text", template="Say {{n}}", source="folder")
        return tk.sweep([prompt], ["fake/m"], [{"n": str(n)} for n in range(300)], concurrency=4, progress="off")

    try:
        sweep()
    except StoreFullError as error:
        told, held, needed = str(error), error.held, error.needed_bytes
    run_id = tk.runs()[-1]
    first, shown = list(sent), tk.open_run(run_id).df
    time.sleep(0)
    still_sent = len(sent)
    try:
        sweep()
        again = ""
    except StoreFullError as error:
        again = str(error)
    refused = len(sent) - still_sent
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    flushed = engine.store.flush()
    results = sweep()
    print(json.dumps({
        "told": told, "held": held, "needed": needed,
        "first": len(first), "shown": int((shown["status"] == "ok").sum()),
        "again": again, "refused": refused, "flushed": flushed, "sent": len(sent), "distinct": len(set(sent)),
        "ok": int((results.df["status"] == "ok").sum()), "home": str(engine.settings.home.absolute()),
    }))
"""


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory):
    """What a sweep of 300 trials told that met a full disk at its twentieth request."""
    home = tmp_path_factory.mktemp("full")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SWEEP_ON_A_FULL_DISK)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, "TOOLKIT_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.fault(61)
def test_a_full_disk_stops_sending_at_once(full_disk):
    """From the first outcome that cannot be written on, no trial is begun: only those in flight come in."""
    assert 20 <= full_disk["first"] <= 20 + 4
    assert full_disk["refused"] == 0
    assert full_disk["again"]


@pytest.mark.fault(61)
def test_the_message_names_the_file_the_need_and_the_way_on(full_disk):
    """The error names the store and its folder, how much is held and needed, and what to do."""
    told = full_disk["told"]
    assert f"{full_disk['home']}/runs.sqlite" in told
    assert f"'{full_disk['home']}' has" in told
    assert f"{full_disk['held']} outcome" in told
    assert f"About {full_disk['needed'] / 1e6:,.1f} MB are needed" in told
    assert "make room, and run the same call again" in told
    assert full_disk["needed"] >= full_disk["held"] * 20_000


@pytest.mark.fault(61)
def test_what_was_paid_for_is_shown_and_written_once_there_is_room(full_disk):
    """Every answer is shown while it is held, is written when there is room again, and no trial is sent twice."""
    assert full_disk["shown"] == full_disk["first"]
    assert full_disk["flushed"] == full_disk["held"] >= 1
    assert (full_disk["ok"], full_disk["sent"], full_disk["distinct"]) == (300, 300, 300)


@pytest.mark.fault(61)
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path):
    """A store in a folder that takes no files is refused when it is opened, with the folder and what to do."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/runs\.sqlite.*TOOLKIT_HOME"):
        RunStore(tmp_path / "file" / "runs.sqlite")


@pytest.fixture
def small(tmp_path):
    """A closed store with a run of six answered trials and its path."""
    path = tmp_path / "runs.sqlite"
    store = RunStore(path)
    save(store, make_trials(8, arms=2), spec={"budget_usd": 1.0})
    for number in range(6):
        answer(store, f"t1:{number}", f"answer {number} " * 200)
    store.close()
    return path


def everything(path):
    """All that the first run says of itself, its texts included."""
    store = RunStore(path)
    try:
        view = store.load_run("run-1")
        return view.arms, view.trials, dict(view.outcomes), view.attempted, store.run_spec("run-1"), store.runs()
    finally:
        store.close()


@pytest.mark.fault(62)
def test_a_store_on_a_network_file_system_keeps_a_rollback_journal(tmp_path, monkeypatch):
    """On a network file system the store is written with a rollback journal, and a warning says so and what to do."""
    monkeypatch.setattr(_file, "_file_system_of", lambda _: "nfs4")
    with pytest.warns(StoreWarning, match="network file system.*TOOLKIT_HOME"):
        store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(1))
    answer(store)
    assert store.load_run("run-1").outcomes["t1:0"].text == "hello"
    store.close()
    with sqlite3.connect(store.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


class _NoSharedMemory(sqlite3.Connection):
    """A connection on a file system that cannot share memory between processes."""

    def execute(self, sql, *values):
        """Refuses what needs shared memory."""
        if sql == "PRAGMA journal_mode = WAL":
            raise sqlite3.OperationalError("locking protocol")
        return super().execute(sql, *values)


class _KeepsItsJournal(sqlite3.Connection):
    """A connection on a file system that leaves the journal's mode as it is."""

    def execute(self, sql, *values):
        """Does not hear what would change the mode."""
        return super().execute("SELECT 1" if sql == "PRAGMA journal_mode = WAL" else sql, *values)


@pytest.mark.fault(62)
@pytest.mark.parametrize("connection", [_NoSharedMemory, _KeepsItsJournal])
def test_where_a_write_ahead_log_fails_the_store_does_without(tmp_path, monkeypatch, connection):
    """Where write-ahead logging is refused or ignored, the store is written with a rollback journal and says so."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=connection, **kwargs))
    with pytest.warns(StoreWarning, match="rollback journal"):
        store = RunStore(tmp_path / "runs.sqlite")
    save(store, make_trials(1))
    answer(store)
    assert store.load_run("run-1").outcomes["t1:0"].text == "hello"
    store.close()


@pytest.mark.fault(63)
@pytest.mark.parametrize("kind", ["one bit", "one byte", "whole page", "cut off"])
def test_damage_is_told_or_harmless(small, tmp_path, kind):
    """Whatever page is damaged, reading gives right data, or an error that names file and way out; nothing changes."""
    whole, right, rng = small.read_bytes(), everything(small), random.Random(63)
    told = 0
    for start in range(0, len(whole), 4096):
        place = start + rng.randrange(4096)
        bad = bytearray(whole)
        if kind == "one bit":
            bad[place] ^= 1 << rng.randrange(8)
        elif kind == "one byte":
            bad[place] = rng.randrange(256)
        elif kind == "whole page":
            bad[start : start + 4096] = rng.randbytes(4096)
        else:
            del bad[place:]
        path = tmp_path / "damaged.sqlite"
        path.write_bytes(bad)
        error = None
        try:
            found = everything(path)
        except (StoreCorruptError, StoreVersionError) as raised:
            error = raised
        if error is None:
            assert found == right
            continue
        told += 1
        assert "damaged.sqlite" in str(error)
        assert "repair" in str(error) or isinstance(error, StoreVersionError)
        assert path.read_bytes() == bytes(bad)
    assert told or kind == "one bit"


@pytest.mark.fault(64)
def test_a_newer_store_is_refused_with_both_versions(tmp_path):
    """A store of a newer version is refused by an error with both versions, and left as it is."""
    path = tmp_path / "runs.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE future (x)")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match=f"version {VERSION + 1}.*up to {VERSION}"):
        RunStore(path)
    assert path.read_bytes() == before


@pytest.mark.fault(64)
def test_an_older_store_is_migrated_and_a_copy_of_it_kept(tmp_path):
    """A store of a released version opens with all that it held, and a copy in the old version stays beside it."""
    path = released_store(3, tmp_path / "runs.sqlite")
    before = path.read_bytes()
    store = RunStore(path)
    view = store.load_run("run-old")
    assert [trial.trial_id for trial in view.trials] == ["t1:0-0", "t1:0-1", "t1:0-2", "t1:1-0", "t1:1-1", "t1:1-2"]
    assert {key: (found.status, found.text) for key, found in view.outcomes.items()} == {
        "t1:0-0": ("ok", "one"),
        "t1:0-1": ("ok", "lone \ud800 \x00"),
        "t1:1-0": ("ok", "x" * 9000),
        "t1:1-1": ("failed", ""),
    }
    assert view.outcomes["t1:1-1"].failure.kind == "timeout"
    assert (view.baseline, view.attempted) == (1, {"t1:0-0", "t1:0-1", "t1:1-0", "t1:1-1", "t1:1-2"})
    assert [score.value for score in view.scores["t1:0-0"]] == [1.0]
    assert [found.trial_id for found in store.unknown("run-old")] == ["t1:1-2"]
    assert store.runs()[1][0] == "traffic-2026-01-01"
    store.close()
    (copy,) = tmp_path.glob("runs.sqlite.v3-*")
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM outcome").fetchone() == (4,)
    assert len(copy.read_bytes()) == len(before)
    RunStore(path).close()
    assert len(list(tmp_path.glob("runs.sqlite.v3-*"))) == 1


@pytest.mark.fault(64)
def test_without_room_for_the_copy_an_older_store_stays_as_it_is(tmp_path, monkeypatch):
    """When no copy can be made, the store is not migrated, and the error says where the copy was to go."""
    path = released_store(3, tmp_path / "runs.sqlite")
    monkeypatch.setattr(_file.os, "open", _no_space(_file.os.open))
    with pytest.raises(StoreError, match=r"no copy of it could be made at .*runs\.sqlite\.v3"):
        RunStore(path)
    monkeypatch.undo()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def _no_space(real):
    def refuse(path, *args):
        if ".v3-" in str(path):
            raise OSError(28, "No space left on device")
        return real(path, *args)

    return refuse


@pytest.mark.fault(66)
def test_after_a_power_cut_the_store_is_as_after_one_of_its_commits(tmp_path):
    """A file whose log was cut at any point opens with the first n commits for some n, and with nothing in between."""
    path = tmp_path / "live" / "runs.sqlite"
    store = RunStore(path)
    trials = make_trials(40)
    save(store, trials)
    for number in range(40):
        answer(store, f"t1:{number}", f"answer {number}")
    copy = tmp_path / "copy" / "runs.sqlite"
    copy.parent.mkdir()
    # The log is copied while the store is open: closing would write it back.
    main, log = path.read_bytes(), path.with_name("runs.sqlite-wal").read_bytes()
    store.close()
    seen, rng = set(), random.Random(66)
    for length in [len(log), *(rng.randrange(32, len(log)) for _ in range(40))]:
        shutil.rmtree(copy.parent)
        copy.parent.mkdir()
        copy.write_bytes(main)
        copy.with_name("runs.sqlite-wal").write_bytes(log[:length])
        opened = RunStore(copy)
        if not opened.runs():
            seen.add(-1)
            opened.close()
            continue
        view = opened.load_run("run-1")
        answered = len(view.outcomes)
        assert list(view.outcomes) == [f"t1:{number}" for number in range(answered)]
        assert len(view.attempted) in (answered, answered + 1)
        assert [view.outcomes[key].text for key in view.outcomes] == [f"answer {number}" for number in range(answered)]
        seen.add(answered)
        opened.close()
    assert 40 in seen
    assert len(seen) > 10


@pytest.mark.fault(66)
@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_full_durability_waits_for_the_disk_at_each_commit(tmp_path, monkeypatch, durability, level):
    """TOOLKIT_DURABILITY=full makes every commit wait for the disk; `normal` lets the last ones go with the power."""
    from toolkit.config import Settings
    from toolkit.engine import Engine

    settings = Settings.from_environment({"TOOLKIT_DURABILITY": durability, "TOOLKIT_HOME": str(tmp_path)})
    store = Engine(settings).store
    with store.reading() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == level
    store.close()
