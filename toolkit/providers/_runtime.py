"""Runs one GGUF model in this process, in a thread of its own that never keeps Ctrl-C or the event loop waiting."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import queue
import secrets
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from toolkit._optional import require

CONTEXT_TOKENS = 4096
"""Most tokens of prompt and answer together; the model's own limit where that is less."""

# How long the process waits at its end for the thread to leave the runtime; leaving it there could crash the exit.
_EXIT_WAIT_S = 2.0


class RuntimeFailure(Exception):
    """The runtime refused or failed; never leaves this room."""

    def __init__(self, message: str, *, code: int = 500, error_type: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """400 when the request is at fault, else 500."""
        self.error_type = error_type
        """The runtime's own word, such as `exceed_context_size_error`."""


class Runtime:
    """One loaded model behind a queue; one generation at a time.

    The runtime's own calls block and do not notice Ctrl-C, so they happen in a daemon thread, always streamed, with a
    callback that ends them as soon as nobody waits any more: at the next token of the answer, or the next 64 tokens
    of the prompt, whichever comes first (about half a second on one core).

    Args:
        find_file: Gives the model's file, fetching it first if need be; called in the thread, with a function that
            tells whether to give up.
    """

    def __init__(self, find_file: Callable[[Callable[[], bool]], Path]) -> None:
        self._find_file = find_file
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._current: _Job | None = None
        self._is_closed = False
        self._server: Any = None
        self._thread = threading.Thread(target=self._serve, name="toolkit-local-model", daemon=True)
        self._thread.start()
        _alive.add(self)

    async def load(self) -> None:
        """Fetches and loads the model, unless that has happened.

        Raises:
            RuntimeFailure: If the file cannot be loaded.
            ModelNotFoundError: If the weights cannot be had.
        """
        async for _ in self._do(None):
            pass

    def generate(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yields the events of one streamed chat completion; ending the iteration ends the generation.

        Raises:
            RuntimeFailure: If the runtime refuses the request or fails.
        """
        return self._do(body)

    def close(self) -> None:
        """Asks the thread to end what it does and to let go of the model; does not wait."""
        self._is_closed = True
        if (job := self._current) is not None:
            job.is_cancelled.set()
        self._jobs.put(None)

    def join(self, timeout_s: float) -> None:
        """Waits for the thread to end."""
        self._thread.join(timeout_s)

    async def _do(self, body: dict[str, Any] | None) -> AsyncGenerator[dict[str, Any], None]:
        job = _Job(body, asyncio.get_running_loop())
        self._jobs.put(job)
        try:
            while not isinstance(event := await job.events.get(), _End):
                yield event
            if event.error is not None:
                raise event.error
        finally:
            job.is_cancelled.set()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._current = job
            if self._is_closed:
                job.is_cancelled.set()
            error: Exception | None = None
            try:
                if not job.is_cancelled.is_set():
                    self._run(job)
            except Exception as caught:  # noqa: BLE001  whatever the runtime raises belongs to whoever waits for it
                error = caught
            if self._is_closed and error is None:
                error = RuntimeFailure("the runtime was closed")
            self._current = None
            job.deliver(_End(error))
        self._server = None

    def _run(self, job: _Job) -> None:
        if self._server is None:
            self._server = _start_server(self._find_file(job.is_cancelled.is_set))
        if job.body is None:
            return
        failures: list[RuntimeFailure] = []

        def take(event: dict[str, Any]) -> bool:
            """Receives one event; True ends the generation."""
            if "error" in event:
                failures.append(_failure(event["error"]))
                return True
            job.deliver(event)
            return job.is_cancelled.is_set()

        try:
            self._server.handle_chat_completions(job.body, take)
        except ValueError as error:
            raise RuntimeFailure(str(error), code=400) from error
        if failures:
            raise failures[0]


class _End:
    """Stands behind the last event of a job."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


class _Job:
    """One thing for the thread to do, and the way back to the loop that waits for it; no body = only load."""

    def __init__(self, body: dict[str, Any] | None, loop: asyncio.AbstractEventLoop) -> None:
        self.body = body
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.is_cancelled = threading.Event()
        self._loop = loop

    def deliver(self, event: Any) -> None:
        """Hands an event to the waiting loop; a loop that is gone cancels the job."""
        try:
            self._loop.call_soon_threadsafe(self.events.put_nowait, event)
        except RuntimeError:
            self.is_cancelled.set()


def import_runtime() -> ModuleType:
    """Returns the runtime's module.

    Raises:
        MissingDependencyError: If the extra `local` is not installed.
    """
    # Read once, when the library is loaded: without them its idle threads spin and take a core from the kernel.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    return require("xllamacpp", extra="local", purpose="to run a model in this process")


def _start_server(file: Path) -> Any:
    runtime = import_runtime()
    params = runtime.CommonParams()
    params.model.path = str(file)
    # More threads are faster, but their sums round differently: one thread gives one answer on any machine load.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_parallel = 1
    params.n_ctx = CONTEXT_TOKENS
    # Small batches, with progress after each, so that reading a long prompt can be ended too; not measurably slower.
    params.n_batch = params.n_ubatch = 64
    # The runtime cannot be started without its own loopback port: closed to everybody by a key that nobody knows.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_hex(32)]
    params.cors_origins = "http://localhost"
    params.ui = False
    params.endpoint_slots = False
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.warmup = False
    try:
        return runtime.Server(params)
    except (RuntimeError, ValueError, OSError) as error:
        raise RuntimeFailure(f"{str(file)!r} cannot be loaded as a GGUF model ({error})", code=404) from error


def _failure(error: Any) -> RuntimeFailure:
    if not isinstance(error, dict):
        return RuntimeFailure(str(error))
    code, error_type = error.get("code"), str(error.get("type", ""))
    message = str(error.get("message", error))
    if error_type == "exceed_context_size_error":
        message = f"the prompt has {error.get('n_prompt_tokens')} tokens and the model reads {error.get('n_ctx')}"
    return RuntimeFailure(message, code=code if isinstance(code, int) else 500, error_type=error_type)


_alive: weakref.WeakSet[Runtime] = weakref.WeakSet()


@atexit.register
def _leave() -> None:
    """Gets every thread out of the runtime before the interpreter goes, which a thread in foreign code would crash."""
    runtimes = list(_alive)
    for runtime in runtimes:
        with contextlib.suppress(Exception):  # the process is ending: nobody is left to be told
            runtime.close()
    for runtime in runtimes:
        runtime.join(_EXIT_WAIT_S)
