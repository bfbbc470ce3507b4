"""The key that judges' marks are made with: random, made once, beside the run store, for its owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from toolkit.errors import StoreError

FILE_NAME = "judge.key"

_KEY_BYTES = 32


def mark_key(home: Path) -> bytes:
    """Returns the key of a store's folder; makes it when there is none.

    Without it the marks of calls made earlier would be others, and judges would be asked again.

    Raises:
        StoreError: If it can be neither read nor made, or is damaged; names the file.
    """
    path = home / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise StoreError(f"The key for judging, {str(path)!r}, cannot be read or made: {error}.") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StoreError(
            f"The key for judging, {str(path)!r}, is damaged; delete it. A new one is made, and what was judged "
            "before will be sent to its judges again."
        )
    return key


def _make(path: Path) -> None:
    """Writes a new key whole, or leaves that which another process has made meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(own)
    finally:
        own.unlink(missing_ok=True)
