"""Sends generations so that each is there once: noted before it leaves, looked up when it is not known to have come."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit._records import Outcome, Trial
from toolkit.errors import LangfuseError
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._heading import Heading, Progress
from toolkit.langfuse._ledger import Ledger, RecordKey
from toolkit.langfuse._lookup import Sought, found_there
from toolkit.langfuse._otlp import MOST_BYTES, MOST_SPANS, send_spans
from toolkit.langfuse._spans import SpanKey, is_sent, span_key, span_of, started_at
from toolkit.store import Delivery, measures_of

SPAN = "span"
"""Kind of a generation in the ledger."""

PATIENCE_S = 60.0
"""Seconds after which a generation that is not seen counts as not arrived: Langfuse shows what it takes a bit later."""

# Refusals one after the other, with nothing taken before them, after which it is not the spans that are wrong.
_MOST_REFUSED = 3

# Times that what was looked up and is not there is sent again, before it is told as failed.
_ROUNDS = 2

_BY_CONTENT = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """A trial with its place in Langfuse."""

    trial: Trial
    outcome: Outcome
    """Its texts are not read."""
    key: SpanKey

    @property
    def record(self) -> RecordKey:
        return SPAN, self.key.record


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a push came to."""

    sent: int = 0
    """Generations that are there now and were not before."""
    there: int = 0
    """Generations that were there already."""
    failed: int = 0
    """Generations that were not taken."""
    scores_sent: int = 0
    scores_there: int = 0
    scores_failed: int = 0
    problems: list[str] = field(default_factory=list)
    """Why something was not taken, a sentence each."""

    def problem(self, words: str) -> None:
        """Keeps a reason, each once."""
        if words not in self.problems:
            self.problems.append(words)


class Sending:
    """The generations of one run on their way to one project.

    Args:
        heading: Where to.
        client: Sends.
        ledger: Has what was sent before, and what left and was not heard of.
        notes: What the ledger had when this began.
        now: Tells the time (UTC).
        sleep: Waits between look-ups.
        patience_s: Seconds after which what is not seen counts as not arrived.
        on_progress: Hears how far it is.
    """

    def __init__(
        self,
        heading: Heading,
        client: LangfuseClient,
        ledger: Ledger,
        *,
        notes: Sequence[Delivery],
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        patience_s: float = PATIENCE_S,
        on_progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._heading = heading
        self._client = client
        self._ledger = ledger
        self._notes = {(each.kind, each.record): each for each in notes}
        self._now = now
        self._sleep = sleep
        self._patience_s = patience_s
        self._on_progress = on_progress
        self._refused = self._slips = 0
        self.tally = Tally()

    def note(self, key: RecordKey) -> Delivery | None:
        """Returns what is noted of a record."""
        return self._notes.get(key)

    def key(self, trial: Trial, outcome: Outcome) -> SpanKey:
        """Returns where a trial is found in the project."""
        return span_key(trial, outcome, self._heading.facts, self._heading.experiments[trial.arm.index])

    @property
    def in_doubt(self) -> int:
        """Generations that left and are not known to have arrived."""
        return sum(key[0] == SPAN and note.state == "leaving" for key, note in self._notes.items())

    def has_arrived(self, key: SpanKey) -> bool:
        """Tells whether a generation is known to be there."""
        held = self._notes.get((SPAN, key.record))
        return held is not None and held.state == "arrived"

    async def send(self, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> None:
        """Sends those of the trials that were answered or failed and of which nothing is noted.

        Args:
            trials: Trials of the run.
            outcomes: Theirs, by trial id; read when their turn comes.

        Raises:
            LangfuseError: If the server cannot be reached or refuses more than single generations; what was sent is
                noted, and the same call goes on there.
            StoreError: If a note cannot be kept; what it is about was not sent.
        """
        measures = measures_of(outcomes)
        wanted = [trial for trial in trials if is_sent(measures.get(trial.trial_id))]
        parcels = (self._parcel(trial, measures[trial.trial_id]) for trial in wanted)
        done, total = 0, len(wanted)
        for batch in self._batches((each for each in parcels if self._is_new(each)), outcomes):
            self._on_progress("generations", self.tally.there + done, total)
            await self._send_batch(batch)
            done += len(batch)
        self._on_progress("generations", total, total)

    async def settle(self, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> None:
        """Finds out what became of the generations that left and were not heard of, and sends those that got lost.

        Raises:
            LangfuseError, StoreError: As `send`.
        """
        measures = measures_of(outcomes)
        for _ in range(_ROUNDS):
            lost = await self._look_up(self._in_doubt(trials, measures))
            for batch in self._batches(iter(lost), outcomes):
                await self._send_batch(batch, again=True)
        lost = await self._look_up(self._in_doubt(trials, measures))
        self.tally.failed += len(lost)
        if lost:
            self.tally.problem(f"{len(lost):,} generations were sent several times and are not seen in Langfuse.")

    async def recognise(self, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> None:
        """Asks the server what it has of the run, and notes it; for ledgers that do not know what was sent before.

        Raises:
            LangfuseError, StoreError: As `send`.
        """
        parcels = [
            self._parcel(trial, outcome)
            for trial in trials
            if (outcome := outcomes.get(trial.trial_id)) is not None and is_sent(outcome)
        ]
        unknown = [each for each in parcels if each.record not in self._notes]
        self._on_progress("looking up", 0, len(unknown))
        seen = await self._seen(unknown)
        await self._note([each for each in unknown if each.key in seen], "arrived")

    def _parcel(self, trial: Trial, outcome: Outcome) -> _Parcel:
        return _Parcel(trial=trial, outcome=outcome, key=self.key(trial, outcome))

    def _is_new(self, parcel: _Parcel) -> bool:
        held = self._notes.get(parcel.record)
        self.tally.there += held is not None and held.state == "arrived"
        return held is None

    def _in_doubt(self, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> list[_Parcel]:
        found = []
        leaving = {key for key, note in self._notes.items() if key[0] == SPAN and note.state == "leaving"}
        for trial in trials if leaving else ():
            outcome = outcomes.get(trial.trial_id)
            if outcome is not None and is_sent(outcome):
                parcel = self._parcel(trial, outcome)
                if parcel.record in leaving:
                    found.append(parcel)
        return found

    async def _look_up(self, doubtful: Sequence[_Parcel]) -> list[_Parcel]:
        """Notes those that have arrived, once they are seen, and returns those that have not, once that is sure."""
        lost: list[_Parcel] = []
        waiting = list(doubtful)
        while waiting:
            self._on_progress("looking up", len(doubtful) - len(waiting), len(doubtful))
            seen = await self._seen(waiting)
            arrived = [each for each in waiting if each.key in seen]
            await self._note(arrived, "arrived")
            self.tally.sent += len(arrived)
            left_s = {each.record: self._left_s(each) for each in waiting if each.key not in seen}
            lost += [each for each in waiting if each.key not in seen and left_s[each.record] <= 0]
            waiting = [each for each in waiting if left_s.get(each.record, 0) > 0]
            if waiting:
                soonest_s = min(left_s[each.record] for each in waiting)
                await self._sleep(min(soonest_s, max(self._patience_s / 12, 0.05)))
        return lost

    def _left_s(self, parcel: _Parcel) -> float:
        age_s = (self._now() - self._notes[parcel.record].at).total_seconds()
        # A clock that was set back must not have anybody wait for hours.
        return self._patience_s - age_s if age_s >= 0 else 0.0

    async def _seen(self, parcels: Sequence[_Parcel]) -> set[SpanKey]:
        facts = self._heading.facts
        sought = [
            Sought(
                key=each.key,
                name=each.trial.arm.prompt.prompt_id or "completion",
                started_at=started_at(each.outcome, facts),
            )
            for each in parcels
        ]
        return await found_there(self._client, sought)

    def _batches(
        self, parcels: Iterator[_Parcel], outcomes: Mapping[str, Outcome]
    ) -> Iterator[list[tuple[_Parcel, dict[str, Any]]]]:
        """Groups of spans that are neither too many nor too long for one request; at least one in each."""
        batch: list[tuple[_Parcel, dict[str, Any]]] = []
        size = 0
        for parcel in parcels:
            span = self._span(parcel, outcomes[parcel.trial.trial_id])
            length = len(json.dumps(span))
            if batch and (len(batch) == MOST_SPANS or size + length > MOST_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((parcel, span))
            size += length
        if batch:
            yield batch

    def _span(self, parcel: _Parcel, outcome: Outcome) -> dict[str, Any]:
        trial, heading = parcel.trial, self._heading
        return span_of(
            trial,
            outcome,
            heading.facts,
            heading.experiments[trial.arm.index],
            item=heading.items.get(trial.case.index),
        )

    async def _send_batch(self, batch: list[tuple[_Parcel, dict[str, Any]]], *, again: bool = False) -> None:
        instead_of = {each.record: self._notes[each.record].at for each, _ in batch} if again else {}
        notes = {each.record: self._delivery(each, "leaving") for each, _ in batch}
        run_id, target = self._heading.facts.run_id, self._heading.target
        claimed = await self._ledger.claim_deliveries(run_id, target, list(notes.values()), instead_of=instead_of)
        # What another one is sending at this moment is in doubt for us: it is looked up, and never sent by both.
        self._notes.update(notes)
        ours = [(parcel, span) for parcel, span in batch if parcel.record in claimed]
        if not ours:
            return
        try:
            rejected = await send_spans(self._client, [span for _, span in ours])
        except LangfuseError as error:
            await self._not_taken([parcel for parcel, _ in ours], error)
            if error.status in _BY_CONTENT and len(ours) > 1:
                middle = len(ours) // 2
                await self._send_batch(ours[:middle])
                await self._send_batch(ours[middle:])
            return
        if rejected:
            self.tally.problem(f"Langfuse took a request and rejected part of it: {rejected}")
            return
        self._slips = 0
        await self._note([parcel for parcel, _ in ours], "arrived")
        self.tally.sent += len(ours)

    async def _not_taken(self, parcels: Sequence[_Parcel], error: LangfuseError) -> None:
        """Draws the consequence of a failed request: in doubt, not taken, or the end of the push, which is raised."""
        if error.possibly_taken:
            self._slips += 1
            if self._slips > 1:
                raise error
            return
        records = [each.record for each in parcels]
        await self._ledger.forget_deliveries(self._heading.facts.run_id, self._heading.target, records)
        for record in records:
            self._notes.pop(record, None)
        if error.status not in _BY_CONTENT:
            raise error
        if len(parcels) == 1:
            self._refused += 1
            if self._refused >= _MOST_REFUSED and not self.tally.sent:
                raise error
            self.tally.failed += 1
            self.tally.problem(str(error))

    async def _note(self, parcels: Sequence[_Parcel], state: Any) -> None:
        if not parcels:
            return
        notes = {each.record: self._delivery(each, state) for each in parcels}
        await self._ledger.note_deliveries(self._heading.facts.run_id, self._heading.target, list(notes.values()))
        self._notes.update(notes)

    def _delivery(self, parcel: _Parcel, state: Any) -> Delivery:
        return Delivery(
            kind=SPAN, record=parcel.key.record, trial_id=parcel.trial.trial_id, state=state, at=self._now()
        )
