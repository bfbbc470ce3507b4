"""Follows one completion call beside its record, and hands what became of it to the tracer."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from toolkit._records import EMPTY, Failure, FrozenDict, Outcome
from toolkit._redact import redact
from toolkit._traced import Spot, TracedCall
from toolkit.config import LangfuseSettings
from toolkit.engine._entries import access_of
from toolkit.engine._resolve import CompletionCall, Prepared, Way
from toolkit.engine._serve import NOT_KEPT, Entry, Recorder
from toolkit.engine._tracing import Tracer
from toolkit.errors import LangfuseWarning
from toolkit.prompts import SourceAccess, langfuse_access

if TYPE_CHECKING:
    from toolkit.engine._engine import Engine

_LANGFUSE = "langfuse"
_LEFT = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)


def traced(engine: Engine, call: CompletionCall, *, traceparent: str | None = None) -> CallTrace | None:
    """Returns what follows a call that begins now; `None` where calls are not traced.

    Args:
        engine: Has the tracer, or none.
        call: The arguments.
        traceparent: W3C's header of the request that the call is made for; `None` = there is none.
    """
    if engine.tracer is None:
        return None
    try:
        return CallTrace(engine, engine.tracer, call, engine.tracer.spot(call.metadata, traceparent=traceparent))
    except Exception as error:  # noqa: BLE001  a call is never the worse for its trace; it is told
        _tell(error)
        return None


class CallTrace:
    """One call: the recorder and the ledger that the engine asks for, standing before those that keep it.

    Args:
        engine: Clock and settings.
        tracer: Gets the call when it is over.
        call: The arguments.
        spot: Where it stands among the traces.
    """

    def __init__(self, engine: Engine, tracer: Tracer, call: CompletionCall, spot: Spot) -> None:
        self._engine = engine
        self._tracer = tracer
        self._call = call
        self._spot = spot
        self._recorder: Recorder | None = None
        self._entry = NOT_KEPT
        self._at: tuple[Prepared, Way] | None = None
        self._outcome: Outcome | None = None
        self._failed_before: list[str] = []
        self._first_sent: dt.datetime | None = None
        self._last_sent: dt.datetime | None = None
        self._attempts = 0
        self._texts: list[str] = []
        self._project: LangfuseSettings | None = None

    def find_url(self) -> str | None:
        """Returns the address of the page that shows the trace; `None` when there is nothing to show, or not yet."""
        return None if self._project is None else self._tracer.address(self._spot, self._project)

    @contextlib.contextmanager
    def following(self, recorder: Recorder | None) -> Iterator[CallTrace]:
        """Gives the recorder for the call, which is this; at the end of the block the call is over.

        Args:
            recorder: Keeps the call; `None` = nobody does.
        """
        self._recorder = recorder
        try:
            yield self
        except BaseException as error:
            self._hand_over(error)
            raise
        self._hand_over(None)

    def heard(self, chunk: Mapping[str, Any]) -> None:
        """Notes the text of one chunk, for a stream that is left or breaks."""
        for choice in chunk["choices"]:
            text = (choice.get("delta") or {}).get("content") if isinstance(choice, dict) else None
            if isinstance(text, str):
                self._texts.append(text)

    async def open(self, prepared: Prepared, way: Way) -> Entry:
        """Notes what will be sent, to the model asked for or to a fallback."""
        self._entry = NOT_KEPT if self._recorder is None else await self._recorder.open(prepared, way)
        if self._at is not None and self._outcome is not None and self._outcome.failure is not None:
            failure = self._outcome.failure
            self._failed_before.append(f"{self._at[1].sent.request.model}: {failure.kind}: {failure.message}")
        self._at, self._outcome, self._attempts = (prepared, way), None, 0
        self._first_sent = self._last_sent = None
        return Entry(ledger=self, run_id=self._entry.run_id, trial_id=self._entry.trial_id)

    async def begin_attempt(
        self,
        *,
        run_id: str,
        trial_id: str,
        request_key: str,
        sent_at: dt.datetime,
        reserved_usd: float | None = None,
    ) -> int:
        """Notes when an attempt leaves."""
        number = await self._entry.ledger.begin_attempt(
            run_id=run_id, trial_id=trial_id, request_key=request_key, sent_at=sent_at, reserved_usd=reserved_usd
        )
        self._attempts += 1
        self._first_sent, self._last_sent = self._first_sent or sent_at, sent_at
        return number

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Notes nothing: another attempt follows."""
        await self._entry.ledger.fail_attempt(attempt_id, kind=kind, possibly_billed=possibly_billed)

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Notes what the call, or one way of it, ended with."""
        self._outcome = outcome
        await self._entry.ledger.finish(outcome, run_id=run_id, attempt_id=attempt_id)

    def _hand_over(self, error: BaseException | None) -> None:
        if self._at is None or self._first_sent is None:
            return  # nothing left, so there is nothing to tell
        try:
            prepared, way = self._at
            self._project = self._project_of(prepared)
            outcome = self._outcome or self._broken(way, error)
            word = "success" if outcome.status == "ok" else "failure"
            config = self._engine.config
            if config is None or word in config.traces:
                self._tracer.take(self._told(prepared, way, outcome), self._project)
        except Exception as problem:  # noqa: BLE001  a call is never the worse for its trace; it is told
            _tell(problem)

    def _told(self, prepared: Prepared, way: Way, outcome: Outcome) -> TracedCall:
        request, metadata = way.sent.request, self._call.metadata
        # An answer began when its own attempt did; a failure has all attempts in it.
        began = self._last_sent if outcome.status == "ok" else self._first_sent
        user = metadata.get("trace_user_id") or request.params.get("user")
        return TracedCall(
            spot=self._spot,
            prompt=way.sent.prompt,
            variables=prepared.variables,
            messages=request.messages,
            params=request.params,
            model=self._call.model,
            model_source=way.sent.model_source,
            provider=request.provider,
            outcome=replace(outcome, started_at=began),
            ended_at=self._engine.clock.now(),
            failed_before=tuple(self._failed_before),
            metadata=metadata,
            user=None if user is None else str(user),
        )

    def _broken(self, way: Way, error: BaseException | None) -> Outcome:
        """The outcome of a call that was left, or that broke on our side."""
        is_left = error is None or isinstance(error, _LEFT)
        words = "Nobody waits for the answer any more." if is_left else f"{type(error).__name__}: {error}"
        failure = Failure(
            kind="cancelled" if is_left else "unknown",
            error_type=type(error).__name__,
            message=redact(" ".join(words.split())),
            possibly_billed=True,
            partial="".join(self._texts) or None,
        )
        return Outcome(
            trial_id=self._entry.trial_id,
            request_key="",
            status="cancelled" if is_left else "failed",
            failure=failure,
            attempts=self._attempts,
            model_sent=way.sent.request.model,
        )

    def _project_of(self, prepared: Prepared) -> LangfuseSettings:
        """The project that the prompt is from, so that the link leads to it; else the call's or the general one.

        Raises:
            MissingKeyError: If a key is missing.
        """
        prompt, config = prepared.ways[0].sent.prompt, self._engine.config
        access = prepared.source_access
        if (prompt is None or prompt.source != _LANGFUSE) and (access is None or not _names_project(access)):
            access = access_of(config.credentials) if config is not None else None
        return langfuse_access(access or SourceAccess(), self._engine.settings)


def _names_project(access: SourceAccess) -> bool:
    return access.langfuse_secret_key is not None or access.langfuse_host is not None


_told_of: set[str] = set()


def _tell(error: Exception) -> None:
    """Says once why calls are not traced."""
    words = redact(f"{type(error).__name__}: {error}")
    if words in _told_of:
        return
    _told_of.add(words)
    # Where warnings are errors, this one is none: the call goes on.
    with contextlib.suppress(LangfuseWarning):
        warnings.warn(
            f"A call is not traced: {words} The call itself is not touched by it.", LangfuseWarning, stacklevel=3
        )


def metadata_of(given: Any) -> FrozenDict:
    """Returns what a caller says of a call as a frozen map; anything but a map says nothing.

    Example:
        >>> metadata_of({"session_id": "s-1"}), metadata_of("s-1")
        ({'session_id': 's-1'}, {})
    """
    if given is None or not isinstance(given, Mapping):
        return EMPTY
    return FrozenDict({str(key): value for key, value in given.items()})
