"""Has what several tables and sentences of one run are made of made once, while all of them are made."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Concatenate, ParamSpec, TypeVar

from toolkit._records import RunView

P = ParamSpec("P")
T = TypeVar("T")

# By function, run and arguments: the run too, so that no other one gets its identity meanwhile.
_made: ContextVar[dict[tuple[object, ...], tuple[RunView, object]] | None] = ContextVar("made", default=None)


@contextlib.contextmanager
def made_once() -> Iterator[None]:
    """For the length of the block, functions that are `shareable` make their value once for each run.

    Nothing is kept behind the block: of a large run it is as large again. A block within another is part of it.
    """
    if _made.get() is not None:
        yield
        return
    before = _made.set({})
    try:
        yield
    finally:
        _made.reset(before)


def shareable(make: Callable[Concatenate[RunView, P], T]) -> Callable[Concatenate[RunView, P], T]:
    """Returns a function of a run that makes its value once within `made_once`, and at every call outside of it.

    Whoever gets the value must not change it.

    Args:
        make: Makes it from a run, which is frozen, and arguments that can be hashed.
    """

    @functools.wraps(make)
    def found(view: RunView, /, *args: P.args, **kwargs: P.kwargs) -> T:
        made = _made.get()
        if made is None:
            return make(view, *args, **kwargs)
        key = (make, id(view), args, tuple(kwargs.items()))
        if key not in made:
            made[key] = view, make(view, *args, **kwargs)
        value: T = made[key][1]  # type: ignore[assignment]  # this function put it there
        return value

    return found
