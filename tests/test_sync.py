"""One coroutine, called from plain code, inside a running loop, and awaited."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from toolkit import _sync
from toolkit.errors import UsageError

NAME = contextvars.ContextVar("NAME", default="nobody")


async def answer(value):
    """Gives the value back after the loop has turned once."""
    await asyncio.sleep(0)
    return value


def test_a_coroutine_runs_from_plain_code():
    """Without a running loop the result comes back."""
    assert _sync.run(answer(42)) == 42


def test_a_coroutine_runs_inside_a_running_loop():
    """Inside a running loop, as in a notebook cell, the plain call works and the loop is not patched."""

    async def cell():
        return _sync.run(answer(1)), await _sync.bridge(answer(2))

    assert asyncio.run(cell()) == (1, 2)
    assert asyncio.run(cell()) == (1, 2)


def test_all_work_is_on_one_background_thread():
    """Two calls from two threads run on the same daemon thread, which is neither of theirs."""

    async def where():
        return threading.current_thread()

    seen = [_sync.run(where())]
    other = threading.Thread(target=lambda: seen.append(_sync.run(where())))
    other.start()
    other.join()
    assert seen[0] is seen[1]
    assert seen[0].daemon
    assert seen[0] is not threading.main_thread()


def test_context_variables_arrive():
    """The coroutine sees the caller's context variables."""

    async def read():
        return NAME.get()

    NAME.set("somebody")
    assert _sync.run(read()) == "somebody"
    assert asyncio.run(_sync.bridge(read())) == "somebody"


def test_errors_come_back_as_they_are():
    """An exception of the coroutine is raised in the caller with its own type."""

    async def fail():
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        _sync.run(fail())
    with pytest.raises(KeyError, match="gone"):
        asyncio.run(_sync.bridge(fail()))


def test_work_that_ends_cancelled_ends_the_waiting():
    """A coroutine that cancels itself raises in its caller instead of leaving it waiting for ever."""

    async def give_up():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(concurrent.futures.CancelledError):
        _sync.run(give_up())


def test_a_plain_call_on_the_engine_s_own_loop_is_refused():
    """Waiting on the loop for the loop would never end, so it is refused with a sentence."""

    async def inside():
        _sync.run(answer(1))

    with pytest.raises(UsageError, match="await"):
        _sync.run(inside())


def test_the_caller_is_called_back_while_it_waits():
    """The tick runs on the caller's own thread, and once more when the work is done."""
    threads, gate = [], threading.Event()

    async def wait():
        while not gate.is_set():  # noqa: ASYNC110  the gate is opened by another thread
            await asyncio.sleep(0.001)

    def tick():
        threads.append(threading.current_thread())
        if len(threads) == 2:
            gate.set()

    _sync.run(wait(), on_tick=tick)
    assert len(threads) >= 3
    assert set(threads) == {threading.current_thread()}


def test_cancelling_the_awaiting_task_cancels_the_work():
    """When the awaiting task is cancelled, the coroutine behind it is cancelled too."""
    ended = threading.Event()

    async def long():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def cell():
        task = asyncio.create_task(_sync.bridge(long()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cell())
    assert ended.wait(5)


def test_ctrl_c_cancels_the_work_and_gives_control_back():
    """An interrupt reaches the waiting caller within a second, after the coroutine has put its affairs in order."""
    code = textwrap.dedent(
        """
        import asyncio, sys, time
        from toolkit import _sync

        async def work():
            print("ready", flush=True)
            try:
                await asyncio.sleep(60)
            finally:
                print("tidied", flush=True)

        try:
            _sync.run(work())
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(_sync.run(asyncio.sleep(0, "usable")), flush=True)
        """
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert out.split() == ["tidied", "interrupted", "usable"]


def test_a_forked_child_has_a_loop_of_its_own():
    """After a fork the child works too."""
    _sync.run(answer(1))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, str(_sync.run(answer(7))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 10) == b"7"
    os.close(read_end)
    os.close(write_end)


def test_mistake_while_painting_ends_the_waiting_and_the_work() -> None:
    """What `on_tick` raises reaches the one who awaits, and the coroutine is cancelled."""
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    def paint() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(_sync.bridge(work(), on_tick=paint))
    assert ended.wait(5)


def test_many_calls_from_many_threads_all_come_back() -> None:
    """Calls that several loops hand over at once all get their own answers."""

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def many(first: int) -> list[int]:
        return list(await asyncio.gather(*(_sync.bridge(double(first + number)) for number in range(200))))

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda first: asyncio.run(many(first)), range(0, 4000, 1000)))
    assert found == [[2 * (first + number) for number in range(200)] for first in range(0, 4000, 1000)]
