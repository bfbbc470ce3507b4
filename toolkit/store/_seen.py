"""Prompts as earlier plans pinned them: what is known of a source that cannot be reached."""

from __future__ import annotations

import datetime as dt

from toolkit._records import Prompt
from toolkit.store import _rows
from toolkit.store._store import RunStore


def seen_prompts(store: RunStore, source: str, prompt_id: str) -> list[tuple[Prompt, dt.datetime]]:
    """Returns every snapshot of one prompt that came from its source, with when a plan last pinned it (UTC).

    Args:
        store: The run store.
        source: Name of the prompt source.
        prompt_id: Name within the source.
    """
    query = """
        SELECT prompt_key, snapshot, max(run.created_at) AS seen_at
        FROM prompt JOIN arm USING (prompt_key) JOIN run USING (run_id)
        WHERE json_extract(snapshot, '$.source') = ? AND json_extract(snapshot, '$.prompt_id') = ?
        GROUP BY prompt_key
    """
    with store.reading() as connection:
        rows = connection.execute(query, (source, prompt_id)).fetchall()
    found = [
        (_rows.read_prompt(row["prompt_key"], row["snapshot"]), dt.datetime.fromisoformat(row["seen_at"]))
        for row in rows
    ]
    # What was itself taken from a snapshot tells nothing new.
    return [(prompt, seen_at) for prompt, seen_at in found if prompt.snapshot_at is None]
