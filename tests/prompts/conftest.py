"""Fake prompt servers in other processes, Langfuse's with the prompts of the recordings, and sources that read them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers._process import ServerProcess, serving
from tests.servers.fake_generic_prompts import API_KEY as GENERIC_KEY
from tests.servers.fake_humanloop import API_KEY as HUMANLOOP_KEY
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit._sync import run
from toolkit.config import LangfuseSettings, Settings
from toolkit.prompts import GenericSource, HumanloopSource, LangfuseSource, SourceAccess, Sources

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


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_HOST", "LANGFUSE_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HUMANLOOP_API_KEY", "HUMANLOOP_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def _humanloop() -> Iterator[ServerProcess]:
    with serving("tests.servers.fake_humanloop") as server:
        yield server


@pytest.fixture
def humanloop(_humanloop: ServerProcess) -> ServerProcess:
    """A fake Humanloop that holds nothing and has received nothing."""
    _humanloop.control(reset=True)
    return _humanloop


@pytest.fixture
def humanloop_source(humanloop: ServerProcess, sources: Sources) -> HumanloopSource:
    """A source that reads from the fake Humanloop."""
    access = SourceAccess(api_base=f"{humanloop.url}/v5", humanloop_api_key=Secret(HUMANLOOP_KEY))
    found = sources.get("humanloop", access=access)
    assert isinstance(found, HumanloopSource)
    return found


@pytest.fixture(scope="session")
def _generic() -> Iterator[ServerProcess]:
    with serving("tests.servers.fake_generic_prompts") as server:
        yield server


@pytest.fixture
def generic(_generic: ServerProcess) -> ServerProcess:
    """A fake generic prompt server that holds nothing and has received nothing."""
    _generic.control(reset=True)
    return _generic


@pytest.fixture
def generic_source(generic: ServerProcess, sources: Sources) -> GenericSource:
    """A source that reads from the fake generic prompt server."""
    found = sources.get("generic", access=SourceAccess(api_base=generic.url, api_key=Secret(GENERIC_KEY)))
    assert isinstance(found, GenericSource)
    return found


@pytest.fixture
def sources(http: HttpClient, tmp_path: Path) -> Sources:
    """The sources of a configuration that names a folder and no keys."""
    return Sources(Settings(prompts_folder=tmp_path / "prompts"), http)
