"""Writes a file whole or not at all: beside its place, made durable, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from toolkit.errors import UsageError


def as_path(path: str | os.PathLike[str], what: str) -> Path:
    """Returns a path that can be asked for.

    Args:
        path: As the caller gave it.
        what: What it is, for the message.

    Raises:
        UsageError: If it is no path, or holds a NUL, which no file system takes.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{what} is a path, as text or a Path; got a {type(path).__name__}: {path!r}.")
    if "\x00" in os.fspath(path):
        raise UsageError(f"{what} is a path without NUL characters; got {os.fspath(path)!r}.")
    return Path(path)


def suffix_of(path: Path, known: Iterable[str]) -> str:
    """Returns the kind that a file's name ends with, in small letters.

    Raises:
        UsageError: If it is none of `known`, or the folder does not exist.
    """
    suffix = path.suffix.lower()
    names = sorted(known)
    if suffix not in names:
        raise UsageError(f"{str(path)!r} cannot be written; choose a name that ends in {', '.join(names)}.")
    if not path.parent.is_dir():
        raise UsageError(f"The folder {str(path.parent)!r} does not exist; make it first.")
    return suffix


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside the target, makes it durable, then renames: a reader sees the old file or the new one.

    Raises:
        UsageError: If it cannot be written; nothing is left beside it.
    """
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error
