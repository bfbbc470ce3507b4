"""A label's move to another version of a prompt: proposed with its proof, confirmed, put on record, taken back."""

from __future__ import annotations

import datetime as dt
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

from toolkit import _sync
from toolkit._notebook import has_kernel, maker_of
from toolkit.errors import EvidenceWarning, PromotionRefusedError, PromptError, PromptSourceError, UsageError
from toolkit.prompts import Evidence, PromotingPromptSource
from toolkit.results._html import Safe
from toolkit.results._promotion_gate import Gate
from toolkit.results._promotion_proposal import Proposal, State, edited, evidence_of
from toolkit.results._promotion_source import read_anew
from toolkit.results._promotion_words import promotion_html, promotion_text


class Promotion:
    """The move of a label, with its proof.

    It shows what changes, the verdict and the gate. `state` is `waiting` until it is confirmed.

    Args:
        proposal: What is to be done.
        source: Where the label is moved.
        now: Tells the time (UTC).
    """

    def __init__(
        self,
        proposal: Proposal,
        source: PromotingPromptSource,
        *,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._proposal = proposal
        self._source = source
        self._now = now
        self._lock = threading.Lock()
        self._state: State = "waiting"
        self._evidence: str | None = None
        self._owed: list[Evidence] = []

    @property
    def proposal(self) -> Proposal:
        """What it is about, as values."""
        return self._proposal

    @property
    def gate(self) -> Gate:
        """The conditions, each with its number."""
        return self._proposal.gate

    @property
    def state(self) -> State:
        """`waiting`, `moved` or `rolled back`."""
        return self._state

    @property
    def evidence(self) -> str | None:
        """Where the evidence stands: a path or a link; `None` = none is written yet."""
        return self._evidence

    def confirm(self) -> Promotion:
        """Moves the label, writes the evidence, and returns itself; once it is moved, does nothing.

        Evidence that cannot be written never undoes the move: a warning says so, and `write_evidence` tries again.

        Raises:
            PromotionRefusedError: If the label or the version's content has changed since the gate was held; nothing
                was moved.
            UsageError: If it was rolled back.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        with self._lock:
            if self._state == "rolled back":
                raise UsageError("This promotion was rolled back; results.promote(...) makes another one.")
            if self._state == "waiting":
                mine = self._proposal
                now = _sync.run(read_anew(self._source, mine.prompt_id, mine.version))
                if now.fingerprint != mine.fingerprint:
                    raise edited(mine.reference, mine.run_id)
                _sync.run(_move(self._source, mine, held_by=mine.held_by, version=mine.version))
                self._state = "moved"
                self._owe("promotion", mine.held_by, mine.version)
                self._settle(stacklevel=3)
        return self

    def rollback(self, *, force: bool = False) -> Promotion:
        """Puts the label back on the version that had it, notes that too, and returns itself; once is enough.

        Args:
            force: Whether the label is also taken from somebody who has moved it on since.

        Raises:
            PromotionRefusedError: If it was moved on since and `force` is not given; nothing was moved.
            UsageError: If it was not moved, or none had it and the source cannot take a label away.
            PromptSourceError: If the source cannot be reached or refuses it.
        """
        with self._lock:
            if self._state == "waiting":
                raise UsageError("The label was not moved yet, so that there is nothing to put back; see .confirm().")
            if self._state == "moved":
                mine = self._proposal
                held: str | None = mine.version
                if force:
                    held = _only(_sync.run(self._source.holders(mine.prompt_id, mine.label)))
                _sync.run(_move(self._source, mine, held_by=held, version=mine.held_by))
                self._state = "rolled back"
                self._owe("rollback", held, mine.held_by)
                self._settle(stacklevel=3)
        return self

    def write_evidence(self) -> Promotion:
        """Writes evidence that could not be written before, and returns itself; what is written is not written twice.

        Raises:
            UsageError: If the label was not moved yet.
        """
        with self._lock:
            if self._state == "waiting":
                raise UsageError("The label was not moved yet, so that there is nothing to give evidence for.")
            self._settle(stacklevel=3)
        return self

    def __repr__(self) -> str:
        return promotion_text(self._proposal, self._state, self._evidence)

    def _repr_html_(self) -> Safe:
        return promotion_html(self._proposal, self._state, self._evidence)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if self._state == "waiting" and has_kernel():
            return dict(maker_of("promotion")(self)._repr_mimebundle_())
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _owe(self, move: Literal["promotion", "rollback"], came_from: str | None, went_to: str | None) -> None:
        self._owed.append(evidence_of(self._proposal, move, came_from=came_from, went_to=went_to, at=self._now()))

    def _settle(self, *, stacklevel: int) -> None:
        """Writes what is owed; what cannot be written stays owed and is told as a warning."""
        while self._owed:
            try:
                self._evidence = _sync.run(self._source.keep_evidence(self._owed[0]))
            except PromptError as error:
                mine = self._proposal
                warnings.warn(
                    f"The label {mine.label!r} of {mine.source}:{mine.prompt_id} was moved, and the evidence could not "
                    f"be written: {error} Call .write_evidence() on the promotion to try again.",
                    EvidenceWarning,
                    stacklevel=stacklevel,
                )
                return
            self._owed.pop(0)


async def _move(source: PromotingPromptSource, proposal: Proposal, *, held_by: str | None, version: str | None) -> None:
    """Moves the label from one version to another, and asks whether it stands there, and there alone."""
    about, label = proposal.prompt_id, proposal.label
    wanted = () if version is None else (version,)
    try:
        is_moved = await source.swap_label(about, label, held_by=held_by, version=version)
    except PromptSourceError:
        # The answer may be what was lost, and not the move.
        if await source.holders(about, label) != wanted:
            raise
        is_moved = True
    found = await source.holders(about, label)
    if is_moved and found == wanted:
        return
    named = f"The label {label!r} of {proposal.source}:{about}"
    stands = holder_words(found)
    if is_moved:
        raise PromotionRefusedError(
            f"{named} was moved to {holder_words(wanted)} and {stands} has it now: somebody else moved it in the same "
            "moment, and theirs stays. Next: ask them, then call this again.",
            gate=proposal.gate,
        )
    raise PromotionRefusedError(
        f"{named} was on {holder_words([held_by] if held_by else [])} and {stands} has it now: somebody moved it "
        "meanwhile, and nothing was moved here. Next: results.promote(...) measures against who has it now; of a "
        "rollback, force=True takes it all the same.",
        gate=proposal.gate,
    )


def holder_words(versions: Sequence[str]) -> str:
    """Returns who has a label in words: `version 8`, `no version`."""
    if not versions:
        return "no version"
    return f"version{'s' if len(versions) > 1 else ''} {' and '.join(versions)}"


def _only(versions: Sequence[str]) -> str | None:
    return versions[-1] if versions else None
