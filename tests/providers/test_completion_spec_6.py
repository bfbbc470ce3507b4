"""Section 6 of the completion path, "Providers", line by line; what needs more than a line is tested where it is named.

The lines on `azure/` are in `test_azure.py`, on `anthropic/` in `test_anthropic*.py`, on `litellm/` in
`test_litellm.py`, on `local/` in `test_local.py`, on the binding of keys in `test_access.py` and `test_keys.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.builders import make_request
from tests.servers._process import ServerProcess, serving
from toolkit import _sync
from toolkit._http import HttpClient
from toolkit._redact import Secret
from toolkit.errors import MissingKeyError, ProviderError
from toolkit.providers import Access, Providers

# completion.md section 6: the OpenAI-compatible providers, by base URL; where each is by its own documentation.
COMPATIBLE = {
    "openai": "https://api.openai.com/v1/chat/completions",
    "ollama": "http://localhost:11434/v1/chat/completions",
    "vllm": "http://localhost:8000/v1/chat/completions",
    "hosted_vllm": "http://localhost:8000/v1/chat/completions",
    "groq": "https://api.groq.com/openai/v1/chat/completions",
    "together_ai": "https://api.together.xyz/v1/chat/completions",
    "mistral": "https://api.mistral.ai/v1/chat/completions",
    "deepseek": "https://api.deepseek.com/chat/completions",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "xai": "https://api.x.ai/v1/chat/completions",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1/chat/completions",
    "perplexity": "https://api.perplexity.ai/chat/completions",
    "litellm_proxy": "http://localhost:4000/chat/completions",
}

OTHERS = {"azure", "anthropic", "local", "litellm"}

# completion.md section 6: the environment variables, `<PROVIDER>_API_KEY` among them.
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "azure": "AZURE_API_KEY",
    "groq": "GROQ_API_KEY",
    "together_ai": "TOGETHER_AI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
    "litellm_proxy": "LITELLM_PROXY_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "vllm": "VLLM_API_KEY",
}

URLS = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "anthropic": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"),
    "azure": ("AZURE_API_BASE",),
    "groq": ("GROQ_BASE_URL", "GROQ_API_BASE"),
    "ollama": ("OLLAMA_BASE_URL", "OLLAMA_API_BASE"),
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ServerProcess]]:
    """One server for each protocol."""
    with serving("tests.servers.fake_openai") as openai, serving("tests.servers.fake_anthropic") as anthropic:
        yield {"openai": openai, "anthropic": anthropic}


def server_of(name: str, servers: dict[str, ServerProcess]) -> ServerProcess:
    """The server that speaks this provider's protocol, with its past forgotten."""
    server = servers["anthropic" if name == "anthropic" else "openai"]
    server.control(reset=True)
    return server


def send(name: str, environ: dict[str, str], *, access: Access | None = None) -> None:
    """One request to `<name>/small`."""

    async def call() -> None:
        http = HttpClient()
        try:
            provider, model = Providers(http, environ=environ).find(f"{name}/small", access=access)
            await provider.complete(make_request(model=model), timeout_s=5)
        finally:
            await http.aclose()

    _sync.run(call())


@pytest.mark.line("6.2")
def test_every_provider_of_the_list_is_known() -> None:
    """Each provider that the specification names may stand before the slash."""
    assert {*COMPATIBLE, *OTHERS} <= set(Providers(HttpClient(), environ={}).known())


@pytest.mark.line("6.1")
@pytest.mark.parametrize(("name", "url"), COMPATIBLE.items())
def test_compatible_provider_is_reached_at_its_documented_address(name: str, url: str) -> None:
    """A compatible provider is OpenAI's protocol at the address that the service documents."""
    provider, _ = Providers(HttpClient(), environ={}).find(f"{name}/m")
    assert provider._url(make_request()) == url  # type: ignore[attr-defined]  # shown nowhere else without sending


@pytest.mark.line("6.12")
@pytest.mark.parametrize(("name", "variable"), KEYS.items())
def test_key_variable_is_read(name: str, variable: str, servers: dict[str, ServerProcess]) -> None:
    """The provider's key comes from its own environment variable."""
    server = server_of(name, servers)
    stem = variable.removesuffix("_API_KEY")
    addresses = {
        f"{stem}_API_BASE": server.url,
        "TOGETHER_AI_API_BASE": server.url,
        "FIREWORKS_AI_API_BASE": server.url,
    }
    send(name, {variable: "planted-key-value", **addresses})
    headers = server.requests()[0]["headers"]
    assert "planted-key-value" in (headers.get("authorization", "") + headers.get("x-api-key", "") +
                                   headers.get("api-key", ""))  # fmt: skip


@pytest.mark.line("6.13")
@pytest.mark.parametrize(("name", "variable"), [(name, variable) for name, all_ in URLS.items() for variable in all_])
def test_address_variable_is_read(name: str, variable: str, servers: dict[str, ServerProcess]) -> None:
    """The provider's address comes from its own environment variables."""
    server = server_of(name, servers)
    send(name, {variable: server.url, "AZURE_API_KEY": "planted-key-value"})
    assert len(server.requests()) == 1


@pytest.mark.line("6.14")
@pytest.mark.parametrize("name", ["openai", "anthropic", "groq", "gemini"])
def test_missing_key_is_named(name: str) -> None:
    """Without its key a provider's own address is refused before sending, by the name of the variable."""
    provider, model = Providers(HttpClient(), environ={}).find(f"{name}/m")
    with pytest.raises(MissingKeyError, match=KEYS[name]):
        provider.check(model)


@pytest.mark.line("6.15")
@pytest.mark.parametrize("name", ["openai", "anthropic", "azure"])
def test_key_never_follows_a_redirect(name: str, servers: dict[str, ServerProcess]) -> None:
    """A redirect to another origin is an error, and the other origin hears nothing."""
    server = server_of(name, servers)
    with serving("tests.servers.fake_openai") as other:
        server.control(status=307, headers={"location": other.url + "/v1/chat/completions"})
        with pytest.raises(ProviderError) as raised:
            send(name, {}, access=Access(api_key=Secret("planted-key-value"), api_base=server.url))
        assert other.requests() == []
    assert raised.value.kind == "redirect"


@pytest.mark.line("6.16")
@pytest.mark.parametrize("name", ["openai", "anthropic", "groq", "ollama"])
def test_key_never_follows_an_address_that_it_was_not_given_for(name: str, servers: dict[str, ServerProcess]) -> None:
    """A caller's `api_base` is sent no key of the environment."""
    server = server_of(name, servers)
    send(name, {KEYS[name]: "planted-key-value"}, access=Access(api_base=server.url))
    assert "planted-key-value" not in repr(server.requests()[0]["headers"])


@pytest.mark.line("6.16")
def test_azure_sends_no_foreign_key_either(servers: dict[str, ServerProcess]) -> None:
    """A caller's `api_base` for Azure without a key is refused before sending: Azure answers nobody without one."""
    environ = {"AZURE_API_KEY": "planted-key-value", "AZURE_API_BASE": "https://mine.openai.azure.com"}
    access = Access(api_base=servers["openai"].url)
    provider, model = Providers(HttpClient(), environ=environ).find("azure/d", access=access)
    with pytest.raises(MissingKeyError):
        provider.check(model)
