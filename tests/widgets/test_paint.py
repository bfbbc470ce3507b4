"""When widgets are redrawn, and what becomes of errors in their callbacks."""

from __future__ import annotations

import itertools
import threading

import pytest

from toolkit.errors import ProviderError
from toolkit.widgets import Coalescer, guarded
from toolkit.widgets._paint import error_words
from toolkit.widgets._status import StatusLine


class Time:
    """A clock that is moved by hand, and the calls that wait for it."""

    def __init__(self):
        self.now = 100.0
        self.waiting = []

    def clock(self):
        return self.now

    def later(self, delay_s, call):
        waits = Waiting(self.now + delay_s, call)
        self.waiting.append(waits)
        return waits

    def move(self, seconds):
        self.now += seconds
        due = [each for each in self.waiting if each.at <= self.now + 1e-9]
        self.waiting = [each for each in self.waiting if each not in due]
        for each in due:
            if not each.is_cancelled:
                each.call()


class Waiting:
    def __init__(self, at, call):
        self.at, self.call, self.is_cancelled = at, call, False

    def cancel(self):
        self.is_cancelled = True


def view(every_s=0.15):
    """Returns a time, a coalescer on it, and the times at which it painted."""
    time, painted = Time(), []
    return (
        time,
        Coalescer(lambda: painted.append(time.now), every_s=every_s, clock=time.clock, later=time.later),
        painted,
    )


def test_the_first_wish_is_painted_at_once():
    """A view that has not been painted for long enough is painted by the wish itself."""
    _, paints, painted = view()
    paints.ask()
    assert painted == [100.0]


def test_many_wishes_are_one_paint_every_150_ms():
    """A thousand wishes in a second are at most seven paints, 0.15 seconds apart."""
    time, paints, painted = view()
    for _ in range(1000):
        paints.ask()
        time.move(0.001)
    time.move(1)
    gaps = [after - before for before, after in itertools.pairwise(painted)]
    assert len(painted) <= 8
    assert min(gaps) >= 0.15 - 1e-9


def test_a_wish_is_never_the_last_thing_that_happened():
    """After the last wish there is one more paint, however soon after a paint it came."""
    time, paints, painted = view()
    paints.ask()
    time.move(0.01)
    paints.ask()
    assert painted == [100.0]
    time.move(0.14)
    assert painted == [100.0, pytest.approx(100.15)]


def test_a_flush_paints_now_and_once():
    """A flush paints without waiting, and the paint that was waiting falls away."""
    time, paints, painted = view()
    paints.ask()
    paints.ask()
    time.move(0.05)
    paints.flush()
    time.move(1)
    assert painted == [100.0, pytest.approx(100.05)]


def test_a_closed_view_is_not_painted():
    """After closing, neither a wish, nor a flush, nor a paint that was waiting draws anything."""
    time, paints, painted = view()
    paints.ask()
    paints.ask()
    paints.close()
    paints.ask()
    paints.flush()
    time.move(1)
    assert painted == [100.0]


def test_wishes_of_many_threads_paint_the_last_state():
    """Sixteen threads that change a state and ask leave a view that shows the last of it, and paints never overlap."""
    state, shown, inside, overlaps = [0], [], threading.Lock(), []

    def paint():
        if not inside.acquire(blocking=False):
            overlaps.append(True)
            return
        shown.append(state[0])
        inside.release()

    paints = Coalescer(paint, every_s=0.001)

    def work():
        for _ in range(200):
            with lock:
                state[0] += 1
            paints.ask()

    lock = threading.Lock()
    threads = [threading.Thread(target=work) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    paints.flush()
    assert overlaps == []
    assert shown[-1] == 3200


def test_a_callback_s_error_is_told_in_the_widget():
    """What a callback raises is shown by type, message and hint, and goes no further."""
    status = StatusLine()

    def broken(change):
        raise ValueError(f"no version {change!r}")

    guarded(status.fail, broken, hint="Refresh the list.")("9")
    assert status.words == "ValueError: no version '9'. Refresh the list."
    assert "--jp-error-color1" in status.value


def test_an_error_shows_no_credential():
    """A key in an error's message is masked before it is shown."""
    key = "sk-" + "a1B2" * 10
    assert key not in error_words(ProviderError(f"refused {key}", provider="openai", model="m"))


def test_a_status_line_is_text():
    """Whatever is said in a status line is shown as written, and screen readers are told of it."""
    status = StatusLine()
    status.say("<img src=x onerror=alert(1)> on $5")
    assert "<img" not in status.value
    assert "&lt;img src=x onerror=alert(1)&gt;" in status.value
    assert 'role="status"' in status.value
    assert "mathjax_ignore" in status.value
