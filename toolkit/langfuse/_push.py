"""Pushes a whole run: its generations, each once, and then its scores."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._records import RunView
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._heading import Heading, Outlet, Progress, head_for
from toolkit.langfuse._score_sending import ScoreSending
from toolkit.langfuse._sending import PATIENCE_S, SPAN, Sending, Tally
from toolkit.langfuse._spans import SpanKey, is_sent
from toolkit.store import Delivery, measures_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What pushing a run came to."""

    heading: Heading
    tally: Tally
    unsent: int
    """Trials that have no generation, because they were never asked or nothing is known of them."""
    traces: Mapping[str, str]
    """Address of the trace of each trial that is there, by trial id."""


def utc_now() -> dt.datetime:
    """Returns the machine's time in UTC."""
    return dt.datetime.now(dt.UTC)


async def push_run(
    view: RunView,
    labels: Sequence[str],
    outlet: Outlet,
    *,
    name: str | None = None,
    dataset: str | None = None,
    patience_s: float = PATIENCE_S,
    on_progress: Progress = lambda what, done, total: None,
    now: Callable[[], dt.datetime] = utc_now,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> Push:
    """Brings a run to a project, or what it lacks there: done twice, or killed and done again, it ends the same.

    Args:
        view: The run.
        labels: Names of its arms, in their order.
        outlet: Where to, by what, and where it is noted.
        name: Begins the name of each arm's experiment; `None` = as it was pushed last, else the run's own.
        dataset: Dataset that the cases are items of, made if need be; `None` = none.
        patience_s: Seconds after which a generation that left and is not seen counts as not arrived.
        on_progress: Hears how far it is.
        now: Tells the time (UTC).
        sleep: Waits.

    Raises:
        LangfuseError: If the server cannot be reached or refuses; the same call goes on where this one ended.
        StoreError: If something cannot be noted.
    """
    client = LangfuseClient(outlet.settings, outlet.http, sleep=sleep)
    heading = await head_for(
        view, labels, client, outlet.ledger, name=name, dataset=dataset, now=now, on_progress=on_progress
    )
    notes = await asyncio.to_thread(outlet.ledger.deliveries, view.run_id, heading.target)
    sending = Sending(
        heading,
        client,
        outlet.ledger,
        notes=notes,
        now=now,
        sleep=sleep,
        patience_s=patience_s,
        on_progress=on_progress,
    )
    measures = measures_of(view.outcomes)
    if not outlet.is_lasting:
        await sending.recognise(view.trials, measures)
    await sending.send(view.trials, view.outcomes)
    await sending.settle(view.trials, view.outcomes)
    scores = ScoreSending(heading, client, outlet.ledger, sending=sending, now=now, on_progress=on_progress)
    await scores.send(view, measures)
    return Push(
        heading=heading,
        tally=sending.tally,
        unsent=sum(not is_sent(measures.get(trial.trial_id)) for trial in view.trials),
        traces=traces_of({heading.target: outlet.ledger.deliveries(view.run_id, heading.target)}),
    )


def traces_of(deliveries: Mapping[str, Sequence[Delivery]]) -> dict[str, str]:
    """Returns the address of the newest trace of each trial, by trial id.

    Args:
        deliveries: What was handed on, by target.
    """
    newest: dict[str, tuple[dt.datetime, str]] = {}
    for target, notes in deliveries.items():
        for note in notes:
            if note.kind == SPAN and note.state == "arrived":
                address = f"{target}/traces/{SpanKey.of_record(note.record).trace_id}"
                if note.trial_id not in newest or newest[note.trial_id][0] <= note.at:
                    newest[note.trial_id] = (note.at, address)
    return {trial_id: address for trial_id, (_, address) in newest.items()}
