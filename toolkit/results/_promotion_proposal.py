"""What a promotion would do and why it may, as values; and the evidence that is kept of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from toolkit._canonical import content_hash
from toolkit._redact import redact
from toolkit.errors import PromotionRefusedError
from toolkit.prompts import Evidence
from toolkit.results._diff import Piece
from toolkit.results._promotion_gate import Gate

State = Literal["waiting", "moved", "rolled back"]
"""How far a promotion is: not confirmed yet, the label moved, the label put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a promotion would do, and why it may."""

    source: str
    prompt_id: str
    label: str
    version: str
    """Version that gets the label."""
    held_by: str | None
    """Version that has it; `None` = none has."""
    against: str
    """Version that it was measured against: the one that has the label, where one has."""
    fingerprint: str
    """Of the content that was measured."""
    run_id: str
    gate: Gate
    verdict: tuple[str, ...]
    """Each comparison in a sentence."""
    change: tuple[Piece, ...]
    """What the version changes, word by word."""
    note: str = ""
    """How the run was stopped before its end; empty when it was not."""
    link: str | None = None
    """Page of the results, where they have one."""

    @property
    def reference(self) -> str:
        """The version that gets the label: `folder:reply@8`."""
        return f"{self.source}:{self.prompt_id}@{self.version}"


def evidence_of(
    proposal: Proposal,
    move: Literal["promotion", "rollback"],
    *,
    came_from: str | None,
    went_to: str | None,
    at: dt.datetime,
) -> Evidence:
    """Returns what is kept of a move that was made.

    Args:
        proposal: The promotion that it belongs to.
        move: Which way.
        came_from: Version that had the label before; `None` = none had.
        went_to: Version that has it now; `None` = none has.
        at: When it was moved (UTC).
    """
    facts: dict[str, object] = {
        "move": move,
        "prompt": f"{proposal.source}:{proposal.prompt_id}",
        "label": proposal.label,
        "from": came_from,
        "to": went_to,
        "at": at.isoformat(timespec="seconds"),
        "run_id": proposal.run_id,
        "promptsweep": metadata.version("promptsweep"),
    }
    facts |= {"link": proposal.link} if proposal.link is not None else {}
    if move == "promotion":
        facts |= {
            "score": proposal.gate.score,
            "level": proposal.gate.level,
            "conditions": [
                {"what": each.what, "found": each.found, "asked": each.asked, "sentence": redact(each.sentence)}
                for each in proposal.gate.conditions
            ],
        }
        facts |= {"note": proposal.note} if proposal.note else {}
    key = content_hash("e1", {**facts, "moved_at": at.isoformat()})
    return Evidence(
        prompt_id=proposal.prompt_id,
        version=proposal.version,
        label=proposal.label,
        key=key,
        text=redact(_told(proposal, move, came_from, went_to, at)),
        facts=facts,
    )


def _told(
    proposal: Proposal,
    move: Literal["promotion", "rollback"],
    came_from: str | None,
    went_to: str | None,
    at: dt.datetime,
) -> str:
    """The evidence as Markdown, for people."""
    before = "no version" if came_from is None else f"version {came_from}"
    after = "no version" if went_to is None else f"version {went_to}"
    what = "Promotion" if move == "promotion" else "Rollback"
    lines = [f"**{what}**: the label `{proposal.label}` moved from {before} to {after} on {at:%Y-%m-%d %H:%M} UTC."]
    if move == "promotion":
        lines += ["", *(f"- {each.what}: {each.sentence}" for each in proposal.gate.conditions)]
        lines += [f"- {proposal.note}"] if proposal.note else []
    page = f"; {proposal.link}" if proposal.link is not None else ""
    return "\n".join([*lines, "", f"Run `{proposal.run_id}`, score `{proposal.gate.score}`{page}."])


def edited(reference: str, run_id: str) -> PromotionRefusedError:
    """Returns the refusal of a version that was edited since it was measured."""
    return PromotionRefusedError(
        f"{reference!r} has other content now than in run {run_id!r}, so that the run proves nothing of it; nothing "
        "was moved. Next: sweep it again."
    )
