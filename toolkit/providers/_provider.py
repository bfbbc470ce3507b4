"""The Provider protocol: one object that sends a request and returns a response, whatever the wire looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from toolkit._records import EMPTY, FrozenDict, Request, Response
from toolkit._redact import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Credential and address of one deployment; what is `None` comes from the environment.

    A key belongs to an address: with `api_base` and no `api_key`, no key of the environment is sent, unless the
    environment's own address of the provider has the same origin.
    """

    api_key: Secret | None = None
    api_base: str | None = None
    """Base URL; `None` = the provider's usual one."""
    api_version: str | None = None
    """Version of the API, for services whose address names one (Azure)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do, and what the engine must know before it asks."""

    stream: bool = True
    max_concurrency: int | None = None
    """Most calls in flight that make sense; 1 for a model in this process, `None` = the caller decides."""
    is_local: bool = False
    """The model runs in this process: nothing leaves it, and an answer costs 0 USD."""
    params: frozenset[str] | None = None
    """The only parameters that it takes, by their OpenAI names; `None` = whatever is sent, refused by the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a streamed answer."""

    text: str = ""
    response: Response | None = None
    """The whole answer; on the last chunk, and only there."""
    delta: FrozenDict = EMPTY
    """What the piece brings in the form of OpenAI's `delta` (text, tool calls), whatever the wire looks like."""
    raw: FrozenDict = EMPTY
    """The event as it came."""


class Provider(Protocol):
    """A service that completes; all calls run on the engine's loop."""

    name: str
    """What people write before the slash: `openai`, `local`."""
    identity: str
    """`name`, with the endpoint behind an `@` where it is not the provider's own: part of every request's key."""
    capabilities: Capabilities

    def check(self, model: str) -> None:
        """Finds out, before anything is sent, whether this model can be asked at all. Reads no network.

        Raises:
            MissingKeyError: If the credential is not set; names the environment variable.
            UnknownNameError: If the model is known not to exist.
            MissingDependencyError: If an extra is not installed.
        """
        ...

    async def prepare(self, model: str) -> None:
        """Does what is done once and may take long: fetching weights, loading them. Nothing for a remote service."""
        ...

    async def complete(self, request: Request, *, timeout_s: float) -> Response:
        """Sends one request, once, and returns the whole answer; retries are the engine's business.

        Raises:
            ProviderError: Of the most specific class, with `retryable` and `possibly_billed` set.
        """
        ...

    def stream(self, request: Request, *, timeout_s: float) -> AsyncIterator[Chunk]:
        """As `complete`, in pieces as they arrive; the last chunk carries the whole `Response`."""
        ...

    async def aclose(self) -> None:
        """Releases what the provider holds open."""
        ...


EMBEDDING_PARAMS = FrozenDict({"encoding_format": "float"})
"""What is sent to an embeddings endpoint beside the model and the texts; no request for a completion has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What an embedding model made of some texts."""

    vectors: tuple[Sequence[float], ...]
    """One a text, in their order."""
    input_tokens: int | None = None
    """Of all texts together, as the provider counted them; `None` where it did not say."""
    model: str | None = None
    """Model that served, by the provider's word."""
    request_id: str | None = None


@runtime_checkable
class Embedder(Protocol):
    """A provider that turns texts into vectors."""

    async def embed(self, model: str, texts: Sequence[str], *, timeout_s: float) -> Embedded:
        """Returns one vector a text, in their order, from one request.

        Raises:
            ProviderError: Of the most specific class.
        """
        ...
