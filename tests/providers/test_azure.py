"""The rules of the Azure adapter, against a server in another process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.providers.builders import ask, ask_stream, make_request
from tests.servers._process import ServerProcess, serving
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.errors import ContentFilterError, MissingKeyError, ProviderError
from toolkit.providers import Access, AzureProvider, Provider, Providers
from toolkit.providers._azure import AzureWire

TOKEN = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"

# What Azure answers when its filter refuses a prompt.
FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
        },
    }
}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A service whose faults are scripted."""
    with serving("tests.servers.fake_openai") as running:
        yield running


@pytest.fixture(autouse=True)
def _forget(server: ServerProcess) -> None:
    server.control(reset=True)


def azure(server: ServerProcess, **access: Any) -> Any:
    """What builds the provider of a deployment at the server."""

    def make(http: HttpClient) -> Provider:
        own = Access(api_base=server.url, **{"api_key": Secret("planted-azure-key"), **access})
        return Providers(http, environ={}).find("azure/my-deployment", access=own)[0]

    return make


def deployment(**params: Any) -> Any:
    return make_request(model="my-deployment", provider="azure", **params)


# completion.md section 6: azure/ (deployment path, api-version, `api-key` or bearer).
@pytest.mark.line("6.3")
@pytest.mark.parametrize(
    ("base_url", "model", "version", "url"),
    [
        ("https://r.test", "d", None, "https://r.test/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        ("https://r.test", "d", "2025-01-01-preview",
         "https://r.test/openai/deployments/d/chat/completions?api-version=2025-01-01-preview"),
        ("https://r.test/openai", "d", None,
         "https://r.test/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        ("https://r.test", "a b/c?d", None,
         "https://r.test/openai/deployments/a%20b%2Fc%3Fd/chat/completions?api-version=2024-10-21"),
        ("https://r.test/openai/v1", "d", None, "https://r.test/openai/v1/chat/completions"),
        ("https://r.test/openai/v1", "d", "preview",
         "https://r.test/openai/v1/chat/completions?api-version=preview"),
    ],
)  # fmt: skip
def test_deployment_is_in_the_address(base_url: str, model: str, version: str | None, url: str) -> None:
    """The address holds the deployment, percent-encoded, and the version; the newer form of address needs neither."""
    assert AzureWire(api_version=version).url(base_url, model) == url


@pytest.mark.line("6.5")
@pytest.mark.parametrize("is_streamed", [False, True])
def test_request_arrives_at_the_deployment(server: ServerProcess, is_streamed: bool) -> None:
    """A request goes to the deployment's path with its key in `api-key`, and the answer is read as OpenAI's."""
    made, request = azure(server), deployment()
    response = ask_stream(made, request)[-1].response if is_streamed else ask(made, request)
    received = server.requests()[0]
    assert response is not None
    assert response.text.endswith("hello")
    assert received["path"] == "/openai/deployments/my-deployment/chat/completions"
    assert received["headers"]["api-key"] == "planted-azure-key"
    assert "authorization" not in received["headers"]


@pytest.mark.line("6.5")
def test_token_goes_out_as_bearer(server: ServerProcess) -> None:
    """A token of Entra ID is sent as a bearer token, not as a key."""
    ask(azure(server, api_key=Secret(TOKEN)), deployment())
    headers = server.requests()[0]["headers"]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in headers


@pytest.mark.line("6.4")
@pytest.mark.parametrize(
    ("environ", "header", "value"),
    [
        ({"AZURE_API_KEY": "planted-azure-key"}, "api-key", "planted-azure-key"),
        ({"AZURE_AD_TOKEN": TOKEN}, "authorization", f"Bearer {TOKEN}"),
        ({"AZURE_API_KEY": "planted-azure-key", "AZURE_AD_TOKEN": TOKEN}, "api-key", "planted-azure-key"),
    ],
)
def test_environment_says_how_to_reach_azure(
    server: ServerProcess, environ: dict[str, str], header: str, value: str
) -> None:
    """AZURE_API_BASE, AZURE_API_VERSION and AZURE_API_KEY, else AZURE_AD_TOKEN, are what a bare `azure/` model uses."""
    whole = environ | {"AZURE_API_BASE": server.url + "/", "AZURE_API_VERSION": "2025-01-01"}
    ask(lambda http: Providers(http, environ=whole).find("azure/my-deployment")[0], deployment())
    assert server.requests()[0]["headers"][header] == value


@pytest.mark.line("6.4")
def test_version_of_the_deployment_wins() -> None:
    """A deployment's `api_version` goes before AZURE_API_VERSION, and makes another provider."""
    environ = {"AZURE_API_BASE": "http://h", "AZURE_API_VERSION": "1", "AZURE_API_KEY": "planted-azure-key"}
    found = Providers(HttpClient(), environ=environ)
    own, _ = found.find("azure/d", access=Access(api_version="2"))
    assert isinstance(own, AzureProvider)
    assert own._url(deployment()).endswith("?api-version=2")
    assert own is not found.find("azure/d")[0]


@pytest.mark.parametrize(
    ("environ", "variable"), [({}, "AZURE_API_BASE"), ({"AZURE_API_BASE": "http://h"}, "AZURE_API_KEY")]
)
def test_what_is_missing_is_named(environ: dict[str, str], variable: str) -> None:
    """Without an address or a credential a check says which variable to set, before anything is sent."""
    provider, model = Providers(HttpClient(), environ=environ).find("azure/d")
    with pytest.raises(MissingKeyError, match=variable) as raised:
        provider.check(model)
    assert raised.value.variable == variable


def test_filtered_prompt_is_typed(server: ServerProcess) -> None:
    """A prompt that Azure's filter refuses is a `content_filter` failure, which no retry helps."""
    server.control(status=400, body=FILTERED)
    with pytest.raises(ContentFilterError) as raised:
        ask(azure(server), deployment())
    assert (raised.value.kind, raised.value.retryable) == ("content_filter", False)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, "not_found"),
        (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, "auth"),
        (429, {"error": {"code": "429", "message": "Requests have exceeded the call rate limit."}}, "rate_limit"),
    ],
)
def test_error_is_typed(server: ServerProcess, status: int, body: dict[str, Any], kind: str) -> None:
    """Azure's errors are of the same kinds as everybody's."""
    server.control(status=status, body=body)
    with pytest.raises(ProviderError) as raised:
        ask(azure(server), deployment())
    assert raised.value.kind == kind


def test_first_event_of_a_stream_may_have_no_choices(server: ServerProcess) -> None:
    """The filter results that Azure sends before the answer add nothing and end nothing."""
    events = ('{"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}',
              '{"choices": [{"index": 0, "delta": {"content": "Once"}}]}',
              '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}', "[DONE]")  # fmt: skip
    server.control(sse="".join(f"data: {event}\n\n" for event in events))
    last = ask_stream(azure(server), deployment())[-1].response
    assert last is not None
    assert last.text == "Once"
