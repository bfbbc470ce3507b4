"""What every floor may know of a notebook: whether this process is its kernel, and who shows things there."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

# From a name to `module:attribute`. The roof says it: what shows results lies above them.
_SHOWN_BY: dict[str, str] = {}


def has_kernel() -> bool:
    """Tells whether this process is a notebook's kernel; never imports IPython by itself."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


@contextlib.contextmanager
def hearing_interrupts() -> Iterator[Callable[[], bool]]:
    """Gives what tells whether a notebook's stop button was pressed since the block began.

    A cell that awaits is cancelled by the button, as by anything else that cancels; this tells them apart. Outside a
    notebook, and on other threads than the first, it tells of none.
    """
    heard: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or not has_kernel() or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(heard)
    finally:
        # Whoever put another handler there meanwhile puts back what was there before.
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)


def shown_by(name: str, home: str) -> None:
    """Says where a thing that is shown is made; nothing is imported.

    Args:
        name: What lower floors ask for: `grid`.
        home: `module:attribute`.
    """
    _SHOWN_BY[name] = home


def maker_of(name: str) -> Any:
    """Returns what makes a thing that is shown, imported now.

    Raises:
        KeyError: If nobody said where it is made.
    """
    module, _, attribute = _SHOWN_BY[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
