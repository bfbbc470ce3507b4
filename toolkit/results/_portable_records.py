"""Records as JSON and back: plain fields only, and every field of the kind that the record says."""

from __future__ import annotations

import datetime as dt
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from toolkit._records import FrozenDict, freeze

_Record = TypeVar("_Record")


def fields_of(record: Any) -> dict[str, Any]:
    """Returns a record's fields as JSON has them: records in it likewise, moments as ISO 8601; defaults are left out.

    Example:
        >>> from toolkit._records import Case, FrozenDict
        >>> fields_of(Case(index=3, variables=FrozenDict({"q": "why"})))
        {'index': 3, 'variables': {'q': 'why'}}
    """
    return {name: _as_json(value) for name, value in _given(record)}


def _given(record: Any) -> list[tuple[str, Any]]:
    found = []
    for field in fields(record):
        value = getattr(record, field.name)
        is_default = field.default is not MISSING and type(value) is type(field.default) and value == field.default
        if not is_default:
            found.append((field.name, value))
    return found


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return fields_of(value)
    return value.isoformat() if isinstance(value, dt.datetime) else value


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """Returns JSON's values with `mask` over every text in them, names in nested maps included, names of fields not.

    Example:
        >>> masked({"text": ["a key"]}, lambda text: text.replace("key", "****"))
        {'text': ['a ****']}
    """
    if isinstance(value, dict):
        return {name: _masked_below(held, mask) for name, held in value.items()}
    return _masked_below(value, mask)


def _masked_below(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {mask(name): _masked_below(held, mask) for name, held in value.items()}
    return [_masked_below(each, mask) for each in value] if isinstance(value, list | tuple) else value


def record_of(kind: type[_Record], values: Mapping[str, Any]) -> _Record:
    """Returns the record that `fields_of` gave these values; fields that this version does not know are left out.

    Raises:
        TypeError: If a field is missing or of another kind than the record says.

    Example:
        >>> from toolkit._records import Case
        >>> record_of(Case, {"index": 3, "variables": {"q": "why"}}).variables
        {'q': 'why'}
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"a record {kind.__name__} is a {type(values).__name__}.")
    # The cache's stub does not take a type variable for something that can be a key.
    hints = _hints(typing.cast(Any, kind))
    known = {name: value for name, value in values.items() if name in hints}
    return kind(**{name: _fitted(value, hints[name], f"{kind.__name__}.{name}") for name, value in known.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _fitted(value: Any, hint: Any, where: str) -> Any:
    """Returns the value in the form that the field has, or raises `TypeError`."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for option in options:
        fits, made = _as_option(value, option, where)
        if fits:
            return made
    raise TypeError(f"{where} is a {type(value).__name__}.")


def _as_option(value: Any, option: Any, where: str) -> tuple[bool, Any]:
    origin = get_origin(option)
    if option is Any:
        return True, freeze(value)
    if origin is Literal:
        return value in get_args(option), value
    if option is type(None):
        return value is None, None
    if option is FrozenDict:
        return isinstance(value, Mapping), freeze(value)
    if origin is tuple:
        inner = get_args(option)[0]
        is_listed = isinstance(value, list | tuple)
        return is_listed, tuple(_fitted(each, inner, where) for each in value) if is_listed else None
    if isinstance(option, type) and is_dataclass(option):
        if type(value) is option:
            return True, value
        return isinstance(value, Mapping), record_of(option, value) if isinstance(value, Mapping) else None
    if option is dt.datetime:
        return isinstance(value, str), dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    if option is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number, float(value) if is_number else None
    return type(value) is option, value
