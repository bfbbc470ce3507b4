"""How a widget stands in the place of its own static HTML: a class to find it by, and the program that does it."""

from __future__ import annotations

import uuid
from pathlib import Path

PAGE_PROGRAM = (Path(__file__).parent / "static" / "page.js").read_text(encoding="utf-8")
"""What our programs share; it stands before each."""


def new_slot() -> str:
    """Returns a class that no other element has."""
    return f"pk-slot-{uuid.uuid4().hex[:12]}"
