"""Takes prompts from what the run store last saw of them, for when their source cannot be reached."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from toolkit._records import Prompt
from toolkit.errors import PromptError, PromptSourceError
from toolkit.prompts import Selector

Offline = Literal["error", "snapshot"]
"""What to do when a prompt source cannot be reached: refuse, or take what was last seen."""

Seen = tuple[Prompt, dt.datetime]
"""A prompt as a plan pinned it, and when (UTC)."""


def is_outage(error: PromptError) -> bool:
    """Tells that a source could not be reached or failed; a refused key, a missing prompt and nonsense are no outage.

    Example:
        >>> is_outage(PromptSourceError("down", status=503)), is_outage(PromptSourceError("key", status=401))
        (True, False)
    """
    return isinstance(error, PromptSourceError) and (error.status is None or error.status == 429 or error.status >= 500)


def last_seen(seen: Sequence[Seen], selector: Selector) -> list[Prompt]:
    """Returns the newest snapshots that a selector fits, oldest version first, each marked with when it was seen.

    A label is looked for as it stood then; without version and label it is `production`, or else the newest snapshot.

    Args:
        seen: Snapshots of one prompt.
        selector: Which versions are asked for.
    """
    newest_first = sorted(seen, key=lambda each: each[1], reverse=True)
    by_version: dict[str, Seen] = {}
    for each in newest_first:
        by_version.setdefault(each[0].version, each)
    if selector.kind == "version":
        chosen = [each for version, each in by_version.items() if version == selector.value]
    elif selector.kind == "label":
        chosen = [each for each in newest_first if selector.value in (each[0].label, *each[0].labels)][:1]
    elif selector.kind == "default":
        chosen = [each for each in newest_first if "production" in each[0].labels][:1] or newest_first[:1]
    else:
        fits = [(_number(version), each) for version, each in by_version.items()]
        every = selector.kind == "all"
        first, last = selector.first or 0, selector.last or 0
        chosen = [each for number, each in sorted(fits, key=lambda fit: fit[0]) if every or first <= number <= last]
    label = selector.value if selector.kind == "label" else None
    return [replace(prompt, label=label, snapshot_at=f"{seen_at:%Y-%m-%dT%H:%M:%SZ}") for prompt, seen_at in chosen]


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else -1
