"""What was paid for and cannot be written: kept in order, and told with what it needs and what there is."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from tests.builders import make_outcome
from toolkit import _sync
from toolkit.errors import StoreFullError
from toolkit.store import _held
from toolkit.store._held import Held


class Full:
    """A writer whose file takes nothing until it `has_room`; what it did is in `done`."""

    def __init__(self) -> None:
        self.has_room = False
        self.done = []
        self.meanwhile = None

    async def write(self, work):
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return self.submit(work).result()

    def submit(self, work):
        if not self.has_room:
            raise StoreFullError("The disk is full.")
        future = Future()
        future.set_result(work(self.done))
        return future


@pytest.fixture
def writer():
    """A writer without room."""
    return Full()


@pytest.fixture
def held(writer, tmp_path):
    """An empty hold for a store of this folder."""
    return Held(writer, str(tmp_path / "runs.sqlite"))


async def keep(held, name, *outcomes):
    """Has a write held that appends this name to what was done."""
    with contextlib.suppress(StoreFullError):
        await held.write(lambda done: done.append(name), outcomes)


def test_what_is_held_is_told_with_what_it_needs_and_what_there_is(held, tmp_path, monkeypatch):
    """The error counts what is held, the bytes that it needs and those that are free, and says what to do."""
    monkeypatch.setattr(_held.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**12, folder=folder))
    # 262,144 to begin, 2,000 for the outcome, 4 for each character.
    outcome = make_outcome("t1:0", "x" * 1_046_464)
    with pytest.raises(StoreFullError) as caught:
        _sync.run(held.write(lambda done: None, (outcome,)))
    assert (caught.value.path, caught.value.held) == (str(tmp_path / "runs.sqlite"), 1)
    assert caught.value.needed_bytes == 4_450_000
    assert str(caught.value) == (
        "The disk is full. Nothing more is sent. 1 outcome that is not in the file yet is kept in memory. About 4.5 MB "
        f"are needed; {str(tmp_path)!r} has 1,000,000.0 MB free. Keep this process running, make room, and run the "
        "same call again: what is kept is written first."
    )


@pytest.mark.parametrize("face", ["flush", "aflush"])
def test_what_still_cannot_be_written_is_told_again(held, face):
    """Writing what is held, in either face, says why it failed and how many outcomes wait."""
    for number in range(2):
        _sync.run(keep(held, f"write {number}", make_outcome(f"t1:{number}")))
    with pytest.raises(
        StoreFullError, match=r"^The disk is full\. Nothing more is sent\. 2 outcomes that are not .* are kept"
    ):
        held.flush() if face == "flush" else _sync.run(held.aflush())
    assert bool(held)


def test_what_came_meanwhile_is_held_behind_what_waited(held, writer):
    """When writing fails while more comes, all of it stays held, in the order in which it came."""
    _sync.run(keep(held, "first", make_outcome("t1:0")))
    _sync.run(keep(held, "second"))
    writer.meanwhile = lambda: keep(held, "third", make_outcome("t1:1"))
    with pytest.raises(StoreFullError, match="2 outcomes"):
        _sync.run(held.aflush())
    writer.has_room = True
    assert held.flush() == 2
    assert writer.done == ["first", "second", "third"]
    assert not held
