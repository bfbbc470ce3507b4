"""Adds one live call to the run of its day: run, arm, case, trial and attempt in one write."""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass
from typing import Any

from toolkit._records import Arm, Case, Prompt
from toolkit.store import _rows
from toolkit.store._bodies import json_text
from toolkit.store._places import give_places
from toolkit.store._process import this_process
from toolkit.store._tables import ARM, ATTEMPT, BEGIN_ATTEMPT, CASE, RUN, TRIAL

TRAFFIC = "traffic-"
"""What the id of a run of live calls begins with; its UTC day follows: `traffic-2026-11-22`."""

# A day's traffic uses few prompts; the bound is for one that changes all the time.
_MOST_SNAPSHOTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """One call as rows, made outside the writer's thread."""

    run_id: str
    created_at: str
    toolkit_version: str
    prompt: tuple[str, str]
    """Key and snapshot."""
    arm: tuple[Any, ...]
    """Row from `model` on; together with the prompt's key it is what makes an arm."""
    variables: str
    expected: str
    trial_id: str
    request_key: str
    sent_at: str
    reserved_usd: float | None = None


class Snapshots:
    """Keys and JSON of prompts that were met, so that each is hashed once."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Prompt, tuple[str, str]]] = {}

    def row(self, prompt: Prompt) -> tuple[str, str]:
        """Returns key and JSON of a prompt's snapshot."""
        kept = self._kept.get(id(prompt))
        # The prompt is kept too, so that its id is nobody else's meanwhile.
        if kept is not None and kept[0] is prompt:
            return kept[1]
        if len(self._kept) >= _MOST_SNAPSHOTS:
            self._kept.clear()
        row = _rows.prompt_row(prompt)
        self._kept[id(prompt)] = (prompt, row)
        return row


def new_call(
    *,
    run_id: str,
    arm: Arm,
    case: Case,
    trial_id: str,
    request_key: str,
    sent_at: dt.datetime,
    snapshots: Snapshots,
    toolkit_version: str,
    reserved_usd: float | None = None,
) -> NewCall:
    """Returns a call as rows; the indexes of arm and case are given by the store."""
    prompt = snapshots.row(arm.prompt)
    moment = sent_at.isoformat()
    return NewCall(
        run_id=run_id,
        created_at=moment,
        toolkit_version=toolkit_version,
        prompt=prompt,
        arm=_rows.arm_row(run_id, arm, prompt[0])[3:],
        variables=json_text(case.variables),
        expected=json_text(case.expected),
        trial_id=trial_id,
        request_key=request_key,
        sent_at=moment,
        reserved_usd=None if reserved_usd is None else float(reserved_usd),
    )


def append_call(connection: sqlite3.Connection, call: NewCall) -> int | None:
    """Writes a call and returns its attempt's number; everything is read here, as other processes write too."""
    run_id = call.run_id
    last = connection.execute("SELECT max(position) FROM trial WHERE run_id = ?", (run_id,)).fetchone()[0]
    if last is None:
        connection.execute(RUN.add, RUN.sealed((run_id, call.created_at, 0, call.toolkit_version, None)))
    # Each call has a case of its own, so that its place among the trials is its case's index too.
    position = 0 if last is None else last + 1
    arm = _find_arm(connection, call)
    connection.execute(CASE.insert, CASE.sealed((run_id, position, call.variables, call.expected)))
    place = give_places(connection, [call.trial_id])[call.trial_id]
    connection.execute(TRIAL.insert, TRIAL.sealed((run_id, position, call.trial_id, arm, position, 0, place)))
    attempt = (run_id, call.trial_id, call.request_key, call.sent_at, this_process().key, call.reserved_usd)
    return connection.execute(BEGIN_ATTEMPT, (None, place, *ATTEMPT.sealed(attempt))).lastrowid


def _find_arm(connection: sqlite3.Connection, call: NewCall) -> int:
    found = connection.execute(
        "SELECT arm FROM arm WHERE run_id = ? AND prompt_key = ? AND model = ? AND model_source = ? AND provider = ? "
        "AND model_sent = ? AND params = ?",
        (call.run_id, call.prompt[0], *call.arm),
    ).fetchone()
    if found is not None:
        return int(found[0])
    connection.execute("INSERT OR IGNORE INTO prompt VALUES (?, ?)", call.prompt)
    arm = int(connection.execute("SELECT count(*) FROM arm WHERE run_id = ?", (call.run_id,)).fetchone()[0])
    connection.execute(ARM.insert, ARM.sealed((call.run_id, arm, call.prompt[0], *call.arm)))
    return arm
