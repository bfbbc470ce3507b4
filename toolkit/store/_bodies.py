"""Packs an answer's body for the store: JSON in which the answer's text is left out, for it stands beside."""

from __future__ import annotations

import json
import zlib
from typing import Any

from toolkit._records import FrozenDict

# Made once: `json.dumps` makes a new one for every call with options.
_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))

# Compressing costs more than all else that is done with an answer, and most bodies are short without their text.
_SHORT_BYTES = 4096

# Below this there is nothing to save.
_LONG_TEXT = 64

# Before a body without its text; what stands in the text's place.
_CUT = b"T"
_HOLE = "\x00"
_HOLE_JSON = json.dumps(_HOLE).encode("ascii")

_PLAIN = frozenset({int, float, bool, type(None)})


def json_text(value: Any) -> str:
    """Returns JSON that keeps every number as it is (`1.0` stays `1.0`) and every lone surrogate as an escape."""
    return _ENCODER.encode(value)


def packed(raw: FrozenDict, text: str) -> bytes:
    r"""Returns a body as JSON, without `text` wherever one of its values is just that; a long one compressed.

    Example:
        >>> packed(FrozenDict({"n": 1.0}), "short")
        b'{"n":1.0}'
        >>> packed(FrozenDict({"content": "long " * 20}), "long " * 20)
        b'T{"content":"\\u0000"}'
    """
    if len(text) >= _LONG_TEXT:
        holes: list[str] = []
        made = json_text(_without(raw, text, holes)).encode("ascii")
        # A body that has the sign of a hole in itself is kept whole.
        if holes and made.count(_HOLE_JSON) == len(holes):
            return _CUT + _short(made)
    return _short(json_text(raw).encode("ascii"))


def unpacked(stored: bytes, text: str) -> FrozenDict:
    """Returns the body that `packed` was given, from what it gave and the same text."""
    is_cut = stored.startswith(_CUT)
    made = stored[1:] if is_cut else stored
    # Compressed bytes never begin with a brace, nor with the sign of a body without its text.
    made = made if made.startswith(b"{") else zlib.decompress(made)
    return FrozenDict(json.loads(made.replace(_HOLE_JSON, json_text(text).encode("ascii")) if is_cut else made))


def _short(made: bytes) -> bytes:
    return made if len(made) <= _SHORT_BYTES else zlib.compress(made, 1)


def _without(value: Any, text: str, holes: list[str]) -> Any:
    """The value with a hole in each place of `text`; each is added to `holes`."""
    if type(value) is str:
        if value == text:
            holes.append(value)
            return _HOLE
        return value
    if isinstance(value, dict):
        return {key: each if type(each) in _PLAIN else _without(each, text, holes) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [each if type(each) in _PLAIN else _without(each, text, holes) for each in value]
    return value
