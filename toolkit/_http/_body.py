"""Bodies as values: JSON in and out, text by its charset, decompression that stops at a cap."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

from toolkit._http._failure import HttpFailure
from toolkit._http._wire import Answer
from toolkit._redact import redact

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Most bytes of one answer after decompression; more is not read."""


_GZIP = b"\x1f\x8b"


class BodyReader:
    """Reads an answer's body piece by piece, decompressed, and stops at the cap before it holds more.

    Args:
        answer: Whose head has arrived.
        at_most: Most bytes after decompression.
    """

    __slots__ = ("_answer", "_at_most", "_inflater", "_size")

    def __init__(self, answer: Answer, *, at_most: int = MAX_BODY_BYTES) -> None:
        encoding = answer.headers.get("content-encoding", "identity").strip().lower()
        self._answer = answer
        self._at_most = at_most
        self._inflater = None if answer.is_decoded or encoding in ("identity", "") else _Inflater(encoding)
        self._size = 0

    async def next_part(self) -> bytes:
        """Returns the next piece as soon as it is there; empty at the end.

        Raises:
            HttpFailure: If the connection breaks, or the body is larger than the cap or cannot be decompressed.
        """
        while raw := await self._answer.next_part():
            part = raw if self._inflater is None else self._inflater.feed(raw, at_most=self._at_most - self._size + 1)
            self._size += len(part)
            if self._size > self._at_most:
                message = f"the answer is larger than {self._at_most:,} bytes"
                raise HttpFailure("too_large", message, request_sent=True)
            if part:
                return part
        if self._inflater is not None and not self._inflater.is_whole:
            raise HttpFailure("connection", "the compressed answer breaks off", request_sent=True)
        return b""

    async def rest(self) -> bytes:
        """Returns everything up to the end; raises as `next_part`."""
        parts = []
        while part := await self.next_part():
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class _Inflater:
    """Decompresses piece by piece and never makes more than it is allowed: a small answer can hold gigabytes."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            message = f"an answer with content-encoding {encoding!r}, which was not asked for"
            raise HttpFailure("malformed", message, request_sent=True)
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._is_begun = False

    @property
    def is_whole(self) -> bool:
        return self._zlib.eof or not self._is_begun

    def feed(self, raw: bytes, *, at_most: int) -> bytes:
        """Returns what `raw` adds, cut at `at_most` bytes."""
        try:
            part = self._feed(raw, at_most)
            # Gzip may come as several pieces, each whole by itself, one after the other; anything else is padding.
            while self._zlib.eof and len(part) < at_most and (rest := self._zlib.unused_data)[:2] == _GZIP:
                self._zlib = zlib.decompressobj(zlib.MAX_WBITS | 32)
                part += self._zlib.decompress(rest, at_most - len(part))
        except zlib.error as error:
            raise HttpFailure("malformed", "a compressed answer that cannot be read", request_sent=True) from error
        return part

    def _feed(self, raw: bytes, at_most: int) -> bytes:
        if self._zlib.eof and len(self._zlib.unused_data) > len(_GZIP):
            return b""  # padding, of which none is kept
        try:
            return self._zlib.decompress(raw, at_most)
        except zlib.error:
            if self._is_begun:
                raise
            # Some servers send deflate without its header.
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._zlib.decompress(raw, at_most)
        finally:
            self._is_begun = True


# Made once: `json.dumps` and `json.loads` make a new one for every call with options.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_json(value: Any) -> bytes:
    """Returns `value` as UTF-8 JSON for a request body; lone surrogates stay escaped."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def parse_json(text: str) -> Any:
    """Returns JSON data; numbers that JSON does not know (NaN, infinities, 1e999) become `None`.

    Raises:
        ValueError: If `text` is not JSON.
    """
    return _DECODER.decode(text)


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite_or_none)


def describe_body(text: str) -> str:
    """Returns one line on a body that is not what was to come: its kind and its beginning, credentials masked.

    Example:
        >>> describe_body("<!DOCTYPE html><title>Login</title>")
        'an HTML page instead of JSON (a login page or a wrong address?): <!DOCTYPE html><title>Login</title>'
        >>> describe_body('{"detail": "Not Found"}')
        'JSON of another form than expected: {"detail": "Not Found"}'
    """
    beginning = redact(" ".join(text[:2000].split()))[:200]
    if not beginning:
        return "an empty body instead of JSON"
    if beginning.lower().startswith(("<!doctype", "<html", "<head", "<?xml")):
        return f"an HTML page instead of JSON (a login page or a wrong address?): {beginning}"
    try:
        parse_json(text)
    except (ValueError, RecursionError):
        return f"a body that is not JSON: {beginning}"
    return f"JSON of another form than expected: {beginning}"


def decode_text(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Returns the body as text by its declared charset, UTF-8 by default, and whether bytes had to be replaced."""
    content_type = headers.get("content-type", "")
    _, _, charset = content_type.lower().partition("charset=")
    charset = charset.split(";")[0].strip(" \"'") or "utf-8"
    try:
        return body.decode(charset).removeprefix("\ufeff"), False
    except (LookupError, ValueError):  # bytes that are none of its, a charset that nobody knows, or one that is none
        return _repaired(body, charset)


def _repaired(body: bytes, charset: str) -> tuple[str, bool]:
    try:
        return body.decode(charset, "replace").removeprefix("\ufeff"), True
    except (LookupError, ValueError):
        text = body.decode("utf-8", "replace")
        # A charset that nobody knows, around good UTF-8, lost nothing.
        return text.removeprefix("\ufeff"), "\ufffd" in text
