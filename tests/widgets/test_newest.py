"""Slow work off the kernel's thread: of several wishes only the newest is shown."""

from __future__ import annotations

import asyncio
import threading

from toolkit import _sync
from toolkit.widgets._newest import Newest


def test_work_is_done_on_another_thread_and_shown() -> None:
    """What was asked for is done away from the thread that asks, and shown when it is there."""
    newest, shown = Newest(), []
    newest.ask(threading.current_thread, shown.append, shown.append)
    assert newest.settle(10)
    assert len(shown) == 1
    assert shown[0] is not threading.current_thread()


def test_only_the_newest_is_shown() -> None:
    """A wish that is superseded while it is under way is never shown; the one that takes its place is."""
    newest, shown, go_on = Newest(), [], threading.Event()

    def slow() -> str:
        go_on.wait(10)
        return "old"

    newest.ask(slow, shown.append, shown.append)
    newest.ask(lambda: "new", shown.append, shown.append)
    go_on.set()
    assert newest.settle(10)
    assert shown == ["new"]


def test_what_is_superseded_before_it_begins_is_not_done() -> None:
    """Of a hundred wishes in a row the last is done; those that waited behind the first are not."""
    newest, done, begun, go_on = Newest(), [], threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        go_on.wait(10)

    newest.ask(first, lambda _: None, lambda _: None)
    assert begun.wait(10)
    for number in range(100):
        newest.ask(lambda number=number: done.append(number), lambda _: None, lambda _: None)
    go_on.set()
    assert newest.settle(10)
    assert done == [99]


def test_an_error_is_handed_over_and_an_outdated_one_is_not() -> None:
    """What the newest work raises is handed to `fail`; the error of a superseded one is nobody's."""
    newest, failed, go_on = Newest(), [], threading.Event()

    def breaks(word: str) -> None:
        go_on.wait(10)
        raise ValueError(word)

    newest.ask(lambda: breaks("old"), lambda _: None, failed.append)
    newest.ask(lambda: breaks("new"), lambda _: None, failed.append)
    go_on.set()
    assert newest.settle(10)
    assert [str(error) for error in failed] == ["new"]


def test_dropping_shows_nothing() -> None:
    """After `drop` nothing of what was asked for is shown, and what is asked for then is."""
    newest, shown, go_on = Newest(), [], threading.Event()
    newest.ask(lambda: go_on.wait(10), shown.append, shown.append)
    newest.drop()
    go_on.set()
    assert newest.settle(10)
    assert shown == []
    newest.ask(lambda: "later", shown.append, shown.append)
    assert newest.settle(10)
    assert shown == ["later"]


def test_work_waits_until_the_wishes_pause() -> None:
    """With a wait, what follows within it takes the place of what was asked before; the last wish alone is done."""
    newest, done = Newest(wait_s=0.4), []
    for number in range(4):
        newest.ask(lambda number=number: done.append(number), lambda _: None, lambda _: None)
        # A round trip over the loop and a thread: without the wait, the work would have been done by now.
        _sync.run(asyncio.to_thread(lambda: None))
    assert done == []
    assert newest.settle(10)
    assert done == [3]
