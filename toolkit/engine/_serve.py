"""Serves one completion call: resolves it, sends it and its fallbacks, whole or in chunks, and keeps it if asked to."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from toolkit._records import FrozenDict, Outcome, Response
from toolkit.engine._call import (
    DEFAULT_TIMEOUT_S,
    Caller,
    Ledger,
    answered,
    exchange,
    failure_of,
    flagged,
    refused_param,
    without_param,
)
from toolkit.engine._limits import Place
from toolkit.engine._reply import chunk_body, usage_body
from toolkit.engine._resolve import CompletionCall, Prepared, Way, prepare
from toolkit.engine._retry import RetryPolicy, Tries, after_failure
from toolkit.errors import InvalidResponseError, ProviderError, UsageError
from toolkit.providers import Chunk

if TYPE_CHECKING:
    from toolkit.engine._engine import Engine

DEFAULT_MAX_RETRIES = 2
"""Tries after the first of a single completion: somebody waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where one call is put on record."""

    ledger: Ledger
    run_id: str
    trial_id: str


class Recorder(Protocol):
    """Keeps calls; the proxy's is the run store."""

    async def open(self, prepared: Prepared, way: Way) -> Entry:
        """Makes the record of a call before its request leaves."""
        ...


class Follower(Protocol):
    """Follows a call from its beginning to its end."""

    def following(self, recorder: Recorder | None) -> contextlib.AbstractContextManager[Recorder]:
        """Gives a recorder that stands before `recorder`; when the block ends, the call is over."""
        ...

    def heard(self, chunk: Mapping[str, Any]) -> None:
        """Hears a chunk of a streamed answer before the caller does."""
        ...


class NoLedger:
    """Keeps nothing: the caller has the answer in hand."""

    async def begin_attempt(self, **_: object) -> int:
        """Keeps nothing."""
        return 0

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        """Keeps nothing."""

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        """Keeps nothing."""


NOT_KEPT = Entry(ledger=NoLedger(), run_id="", trial_id="")
"""Where a call is put that nobody keeps."""


async def complete(
    engine: Engine,
    call: CompletionCall,
    *,
    recorder: Recorder | None = None,
    draw: float | None = None,
    prepared: Prepared | None = None,
    trace: Follower | None = None,
) -> tuple[Way, Outcome]:
    """Returns the outcome of a call, and the way it went: the model asked for or the fallback that answered.

    Args:
        engine: Sources, providers, config.yaml.
        call: The arguments.
        recorder: Keeps the call; `None` = nobody does.
        draw: Chooses among deployments of one name; `None` = at random.
        prepared: The call, resolved already; `None` = done here.
        trace: Follows the call; `None` = it is not traced.

    Raises:
        UsageError: As `prepare` does.
        ProviderError: If the last way failed.
    """
    if trace is not None:
        with trace.following(recorder) as followed:
            return await complete(engine, call, recorder=followed, draw=draw, prepared=prepared)
    if prepared is None:
        prepared = await prepare(engine, call, draw=engine.rng.random() if draw is None else draw)
    last: ProviderError | None = None
    for way in prepared.ways:
        await way.route.provider.prepare(way.route.model)
        entry = NOT_KEPT if recorder is None else await recorder.open(prepared, way)
        caller = _caller(engine, call, way, entry)
        outcome, last = await exchange(way.sent.request, way.route.provider, trial_id=entry.trial_id, caller=caller)
        if last is None:
            return way, outcome
    assert last is not None  # noqa: S101  there is at least one way, and it did not return
    raise last


async def stream_complete(
    engine: Engine,
    call: CompletionCall,
    *,
    prepared: Prepared,
    recorder: Recorder | None = None,
    trace: Follower | None = None,
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yields the chunks of a call in OpenAI's form; until the first, failures are tried again and fall back.

    Arguments and errors are those of `complete`. A stream that breaks off after its first chunk raises: what was
    shown cannot be taken back.

    Args:
        engine: What it takes.
        call: What was asked.
        prepared: As `prepare` made it: what is wrong with a call is told before its stream begins.
        recorder: Keeps the call; `None` = nobody does.
        trace: Follows the call; `None` = it is not traced.
    """
    if trace is not None:
        with trace.following(recorder) as followed:
            async with contextlib.aclosing(
                stream_complete(engine, call, prepared=prepared, recorder=followed)
            ) as chunks:
                async for chunk in chunks:
                    trace.heard(chunk)
                    yield chunk
        return
    last: ProviderError | None = None
    for way in prepared.ways:
        await way.route.provider.prepare(way.route.model)
        entry = NOT_KEPT if recorder is None else await recorder.open(prepared, way)
        streaming = _Streaming(_caller(engine, call, way, entry), way, entry)
        try:
            async with contextlib.aclosing(streaming.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ProviderError as error:
            if streaming.has_begun:
                raise
            last = error
        else:
            return
    assert last is not None  # noqa: S101  there is at least one way, and it did not return
    raise last


def _caller(engine: Engine, call: CompletionCall, way: Way, entry: Entry) -> Caller:
    retries = DEFAULT_MAX_RETRIES if call.max_retries is None else call.max_retries
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise UsageError(f"`max_retries` is a whole number of at least 0; got {retries!r}.")
    timeout_s = DEFAULT_TIMEOUT_S if way.timeout_s is None else way.timeout_s
    if not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise UsageError(f"`timeout` is a positive number of seconds; got {timeout_s!r}.")
    route = way.route
    if route.max_parallel_requests or route.rpm or route.tpm:
        engine.slots.limit(
            route.provider, route.model, at_most=route.max_parallel_requests, rpm=route.rpm, tpm=route.tpm
        )
    return Caller(
        run_id=entry.run_id,
        ledger=entry.ledger,
        slots=engine.slots,
        clock=engine.clock,
        rng=engine.rng,
        policy=_policy(retries),
        timeout_s=timeout_s,
        drop_params=engine.config is not None and engine.config.drop_params,
    )


@functools.lru_cache(maxsize=64)
def _policy(retries: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=retries + 1)


class _Streaming:
    """One way of a call, in chunks: attempts until the first chunk, then to the end."""

    def __init__(self, caller: Caller, way: Way, entry: Entry) -> None:
        self._caller = caller
        self._way = way
        self._request = way.sent.request
        self._dropped: str | None = None
        self._entry = entry
        self.has_begun = False
        self._outcome = Outcome(
            trial_id=entry.trial_id,
            request_key=way.sent.request.key,
            status="failed",
            model_sent=way.sent.request.model,
            started_at=caller.clock.now(),
            run_id=entry.run_id,
        )

    async def chunks(self) -> AsyncGenerator[Mapping[str, Any], None]:
        tries = Tries()
        caller, provider = self._caller, self._way.route.provider
        while True:
            async with caller.slots.place(provider, self._request.model, request=self._request) as place:
                attempt_id = await caller.ledger.begin_attempt(
                    run_id=caller.run_id,
                    trial_id=self._entry.trial_id,
                    request_key=self._outcome.request_key,
                    sent_at=caller.clock.now(),
                )
                self._outcome = replace(
                    self._outcome,
                    attempts=self._outcome.attempts + 1,
                    queue_s=self._outcome.queue_s + place.waited_s,
                )
                try:
                    async for chunk in self._one_attempt(attempt_id, place):
                        yield chunk
                    return
                except ProviderError as error:
                    place.report(error)
                    wait_s: float | None = 0.0
                    if not self._drops(error):
                        wait_s, tries = after_failure(error, tries, policy=caller.policy, rng=caller.rng)
                    if self.has_begun or wait_s is None:
                        await self._finish(replace(self._outcome, failure=failure_of(error)), attempt_id)
                        raise
                    await caller.ledger.fail_attempt(attempt_id, kind=error.kind, possibly_billed=error.possibly_billed)
            await caller.clock.sleep(wait_s)

    def _drops(self, error: ProviderError) -> bool:
        """Leaves the parameter out that a refusal is about, where that is wanted; true when another try may follow."""
        if self.has_begun or self._dropped is not None or not self._caller.drop_params:
            return False
        self._dropped = refused_param(error, self._request)
        if self._dropped is not None:
            self._request = without_param(self._request, self._dropped)
        return self._dropped is not None

    async def _one_attempt(self, attempt_id: int, place: Place) -> AsyncIterator[Mapping[str, Any]]:
        request, provider = self._request, self._way.route.provider
        shaper = _ChunkShaper(self._way)
        async for piece in provider.stream(request, timeout_s=self._caller.timeout_s):
            for chunk in shaper.shape(piece):
                self.has_begun = True
                yield chunk
            if piece.response is not None:
                # On record before the caller learns that the answer is whole.
                response = flagged(piece.response, self._dropped)
                place.report(response)
                done = answered(self._outcome, response, request, provider, prices=self._caller.prices)
                await self._finish(done, attempt_id)
                for chunk in shaper.end(piece.response):
                    yield chunk
                return
        raise InvalidResponseError(
            f"{provider.name!r} ended its stream before the answer did.",
            kind="truncated_stream",
            provider=provider.name,
            model=request.model,
            possibly_billed=True,
        )

    async def _finish(self, outcome: Outcome, attempt_id: int) -> None:
        await self._caller.ledger.finish(outcome, run_id=self._caller.run_id, attempt_id=attempt_id)


class _ChunkShaper:
    """Puts every provider's pieces into OpenAI's form, and leaves those that have it as they are."""

    def __init__(self, way: Way) -> None:
        self._model = way.sent.request.model
        options = way.sent.request.params.get("stream_options")
        self._wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        self._created = int(time.time())
        self._has_finished = False
        self._is_first = True
        self._has_calls = False

    def shape(self, piece: Chunk) -> list[Mapping[str, Any]]:
        raw = piece.raw
        choices = raw.get("choices")
        if isinstance(choices, tuple) and raw.get("object", "chat.completion.chunk") == "chat.completion.chunk":
            if not choices:
                # The closing piece with the usage: a reader of `choices[0]` gets it only when it was asked for.
                return [raw] if self._wants_usage else []
            self._has_finished = self._has_finished or any(
                isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
            )
            return [_with_delta(raw)]
        brought = piece.delta or ({"content": piece.text} if piece.text else {})
        if not brought:
            return []
        delta = {"role": "assistant", **brought} if self._is_first else brought
        self._is_first = False
        self._has_calls = self._has_calls or "tool_calls" in brought
        return [chunk_body("", self._created, self._model, delta=delta)]

    def end(self, response: Response) -> list[Mapping[str, Any]]:
        chunks: list[Mapping[str, Any]] = []
        if not self._has_finished:
            # Calls that came piece by piece are not repeated whole.
            missing = response.tool_calls if not self._has_calls else ()
            delta = {"tool_calls": list(missing)} if missing else {}
            finish = response.finish_reason or "stop"
            chunks.append(
                chunk_body(response.request_id or "", self._created, self._model, delta=delta, finish_reason=finish)
            )
            if self._wants_usage:
                empty = chunk_body("", self._created, self._model, delta={})
                chunks.append({**empty, "choices": [], "usage": usage_body(response)})
        return chunks


def _with_delta(raw: FrozenDict) -> Mapping[str, Any]:
    """Adds `content` where a piece leaves it out, so that `delta.content` can be read on every one."""
    choices = []
    for choice in raw["choices"]:
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if isinstance(delta, dict) and "content" not in delta:
            choice = {**choice, "delta": {"content": None, **delta}}
        choices.append(choice)
    return {**raw, "choices": choices}
