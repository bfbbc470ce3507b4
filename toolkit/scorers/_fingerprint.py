"""Versions of scoring functions: a hash of what one is made of, so that a changed function is told from the old."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

UNVERSIONED = "unversioned"
"""Version of a function that depends on something which cannot be compared; its scores are never taken for new ones."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis))

# Installed packages change by an update of their version, the modules of a project at any time.
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")


class _UnknownError(Exception):
    """Something that a function reads cannot be compared."""


def function_version(function: Callable[..., Any]) -> str:
    """Returns a hash of a function's code, defaults, enclosed values and the global names that it reads.

    Functions that it calls count in full, modules of installed packages by name and version. A function that reads
    anything else, such as an object of a class of one's own, is `UNVERSIONED`.

    Example:
        >>> def short(text, most=100): return len(text) < most
        >>> function_version(short) == function_version(lambda text, most=100: len(text) < most)
        False
    """
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    try:
        for part in _parts(function, {}):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\x00")
    except _UnknownError:
        return UNVERSIONED
    return f"f1:{digest.hexdigest()[:32]}"


def _parts(value: Any, seen: dict[int, Any]) -> Iterator[str]:
    """Yields texts that are equal for equal values, and only for those."""
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, types.CodeType):
        yield from _of_code(value, seen)
    elif isinstance(value, functools.partial):
        yield "partial"
        yield from _parts([value.func, list(value.args), value.keywords], seen)
    elif isinstance(value, types.FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, types.ModuleType):
        yield f"module {_installed(value.__name__, value)} {getattr(value, '__version__', '')}"
    elif isinstance(value, type | types.BuiltinFunctionType):
        module = sys.modules.get(value.__module__ or "")
        yield f"{type(value).__name__} {_installed(value.__module__, module)} {value.__qualname__}"
    elif isinstance(value, re.Pattern):
        yield f"pattern {value.pattern!r} {value.flags}"
    else:
        yield from _of_collection(value, seen)


def _of_collection(value: Any, seen: dict[int, Any]) -> Iterator[str]:
    kind = type(value)
    if kind not in (list, tuple, dict, set, frozenset):
        raise _UnknownError
    if id(value) in seen:
        yield "again"
        return
    # Kept, not only its number: a list that is gone would leave its number to the next one.
    seen[id(value)] = value
    yield f"{kind.__name__} {len(value)}"
    if kind in (set, frozenset):
        yield from sorted("\x01".join(_parts(each, seen)) for each in value)
        return
    for each in value.items() if kind is dict else value:
        yield from _parts(each, seen)


def _of_function(function: types.FunctionType, seen: dict[int, Any]) -> Iterator[str]:
    if id(function) in seen:
        yield f"again {function.__qualname__}"
        return
    seen[id(function)] = function
    yield f"function {function.__qualname__}"
    yield from _of_code(function.__code__, seen)
    yield from _parts([function.__defaults__, function.__kwdefaults__], seen)
    try:
        read = inspect.getclosurevars(function)
    except ValueError as error:  # it reads a name that is not set yet
        raise _UnknownError from error
    for names in (read.nonlocals, read.globals):
        for name in sorted(names):
            yield name
            yield from _parts(names[name], seen)
    # Functions written inside this one read global names as well.
    for inner in _inner_code(function.__code__):
        for name in sorted(set(inner.co_names) & function.__globals__.keys() - read.globals.keys()):
            yield name
            yield from _parts(function.__globals__[name], seen)


def _of_code(code: types.CodeType, seen: dict[int, Any]) -> Iterator[str]:
    yield f"code {code.co_code.hex()} {code.co_names!r} {code.co_varnames!r} {code.co_freevars!r} {code.co_flags}"
    # The docstring stands first among the constants, and says nothing of what is computed.
    for constant in code.co_consts:
        yield from _parts(constant, seen)


def _inner_code(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _inner_code(constant)


def _installed(name: str | None, module: types.ModuleType | None) -> str:
    """Returns a module's name when it belongs to Python or to an installed package."""
    if name and name.partition(".")[0] in sys.stdlib_module_names and name != "__main__":
        return name
    if name and module is not None and _INSTALLED.search(getattr(module, "__file__", None) or ""):
        return name
    raise _UnknownError
