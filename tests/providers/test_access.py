"""The rules by which a deployment's own credential and address are used, and bound to each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.builders import make_request
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.errors import MissingKeyError
from toolkit.providers import Access, Providers
from toolkit.testing import FakeProvider

ENVIRON_KEY = "planted-environment-key"
OWN_KEY = "planted-deployment-key"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service that speaks OpenAI's protocol."""
    with serving("tests.servers.fake_openai") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def send(environ: dict[str, str], access: Access | None, *, model: str = "openai/small") -> None:
    """One request through the registry."""

    async def call() -> None:
        http = HttpClient()
        provider, name = Providers(http, environ=environ).find(model, access=access)
        await provider.complete(make_request(model=name), timeout_s=5)
        await http.aclose()

    _sync.run(call())


def authorization(server: ServerProcess) -> str | None:
    """What the last request authorised itself with."""
    header: str | None = server.requests()[-1]["headers"].get("authorization")
    return header


# completion.md section 6: a key is bound to its base URL's origin and never follows a caller's api_base.
def test_address_of_the_caller_gets_no_key_of_the_environment(server: ServerProcess) -> None:
    """With `api_base` and no `api_key`, no key of the environment is sent."""
    send({"OPENAI_API_KEY": ENVIRON_KEY}, Access(api_base=server.url + "/v1"))
    assert authorization(server) is None


@pytest.mark.line("6.17")
def test_address_of_the_environments_origin_gets_its_key(server: ServerProcess) -> None:
    """An `api_base` with the origin of the environment's own base URL is sent the environment's key."""
    environ = {"OPENAI_API_KEY": ENVIRON_KEY, "OPENAI_BASE_URL": server.url + "/v1"}
    send(environ, Access(api_base=server.url + "/other/v1"))
    assert authorization(server) == f"Bearer {ENVIRON_KEY}"
    assert server.requests()[-1]["path"] == "/other/v1/chat/completions"


def test_own_key_goes_to_the_own_address(server: ServerProcess) -> None:
    """With both, the deployment's key is sent to the deployment's address, whatever the environment says."""
    environ = {"OPENAI_API_KEY": ENVIRON_KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9"}
    send(environ, Access(api_key=Secret(OWN_KEY), api_base=server.url + "/v1"))
    assert authorization(server) == f"Bearer {OWN_KEY}"


def test_own_key_alone_goes_to_the_usual_address(server: ServerProcess) -> None:
    """With `api_key` alone, the provider's usual base URL is used."""
    environ = {"OPENAI_API_KEY": ENVIRON_KEY, "OPENAI_BASE_URL": server.url + "/v1"}
    send(environ, Access(api_key=Secret(OWN_KEY)))
    assert authorization(server) == f"Bearer {OWN_KEY}"


@pytest.mark.line("6.16")
@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("http://h:8000/v1", "http://h:8001/v1"),
        ("http://h/v1", "https://h/v1"),
        ("https://h/v1", "http://h:443/v1"),
        ("http://h/v1", "http://h.evil.test/v1"),
        ("http://h/v1", "http://h@evil.test/v1"),
    ],
)
def test_another_origin_is_another_address(own: str, other: str) -> None:
    """Another port, scheme or host is another origin, and gets no key."""
    environ = {"AZURE_API_KEY": ENVIRON_KEY, "AZURE_API_BASE": own}
    provider, model = Providers(HttpClient(), environ=environ).find("azure/m", access=Access(api_base=other))
    with pytest.raises(MissingKeyError):
        provider.check(model)


def test_two_deployments_stand_side_by_side() -> None:
    """Two keys, or two addresses, are two providers; the same access finds the same one again."""
    found = Providers(HttpClient(), environ={})
    one, again = (found.find("openai/m", access=Access(api_key=Secret(OWN_KEY)))[0] for _ in range(2))
    other = found.find("openai/m", access=Access(api_key=Secret(ENVIRON_KEY)))[0]
    plain = found.find("openai/m")[0]
    assert one is again
    assert len({id(one), id(other), id(plain)}) == 3


@pytest.mark.parametrize(
    ("model", "base", "identity"),
    [
        ("openai/m", "http://h/v1", "openai@http://h/v1"),
        ("anthropic/m", "http://h", "anthropic@http://h"),
        ("azure/m", "http://h/", "azure@http://h"),
        ("ollama/m", "h:11434", "ollama@http://h:11434/v1"),
        ("litellm/m", "http://h", "litellm@http://h"),
    ],
)
def test_identity_names_the_endpoint_and_never_the_key(model: str, base: str, identity: str) -> None:
    """The identity holds an address that is not the provider's own, and no credential."""
    access = Access(api_key=Secret(OWN_KEY), api_base=base)
    assert Providers(HttpClient(), environ={}).find(model, access=access)[0].identity == identity


def test_key_alone_does_not_change_the_identity() -> None:
    """Two keys for one service share answers."""
    found = Providers(HttpClient(), environ={})
    assert found.find("openai/m", access=Access(api_key=Secret(OWN_KEY)))[0].identity == "openai"


def test_nothing_of_the_registry_shows_the_key() -> None:
    """Neither the access nor what the registry keeps shows the key."""
    found = Providers(HttpClient(), environ={})
    access = Access(api_key=Secret(OWN_KEY))
    for model in ("openai/m", "anthropic/m", "azure/m", "litellm/m"):
        provider, _ = found.find(model, access=access)
        assert OWN_KEY not in repr(vars(provider)) + repr(provider)
    assert OWN_KEY not in repr(access) + repr(vars(found))


def test_own_key_satisfies_the_check() -> None:
    """A deployment with a key needs none in the environment."""
    provider, model = Providers(HttpClient(), environ={}).find("openai/m", access=Access(api_key=Secret(OWN_KEY)))
    provider.check(model)


def test_ready_made_provider_wins_over_access() -> None:
    """A provider that was handed over answers, whatever the deployment's access."""
    mine = FakeProvider(["hi"])
    found = Providers(HttpClient(), environ={}, extra={"openai": mine})
    assert found.find("openai/m", access=Access(api_base="http://h"))[0] is mine
