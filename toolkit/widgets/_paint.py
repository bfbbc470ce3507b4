"""When a widget is redrawn, and what becomes of an error in a callback: few paints, never a lost last one or error."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, Protocol

from toolkit._redact import redact
from toolkit.results import for_screen, shorten

EVERY_S = 0.15
"""Seconds from one paint of a view to the next. From about 200 updates a second on, browsers fall behind; from 1,000
on, Jupyter's server drops messages, the last one among them."""

_MOST_CHARACTERS = 600

_log = logging.getLogger("toolkit.widgets")

_P = ParamSpec("_P")


class Delayed(Protocol):
    """A call that is going to be made."""

    def cancel(self) -> None:
        """Prevents the call where it has not begun."""
        ...


def call_later(delay_s: float, call: Callable[[], None]) -> Delayed:
    """Makes a call after some seconds, on a thread of its own that keeps no process alive."""
    timer = threading.Timer(delay_s, call)
    timer.daemon = True
    timer.start()
    return timer


class Coalescer:
    """Makes one paint out of many wishes: at most one in `every_s` seconds, and always one after the last wish.

    Any thread may call it. Paints never overlap. What is painted is read by `paint` itself when its time comes, so
    that it is always the newest state.

    Args:
        paint: Draws the present state; gives nothing back and raises nothing (see `guarded`).
        every_s: Seconds from the end of one paint to the next.
        clock: Seconds that only grow.
        later: Makes a call after some seconds, such as `call_later`.

    Example:
        >>> drawn = []
        >>> paints = Coalescer(lambda: drawn.append("state"))
        >>> for _ in range(1000):
        ...     paints.ask()
        >>> paints.flush()
        >>> len(drawn)
        2
    """

    def __init__(
        self,
        paint: Callable[[], None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], Delayed] = call_later,
    ) -> None:
        self._paint = paint
        self._every_s = every_s
        self._clock = clock
        self._later = later
        self._painting = threading.RLock()
        self._state = threading.Lock()
        self._wanted = False
        self._waiting: Delayed | None = None
        self._next_at = clock()
        self._is_closed = False

    def ask(self) -> None:
        """Asks for a paint: now, on this thread, where the last one is long enough ago; else as soon as it is."""
        with self._state:
            if self._is_closed:
                return
            self._wanted = True
            if self._waiting is not None:
                return
            wait_s = self._next_at - self._clock()
            if wait_s > 0:
                self._waiting = self._later(wait_s, self._due)
                return
            # Whoever asks while this paint is under way waits for the next one.
            self._next_at = self._clock() + self._every_s
        self._draw()

    def flush(self) -> None:
        """Paints now, on this thread, whatever was asked: the last paint of a view."""
        with self._state:
            if self._is_closed:
                return
            self._cancel()
            self._wanted = True
        self._draw()

    def close(self) -> None:
        """Paints no more; a paint under way ends first."""
        with self._state:
            self._is_closed = True
            self._cancel()
        with self._painting:
            pass

    def _due(self) -> None:
        with self._state:
            self._waiting = None
        self._draw()

    def _draw(self) -> None:
        with self._painting:
            with self._state:
                if not self._wanted or self._is_closed:
                    return
                self._wanted = False
            self._paint()
            with self._state:
                self._next_at = self._clock() + self._every_s

    def _cancel(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def guarded(show: Callable[[str], None], call: Callable[_P, object], *, hint: str = "") -> Callable[_P, None]:
    """Returns a callback that never raises: an error becomes words for the widget's own status line, and a log record.

    Jupyter shows nothing of what a callback raises or prints.

    Args:
        show: Takes the words; of an `ErrorLine` its `say`.
        call: What may raise.
        hint: What the user can do, where the error itself does not say.

    Example:
        >>> guarded(print, lambda: 1 / 0, hint="Choose another prompt.")()
        ZeroDivisionError: division by zero. Choose another prompt.
    """

    @functools.wraps(call)
    def careful(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  nobody above a callback shows what it raises: it is painted instead
            _log.warning("A widget's callback failed: %s", error_words(error), exc_info=_is_verbose())
            show(error_words(error, hint=hint))

    return careful


def error_words(error: BaseException, *, hint: str = "") -> str:
    """Returns an error as one line to show: its type, its message without credentials, and what to do.

    Example:
        >>> error_words(ValueError("no such version"), hint="Refresh the list.")
        'ValueError: no such version. Refresh the list.'
    """
    message = for_screen(" ".join(redact(str(error)).split()), keep_lines=False)
    told = f"{type(error).__name__}: {shorten(message, _MOST_CHARACTERS)}" if message else type(error).__name__
    if not hint:
        return told
    return f"{told} {hint}" if told.endswith((".", "!", "?")) else f"{told}. {hint}"


def _is_verbose() -> bool:
    return _log.isEnabledFor(logging.DEBUG)
