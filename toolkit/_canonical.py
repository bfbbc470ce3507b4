"""Canonical JSON and the tagged content hash that trial, request and prompt identities are made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Made once: `json.dumps` makes a new one for every call with options.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_json(value: Any) -> str:
    r"""Returns the one JSON text that stands for `value`: keys sorted, no spaces, ASCII, integral floats as integers.

    Equal values give equal texts in any process on any day. `1.0` and `1` are one JSON number (as in RFC 8785), so
    `{"temperature": 0}` and `{"temperature": 0.0}` are the same. Lone surrogates survive as `\udXXX` escapes.

    Args:
        value: Mappings with string keys, sequences, strings, numbers, booleans and `None`, nested freely.

    Raises:
        ValueError: If a number is NaN or infinite.
        TypeError: If a value is of another type or a key is not a string.

    Example:
        >>> canonical_json({"b": 1.0, "a": [True, None]})
        '{"a":[true,null],"b":1}'
    """
    return _ENCODER.encode(_plain(value))


def content_hash(tag: str, value: Any) -> str:
    """Returns `tag:` and 32 hex digits: the first half of SHA-256 over the canonical JSON of `value`.

    The tag names the scheme (`r1` = request, first scheme), so that a later change of what goes in is seen as another
    tag instead of silently splitting what was stored.

    Example:
        >>> content_hash("x1", {"a": 1}) == content_hash("x1", {"a": 1.0})
        True
    """
    return f"{tag}:{hashlib.sha256(canonical_json(value).encode('ascii')).hexdigest()[:32]}"


def _plain(value: Any) -> Any:
    if type(value) is str or value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"A key of canonical JSON must be a string, not {key!r}.")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical JSON form: {value!r}.")
