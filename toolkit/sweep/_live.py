"""A run under way: what it has done so far, and ways to wait for it and to stop it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

from toolkit import _sync
from toolkit._notebook import has_kernel, hearing_interrupts
from toolkit.engine import Engine, Spend
from toolkit.errors import UsageError
from toolkit.langfuse import LivePush
from toolkit.results import Frame, Results, arm_labels, element, load_soon
from toolkit.store import RunStore
from toolkit.sweep._execution import Execution, remember, results_of
from toolkit.sweep._hold import hold
from toolkit.sweep._plan import Plan
from toolkit.sweep._progress import Painter, painter_for
from toolkit.sweep._pushing import Langfuse, check_langfuse, heard_by, live_push, pushing
from toolkit.sweep._runner import Limits, run_plan
from toolkit.sweep._stop import Stop
from toolkit.sweep._tally import ArmProgress, Progress, Tally

Unknown = Literal["resend", "skip"]
"""What becomes of trials that were sent and have no recorded outcome."""

# After the first interrupt: how long calls in flight may still come in, and how long their cutting may take. Together
# with reading the results this is what "control back within a second" is made of.
_COME_IN_S = 0.5
_CUT_S = 0.25

# Once the first requests have left there is time to load what the frame will need.
_FRAME_SOON_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a plan is executed, beside its limits; the arguments are described at `sweep`."""

    unknown: Unknown = "resend"
    take_over: bool = False
    is_newest: bool = True
    """Whether `last_results` gives its results from now on; not for what is done on behalf of another run."""
    langfuse: Langfuse = False

    def check(self) -> None:
        """Refuses what is no choice.

        Raises:
            UsageError: Naming what was given.
        """
        if self.unknown not in ("resend", "skip"):
            raise UsageError(f"`unknown` is 'resend' or 'skip'; got {self.unknown!r}.")
        check_langfuse(self.langfuse)


class Run:
    """A sweep that goes on in the background, as `start_sweep` and `resume` give it.

    It runs on the engine's own thread: the notebook stays free meanwhile. `await run` and `run.wait()` give the
    results; errors that end it come out there.
    """

    def __init__(self, plan: Plan, engine: Engine, limits: Limits, how: How, painter: Painter) -> None:
        how.check()
        self._plan = plan
        self._engine = engine
        self._limits = limits
        self._how = how
        self._painter = painter
        self._stop = Stop()
        self._sent = 0
        self._since: dt.datetime = engine.clock.now()
        self._arm_of = {trial.trial_id: trial.arm.index for trial in reversed(plan.grid)}
        self._tally = Tally(arm_of=self._arm_of)
        self._tally.run_id, self._tally.trials = plan.run_id, len(self._arm_of)
        self._stored = engine.store.answered(self._arm_of)
        self._tally.stored = len(self._stored)
        self._work: _sync.Work[None] | None = None

    def begin(self) -> Run:
        """Shows what is going to be sent, starts sending it, and returns itself; once is enough."""
        if self._work is None:
            _live[self.run_id] = self
            if self._how.is_newest:
                remember(lambda: self.results)
            self._painter.open(self._plan.line)
            self._work = _sync.start(self._execute())
        return self

    @property
    def _task(self) -> _sync.Work[None]:
        self.begin()
        assert self._work is not None  # noqa: S101  `begin` has just seen to it
        return self._work

    @property
    def run_id(self) -> str:
        """Identity of the run, for `open_run` and `resume`."""
        return self._plan.run_id

    @property
    def plan(self) -> Plan:
        """What the run is to do."""
        return self._plan

    @property
    def is_done(self) -> bool:
        """True once it has ended: at its last trial, stopped, or by an error."""
        return self._work is not None and self._work.is_done

    @property
    def is_stopping(self) -> bool:
        """True once it was told to stop: nothing new is sent."""
        return self._stop.draining

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        planned: dict[int, int] = {}
        stored: dict[int, int] = {}
        for trial_id, index in self._arm_of.items():
            planned[index] = planned.get(index, 0) + 1
            stored[index] = stored.get(index, 0) + (trial_id in self._stored)
        arms = self._plan.arms
        by_arm = {}
        for arm, label in zip(arms, arm_labels(arms), strict=True):
            counts = self._tally.of_arm(arm.index)
            by_arm[label] = ArmProgress(
                planned=planned.get(arm.index, 0),
                done=stored.get(arm.index, 0) + counts.total(),
                ok=stored.get(arm.index, 0) + counts["ok"],
                failed=counts["failed"],
                skipped=counts.total() - counts["ok"] - counts["failed"],
            )
        return self._tally.snapshot(by_arm)

    @property
    def results(self) -> Results:
        """What is there so far; when the run is done, what it gave."""
        done = Execution(
            engine=self._engine, run_id=self.run_id, sent=self._sent, since=self._since, note=self._note_of_stop()
        )
        return results_of(done, prepare_asking)

    @property
    def df(self) -> Frame:
        """The frame of `results`: every planned trial is a row, those that have no outcome yet are `skipped`."""
        return self.results.df

    def stop(self, *, now: bool = False) -> Run:
        """Lets nothing new be sent, and returns itself; what is in flight comes in and is recorded.

        Args:
            now: Whether what is in flight is cut, too: it stays on record as possibly billed.
        """
        if now:
            self._stop.cancel()
            if self._work is not None:
                self._work.cancel()
        else:
            self._stop.drain()
        return self

    def wait(self, timeout_s: float | None = None) -> Results:
        """Waits until it has ended, with its progress shown, and returns the results.

        An interrupt ends the waiting, not the run: `stop()` does that.

        Args:
            timeout_s: Most seconds to wait; `None` = as long as it takes.

        Raises:
            TimeoutError: If it has not ended by then; it goes on.
            StoreError: If something could not be recorded; what had finished is kept.
        """
        if not self._task.join(timeout_s, on_tick=self._paint):
            raise TimeoutError(f"The run {self.run_id!r} has not ended within {timeout_s!r} s; it goes on: {self!r}")
        self._close()
        return self._ended()

    def __await__(self) -> Generator[Any, None, Results]:
        return self._awaited().__await__()

    async def _awaited(self) -> Results:
        await self._task.joined(on_tick=self._paint)
        self._close()
        return await asyncio.to_thread(self._ended)

    def attend(self) -> Results:
        """As `wait`, for a caller that has nothing else to do: an interrupt stops the run.

        The first interrupt lets what is in flight come in for a moment, cuts the rest and returns what there is; a
        second one cuts at once and is raised.
        """
        try:
            self._task.join(on_tick=self._paint)
        except KeyboardInterrupt:
            try:
                self._stop.drain()
                self._task.join(_COME_IN_S)
                self._cut()
            except KeyboardInterrupt:
                self._cut()
                self._close()
                raise
        except BaseException:
            # A painter that fails, say: nobody would hold the run any more.
            self._cut()
            raise
        self._close()
        return self._ended()

    async def attended(self) -> Results:
        """As `attend`, awaited: cancelling the one who awaits cuts the run, and what had finished is kept.

        A notebook's stop button cancels the cell that awaits: then what there is is returned, as by `attend`.
        """
        with hearing_interrupts() as is_interrupted:
            try:
                await self._task.joined(on_tick=self._paint)
            except BaseException as error:
                cell = asyncio.current_task() if isinstance(error, asyncio.CancelledError) else None
                is_button = cell is not None and is_interrupted()
                if cell is not None and is_button:
                    cell.uncancel()
                    self._stop.drain()
                    await self._joined_within(_COME_IN_S)
                if not self._task.is_done:
                    self.stop(now=True)
                    await self._joined_within(_CUT_S)
                if not is_button:
                    self._close()
                    raise
        self._close()
        return await asyncio.to_thread(self._ended)

    async def _joined_within(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task.joined(), timeout_s)

    def _cut(self) -> None:
        if not self._task.is_done:
            self.stop(now=True)
            self._task.join(_CUT_S)

    def _ended(self) -> Results:
        """Returns the results of a run that has ended; raises what ended it."""
        if self._task.is_done and not self._stop.cancelled:
            self._task.result()
        return self.results

    def _paint(self) -> None:
        self._painter.paint(self._tally)

    def _close(self) -> None:
        self._painter.close(self._tally)

    async def _execute(self) -> None:
        tally, how = self._tally, self._how
        try:
            push = live_push(self._plan, self._engine, how.langfuse)
            async with pushing(push, self._engine, self.run_id, self._stop):
                if len(self._stored) < tally.trials:
                    await self._send_if_ours(push)
        except asyncio.CancelledError:
            tally.end("stopped", self._note_of_stop())
            if not self._stop.cancelled:
                raise
        except BaseException as error:
            tally.end("failed", f"{type(error).__name__}: {error}")
            raise
        else:
            tally.end("stopped" if self._note_of_stop() else "ended", self._note_of_stop())
        finally:
            if _live.get(self.run_id) is self:
                del _live[self.run_id]

    async def _send_if_ours(self, push: LivePush | None) -> None:
        ids, take_over = self._arm_of.keys(), self._how.take_over
        async with hold(self.run_id, ids, self._engine, self._tally, self._stop, take_over=take_over) as is_ours:
            if is_ours:
                await self._send(push)

    async def _send(self, push: LivePush | None) -> None:
        store = self._engine.store
        # What another execution has answered since the plan was made is not this one's work.
        self._stored = await asyncio.to_thread(store.answered, self._arm_of.keys())
        caps = self._plan.caps
        budget = caps.budget(await asyncio.to_thread(_spent, store, self.run_id)) if caps.is_limited else None
        # Not in a program: one that is interrupted while compiled code is loading ends with another exit status.
        if has_kernel():
            asyncio.get_running_loop().call_later(_FRAME_SOON_S, load_soon)
        self._sent = await run_plan(
            self._plan,
            self._engine,
            self._limits,
            listener=heard_by(self._tally.hear, push),
            budget=budget,
            stop=self._stop,
            resend_unknown=self._how.unknown == "resend",
        )

    def _note_of_stop(self) -> str:
        """What to say of a run that was stopped before its last trial; empty for any other."""
        done, planned = self._tally.done, self._tally.trials
        if not self._stop.draining or done >= planned:
            return ""
        return f"stopped: {done:,} of {planned:,} done; run the same call, or tk.resume({self.run_id!r}), to go on"

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self._tally.snapshot().state}: {self._tally.line()}>"

    def _repr_html_(self) -> str:
        progress = self.progress
        head = element("p", element("strong", self.run_id), f" {progress.state} · {self._tally.line()}", role="status")
        rows = [
            element("tr", element("td", label), *(element("td", f"{getattr(arm, name):,}") for name in _SHOWN))
            for label, arm in progress.by_arm.items()
        ]
        titles = element("tr", element("th", "arm"), *(element("th", name) for name in _SHOWN))
        table = element("table", element("thead", titles), element("tbody", rows))
        return str(element("div", head, table, class_="toolkit-run tex2jax_ignore mathjax_ignore"))


async def prepare_run(plan: Plan, engine: Engine, limits: Limits, how: How, painter: Painter) -> Run:
    """Puts a plan on record and returns its run, which is not begun yet.

    Raises:
        UsageError: If a limit makes no sense; nothing was sent.
        StoreError: If the plan cannot be recorded; nothing was sent.
    """
    caps = plan.caps
    await engine.store.save_run(
        run_id=plan.run_id,
        created_at=engine.clock.now(),
        arms=plan.arms,
        trials=plan.grid,
        baseline=plan.baseline,
        spec={
            "concurrency": limits.concurrency,
            "timeout_s": limits.timeout_s,
            "prices": limits.prices,
            "budget_usd": caps.budget_usd,
            "max_calls": caps.max_calls,
            "max_tokens": caps.max_tokens,
        },
    )
    return Run(plan, engine, limits, how, painter)


async def prepare_asking(plan: Plan, engine: Engine, limits: Limits) -> Run:
    """As `prepare_run`, for calls about the answers of another run, which stays the newest."""
    return await prepare_run(plan, engine, limits, How(is_newest=False), painter_for("auto"))


# Runs that go on in this process: kept by nobody else while they last, so that a lost variable is no lost run.
_live: dict[str, Run] = {}


def live_run(run_id: str, *, engine: Engine | None = None) -> Run | None:
    """Returns the run of that id that goes on in this process; `None` when there is none.

    Args:
        run_id: As `run.run_id` gives it.
        engine: Whose run it must be; `None` = anybody's.
    """
    run = _live.get(run_id)
    if run is None or run.is_done or engine not in (None, run._engine):
        return None
    return run


def _spent(store: RunStore, run_id: str) -> Spend:
    """What counts against a run's caps: what it is known to have cost, and what it may have."""
    spent = store.spent(run_id)
    return Spend(usd=spent.usd + spent.possibly_billed_usd, calls=spent.calls, tokens=spent.tokens)


_SHOWN = ("planned", "done", "ok", "failed", "skipped")
