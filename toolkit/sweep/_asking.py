"""How a run of calls about other answers is started and waited for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from toolkit.engine import Engine
from toolkit.results import Results
from toolkit.sweep._plan import Plan
from toolkit.sweep._runner import Limits


class Attended(Protocol):
    """A run of calls that is waited for."""

    def attend(self) -> Results:
        """Sends what is to be sent and returns the results; an interrupt stops it."""
        ...

    async def attended(self) -> Results:
        """As `attend`, awaited."""
        ...


Prepare: TypeAlias = Callable[[Plan, Engine, Limits], Coroutine[Any, Any, Attended]]
"""Puts a plan on record and returns its run."""
