"""Pushes a run while it goes: in the background, in groups, at the cost of nothing that the run needs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from toolkit._records import Outcome, RunView, Trial
from toolkit._redact import redact
from toolkit.errors import LangfuseError, LangfuseWarning, StoreError
from toolkit.langfuse._client import LangfuseClient
from toolkit.langfuse._heading import Outlet, head_for
from toolkit.langfuse._push import utc_now
from toolkit.langfuse._sending import Sending

INTERVAL_S = 1.0
"""Seconds between two groups."""
LAST_S = 5.0
"""Most seconds that the end of a run waits for what is not there yet."""

# After a failure: how long until Langfuse is tried again, and the most that this grows to.
_PAUSE_S = 5.0
_MOST_PAUSE_S = 300.0

_TIMEOUT_S = 15.0


class LivePush:
    """What a run pushes while it goes.

    Whatever becomes of it, the run is not touched: what could not be pushed is told in one warning, and a push of the
    results brings it later.

    Args:
        view: The run as it was planned; its outcomes are not looked at.
        labels: Names of its arms, in their order.
        outlet: Where to, by what, and where it is noted.
        name: Begins the name of each arm's experiment; `None` = as it was pushed last, else the run's own.
        interval_s: Seconds between two groups.
        now: Tells the time (UTC).
        sleep: Waits.
    """

    def __init__(
        self,
        view: RunView,
        labels: Sequence[str],
        outlet: Outlet,
        *,
        name: str | None = None,
        interval_s: float = INTERVAL_S,
        now: Callable[[], dt.datetime] = utc_now,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._view = view
        self._labels = labels
        self._outlet = outlet
        self._name = name
        self._interval_s = interval_s
        self._now = now
        self._sleep = sleep
        self._client = LangfuseClient(outlet.settings, outlet.http, timeout_s=_TIMEOUT_S, max_waits=0)
        self._waiting: dict[str, Outcome] = {}
        self._trials: dict[str, list[Trial]] = {}
        self._sending: Sending | None = None
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._pause_s = 0.0
        self._has_warned = False

    def begin(self) -> None:
        """Starts pushing on the running loop."""
        for trial in self._view.trials:
            self._trials.setdefault(trial.trial_id, []).append(trial)
        self._task = asyncio.get_running_loop().create_task(self._work())

    def take(self, outcome: Outcome) -> None:
        """Has an outcome that is on record pushed soon; returns at once."""
        self._waiting[outcome.trial_id] = outcome

    async def end(self, outcomes: Mapping[str, Outcome] | None, *, at_most_s: float) -> None:
        """Stops the background, and gives what is not there yet a last chance.

        Args:
            outcomes: All of the run, by trial id; `None` = what is not there stays for later, without a word.
            at_most_s: Most seconds that this takes.
        """
        try:
            async with asyncio.timeout(at_most_s):
                if outcomes is not None and not self._pause_s:
                    # A group that is under way comes in first: one that is cut is in doubt.
                    async with self._one_at_a_time:
                        await self._push(self._view.trials, outcomes)
        except TimeoutError:
            self._warn(f"Langfuse did not take all of it within {at_most_s:g} s after the last answer.")
        except (LangfuseError, StoreError) as error:
            self._warn(str(error))
        except Exception as error:  # noqa: BLE001  the run has its answers whatever is wrong here; it is told
            self._warn(f"{type(error).__name__}: {redact(str(error))}")
        finally:
            if self._task is not None:
                self._task.cancel()
        if outcomes is not None and self._sending is not None and self._sending.in_doubt:
            self._warn(f"{self._sending.in_doubt:,} generations are not known to have arrived.")

    async def _work(self) -> None:
        while True:
            await self._sleep(self._pause_s or self._interval_s)
            if not self._waiting:
                continue
            some = dict(self._waiting)
            trials = [trial for trial_id in some for trial in self._trials.get(trial_id, ())]
            try:
                async with self._one_at_a_time:
                    await self._push(trials, some)
            except (LangfuseError, StoreError) as error:
                self._pause_s = min(max(2 * self._pause_s, _PAUSE_S), _MOST_PAUSE_S)
                self._warn(str(error))
            except Exception as error:  # noqa: BLE001  the run must go on whatever is wrong here; it is told
                self._warn(f"{type(error).__name__}: {redact(str(error))}")
                return
            else:
                self._pause_s = 0.0
                for trial_id, outcome in some.items():
                    if self._waiting.get(trial_id) is outcome:
                        del self._waiting[trial_id]

    async def _push(self, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> None:
        if self._sending is None:
            self._sending = await self._opened()
        await self._sending.send(trials, outcomes)

    async def _opened(self) -> Sending:
        outlet, view = self._outlet, self._view
        heading = await head_for(
            view, self._labels, self._client, outlet.ledger, name=self._name, dataset=None, now=self._now
        )
        notes = await asyncio.to_thread(outlet.ledger.deliveries, view.run_id, heading.target)
        return Sending(heading, self._client, outlet.ledger, notes=notes, now=self._now)

    def _warn(self, words: str) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        # Where warnings are errors, this one is none: the run goes on.
        with contextlib.suppress(LangfuseWarning):
            warnings.warn(
                f"The run {self._view.run_id!r} is not all in Langfuse: {words} Nothing of it is lost; "
                "results.to_langfuse() pushes the rest.",
                LangfuseWarning,
                stacklevel=2,
            )
