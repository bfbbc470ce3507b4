"""A small model run in this process, for work without a key or a network."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import math
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from toolkit._optional import require
from toolkit._plugins import unknown_name
from toolkit._records import FrozenDict, Request, Response, freeze, messages_to_wire
from toolkit.errors import (
    BadRequestError,
    ContextLengthError,
    InvalidResponseError,
    ModelNotFoundError,
    ProviderError,
    ProviderServerError,
    ProviderTimeoutError,
    UnknownNameError,
)
from toolkit.providers._http_provider import EmptyAnswerError
from toolkit.providers._openai_wire import StreamAssembler, read_completion
from toolkit.providers._provider import Capabilities, Chunk
from toolkit.providers._runtime import Runtime, RuntimeFailure, import_runtime
from toolkit.providers._weights import EMBEDDED, weights_file

ANSWER_TOKENS = 512
"""Most tokens of an answer when the request sets no limit: a tiny model that has lost its way does not stop itself."""

# What the runtime honours; anything else is refused by name rather than ignored.
_PARAMS = frozenset({"temperature", "top_p", "max_tokens", "max_completion_tokens", "n", "seed", "stop",
                     "presence_penalty", "frequency_penalty", "logit_bias", "response_format"})  # fmt: skip

# Said to every provider, and without a meaning for a model in this process.
_WITHOUT_EFFECT = frozenset({"stream", "stream_options", "user"})

_SAMPLES = 17
_SAMPLE_BYTES = 65_536


class LocalProvider:
    """Runs a GGUF model in this process: `local/smollm2-135m-instruct`, or `local/` and the path of any GGUF file.

    The embedded model is a real one and a tiny one. It makes a first run real without a key, not good: expect fluent
    English and wrong answers. Its weights (98 MB) are fetched once, when first needed.

    Nothing leaves the process and an answer costs 0 USD. Answers are the same for the same request at temperature 0,
    whatever was asked before. Params that are not set follow the runtime (temperature 0.8, top_p 0.95, a random
    seed); an answer without `max_tokens` ends after 512 tokens with finish reason `length`. A chat without a system
    message gets the one of the model's own template.

    Args:
        file: A GGUF file of the user's own; `None` = the embedded models.
        folder: Where fetched weights are kept; `None` = the user's cache folder.
        report: Receives a line when fetching begins and ends; `None` = standard error.
    """

    name = "local"
    capabilities = Capabilities(max_concurrency=1, is_local=True, params=_PARAMS | _WITHOUT_EFFECT)

    def __init__(
        self, *, file: Path | None = None, folder: Path | None = None, report: Callable[[str], None] | None = None
    ) -> None:
        self._file = file
        self._folder = folder
        self._report = report
        self._runtimes: dict[str, Runtime] = {}
        self.identity = self.name
        if file is not None and file.is_file():
            self.identity = f"{self.name}@{file.stem}-{sample_digest(file)}"

    def __repr__(self) -> str:
        return f"LocalProvider({self.identity!r})"

    def check(self, model: str) -> None:
        """Finds out whether the runtime is installed and the model or file exists; fetches nothing.

        Raises:
            MissingDependencyError: If the extra `local` is not installed.
            UnknownNameError: If there is no such embedded model, or no such file.
        """
        if self._file is not None and not self._file.is_file():
            raise UnknownNameError(f"There is no file {str(self._file)!r} (model 'local/{model}').", name=model)
        if self._file is None and model not in EMBEDDED:
            known = sorted(EMBEDDED)
            sentence = unknown_name("embedded model", model, known)
            raise UnknownNameError(f"{sentence} A file of your own ends in .gguf.", name=model, known=known)
        if importlib.util.find_spec("xllamacpp") is None:
            require("xllamacpp", extra="local", purpose="to run a model in this process")

    async def prepare(self, model: str) -> None:
        """Fetches the weights, when they are not there, and loads the model (about 2 s).

        Raises:
            ModelNotFoundError: If the weights cannot be had or loaded; the message says why and what to do.
        """
        self.check(model)
        try:
            await self._runtime(model).load()
        except RuntimeFailure as failure:
            raise self._error(failure, model) from failure

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Returns the whole answer; arguments and errors as for `stream`."""
        async with contextlib.aclosing(self.stream(request, timeout_s=timeout_s)) as chunks:
            async for chunk in chunks:
                if chunk.response is not None:
                    return chunk.response
        raise AssertionError("a stream ends with a response or an error")

    async def stream(self, request: Request, *, timeout_s: float) -> AsyncGenerator[Chunk, None]:
        """Yields the answer in pieces; the last carries the whole `Response`. Leaving early ends the generation.

        Args:
            request: What to answer.
            timeout_s: Seconds for the answer; fetching and loading, if that is still to do, come before.

        Raises:
            BadRequestError: If a param is set that the runtime does not honour; names it.
            ContextLengthError: If the prompt is longer than 4096 tokens.
            ProviderTimeoutError: If the answer takes longer than `timeout_s`.
            ModelNotFoundError: As for `prepare`.
        """
        model = request.model
        body = self._body(request)
        await self.prepare(model)
        assembler = StreamAssembler()
        started = time.monotonic()
        first_token_s: float | None = None
        events = self._runtime(model).generate(body)
        try:
            while True:
                async with asyncio.timeout(started + timeout_s - time.monotonic()):
                    event = await anext(events, None)
                if event is None:
                    break
                added = assembler.add(event)
                if added and first_token_s is None:
                    first_token_s = time.monotonic() - started
                if added:
                    raw = FrozenDict(event | {"model": _shown(model)})
                    yield Chunk(text=added, delta=freeze(assembler.delta(raw)), raw=raw)
        except TimeoutError as error:
            raise ProviderTimeoutError(
                f"The model 'local/{model}' gave no whole answer within {timeout_s:g} s. Allow more time, or ask for "
                "fewer tokens.", provider=self.name, model=model, partial=assembler.text,
            ) from error  # fmt: skip
        except RuntimeFailure as failure:
            raise self._error(failure, model) from failure
        finally:
            await events.aclose()
        yield Chunk(response=self._response(assembler, model, started=started, first_token_s=first_token_s))

    async def aclose(self) -> None:
        """Lets go of the loaded models."""
        for runtime in self._runtimes.values():
            runtime.close()
        self._runtimes.clear()

    def _runtime(self, model: str) -> Runtime:
        if model not in self._runtimes:
            import_runtime()
            self._runtimes[model] = Runtime(functools.partial(self._find_file, model))
        return self._runtimes[model]

    def _find_file(self, model: str, is_cancelled: Callable[[], bool]) -> Path:
        if self._file is not None:
            return self._file
        return weights_file(EMBEDDED[model], folder=self._folder, report=self._report, is_cancelled=is_cancelled)

    def _body(self, request: Request) -> dict[str, Any]:
        params = {name: value for name, value in request.params.items() if name not in _WITHOUT_EFFECT}
        refused = sorted(name for name, value in params.items() if name not in _PARAMS and value is not None)
        if refused or params.get("n") not in (None, 1):
            named = ", ".join(repr(name) for name in refused) or "'n' above 1"
            raise BadRequestError(
                f"The local runtime does not honour {named} (model 'local/{request.model}'); leave it out. "
                f"It honours: {', '.join(sorted(_PARAMS))}.", provider=self.name, model=request.model,
            )  # fmt: skip
        if params.get("max_tokens") is None and params.get("max_completion_tokens") is None:
            params["max_tokens"] = ANSWER_TOKENS
        # A prompt cache would make answers depend on what was asked before: 13 of 28 differed when it was tried.
        body: dict[str, Any] = _thawed({"messages": messages_to_wire(request.messages), **params})
        return body | {
            "stream": True, "stream_options": {"include_usage": True}, "return_progress": True, "cache_prompt": False,
        }  # fmt: skip

    def _response(
        self, assembler: StreamAssembler, model: str, *, started: float, first_token_s: float | None
    ) -> Response:
        # The runtime's `model` is the file's path, which says more about this machine than about the answer.
        body = assembler.body() | {"model": _shown(model)}
        try:
            if assembler.finish_reason is None:
                raise EmptyAnswerError("it ended before the answer did")
            response = read_completion(
                body, request_id=None, latency_s=time.monotonic() - started, first_token_s=first_token_s
            )
        except EmptyAnswerError as error:
            raise InvalidResponseError(
                f"The model 'local/{model}' gave no usable answer: {error}.",
                kind="empty_response", provider=self.name, model=model, partial=assembler.text,
            ) from error  # fmt: skip
        return dataclasses.replace(response, cost_usd=0.0)

    def _error(self, failure: RuntimeFailure, model: str) -> ProviderError:
        message = f"The model 'local/{model}' did not answer: {failure.message}."
        if failure.error_type == "exceed_context_size_error":
            return ContextLengthError(
                f"{message} Shorten the prompt or its variables.", provider=self.name, model=model
            )
        if failure.code == 404:
            return ModelNotFoundError(f"{message} Check the file.", provider=self.name, model=model)
        if 400 <= failure.code < 500:
            return BadRequestError(f"{message} Change what it names.", provider=self.name, model=model)
        return ProviderServerError(message, provider=self.name, model=model)


def sample_digest(file: Path) -> str:
    """Returns 12 hex digits over the size of `file` and 17 samples of 64 KiB spread evenly over it."""
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode("ascii"))
    last = max(0, size - _SAMPLE_BYTES)
    with file.open("rb") as opened:
        for position in sorted({math.floor(last * part / (_SAMPLES - 1)) for part in range(_SAMPLES)}):
            opened.seek(position)
            digest.update(opened.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:12]


def _shown(model: str) -> str:
    return Path(model).stem if model.lower().endswith(".gguf") else model


def _thawed(value: Any) -> Any:
    """Plain dicts and lists: the runtime knows no others."""
    if isinstance(value, dict):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_thawed(item) for item in value]
    return value
