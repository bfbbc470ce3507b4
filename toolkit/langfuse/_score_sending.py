"""Sends scores: many in one request, each under an id of ours, so that sending one again changes nothing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from toolkit._records import Outcome, RunView, Trial
from toolkit.errors import LangfuseError
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._heading import Heading, Progress
from toolkit.langfuse._ledger import Ledger
from toolkit.langfuse._scores import content_of, score_body
from toolkit.langfuse._sending import Sending
from toolkit.langfuse._spans import is_sent, started_at
from toolkit.store import Delivery

SCORE = "score"
"""Kind of a score in the ledger."""

_PATH = "/api/public/scores"
_MOST_SCORES = 100

# Refusals one after the other, with nothing taken before them, after which it is not the scores that are wrong.
_MOST_REFUSED = 3

_BY_CONTENT = frozenset({400, 413, 422})


class ScoreSending:
    """The scores of one run on their way to its generations in one project.

    Args:
        heading: Where to.
        client: Sends.
        ledger: Has what was sent before.
        sending: Has sent the generations; it knows which are there.
        now: Tells the time (UTC).
        on_progress: Hears how far it is.
    """

    def __init__(
        self,
        heading: Heading,
        client: LangfuseClient,
        ledger: Ledger,
        *,
        sending: Sending,
        now: Callable[[], dt.datetime],
        on_progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._heading = heading
        self._client = client
        self._ledger = ledger
        self._sending = sending
        self._now = now
        self._on_progress = on_progress
        self._takes_many = True
        self._refused = 0

    async def send(self, view: RunView, outcomes: Mapping[str, Outcome]) -> None:
        """Sends every score with a value whose generation is there, unless it is there with this value already.

        Args:
            view: The run, with its scores.
            outcomes: What its trials came to; texts are not read.

        Raises:
            LangfuseError: If the server cannot be reached or refuses more than single scores; what was taken is
                noted, and the same call goes on there.
            StoreError: If a note cannot be kept.
        """
        wanted = list(self._wanted(view, outcomes))
        for begin in range(0, len(wanted), _MOST_SCORES):
            self._on_progress("scores", begin, len(wanted))
            await self._send(wanted[begin : begin + _MOST_SCORES])
        self._on_progress("scores", len(wanted), len(wanted))

    def _wanted(self, view: RunView, outcomes: Mapping[str, Outcome]) -> Iterator[tuple[Trial, dict[str, Any]]]:
        facts, tally = self._heading.facts, self._sending.tally
        for trial in view.trials:
            scores = view.scores.get(trial.trial_id, ())
            outcome = outcomes.get(trial.trial_id) if scores else None
            if outcome is None or not is_sent(outcome):
                continue
            key = self._sending.key(trial, outcome)
            if not self._sending.has_arrived(key):
                continue
            for score in scores:
                if not math.isfinite(score.value):
                    continue
                body = score_body(
                    key, score, run_id=facts.run_id, trial_id=trial.trial_id, at=started_at(outcome, facts)
                )
                held = self._sending.note((SCORE, body["id"]))
                if held is not None and held.content == content_of(body):
                    tally.scores_there += 1
                else:
                    yield trial, body

    async def _send(self, wanted: Sequence[tuple[Trial, dict[str, Any]]]) -> None:
        if self._takes_many and len(wanted) > 1:
            try:
                answer = await self._client.post(_PATH, [body for _, body in wanted], is_repeatable=True)
            except LangfuseError as error:
                if error.status not in _BY_CONTENT:
                    raise
                # An earlier server takes them one by one; a newer one then says which of them is wrong.
                self._takes_many = False
            else:
                if not (isinstance(answer, dict) and answer.get("rejected")):
                    await self._took(wanted)
                    return
        for trial, body in wanted:
            await self._send_one(trial, body)

    async def _send_one(self, trial: Trial, body: dict[str, Any]) -> None:
        tally = self._sending.tally
        try:
            await self._client.post(_PATH, body, is_repeatable=True)
        except LangfuseError as error:
            self._refused += 1
            if error.status not in _BY_CONTENT or (self._refused >= _MOST_REFUSED and not tally.scores_sent):
                raise
            tally.scores_failed += 1
            tally.problem(str(error))
        else:
            await self._took([(trial, body)])

    async def _took(self, taken: Sequence[tuple[Trial, dict[str, Any]]]) -> None:
        notes = [
            Delivery(
                kind=SCORE,
                record=body["id"],
                trial_id=trial.trial_id,
                content=content_of(body),
                state="arrived",
                at=self._now(),
            )
            for trial, body in taken
        ]
        await self._ledger.note_deliveries(self._heading.facts.run_id, self._heading.target, notes)
        self._sending.tally.scores_sent += len(notes)
