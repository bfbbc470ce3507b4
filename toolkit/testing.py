"""Fakes for tests without a network: a scripted provider, prompts from memory, a clock that does not wait."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from toolkit._http import HttpClient
from toolkit._records import Prompt, PromptInfo, Request, Response, Usage
from toolkit.config import ConfigFile, Settings
from toolkit.engine import Engine
from toolkit.errors import PromptNotFoundError, ProviderError
from toolkit.prompts import PromptSource
from toolkit.providers import Capabilities, Chunk, Provider

Answer = str | Response | ProviderError
"""What a scripted provider gives: text, a whole response, or an error to raise."""


class FakeProvider:
    """A provider that follows a script and keeps what it was sent.

    Args:
        script: Answers in the order of the calls, the last one for ever; or a function from request to answer.
        name: What stands before the slash of its models.
        max_concurrency: As in `Capabilities`.

    Example:
        >>> FakeProvider(["hello"]).name
        'fake'
    """

    def __init__(
        self,
        script: Sequence[Answer] | Callable[[Request], Answer] = ("ok",),
        *,
        name: str = "fake",
        max_concurrency: int | None = None,
    ) -> None:
        self.name = name
        self.identity = name
        self.capabilities = Capabilities(max_concurrency=max_concurrency)
        self.requests: list[Request] = []
        """Every request received, in order."""
        self._script = script

    def check(self, model: str) -> None:
        """Accepts every model."""

    async def prepare(self, model: str) -> None:
        """Needs nothing."""

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Gives the next answer of the script."""
        number = len(self.requests)
        self.requests.append(request)
        script = self._script
        answer = script(request) if callable(script) else script[min(number, len(script) - 1)]
        if isinstance(answer, ProviderError):
            raise answer
        if isinstance(answer, Response):
            return answer
        words = len(answer.split())
        return Response(
            text=answer,
            finish_reason="stop",
            model=request.model,
            usage=Usage(input_tokens=_words(request), output_tokens=words),
            latency_s=0.0,
        )

    async def stream(self, request: Request, *, timeout_s: float) -> AsyncIterator[Chunk]:
        """Gives the next answer word by word."""
        response = await self.complete(request, timeout_s=timeout_s)
        for word in response.text.split(" "):
            yield Chunk(text=word)
        yield Chunk(response=response)

    async def aclose(self) -> None:
        """Holds nothing open."""


class FakeSource:
    """A prompt source in memory.

    Args:
        prompts: Its prompts; a name's versions in the order given, oldest first.
        name: What stands before the colon of a reference.
    """

    def __init__(self, prompts: Iterable[Prompt], *, name: str = "fake") -> None:
        self.name = name
        self._prompts = list(prompts)

    async def get(self, prompt_id: str, *, version: str | None = None, label: str | None = None) -> Prompt:
        """Returns the version asked for; the newest by default."""
        found = [prompt for prompt in self._prompts if prompt.prompt_id == prompt_id]
        if version is not None:
            found = [prompt for prompt in found if prompt.version == version]
        if label is not None:
            found = [prompt for prompt in found if label in prompt.labels]
        if not found:
            raise PromptNotFoundError(
                f"{self.name!r} has no {prompt_id!r} with version {version!r} and label {label!r}.",
                prompt_id=prompt_id,
                source=self.name,
            )
        return replace(found[-1], label=label)

    async def versions(self, prompt_id: str) -> tuple[str, ...]:
        """Returns the versions of a name."""
        await self.get(prompt_id)
        return tuple(prompt.version for prompt in self._prompts if prompt.prompt_id == prompt_id)

    async def list(self, *, query: str = "") -> list[PromptInfo]:
        """Returns one entry a name."""
        names = sorted({prompt.prompt_id for prompt in self._prompts if query in prompt.prompt_id})
        return [
            PromptInfo(prompt_id=name, source=self.name, kind="text", versions=await self.versions(name))
            for name in names
        ]

    async def aclose(self) -> None:
        """Holds nothing open."""


class FakeClock:
    """A clock that moves only when something sleeps.

    Attributes:
        slept: Every wait in seconds, in order.
    """

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return math.fsum(self.slept)

    def now(self) -> dt.datetime:
        """The first of January 2026, plus the seconds slept."""
        return self._start + dt.timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        """Moves the clock and returns at once."""
        self.slept.append(seconds)


def fake_engine(
    settings: Settings,
    *,
    providers: Iterable[Provider] = (),
    sources: Iterable[PromptSource] = (),
    http: HttpClient | None = None,
    config: ConfigFile | None = None,
) -> Engine:
    """Returns an engine with fakes beside the built-ins.

    Args:
        settings: Where its store and folder are.
        providers: Found by their names.
        sources: Found by their names.
        http: Sends what the built-in adapters send; `None` = a client of its own.
        config: A config.yaml that has been read.
    """
    by_name: Mapping[str, Provider] = {provider.name: provider for provider in providers}
    return Engine(
        settings, http=http, providers=by_name, sources={source.name: source for source in sources}, config=config
    )


def _words(request: Request) -> int:
    return sum(len(str(message.content or "").split()) for message in request.messages)
