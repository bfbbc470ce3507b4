"""How results get to Langfuse, and where their traces are there."""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, TextIO

from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._notebook import has_kernel
from toolkit._records import RunView
from toolkit.config import Settings
from toolkit.errors import UsageError
from toolkit.langfuse import PATIENCE_S, MemoryLedger, Outlet, project_settings, push_run
from toolkit.results._labels import arm_labels
from toolkit.results._pushed import Pushed, pushed_of


class LangfuseFace:
    """The part of `Results` that is pushed to Langfuse."""

    _view: RunView
    _outlet: Callable[[], Outlet] | None
    _traces: Mapping[str, str]
    _compare_url: str | None
    _memory: MemoryLedger

    @property
    def traces(self) -> Mapping[str, str]:
        """Address of each trial's trace in Langfuse, by trial id; empty for what was not pushed."""
        return self._traces

    def to_langfuse(
        self,
        name: str | None = None,
        *,
        dataset: str | None = None,
        patience_s: float = PATIENCE_S,
        progress: Literal["auto", "off"] = "auto",
    ) -> Pushed:
        """Brings the run to Langfuse, or what it lacks there: one experiment an arm, one generation a trial, scores.

        A generation is linked to the version of its Langfuse prompt, and has model, params, tokens, cost, latency, and
        what finds the run again. A failed trial is one too, of the level `ERROR`. Scores are on the generations, so
        that they show in the prompt's metrics as well.

        Done twice it adds nothing twice, and after new scores only these; a changed value takes the earlier one's
        place. What is sent is noted in the run store before it leaves. When a push was interrupted, the next one looks
        up what is not known to have arrived, for as long as `patience_s`, and then sends what is not there.

        Args:
            name: Begins the name of each arm's experiment; `None` = as the run was pushed last, else its first prompt
                and its id. Another name makes other experiments.
                On a dataset, runs that are pushed under one name share them.
            dataset: Dataset that the cases are items of; it and its items are made where they are missing. A case with
                a column `id` that names an item is that item. `None` = none.
            patience_s: Seconds after which a generation that left and is not seen counts as not arrived.
            progress: `auto` = a line in a notebook and in a terminal; `off` = nothing.

        Returns:
            What is there, with the address of the page that compares the arms.

        Raises:
            MissingKeyError: If Langfuse's keys are not set; nothing was sent.
            LangfuseError: If Langfuse cannot be reached or refuses; the same call goes on where this one ended.
            StoreError: If it cannot be noted; nothing was sent that is not.

        Example:
            >>> results.to_langfuse("nightly")    # doctest: +SKIP
        """
        _check(name, dataset, patience_s, progress)
        line = _Line(progress)
        try:
            return _sync.run(self._pushed(name, dataset, patience_s, line), on_tick=line.paint)
        finally:
            line.close()

    async def ato_langfuse(
        self,
        name: str | None = None,
        *,
        dataset: str | None = None,
        patience_s: float = PATIENCE_S,
        progress: Literal["auto", "off"] = "auto",
    ) -> Pushed:
        """Does what `to_langfuse` does, for code that awaits."""
        _check(name, dataset, patience_s, progress)
        line = _Line(progress)
        try:
            return await _sync.bridge(self._pushed(name, dataset, patience_s, line), on_tick=line.paint)
        finally:
            line.close()

    async def _pushed(self, name: str | None, dataset: str | None, patience_s: float, line: _Line) -> Pushed:
        view = self._view
        async with self._opened() as outlet:
            push = await push_run(
                view,
                arm_labels(view.arms),
                outlet,
                name=name,
                dataset=dataset,
                patience_s=patience_s,
                on_progress=line.hear,
            )
        if isinstance(self._traces, LateTraces):
            self._traces.forget()
        else:
            self._traces = {**self._traces, **push.traces}
        pushed = pushed_of(push, run_id=view.run_id, baseline=view.baseline, host=outlet.settings.host)
        self._compare_url = pushed.compare_url
        return pushed

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Outlet]:
        if self._outlet is not None:
            yield self._outlet()
            return
        # Of a file, or of a frame: no store is there to note it in, so Langfuse itself is asked what it has.
        settings = project_settings(Settings.from_environment())
        http = HttpClient()
        try:
            yield Outlet(settings=settings, http=http, ledger=self._memory, is_lasting=False)
        finally:
            await http.aclose()


class LateTraces(Mapping[str, str]):
    """Addresses of traces that are read when somebody asks: results are made oftener than looked into.

    Args:
        read: Reads them.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read
        self._held: Mapping[str, str] | None = None

    def forget(self) -> None:
        """Has them read again by the next who asks."""
        self._held = None

    def __repr__(self) -> str:
        return repr(dict(self._known()))

    def __getitem__(self, trial_id: str) -> str:
        return self._known()[trial_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> Mapping[str, str]:
        if self._held is None:
            self._held = self._read()
        return self._held


class _Line:
    """One line that says how far a push is, painted over itself."""

    def __init__(self, progress: str) -> None:
        self._stream: TextIO | None = None
        if progress == "auto":
            is_terminal = sys.stderr is not None and sys.stderr.isatty()
            self._stream = sys.stdout if has_kernel() else sys.stderr if is_terminal else None
        self._told: tuple[str, int, int] | None = None
        self._shown = ""

    def hear(self, what: str, done: int, total: int) -> None:
        """Notes how far it is; any thread may call it."""
        self._told = (what, done, total)

    def paint(self) -> None:
        """Shows it, where there is somebody to see it."""
        if self._stream is None or self._told is None:
            return
        what, done, total = self._told
        if not total:
            return
        text = f"Langfuse: {what} {done:,} of {total:,}"
        if text != self._shown:
            self._stream.write("\r" + text.ljust(len(self._shown)))
            self._stream.flush()
            self._shown = text

    def close(self) -> None:
        """Leaves the last state standing."""
        if self._stream is not None and self._shown:
            self.paint()
            self._stream.write("\n")
            self._stream.flush()


def _check(name: object, dataset: object, patience_s: object, progress: object) -> None:
    for argument, value in (("name", name), ("dataset", dataset)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise UsageError(f"`{argument}` is a text that is not empty, or None; got {value!r}.")
    if isinstance(patience_s, bool) or not isinstance(patience_s, int | float) or not 0 <= patience_s < math.inf:
        raise UsageError(f"`patience_s` is a number of seconds from 0 up; got {patience_s!r}.")
    if progress not in ("auto", "off"):
        raise UsageError(f"`progress` is 'auto' or 'off'; got {progress!r}.")
