"""Runs a coroutine from plain code or a notebook cell on one background loop; Ctrl-C cancels it.

All asynchronous work of the package happens on one event loop in one daemon thread. The kernel's own loop is neither
patched nor blocked, connections outlive a call, and the same coroutine serves the plain and the `await` face.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import contextvars
import os
import queue
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from toolkit.errors import UsageError

T = TypeVar("T")

# How often a waiting caller wakes: bounds how late Ctrl-C is seen, and how often progress is painted.
TICK_S = 0.1

# How long a cancelled coroutine may take to put its affairs in order before the caller gets control back anyway.
_CANCEL_GRACE_S = 0.8

_ON_OWN_LOOP = (
    "This call waits for the toolkit's own event loop and was made on that loop (for example inside an async scorer); "
    "use the `await` form there."
)


def run(coroutine: Coroutine[Any, Any, T], *, on_tick: Callable[[], None] | None = None) -> T:
    """Runs `coroutine` on the background loop and waits for it, whether or not the caller is inside a running loop.

    Args:
        coroutine: The work; it sees the caller's context variables.
        on_tick: Called on the caller's own thread about every 0.1 s while waiting, and once at the end; used to paint.

    Raises:
        UsageError: If called on the background loop itself, where waiting would never end.
        KeyboardInterrupt: If the caller is interrupted; the coroutine has then been cancelled.
    """
    if _is_own_loop():
        coroutine.close()
        raise UsageError(_ON_OWN_LOOP)
    work = start(coroutine)
    try:
        work.join(on_tick=on_tick)
        return work.result()
    except BaseException:
        # Also the way out for Ctrl-C: the coroutine is cancelled and given a moment to commit what it holds.
        work.cancel()
        work.join(_CANCEL_GRACE_S)
        raise


def start(coroutine: Coroutine[Any, Any, T]) -> Work[T]:
    """Starts `coroutine` on the background loop and returns at once; it sees the caller's context variables."""
    engine = _engine()
    work: Work[T] = Work(engine.loop)
    engine.mailbox.post(engine.loop, work.begin, coroutine, contextvars.copy_context())
    return work


async def bridge(coroutine: Coroutine[Any, Any, T], *, on_tick: Callable[[], None] | None = None) -> T:
    """Awaits `coroutine`, which runs on the background loop, from any other loop.

    A kernel notices the stop button only when its loop wakes, so this wakes every 0.1 s instead of waiting once.

    Args:
        coroutine: The work; it sees the caller's context variables.
        on_tick: Called in the caller's loop about every 0.1 s while waiting, and once at the end.
    """
    if _is_own_loop():
        return await coroutine
    work = start(coroutine)
    try:
        await work.joined(on_tick=on_tick)
        return work.result()
    finally:
        work.cancel()


def _finish(finished: asyncio.Future[None]) -> None:
    if not finished.done():
        finished.set_result(None)


class _Tick:
    """Wakes a loop every 0.1 s until it is stopped; what `on_tick` raises ends the waiting."""

    __slots__ = ("_finished", "_handle", "_loop", "_on_tick")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_tick: Callable[[], None] | None, finished: asyncio.Future[None]
    ) -> None:
        self._loop = loop
        self._on_tick = on_tick
        self._finished = finished
        self._handle = loop.call_later(TICK_S, self._wake)

    def _wake(self) -> None:
        self._handle = self._loop.call_later(TICK_S, self._wake)
        if self._on_tick is None:
            return
        try:
            self._on_tick()
        except Exception as error:  # noqa: BLE001  raised again by who waits
            if not self._finished.done():
                self._finished.set_exception(error)

    def stop(self) -> None:
        self._handle.cancel()


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """Yields from an asynchronous iterator that runs on the background loop, to plain code.

    One task reads it from first to last; leaving the loop early, or Ctrl-C, cancels that task.
    """
    if _is_own_loop():
        raise UsageError(_ON_OWN_LOOP)
    arrived: queue.SimpleQueue[_Piece[T]] = queue.SimpleQueue()
    work = start(_pump(items, arrived.put))
    try:
        while True:
            try:
                piece = arrived.get(timeout=TICK_S)
            except queue.Empty:
                continue
            if piece.error is not None:
                raise piece.error
            if piece.is_end:
                return
            yield piece.item  # type: ignore[misc]  # neither end nor error, so it is an item
    finally:
        work.cancel()


async def aiterate(items: AsyncIterator[T]) -> AsyncIterator[T]:
    """As `iterate`, for a caller with an event loop of its own."""
    if _is_own_loop():
        async for item in items:
            yield item
        return
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[_Piece[T]] = asyncio.Queue()

    def put(piece: _Piece[T]) -> None:
        # A closed loop means that nobody reads any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(arrived.put_nowait, piece)

    work = start(_pump(items, put))
    try:
        while True:
            piece = await arrived.get()
            if piece.error is not None:
                raise piece.error
            if piece.is_end:
                return
            yield piece.item  # type: ignore[misc]  # neither end nor error, so it is an item
    finally:
        work.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece(Generic[T]):
    """What a pump hands over: an item, an error, or the end."""

    item: T | None = None
    error: BaseException | None = None
    is_end: bool = False


async def _pump(items: AsyncIterator[T], put: Callable[[_Piece[T]], None]) -> None:
    try:
        async for item in items:
            put(_Piece(item=item))
    except Exception as error:  # noqa: BLE001  handed to who reads
        put(_Piece(error=error))
    else:
        put(_Piece(is_end=True))
    finally:
        closing = getattr(items, "aclose", None)
        if closing is not None:
            await closing()


class Work(Generic[T]):
    """One coroutine on its way: any thread and any loop can wait for it, and cancel the task behind it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop = loop
        self._task: asyncio.Task[T] | None = None

    @property
    def is_done(self) -> bool:
        """True once it has ended, in whatever way."""
        return self._future.done()

    def result(self) -> T:
        """Returns what it gave, or raises what it raised; waits for it."""
        return self._future.result()

    def join(self, timeout_s: float | None = None, *, on_tick: Callable[[], None] | None = None) -> bool:
        """Waits until it has ended, and tells whether it has; an interrupt ends the waiting, not the work.

        Args:
            timeout_s: Most seconds to wait; `None` = as long as it takes.
            on_tick: Called on this thread about every 0.1 s while waiting, and once at the end.

        Raises:
            UsageError: If called on the background loop itself, where waiting would never end.
        """
        if _is_own_loop():
            raise UsageError(_ON_OWN_LOOP)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = TICK_S if deadline is None else min(TICK_S, deadline - time.monotonic())
            done, _ = concurrent.futures.wait([self._future], timeout=max(left_s, 0.0))
            if on_tick is not None:
                on_tick()
            if done or (deadline is not None and time.monotonic() >= deadline):
                return bool(done)

    async def joined(self, *, on_tick: Callable[[], None] | None = None) -> None:
        """Awaits its end from any loop, without its result; cancelling this does not cancel the work.

        A kernel notices the stop button only when its loop wakes, so this wakes every 0.1 s instead of waiting once.

        Args:
            on_tick: Called in the caller's loop about every 0.1 s while waiting, and once at the end.
        """
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        mailbox = _mailbox_of(loop)

        def wake(_: object) -> None:
            # A closed loop means that nobody waits any more.
            with contextlib.suppress(RuntimeError):
                mailbox.post(loop, _finish, finished)

        self._future.add_done_callback(wake)
        tick = _Tick(loop, on_tick, finished)
        try:
            await finished
            if on_tick is not None:
                on_tick()
        finally:
            tick.stop()

    def begin(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context) -> None:
        """Makes the task; called on the loop."""
        self._task = self._loop.create_task(coroutine, context=context)
        self._task.add_done_callback(self._hand_over)

    def cancel(self) -> None:
        """Asks the task to end; the work is done only when the task really is."""
        if not self._future.done():
            self._loop.call_soon_threadsafe(self._cancel_task)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _hand_over(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._future.cancel()
            # Without this those who wait are not told that the future has ended.
            self._future.set_running_or_notify_cancel()
        elif (error := task.exception()) is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())


class _Mailbox:
    """Hands calls to a loop from other threads, in order, with one wake-up for all that wait: each costs a write."""

    __slots__ = ("__weakref__", "_calls", "_is_woken")

    def __init__(self) -> None:
        self._calls: collections.deque[tuple[Callable[..., object], tuple[Any, ...]]] = collections.deque()
        self._is_woken = False

    def post(self, loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
        """Has `loop` make a call soon.

        Raises:
            RuntimeError: If the loop is closed.
        """
        self._calls.append((call, args))
        if not self._is_woken:
            self._is_woken = True
            loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        # The mark first: a call that is posted meanwhile is met below, or wakes the loop again.
        self._is_woken = False
        while self._calls:
            call, args = self._calls.popleft()
            call(*args)


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = weakref.WeakKeyDictionary()


def _mailbox_of(loop: asyncio.AbstractEventLoop) -> _Mailbox:
    mailbox = _mailboxes.get(loop)
    if mailbox is None:
        mailbox = _mailboxes[loop] = _Mailbox()
    return mailbox


class _Background:
    """The thread and its loop. A forked child starts its own: threads do not survive a fork."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.mailbox = _Mailbox()
        self.thread = threading.Thread(target=self._serve, name="toolkit-engine", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_lock = threading.Lock()
_background: _Background | None = None


def _engine() -> _Background:
    global _background
    with _lock:
        if _background is None or _background.process_id != os.getpid():
            _background = _Background()
        return _background


def _is_own_loop() -> bool:
    return _background is not None and threading.current_thread() is _background.thread
