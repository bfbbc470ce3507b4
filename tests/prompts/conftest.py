"""A fake Langfuse in another process, with the prompts of the recordings, and a source that reads from it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess, serving
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import LangfuseSettings
from toolkit.prompts import LangfuseSource

RECORDINGS = Path(__file__).parents[1] / "data" / "langfuse"


def recording(number: int) -> dict[str, Any]:
    """Returns the recorded call with this number: `request` and `response`."""
    (path,) = RECORDINGS.glob(f"{number:02}-*.json")
    recorded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return recorded


@pytest.fixture(scope="session")
def _langfuse() -> Iterator[ServerProcess]:
    with serving("tests.servers.fake_langfuse") as server:
        yield server


@pytest.fixture
def langfuse(_langfuse: ServerProcess) -> ServerProcess:
    """A fake Langfuse that has received nothing yet and answers at once, with the prompts of the first recordings."""
    _langfuse.control(reset=True, seed=[recording(number)["request"]["body"] for number in (1, 2, 3, 4, 5)])
    return _langfuse


@pytest.fixture(scope="session")
def http() -> Iterator[HttpClient]:
    """The HTTP layer, closed at the end."""

    async def make() -> HttpClient:
        return HttpClient()

    client = run(make())
    yield client
    run(client.aclose())


class Waits:
    """Stands in for sleeping: notes the seconds and goes on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def waits() -> Waits:
    """The seconds that a source waited between tries."""
    return Waits()


@pytest.fixture
def clock() -> Clock:
    """The source's clock."""
    return Clock()


@pytest.fixture
def make_source(langfuse: ServerProcess, http: HttpClient, waits: Waits, clock: Clock) -> Callable[..., LangfuseSource]:
    """Makes a source that reads from the fake, with other keys, host or times where a test says so."""

    def make(
        *, host: str = langfuse.url, public: str = PUBLIC_KEY, secret: str = SECRET_KEY, **others: Any
    ) -> LangfuseSource:
        settings = LangfuseSettings(host=host, public_key=public, secret_key=Secret(secret))
        return LangfuseSource(settings, http, **{"sleep": waits, "clock": clock, **others})

    return make


@pytest.fixture
def source(make_source: Callable[..., LangfuseSource]) -> LangfuseSource:
    """A source that reads from the fake."""
    return make_source()
