"""One trial against a faulty server, by the way that every trial goes: places, attempts on record, retries, outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.servers._process import ServerProcess
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._records import FrozenDict, Message, Outcome, Request
from toolkit._redact import Secret
from toolkit.engine import Caller, RetryPolicy, Slots, call
from toolkit.providers import AnthropicProvider, OpenAIProvider
from toolkit.testing import FakeClock

KEY = "kestrel-credential-7711"


@dataclass(slots=True, kw_only=True)
class Diary:
    """A ledger that notes what it is told, in order."""

    entries: list[str] = field(default_factory=list)
    begun: int = 0

    async def begin_attempt(self, **_: Any) -> int:
        self.begun += 1
        self.entries.append("begin")
        return self.begun

    async def fail_attempt(self, attempt_id: int, *, kind: str, possibly_billed: bool) -> None:
        self.entries.append(f"fail {kind}")

    async def finish(self, outcome: Outcome, *, run_id: str, attempt_id: int | None) -> None:
        self.entries.append(f"finish {outcome.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What became of a trial."""

    outcome: Outcome
    requests: list[dict[str, Any]]
    """What the server received."""
    clock: FakeClock
    diary: Diary

    @property
    def kind(self) -> str | None:
        """Kind of the failure; `None` when there is an answer."""
        return self.outcome.failure.kind if self.outcome.failure is not None else None

    @property
    def message(self) -> str:
        """Words of the failure."""
        return self.outcome.failure.message if self.outcome.failure is not None else ""


def make_request(text: str = "hello", *, model: str = "small", **params: Any) -> Request:
    """A request with one user message."""
    return Request(
        provider="openai", model=model, messages=(Message(role="user", content=text),), params=FrozenDict(params)
    )


def walk(
    server: ServerProcess | str,
    request: Request | None = None,
    *,
    timeout_s: float = 10.0,
    policy: RetryPolicy | None = None,
    anthropic: bool = False,
    http: HttpClient | None = None,
    **options: Any,
) -> Walk:
    """Sends one trial on a clock that does not wait, and returns its outcome and what the server received.

    Args:
        server: The server, or an address where nobody counts.
        request: `None` = a plain one.
        timeout_s: Seconds for one attempt, on the real clock.
        policy: `None` = the default.
        anthropic: Whether the Messages API is spoken.
        http: The client; `None` = a new one.
        options: For `Caller`.
    """
    url = server if isinstance(server, str) else server.url
    clock, diary = FakeClock(), Diary()

    async def send() -> Outcome:
        client = http or HttpClient()
        provider: Any
        if anthropic:
            provider = AnthropicProvider(base_url=url, api_key=lambda: Secret(KEY), http=client)
        else:
            provider = OpenAIProvider(
                name="openai", base_url=f"{url}/v1", api_key=lambda: Secret(KEY), key_variable="OPENAI_API_KEY",
                http=client, own_base_url="https://api.openai.com/v1",
            )  # fmt: skip
        caller = Caller(
            run_id="run-1", ledger=diary, slots=Slots(8, clock=clock), clock=clock, rng=Random(0),
            policy=policy or RetryPolicy(), timeout_s=timeout_s, **options,
        )  # fmt: skip
        try:
            return await call(request or make_request(), provider, trial_id="t1:a", caller=caller)
        finally:
            await client.aclose()

    outcome = _sync.run(send())
    requests = [] if isinstance(server, str) else server.requests()
    return Walk(outcome=outcome, requests=requests, clock=clock, diary=diary)
