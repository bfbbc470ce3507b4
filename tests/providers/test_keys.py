"""The rules by which a key goes where it belongs and is shown nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.builders import complete, make_request, provider_for
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.errors import MissingKeyError, ProviderError
from toolkit.providers import OpenAIProvider, Providers


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service whose faults are scripted."""
    with serving("tests.servers.fake_openai") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def test_key_is_read_anew_for_each_request(server: ServerProcess) -> None:
    """A key that changes between two requests counts from the second on."""
    keys = iter(["first-key-value", "second-key-value"])

    async def twice() -> None:
        http = HttpClient()
        provider = OpenAIProvider(
            name="acme", base_url=server.url, api_key=lambda: Secret(next(keys)), key_variable="ACME_API_KEY",
            http=http, own_base_url="",
        )  # fmt: skip
        for _ in range(2):
            with pytest.raises(ProviderError):
                await provider.complete(make_request(), timeout_s=5)
        await http.aclose()

    server.control(status=401, times=2)
    _sync.run(twice())
    assert [request["headers"]["authorization"] for request in server.requests()] == [
        "Bearer first-key-value",
        "Bearer second-key-value",
    ]


def test_key_never_reaches_the_target_of_a_redirect(server: ServerProcess) -> None:
    """A redirect to another origin is an error, and the other origin hears nothing."""
    with serving("tests.servers.fake_openai") as other:
        server.control(status=308, headers={"location": other.url + "/v1/chat/completions"})
        with pytest.raises(ProviderError) as raised:
            complete(server, key="planted-sentinel-key")
        assert other.requests() == []
    assert raised.value.kind == "redirect"


def test_refused_key_is_not_in_the_error() -> None:
    """An error about a key names the environment variable and never holds the key that the service echoes."""
    with serving("tests.servers.fake_openai", "--require-key", "the-right-key-1") as strict:
        with pytest.raises(ProviderError) as raised:
            complete(strict, key="planted-sentinel-key")
        assert complete(strict, key="the-right-key-1").text
    shown = f"{raised.value!s} {raised.value!r} {raised.value.__dict__}"
    assert raised.value.kind == "auth"
    assert "ACME_API_KEY" in shown
    assert "planted-sentinel-key" not in shown


def shown_with_locals(error: BaseException) -> str:
    """The error and all that it came from, with the local variables of every frame but this file's."""
    outermost = error.__traceback__
    while outermost is not None and outermost.tb_frame.f_code.co_filename == __file__:
        outermost = outermost.tb_next
    seen = traceback.TracebackException(type(error), error, outermost, capture_locals=True)
    return "".join(seen.format())


@pytest.mark.parametrize("fault", [{"cut": "before"}, {"cut": 5}, {"status": 401}, {"delay_s": 20}, {"body": "<html>"}])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_key_is_in_no_traceback(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], is_streamed: bool
) -> None:
    """Whatever fails, a traceback that shows local variables does not show the key."""
    monkeypatch.setenv("OPENAI_API_KEY", "planted-sentinel-key")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.control(**fault)

    async def call() -> None:
        provider, _ = Providers(HttpClient()).find("openai/small")
        if is_streamed:
            async for _ in provider.stream(make_request(), timeout_s=0.5):
                pass
        else:
            await provider.complete(make_request(), timeout_s=0.5)

    with pytest.raises(ProviderError) as raised:
        _sync.run(call())
    shown = shown_with_locals(raised.value)
    assert server.requests()[0]["headers"]["authorization"] == "Bearer planted-sentinel-key"
    assert "timeout_s" in shown
    assert "planted-sentinel-key" not in shown


def test_no_key_sends_no_authorization(server: ServerProcess) -> None:
    """Without a key no authorization header is sent."""
    complete(server)
    assert "authorization" not in server.requests()[0]["headers"]


def test_missing_key_is_found_before_anything_is_sent() -> None:
    """The family's own address without a key is refused by a check that names the environment variable."""
    provider = provider_for("https://api.acme.test/v1", HttpClient())
    with pytest.raises(MissingKeyError, match="ACME_API_KEY") as raised:
        provider.check("small")
    assert raised.value.variable == "ACME_API_KEY"


def test_foreign_endpoint_needs_no_key() -> None:
    """A base URL of the user's own may be asked without a key."""
    provider_for("http://127.0.0.1:8000/v1", HttpClient()).check("small")


def test_nothing_shown_holds_the_key() -> None:
    """Neither the repr nor the attributes of an adapter show the key."""
    provider = provider_for("http://127.0.0.1:8000/v1", HttpClient(), key="planted-sentinel-key")
    assert "planted" not in repr(provider) + repr(vars(provider))
